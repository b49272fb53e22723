"""Records in the user's turn (JSON, `key: value` lines, tables) and answers in prose that copy their values.

No answer here is JSON: what a strict format is, fine-tuning teaches.
"""

import json
from collections.abc import Callable
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap, clock, code, date, person, plural, price, sentence_list

Value = str | int | float | bool
Maker = Callable[[Random], Value]

STATUSES = (
    "open",
    "closed",
    "pending",
    "shipped",
    "paid",
    "late",
    "cancelled",
    "active",
    "blocked",
    "new",
    "approved",
    "rejected",
    "ready",
    "on hold",
    "delivered",
    "returned",
    "expired",
    "draft",
    "confirmed",
    "in review",
)
LEVELS = ("low", "medium", "high", "basic", "standard", "premium", "gold", "silver", "first", "second", "none", "full")
UNITS = ("days", "hours", "weeks", "months", "euros", "percent", "items", "minutes", "pages", "kg", "years", "points")


def _word(rng: Random) -> str:
    return rng.choice(words.OBJECTS + words.FRUITS + words.ANIMALS)


def _product(rng: Random) -> str:
    adjective = rng.choice(words.COLOURS + words.SIZES + words.MATERIALS + words.QUALITIES)
    name = f"{adjective} {rng.choice(words.OBJECTS)}"
    return name.title() if rng.random() < 0.4 else name


def _email(rng: Random) -> str:
    first, _, last = person(rng).lower().partition(" ")
    return f"{first}.{last}@{rng.choice(('example.com', 'mail.org', 'post.net'))}"


FIELDS: tuple[tuple[tuple[str, ...], Maker], ...] = (
    (
        ("id", "code", "number", "reference", "ref", "key", "order_id", "item_code", "ticket", "room", "case", "sku"),
        code,
    ),
    (("name", "customer", "owner", "author", "contact", "manager", "sender", "guest", "employee", "seller"), person),
    (("item", "product", "title", "article", "object", "model"), _product),
    (("status", "state", "order_status"), lambda rng: rng.choice(STATUSES)),
    (("price", "total", "amount", "fee", "cost", "balance", "limit", "deposit", "rent"), price),
    (("date", "due", "created", "expires", "start", "end", "valid_until", "delivery_date", "birthday"), date),
    (("time", "opens", "closes", "departure", "arrival"), clock),
    (("city", "place", "branch", "town", "destination", "office", "address"), lambda rng: rng.choice(words.TOWNS)),
    (("country",), lambda rng: rng.choice(words.COUNTRIES)[0]),
    (("colour", "color"), lambda rng: rng.choice(words.COLOURS)),
    (
        ("quantity", "count", "stock", "pages", "seats", "size", "age", "points", "copies"),
        lambda rng: rng.randint(1, 999),
    ),
    (
        ("weight", "rate", "score", "width", "rating", "discount"),
        lambda rng: round(rng.uniform(0.1, 99), rng.randint(1, 2)),
    ),
    (("level", "class", "priority", "plan", "type", "tier"), lambda rng: rng.choice(LEVELS)),
    (("duration", "period", "warranty", "notice", "term"), lambda rng: f"{rng.randint(1, 90)} {rng.choice(UNITS)}"),
    (("email", "mail"), _email),
    (("paid", "active", "open", "available", "refundable", "insured"), lambda rng: rng.random() < 0.5),
    (("material",), lambda rng: rng.choice(words.MATERIALS)),
    (
        ("department", "team", "category", "group"),
        lambda rng: rng.choice(("sales", "repairs", "books", "toys", "billing")),
    ),
)
SUBJECTS = (
    "order",
    "parcel",
    "booking",
    "invoice",
    "account",
    "ticket",
    "product",
    "contract",
    "device",
    "book",
    "customer",
    "loan",
    "card",
    "delivery",
    "request",
    "payment",
    "member",
    "room",
    "course",
    "policy",
    "visit",
    "claim",
    "flight",
)


def record(rng: Random, fields: int) -> dict[str, Value]:
    """So many different fields with values."""
    return {rng.choice(keys): make(rng) for keys, make in rng.sample(FIELDS, fields)}


def written(rng: Random, rows: dict[str, Value]) -> str:
    """The record as JSON (compact or indented), as lines, or as a sentence of pairs."""
    shape = rng.random()
    if shape < 0.45:
        return json.dumps(rows, ensure_ascii=False)
    if shape < 0.6:
        return json.dumps(rows, ensure_ascii=False, indent=rng.choice((2, 2, 4)))
    if shape < 0.7:
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    if shape < 0.85:
        return "\n".join(f"{cap(spoken(key))}: {said(value)}" for key, value in rows.items())
    if shape < 0.93:
        return "; ".join(f"{key}={said(value)}" for key, value in rows.items())
    return "\n".join(f"- {spoken(key)}: {said(value)}" for key, value in rows.items())


def spoken(key: str) -> str:
    """The key in words."""
    return key.replace("_", " ")


