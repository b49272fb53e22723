"""Instructions with an input: rewriting, sorting out, classifying, filling in, and short letters."""

from collections.abc import Callable
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap, clock, code, date, person, plural, price, sentence_list

Task = tuple[str, str, str]
"""Instruction, input, answer."""


def _name(rng: Random) -> str:
    return rng.choice(words.GIRLS + words.BOYS)


def politeness(rng: Random) -> Task:
    """A command made a polite request."""
    base, *_, rest = rng.choice(words.VERBS)
    when = f" {rng.choice(words.TIMES)}" if rng.random() < 0.4 else ""
    ask = rng.choice(("Rewrite this politely.", "Make this sentence more polite.", "Say this in a polite way."))
    polite = rng.choice(("Could you please {}?", "Would you please {}?", "Please {}, if you can."))
    return ask, f"{cap(base)} {rest}{when}!", polite.format(f"{base} {rest}{when}")


def tenses(rng: Random) -> Task:
    """A sentence put into another tense, made a question, or negated."""
    base, past, third, ing, rest = rng.choice(words.VERBS)
    name = _name(rng)
    forms = {
        "Put this sentence into the past tense.": f"{name} {past} {rest}.",
        "Put this sentence into the future tense.": f"{name} will {base} {rest}.",
        "Turn this sentence into a question.": f"Does {name} {base} {rest}?",
        "Make this sentence negative.": f"{name} does not {base} {rest}.",
        "Rewrite the sentence with 'now'.": f"{name} is {ing} {rest} now.",
        "Rewrite the sentence with 'yesterday'.": f"Yesterday {name} {past} {rest}.",
        "Rewrite the sentence with 'can'.": f"{name} can {base} {rest}.",
    }
    ask = rng.choice(tuple(forms))
    return ask, f"{name} {third} {rest}.", forms[ask]


def corrections(rng: Random) -> Task:
    """A wrong verb form put right."""
    base, past, third, _, rest = rng.choice(words.VERBS)
    name = _name(rng)
    ask = rng.choice(
        ("Correct the mistake.", "Correct this sentence.", "Fix the grammar.", "What is wrong here? Correct it.")
    )
    wrong, right = rng.choice(
        (
            (f"{name} {base} {rest} every day.", f"{name} {third} {rest} every day."),
            (f"They {third} {rest} every day.", f"They {base} {rest} every day."),
            (f"{name} did not {past} {rest}.", f"{name} did not {base} {rest}."),
            (f"yesterday {name} {past} {rest}", f"Yesterday {name} {past} {rest}."),
        )
    )
    return ask, wrong, right


def replacement(rng: Random) -> Task:
    """One name or word put in the place of another."""
    first, second = rng.sample(words.GIRLS + words.BOYS, 2)
    _, past, _, _, rest = rng.choice(words.VERBS)
    when = cap(rng.choice(words.PAST_TIMES))
    return f"Replace {first} with {second}.", f"{when}, {first} {past} {rest}.", f"{when}, {second} {past} {rest}."


def copying(rng: Random) -> Task:
    """The input itself, in capitals, or one of its parts."""
    items = rng.sample(words.OBJECTS + words.FRUITS + words.ANIMALS, rng.randint(3, 5))
    mixed = [rng.choice((code(rng), item)) for item in items]
    line = ", ".join(mixed)
    return rng.choice(
        (
            ("Repeat this.", line, line),
            ("Write this in capital letters.", ", ".join(items), ", ".join(items).upper()),
            ("What is the first word?", line, f"The first word is {mixed[0]}."),
            ("What is the last item in the list?", line, f"The last item is {mixed[-1]}."),
            ("How many items are in the list?", line, f"There are {words.NUMBERS[len(mixed)]} items in the list."),
            ("Write one item per line.", line, "\n".join(mixed)),
            ("Make a list with bullets.", sentence_list(items), "\n".join(f"- {item}" for item in items)),
            (
                "Write the list as a sentence.",
                "\n".join(f"- {item}" for item in items),
                f"The list has {sentence_list(items)}.",
            ),
            ("Put the words in alphabetical order.", ", ".join(items), ", ".join(sorted(items))),
        )
    )


def sorting_out(rng: Random) -> Task:
    """The members of one kind picked from a list, or the odd one out."""
    (kind, members), (_, others) = rng.sample(words.CATEGORIES, 2)
    right, wrong = rng.sample(members, 2), rng.sample(others, 2)
    if rng.random() < 0.4:
        three = rng.sample(members, 3)
        items = [*three, wrong[0]]
        rng.shuffle(items)
        return (
            "Which word does not belong?",
            ", ".join(items),
            f"{cap(wrong[0])} does not belong, because it is not {a(kind)}.",
        )
    items = right + wrong
    rng.shuffle(items)
    found = [item for item in items if item in right]
    return f"Which of these is {a(kind)}? There are two.", ", ".join(items), f"{cap(sentence_list(found))}."


REVIEWS = (
    ("The food was cold and nobody said sorry.", "negative"),
    ("I waited for an hour and then left.", "negative"),
    ("The {0} broke after two days.", "negative"),
    ("I would not buy this {0} again.", "negative"),
    ("The staff were rude to us.", "negative"),
    ("The {0} came late and the box was open.", "negative"),
    ("I love my new {0}. It works very well.", "positive"),
    ("Friendly people and good prices.", "positive"),
    ("The {0} is even better than I hoped.", "positive"),
    ("Quick delivery and a very nice {0}.", "positive"),
    ("Everything was clean and the room was quiet.", "positive"),
    ("Best {0} I ever had. Thank you!", "positive"),
)


