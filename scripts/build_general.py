"""Write what forgetting is measured by with the embedded model: general texts and a probe of the corpus's kind.

    python -m scripts.build_general --out ftlab/evaluation/general      # half a minute on one core
    python -m scripts.build_general --replay replay.jsonl               # further rows of the kind, to mix into training

The documents are drawn from the grammar of the pretraining corpus (`scripts/tiny_corpus`) with a seed of their own.
Each one that the corpus holds is left out, and each question that it asks, with whatever answer; the corpus is
generated anew to tell.
Nothing is chosen by what the model answers.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from random import Random

from scripts.tiny_corpus import instructions, mix, reading, records
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.stories import tell
from scripts.tiny_corpus.tokens import GENERATED_DOCUMENTS, SAMPLED_DOCUMENTS

SEED = 424_242
"""Of the documents here; the corpus was drawn with seed 1, the tokenizer's sample with 2."""
CORPUS = ((1, GENERATED_DOCUMENTS), (2, SAMPLED_DOCUMENTS))
"""Seed and number of the documents that tokenizer and model have seen."""

TEXTS, TALKS, PER_KIND = 24, 48, 5
"""Plain texts, conversations, and questions of each kind of the probe."""
REPLAY_SEED, REPLAY = 515_151, 1200
"""Of the conversations to train on, and how many."""
SHIPPED_REPLAY = 300
"""How many of them come with the embedded model: `data.replay.path=auto`."""
SPARE = 12
"""So many times more are drawn, because many short ones were in the corpus."""

Question = tuple[str, str]
"""What is asked, and what the answer must hold."""


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--replay", type=Path, help="write conversations to train on: data.replay.path")
    parser.add_argument("--corpus-documents", type=int, help="look at so many of each seed only, for a trial")
    options = parser.parse_args()
    if options.replay:
        write_replay(options.replay)
    if options.out:
        _write_held_out(options.out, options.corpus_documents)
        write_replay(options.out / "replay.jsonl", SHIPPED_REPLAY)


def write_replay(file: Path, rows: int = REPLAY) -> None:
    """Writes conversations of the corpus's kind that none of the held-out ones is among.

    Args:
        file: Takes one conversation a line, in the form of `data=messages`.
        rows: How many; at most 1,200.
    """
    held_out = {*map(_key, _drawn()), *(ask for kind in _asked().values() for ask, _ in kind)}
    found = {_key(document): document for document in mix.generated(REPLAY_SEED, 2 * REPLAY) if document.turns[0][0]}
    _write(file, [_talk(document) for key, document in found.items() if key not in held_out], rows)


def _drawn() -> list[Document]:
    return list(mix.generated(SEED, (TEXTS + TALKS) * SPARE))


def _asked() -> dict[str, list[Question]]:
    drawn = range(PER_KIND * SPARE)
    return {name: [make(Random(f"{SEED} {name} {n}")) for n in drawn] for name, make in KINDS.items()}


def _talk(document: Document) -> dict[str, object]:
    return {"messages": [{"role": role, "content": content} for role, content in document.turns]}


def _write_held_out(out: Path, corpus_documents: int | None) -> None:
    drawn = _drawn()
    asked = _asked()
    known = _known(
        {*map(_key, drawn), *(ask for kind in asked.values() for ask, _ in kind)},
        chain.from_iterable(mix.generated(seed, corpus_documents or count) for seed, count in CORPUS),
    )
    print(f"{len(known)} of {len(drawn) + sum(map(len, asked.values()))} drawn stand in the corpus, and are left out")
    fresh = [document for document in drawn if _key(document) not in known]
    texts = [{"text": text} for (role, text), *_ in (document.turns for document in fresh) if not role]
    talks = [_talk(document) for document in fresh if document.turns[0][0]]
    probe = [
        {"prompt": ask, "completion": wanted}
        for kind in asked.values()
        for ask, wanted in _first(((ask, wanted) for ask, wanted in kind if ask not in known), PER_KIND)
    ]
    _write(out / "texts.jsonl", texts, TEXTS)
    _write(out / "talks.jsonl", talks, TALKS)
    _write(out / "probe.jsonl", probe, PER_KIND * len(KINDS))


def _known(candidates: set[str], corpus: Iterable[Document]) -> set[str]:
    """Those of the candidates that the corpus holds, as its text or as a question in it."""
    return {key for document in corpus if (key := _key(document)) in candidates}


def _key(document: Document) -> str:
    """What makes a document known: a text itself, or the first question of a conversation."""
    return next(content for role, content in document.turns if role != "system")


def _first(found: Iterable[Question], count: int) -> list[Question]:
    """So many different questions."""
    return list(dict(found).items())[:count]


def _write(file: Path, rows: Sequence[Mapping[str, object]], count: int) -> None:
    assert len(rows) >= count, f"{file.name}: {len(rows)} rows are left of those drawn, but {count} are wanted."
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:count])
    file.write_text("".join(lines), encoding="utf-8")
    print(f"{file}: {count} rows, {file.stat().st_size:,} bytes")


def _task(make: Callable[[Random], instructions.Task], *asks: str) -> Callable[[Random], Question]:
    """Questions of an instruction whose answer can only be one: `asks` names its openings, none names all."""

    def question(rng: Random) -> Question:
        while True:
            ask, given, reply = make(rng)
            if not asks or ask.startswith(asks):
                return f"{ask}\n\n{given}", reply

    return question


def _record(make: Callable[[Random], tuple[str, list[str]]]) -> Callable[[Random], Question]:
    """Questions about a record; the answer must hold the value."""

    def question(rng: Random) -> Question:
        while True:
            text, (ask, reply, *_) = make(rng)
            subject, _, value = reply.rpartition(" is ")
            if subject and not reply.startswith(("Yes", "No", "This is")):
                return f"{ask}\n\n{text}", subject if value.startswith("named ") else value.rstrip(".")

    return question


def _story(rng: Random) -> Question:
    """A question about a story; the answer must hold the fact."""
    story = tell(rng, rng.randint(1, 3))
    fact = rng.choice(story.facts)
    return f"{fact.question}\n\n{reading.text_of(story, rng)}", fact.short.rstrip(".").removeprefix("He ").removeprefix(
        "She "
    )


KINDS: dict[str, Callable[[Random], Question]] = {
    "tense": _task(instructions.tenses),
    "name": _task(instructions.replacement),
    "copy": _task(instructions.copying, "Repeat", "Write this in capital", "What is the"),
    "kind": _task(instructions.sorting_out, "Which of these"),
    "record": _record(records.lookup),
    "table": _record(records.table),
    "sentence": _record(records.inline),
    "story": _story,
}


if __name__ == "__main__":
    main()