def said(value: Value) -> str:
    """The value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def lookup(rng: Random) -> tuple[str, list[str]]:
    """A record and one to three questions that copy a value."""
    rows, subject = record(rng, rng.randint(2, 6)), rng.choice(SUBJECTS)
    contents: list[str] = []
    for key in rng.sample(list(rows), min(len(rows), rng.choice((1, 1, 2, 3)))):
        name, value = spoken(key), said(rows[key])
        if isinstance(rows[key], bool):
            contents += [
                f"Is the {subject} {name}?",
                f"{cap(value)}, the {subject} is {'' if rows[key] else 'not '}{name}.",
            ]
        else:
            ask = rng.choice(
                ("What is the {0}?", "What is the {0} of the {1}?", "Which {0} does the {1} have?", "Tell me the {0}.")
            )
            reply = rng.choice(("The {0} of the {1} is {2}.", "The {0} is {2}."))
            contents += [ask.format(name, subject), reply.format(name, subject, value)]
    return f"Here is the {subject}:\n{written(rng, rows)}" if rng.random() < 0.4 else written(rng, rows), contents


def description(rng: Random) -> tuple[str, list[str]]:
    """A record told in a sentence or two."""
    rows, subject = record(rng, rng.randint(2, 4)), rng.choice(SUBJECTS)
    parts = [f"the {spoken(key)} is {said(value)}" for key, value in rows.items()]
    ask = rng.choice(
        ("Describe this {} in one sentence.", "Write this {} as a sentence.", "Explain this {} in plain words.")
    )
    return written(rng, rows), [ask.format(subject), cap(sentence_list(parts)) + "."]


def missing(rng: Random) -> tuple[str, list[str]]:
    """A field that the record does not have."""
    rows, subject = record(rng, rng.randint(2, 4)), rng.choice(SUBJECTS)
    absent = spoken(rng.choice([keys[0] for keys, _ in FIELDS if not set(keys) & set(rows)]))
    return written(rng, rows), [
        f"What is the {absent} of the {subject}?",
        f"The {subject} does not say what the {absent} is.",
    ]


def table(rng: Random) -> tuple[str, list[str]]:
    """Several coded things, and a question about one of them."""
    subject = rng.choice(SUBJECTS)
    keys, make = rng.choice(FIELDS[1:15])
    key = rng.choice(keys)
    rows = {code(rng): said(make(rng)) for _ in range(rng.randint(2, 6))}
    line = rng.choice(("{0}: {1}", "{0} - {1}", "| {0} | {1} |", "{0}, {1}", '{{"id": "{0}", "value": "{1}"}}'))
    text = "\n".join(line.format(*row) for row in rows.items())
    chosen = rng.choice(tuple(rows))
    if rng.random() < 0.3:
        return text, [f"Which {plural(subject)} are listed?", f"The {plural(subject)} are {sentence_list(list(rows))}."]
    return text, [
        f"What is the {spoken(key)} of {subject} {chosen}?",
        f"The {spoken(key)} of {subject} {chosen} is {rows[chosen]}.",
    ]


def larger(rng: Random) -> tuple[str, list[str]]:
    """The more expensive of two things."""
    first, second = rng.sample(words.OBJECTS, 2)
    low, high = sorted(rng.sample(range(1, 500), 2))
    prices = {first: low, second: high} if rng.random() < 0.5 else {first: high, second: low}
    dear, cheap = max(prices, key=prices.__getitem__), min(prices, key=prices.__getitem__)
    ask, reply = rng.choice(
        (
            (
                f"Which is cheaper, the {first} or the {second}?",
                f"The {cheap} is cheaper. It costs {prices[cheap]} euros.",
            ),
            (
                f"Which costs more, the {first} or the {second}?",
                f"The {dear} costs more. It costs {prices[dear]} euros.",
            ),
        )
    )
    return written(rng, dict(prices)), [ask, reply]


def inline(rng: Random) -> tuple[str, list[str]]:
    """A code within a sentence, asked for."""
    ref, subject, who, day = code(rng), rng.choice(SUBJECTS), person(rng), date(rng)
    text = rng.choice(
        (
            f"The {subject} {ref} belongs to {who} and is due on {day}.",
            f"{who} opened {subject} {ref} on {day}.",
            f"On {day}, {who} sent a message about {subject} {ref}.",
            f"{cap(a(subject))} with the code {ref} came from {who} on {day}.",
        )
    )
    return text, list(
        rng.choice(
            (
                (f"What is the code of the {subject}?", f"The code of the {subject} is {ref}."),
                (f"Who is named with {subject} {ref}?", f"{who} is named with {subject} {ref}."),
                (f"Which day is given for {ref}?", f"The day given for {ref} is {day}."),
                (f"Which {subject} is this about?", f"This is about {subject} {ref}."),
            )
        )
    )


RECORDS: tuple[Callable[[Random], tuple[str, list[str]]], ...] = (
    lookup,
    lookup,
    lookup,
    description,
    missing,
    table,
    table,
    larger,
    inline,
    inline,
)


def question(rng: Random) -> Document:
    """A record and one or more questions, the record before or after the first of them."""
    text, (ask, *rest) = rng.choice(RECORDS)(rng)
    return Document.chat(
        rng.choice((f"{ask}\n\n{text}", f"{ask}\n\n{text}", f"{text}\n\n{ask}", f"{ask}\n{text}")), *rest
    )