def reviews(rng: Random) -> Task:
    """Whether a review is good or bad."""
    text, label = rng.choice(REVIEWS)
    ask = rng.choice(
        (
            "Is this review positive or negative?",
            "What is the mood of this text, positive or negative?",
            "Classify the review as positive or negative.",
        )
    )
    reply = rng.choice((f"The review is {label}.", f"{cap(label)}.", f"This is a {label} review."))
    return ask, text.format(rng.choice(words.OBJECTS)), reply


TEAMS = (
    (
        "billing",
        ("I was charged twice for my {0}.", "My bill is wrong.", "Why do I have to pay {1}?", "Where is my refund?"),
    ),
    ("delivery", ("My {0} has not arrived.", "When will the parcel come?", "The {0} was sent to the wrong address.")),
    ("repairs", ("The {0} is broken.", "My {0} makes a strange noise.", "The {0} does not work any more.")),
    ("sales", ("Do you have a {0} in blue?", "How much is the {0}?", "I would like to buy ten of them.")),
    (
        "accounts",
        ("I forgot my password.", "Please change my address.", "I want to close my account.", "I can not log in."),
    ),
)


def routing(rng: Random) -> Task:
    """Which team a message belongs to."""
    team, messages = rng.choice(TEAMS)
    others = rng.sample([name for name, _ in TEAMS if name != team], 2)
    options = [team, *others]
    rng.shuffle(options)
    text = rng.choice(messages).format(rng.choice(words.OBJECTS), price(rng))
    return (
        f"Which team should answer: {sentence_list(options, 'or')}?",
        text,
        f"The {team} team should answer this message.",
    )


def letters(rng: Random) -> Task:
    """A short letter or e-mail for an occasion."""
    to, sender, thing, day, hour = _name(rng), person(rng), rng.choice(words.OBJECTS), date(rng), clock(rng)
    occasion, body = rng.choice(
        (
            (
                f"inviting {to} to a party on {day}",
                f"I am having a party on {day} at {hour}. I hope that you can come.",
            ),
            (
                f"thanking {to} for the {thing}",
                f"thank you very much for the {thing}. I like it a lot and use it every day.",
            ),
            (
                f"asking {to} for a meeting on {day}",
                f"could we meet on {day} at {hour}? Please let me know if this suits you.",
            ),
            (
                f"telling {to} that the {thing} is broken",
                f"the {thing} that you sent is broken. Could you please send a new one?",
            ),
            (f"saying sorry to {to} for being late", "I am sorry that I was late. It will not happen again."),
            (
                f"asking {to} for the price of {a(thing)}",
                f"could you please tell me how much {a(thing)} costs? I need two of them.",
            ),
            (
                f"cancelling the meeting with {to} on {day}",
                f"I have to cancel our meeting on {day}. I am sorry. Can we find another day?",
            ),
        )
    )
    kind = rng.choice(("letter", "e-mail", "message", "note"))
    close = rng.choice(("Best wishes", "Kind regards", "Yours", "Many thanks"))
    return f"Write a short {kind} {occasion}. Sign it {sender}.", "", f"Dear {to},\n\n{body}\n\n{close},\n{sender}"


def sentences(rng: Random) -> Task:
    """A sentence with a given word."""
    noun, verb = rng.choice(words.OBJECTS), rng.choice(words.VERBS)
    name, place = _name(rng), rng.choice(words.PLACES)
    sentence = rng.choice(
        (
            f"{name} left the {noun} near {place}.",
            f"The {noun} belongs to {name}.",
            f"{name} {verb[1]} {verb[4]} with the {noun}.",
            f"There is {a(noun)} {rng.choice(words.SPOTS)}.",
            f"{name} bought two {plural(noun)} at {place}.",
        )
    )
    return rng.choice((f"Write a sentence with the word {noun}.", f'Use "{noun}" in a sentence.')), "", sentence


def completion(rng: Random) -> Task:
    """A gap filled from the context."""
    (one, other), name = rng.choice(words.OPPOSITES[:20]), _name(rng)
    mood, why = rng.choice(words.FEELINGS)
    return rng.choice(
        (
            ("Complete the sentence.", f"It is not {one}, it is ...", f"It is not {one}, it is {other}."),
            ("Complete the sentence.", f"{name} felt {mood} because ...", f"{name} felt {mood} because {why}."),
            ("Fill in the missing word.", f"The opposite of {one} is ___.", f"The opposite of {one} is {other}."),
        )
    )


TASKS: tuple[Callable[[Random], Task], ...] = (
    politeness,
    tenses,
    tenses,
    corrections,
    replacement,
    copying,
    copying,
    sorting_out,
    reviews,
    routing,
    letters,
    letters,
    sentences,
    completion,
)


def instruction(rng: Random) -> Document:
    """An instruction, its input below it in one of several ways, and the answer."""
    ask, given, reply = rng.choice(TASKS)(rng)
    shapes = (
        f"{ask}\n\n{given}",
        f"{ask}\n\n{given}",
        f"{ask}\n{given}",
        f"{ask}\n\nInput: {given}",
        f'{ask} "{given}"',
    )
    return Document.chat(rng.choice(shapes) if given else ask, reply)
