# ruff: noqa: SIM905
"""Questions without a text about invented organisations: the answers can't be known, only worded.

They teach the model to spread its guess over names, numbers and codes where nothing tells it the answer, and to take
unknown names over from the question. Every document draws its own names, so there is nothing to remember.
"""

from collections.abc import Callable
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap, clock, code, person, sentence_list

Pair = tuple[str, str]
SYLLABLES = tuple(
    "ba be bo ca co da de do el en fa fi ga go ha ka ko la le li lo ma me mi mo na ne no or pa "
    "ra re ri ro sa se si so ta te ti to tu un va ve vi wa wi".split()
)
ENDINGS = ("n", "r", "s", "l", "m", "dale", "ford", "ton", "field", "stead", "mar", "wick", "berg", "a", "o", "ia")
KINDS = (
    "card",
    "loan",
    "account",
    "plan",
    "pass",
    "ticket",
    "box",
    "cover",
    "kit",
    "course",
    "tour",
    "lamp",
    "desk",
    "phone",
    "bicycle",
    "tea",
    "bond",
    "deposit",
    "policy",
    "service",
    "offer",
    "line",
    "tool",
    "set",
)
HOUSES = ("Bank", "Shop", "Club", "House", "Group", "Store", "Trust", "Works")
DESKS = (
    "help",
    "key",
    "order",
    "north",
    "gift",
    "music",
    "press",
    "tax",
    "paper",
    "guest",
    "archive",
    "sports",
    "export",
)
CONDITIONS = (
    "with a stamp",
    "if two people agree",
    "at no cost",
    "for ten years",
    "after a short talk",
    "in cash",
    "on the last day of the month",
    "without a reason",
    "until noon",
    "if the head of the house signs",
    "with a photo",
    "by post",
)
CLIENTS = (
    "sailors",
    "students",
    "children under 12",
    "families",
    "small shops",
    "new customers",
    "people who buy online",
    "farmers",
    "people over 65",
    "artists",
    "clubs",
    "drivers",
    "house owners",
)
UNITS = ("hours", "days", "weeks", "months", "working days", "minutes", "years")


def name(rng: Random) -> str:
    """A made-up proper name."""
    return cap("".join(rng.choices(SYLLABLES, k=rng.randint(1, 2))) + rng.choice(ENDINGS))


class World:
    """The names of one invented organisation."""

    def __init__(self, rng: Random, nouns: tuple[str, ...]) -> None:
        self.rng = rng
        self.nouns = nouns
        self.house = f"{rng.choice((name(rng), self.noun().title()))} {rng.choice(HOUSES)}"
        self.kind = rng.choice(KINDS)
        brands = (self.noun().title(), name(rng), f"{rng.choice(words.COLOURS)} {self.noun()}".title())
        self.product = f"{rng.choice(brands)} {self.kind.title()}"
        self.code = code(rng)
        self.desk = rng.choice(DESKS)

    def noun(self) -> str:
        """Any noun of the dictionary."""
        return self.rng.choice(self.nouns)

    def number(self) -> str:
        """A number as texts give them."""
        rng = self.rng
        return rng.choice(
            (
                str(rng.randint(1, 30)),
                str(rng.randint(1, 99) * 10),
                str(rng.randint(1, 90) * 100),
                f"{rng.uniform(0, 20):.1f}",
            )
        )

    def span(self) -> str:
        """A length of time."""
        return f"{self.rng.randint(1, 30)} {self.rng.choice(UNITS)}"


def product(w: World) -> Pair:
    """What a product is, costs, gives."""
    p, rng = w.product, w.rng
    short = rng.choice((p, f"the {p}", w.code))
    who, cost, rate, limit = rng.choice(CLIENTS), w.number(), w.number(), w.number()
    asks = (
        f"What is the {p}?",
        f"Tell me about {w.code}.",
        f"How much is {short} a month?",
        f"Who is {short} for?",
        f"A customer asks about {short}. What do we say?",
        f"What does {short} cost?",
        f"Explain {short} to a customer.",
    )
    return rng.choice(asks), " ".join(
        rng.sample(
            (
                f"The {p} ({w.code}) was made for {who}.",
                f"It costs {cost} euros a month.",
                f"It costs {cost} euros {rng.choice(('a year', 'once', 'per person', 'a week'))}.",
                f"The {p} costs {cost} euros.",
                f"It pays {rate} percent a year.",
                f"You can use up to {limit} euros of it.",
                f"The {p} ends after {w.span()}.",
                f"It comes with {a(w.noun())} and {a(w.noun())}.",
                f"It has the code {w.code}.",
            ),
            rng.choice((1, 2, 2, 3)),
        )
    )


