"""The whole corpus: which generator writes how much, and what is held out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from scripts.tiny_corpus import fiction, instructions, knowledge, notices, reading, records, sources
from scripts.tiny_corpus.document import Document

GENERATORS: tuple[tuple[int, Callable[[Random], Document]], ...] = (
    # weight, generator
    (10, reading.plain_story),
    (14, reading.questions),
    (3, reading.yes_or_no),
    (4, reading.summary),
    (6, reading.story_on_request),
    (3, reading.continuation),
    (2, reading.naming),
    (2, reading.unknown),
    (12, knowledge.conversation),
    (16, instructions.instruction),
    (18, records.question),
    (12, notices.notice),
    (5, notices.reply_note),
    (6, notices.message_facts),
    (2, notices.counter_talk),
)


def generated(seed: int, count: int) -> Iterator[Document]:
    """So many documents of the generators, by weight."""
    rng = Random(seed)
    weights = [weight for weight, _ in GENERATORS]
    makers = [maker for _, maker in GENERATORS]
    for _ in range(count):
        yield rng.choices(makers, weights)[0](rng)


def definitions(folder: Path, seed: int) -> Iterator[Document]:
    """One conversation about every WordNet sense, three about those that texts use; the senses in a random order."""
    rng = Random(seed)
    senses = sources.synsets(folder)
    rng.shuffle(senses)
    for sense in senses:
        for _ in range(3 if sense.uses else 1):
            yield sources.definition(sense, rng)


def passages(folder: Path, seed: int) -> Iterator[Document]:
    """Every passage of every book once, in a random order."""
    found = [passage for _, text in sources.books(folder) for passage in sources.passages(text)]
    Random(seed).shuffle(found)
    yield from found


def broad(folder: Path, seed: int, count: int) -> Iterator[Document]:
    """So many questions about invented organisations, then every book as talk."""
    rng = Random(seed)
    nouns = sources.things(folder)
    for _ in range(count):
        yield fiction.conversation(rng, nouns)
    talk = [document for _, text in sources.books(folder) for document in sources.replies(text, rng)]
    rng.shuffle(talk)
    yield from talk
