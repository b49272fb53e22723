"""Conversations about a generated story: questions, summaries, continuations, and stories on request."""

from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap
from scripts.tiny_corpus.stories import Fact, Story, tell

ASK_TEXT = (
    "Answer the question about the text.",
    "Read the text and answer the question.",
    "Use the text to answer.",
    "Please read this and tell me:",
    "Here is a short text.",
    "Look at the text below.",
)
ASK_SUMMARY = (
    "Summarise the text in one sentence.",
    "Summarize the following text.",
    "What is this text about?",
    "Give a short summary.",
    "What happens in the story? Answer in one sentence.",
    "Write a one-sentence summary.",
)
ASK_STORY = (
    "Tell me a story about {}.",
    "Write a short story about {}.",
    "Can you tell me a short story with {}?",
    "Please write a story about {}.",
    "I would like to hear a story about {}.",
)


def text_of(story: Story, rng: Random) -> str:
    """The story in one to three paragraphs."""
    if rng.random() < 0.6 or len(story.sentences) < 6:
        return " ".join(story.sentences)
    cut = rng.randint(2, len(story.sentences) - 2)
    return " ".join(story.sentences[:cut]) + "\n\n" + " ".join(story.sentences[cut:])


def plain_story(rng: Random) -> Document:
    """The story alone, sometimes under a title."""
    story = tell(rng, rng.randint(2, 6))
    text = text_of(story, rng)
    if rng.random() < 0.3:
        text = f"{title(story, rng)}\n\n{text}"
    return Document.plain(text)


def title(story: Story, rng: Random) -> str:
    """A title that fits."""
    return rng.choice(
        (f"The {story.kind.title()} {story.hero}", f"{story.hero} and {story.friend}", f"{story.hero}'s Day")
    )


def answer(fact: Fact, rng: Random) -> tuple[str, str]:
    """A question and its answer, short where the question asks for it."""
    if rng.random() < 0.25:
        return (
            f"{fact.question} {rng.choice(('Answer briefly.', 'In a few words.', 'Short answer, please.'))}",
            fact.short,
        )
    return fact.question, fact.full


def questions(rng: Random) -> Document:
    """One to four questions about a text, which stands before or after the first of them."""
    story = tell(rng, rng.randint(1, 4))
    text = text_of(story, rng)
    facts = rng.sample(story.facts, min(len(story.facts), rng.choice((1, 1, 2, 3, 4))))
    pairs = [answer(fact, rng) for fact in facts]
    first = pairs[0][0]
    opening = rng.choice(
        (
            f"{rng.choice(ASK_TEXT)}\n\n{text}\n\n{first}",
            f"{first}\n\n{text}",
            f"{text}\n\n{first}",
            f"{rng.choice(ASK_TEXT)} {first}\n\n{text}",
            f"{rng.choice(ASK_TEXT)}\n\nText: {text}\n\nQuestion: {first}",
        )
    )
    contents = [opening, pairs[0][1]]
    for pair in pairs[1:]:
        contents += pair
    return Document.chat(*contents)


def yes_or_no(rng: Random) -> Document:
    """Whether a sentence is true of the text."""
    story, other = tell(rng, rng.randint(1, 3)), tell(rng, 2)
    true = rng.random() < 0.5
    fact = rng.choice((story if true else other).facts)
    ask = rng.choice(("Is this true?", "Does the text say this?", "True or false?"))
    reply = {
        "True or false?": ("True. {0}", "False. The text does not say that."),
        "Is this true?": ("Yes, that is true. {0}", "No, that is not true."),
        "Does the text say this?": ("Yes. {0}", "No, the text does not say this."),
    }[ask][not true].format(fact.full)
    return Document.chat(f'{ask} "{fact.full}"\n\n{text_of(story, rng)}', reply)


def summary(rng: Random) -> Document:
    """What happened, in one sentence."""
    story = tell(rng, rng.randint(2, 4))
    gists = story.gists[:2]
    if not gists:
        return plain_story(rng)
    ask = rng.choice(ASK_SUMMARY)
    text = text_of(story, rng)
    return Document.chat(rng.choice((f"{ask}\n\n{text}", f"{text}\n\n{ask}")), cap(", and ".join(gists)) + ".")


def story_on_request(rng: Random) -> Document:
    """A story about the hero that was asked for."""
    story = tell(rng, rng.randint(1, 4))
    subject = rng.choice(
        (
            f"{a(story.kind)} named {story.hero}",
            f"{story.hero} and {story.friend}",
            f"{a(story.kind)} called {story.hero}",
            f"somebody named {story.hero}",
            story.hero,
        )
    )
    return Document.chat(rng.choice(ASK_STORY).format(subject), text_of(story, rng))


def continuation(rng: Random) -> Document:
    """The rest of a story whose beginning is given."""
    story = tell(rng, rng.randint(2, 4))
    cut = rng.randint(1, len(story.sentences) - 2)
    ask = rng.choice(
        ("Continue the story.", "What happens next?", "Please go on with this story.", "Finish the story.")
    )
    begin, rest = " ".join(story.sentences[:cut]), " ".join(story.sentences[cut:])
    return Document.chat(f"{ask}\n\n{begin}", rest)


def naming(rng: Random) -> Document:
    """A title, the people of a text, or one of its sentences."""
    story = tell(rng, rng.randint(1, 3))
    text = text_of(story, rng)
    people = f"The people in the text are {story.hero} and {story.friend}."
    if story.friend not in text:
        people = f"The text is about {story.hero}."
    ask, reply = rng.choice(
        (
            ("Give this text a title.", title(story, rng)),
            ("Who are the people in this text?", people),
            ("What is the first sentence of this text?", story.sentences[0]),
            ("Repeat the last sentence of the text.", story.sentences[-1]),
            ("Copy this text.", text),
            ("Which names are in the text?", people),
        )
    )
    return Document.chat(f"{ask}\n\n{text}", reply)


def unknown(rng: Random) -> Document:
    """A question that the text does not answer."""
    story = tell(rng, 1)
    text = text_of(story, rng)
    absent = rng.choice([name for name in words.GIRLS + words.BOYS if name not in text])
    ask = rng.choice(
        (f"How old is {absent}?", f"Where does {absent} live?", f"What is {absent}'s job?", f"Who is {absent}?")
    )
    return Document.chat(
        f"{text}\n\n{ask}",
        rng.choice(
            (
                f"The text does not say anything about {absent}.",
                f"I do not know. The text does not mention {absent}.",
            )
        ),
    )