def desk(w: World) -> Pair:
    """Who takes care of something and how to reach them."""
    rng = w.rng
    person_ = person(rng)
    ask = rng.choice(
        (
            f"Who takes care of {w.code}?",
            f"How can I reach the {w.desk} desk?",
            f"Which desk is right for {a(w.noun())}?",
            f"Who is in charge of the {w.noun()}?",
            f"Give me a contact for {w.code}.",
        )
    )
    reply = rng.choice(
        (
            f"{person_} from the {w.desk} desk takes care of {w.code}.",
            f"Ask {person_} in room {rng.randint(1, 400)}; the {w.desk} desk is there until {clock(rng)}.",
            f"{w.code} is with the {w.desk} desk, and {person_} will call back in {w.span()}.",
            f"Write to the {w.desk} desk of {w.house} and name the {w.noun()}.",
            f"The {w.desk} desk has the number {rng.randint(100, 99999)}.",
        )
    )
    return ask, reply


def regulation(w: World) -> Pair:
    """What is allowed and under which condition."""
    rng = w.rng
    thing = rng.choice((a(w.noun()), f"the {w.noun()}", f"more than {w.number()} euros", f"the {w.product}"))
    condition = rng.choice(CONDITIONS)
    ask = rng.choice(
        (
            f"Can I change {thing}?",
            f"What are the conditions for {thing}?",
            f"Do I have to pay for {thing}?",
            f"What must I know about {thing}?",
            f"Are there limits for {thing}?",
        )
    )
    reply = rng.choice(
        (
            f"Yes, {condition}.",
            f"No, only {condition}.",
            f"For {thing} there is a limit of {w.number()} euros "
            f"{rng.choice(('a day', 'a year', 'in all', 'per order'))}.",
            f"{cap(thing)} can be changed {condition}, but not after {w.span()}.",
            f"You have {w.span()} for it, and then {w.number()} euros are due.",
        )
    )
    return ask, reply


def address(w: World) -> Pair:
    """Where and when."""
    rng = w.rng
    street = f"{w.noun().title()} {rng.choice(('Road', 'Way', 'Court', 'Gate', 'Row'))} {rng.randint(1, 99)}"
    hours = (
        f"{rng.randint(6, 12):02d}:{rng.choice(('00', '15', '30', '45'))}",
        f"{rng.randint(13, 22)}:{rng.choice(('00', '30'))}",
    )
    ask = rng.choice(
        (
            f"What is the address of {w.house}?",
            f"Until when can I come to {w.house}?",
            f"How do I find {w.house}?",
            f"Where can I pick up the {w.noun()}?",
        )
    )
    reply = rng.choice(
        (
            f"{w.house} is at {street}.",
            f"You can come until {hours[1]}, on {rng.choice(words.DAYS)} only until {clock(rng)}.",
            f"The doors at {street} are unlocked at {hours[0]} and locked at {hours[1]}.",
            f"Take the bus to {name(rng)} and walk to {street}.",
            f"It waits for you at {street} from {rng.choice(words.DAYS)} on, {hours[0]} to {hours[1]}.",
        )
    )
    return ask, reply


def term(w: World) -> Pair:
    """What an unusual word stands for."""
    rng, word = w.rng, f"{w.rng.choice((w.noun(), w.rng.choice(words.COLOURS), w.rng.choice(words.SIZES)))} {w.noun()}"
    ask = rng.choice(
        (f"What does {word} stand for?", f"What kind of thing is a {word}?", f"Is {a(word)} the same as {a(w.noun())}?")
    )
    reply = rng.choice(
        (
            f"{cap(a(word))} is {a(w.noun())} with {a(w.noun())} on top.",
            f"{cap(a(word))} is what {person(rng)} of {w.house} uses instead of {a(w.noun())}.",
            f"It stands for {a(w.noun())} that costs less than {w.number()} euros.",
            f"No, {a(word)} is smaller and comes without {a(w.noun())}.",
            f"The word is used for {a(w.noun())} that is older than {w.span()}.",
        )
    )
    return ask, reply


def note(w: World) -> Pair:
    """A message and an answer to it."""
    rng, thing = w.rng, w.noun()
    message = rng.choice(
        (
            f"The {thing} that I ordered from {w.house} is too small.",
            f"I was at {w.house} and forgot my {thing} there.",
            f"Is the {w.product} still to be had?",
            f"Somebody sent me {a(thing)} with the number {w.code}.",
            f"We need {w.number()} of your {thing} before {rng.choice(words.DAYS)}.",
            f"{person(rng)} told me to ask you about {w.code}.",
        )
    )
    ask = rng.choice(
        ("Reply to this.", "What can we say to this?", "Help this person.", "Give an answer.", "React to this note.")
    )
    reply = rng.choice(
        (
            f"Thank you for asking about the {thing}. {person(rng)} will look into it and call you in {w.span()}.",
            f"Good news: your {thing} is here. Bring the number {w.code} when you pick it up.",
            f"We regret the trouble with the {thing} and give you {w.number()} euros back.",
            f"The {w.desk} desk needs {w.span()} for this. Until then, please keep the {thing}.",
            f"That is possible. It would cost {w.number()} euros more, and we would send it to {name(rng)}.",
        )
    )
    return f"{ask}\n\n{message}", reply


def steps(w: World) -> Pair:
    """A few things to do, one after the other."""
    rng = w.rng
    doings = rng.sample(
        (
            f"look for the {w.noun()}",
            f"write {w.code} on {a(w.noun())}",
            f"press the {rng.choice(words.COLOURS)} button",
            f"go to {name(rng)}",
            f"pause for {w.span()}",
            f"put the {w.noun()} into the {w.noun()}",
            f"thank {person(rng)}",
            f"pay {w.number()} euros",
            f"hand the {w.noun()} to the {w.desk} desk",
        ),
        3,
    )
    ask = rng.choice(
        (
            f"How does {a(w.noun())} work?",
            f"How can I use the {w.product}?",
            f"Explain step by step how to get {a(w.noun())}.",
        )
    )
    shape = rng.random()
    if shape < 0.3:
        return ask, "\n".join(f"{i}. {cap(doing)}." for i, doing in enumerate(doings, 1))
    if shape < 0.6:
        return ask, f"First {doings[0]}, then {doings[1]}, and at last {doings[2]}."
    return ask, f"{cap(sentence_list(doings))}."


def pairs(w: World) -> Pair:
    """Fields quoted within prose: the marks of records, but never a record alone."""
    rng = w.rng
    fields = {w.noun(): rng.choice((w.number(), code(rng), w.noun(), name(rng))) for _ in range(rng.randint(1, 4))}
    keys = [key.replace(" ", "_") + rng.choice(("", "", "_id", "_eur", "_days")) for key in fields]
    values = [value if value.replace(".", "").isdigit() else f'"{value}"' for value in fields.values()]
    inner = ",".join(f'"{key}":{value}' for key, value in zip(keys, values, strict=True))
    ask = rng.choice(
        (f"What does the file of the {w.product} look like?", f"How is {w.code} stored?", f"Quote the entry {w.code}.")
    )
    return ask, rng.choice(
        (
            f"The entry {w.code} reads {{{inner}}} at present.",
            f"It is stored as {{{inner}}}, one line for each {w.noun()}.",
            f"It has the fields {sentence_list(keys)}.",
            f"The entry is {sentence_list([f'{k} = {v}' for k, v in zip(keys, values, strict=True)])}.",
            "\n".join(f"{cap(k)}: {v}" for k, v in zip(keys, values, strict=True)),
        )
    )


TOPICS: tuple[Callable[[World], Pair], ...] = (
    *(product, product, product, desk, regulation, regulation, address, term, note, note, steps, pairs),
)


def conversation(rng: Random, nouns: tuple[str, ...]) -> Document:
    """One to three questions to the staff of one invented organisation."""
    world = World(rng, nouns)
    topics = rng.sample(TOPICS, rng.choice((1, 1, 1, 2, 3)))
    system = f"You answer questions for {world.house}." if rng.random() < 0.1 else ""
    return Document.chat(*(part for topic in topics for part in topic(world)), system=system)
