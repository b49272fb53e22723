"""Small grammar: articles, plurals, lists, capital letters, and values such as codes, dates and prices."""

from random import Random

from scripts.tiny_corpus import words

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
UNCOUNTABLE = frozenset({"spinach", "scissors", "chalk"})
IRREGULAR = {
    "mouse": "mice",
    "goose": "geese",
    "wolf": "wolves",
    "knife": "knives",
    "fish": "fish",
    "sheep": "sheep",
    "deer": "deer",
    "child": "children",
    "man": "men",
    "woman": "women",
    "leaf": "leaves",
    "shelf": "shelves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "mango": "mangoes",
    "scarf": "scarves",
}


def a(noun: str) -> str:
    """The noun with `a` or `an`."""
    silent = noun.startswith(("hour", "honest", "heir"))
    consonant = noun.startswith(("uni", "use", "euro", "one", "ukulele"))
    vowel = noun[:1].lower() in "aeiou" and not consonant
    return f"{'an' if vowel or silent else 'a'} {noun}"


def cap(text: str) -> str:
    """The text with its first letter made capital."""
    return text[:1].upper() + text[1:]


def plural(noun: str) -> str:
    """The plural of a noun phrase, by its last word."""
    head, _, last = noun.rpartition(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last not in UNCOUNTABLE:
        last = _regular_plural(last)
    return f"{head} {last}".strip()


def _regular_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def sentence_list(items: list[str], last: str = "and") -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def person(rng: Random) -> str:
    """A first and a last name."""
    return f"{rng.choice(words.GIRLS + words.BOYS)} {rng.choice(words.SURNAMES)}"


def code(rng: Random) -> str:
    """A made-up reference such as `AB-1234`, in one of many shapes."""
    letters = "".join(rng.choices(LETTERS, k=rng.randint(1, 4)))
    digits = "".join(rng.choices("0123456789", k=rng.randint(2, 6)))
    other = "".join(rng.choices("0123456789", k=rng.randint(1, 3)))
    tail = rng.choice(LETTERS)
    return rng.choice(
        (
            f"{letters}-{digits}",
            f"{letters}-{digits}",
            f"{letters}{digits}",
            f"{letters}-{other}-{digits}",
            f"{letters}-{digits}-{tail}",
            f"{digits}",
            f"#{digits}",
            f"{letters}/{digits}",
            f"{letters}_{digits}",
            f"{letters.lower()}{digits}",
            f"{letters}-{tail}{other}",
        )
    )


def price(rng: Random) -> str:
    """An amount of money."""
    whole, cents = rng.randint(1, rng.choice((20, 200, 5000))), rng.choice((0, 50, 99, 95, 25, rng.randint(1, 99)))
    amount = f"{whole}.{cents:02d}" if rng.random() < 0.6 else f"{whole}"
    return rng.choice(
        (f"{amount} euros", f"{amount} EUR", f"€{amount}", f"${amount}", f"{amount} dollars", f"£{amount}")
    )


def date(rng: Random) -> str:
    """A day, written in one of three ways."""
    year, month, day = rng.randint(2015, 2030), rng.randint(1, 12), rng.randint(1, 28)
    name = words.MONTHS[month - 1]
    return rng.choice((f"{year}-{month:02d}-{day:02d}", f"{day} {name} {year}", f"{name} {day}", f"{day} {name}"))


def clock(rng: Random) -> str:
    """A time of day."""
    hour = rng.randint(1, 12)
    return rng.choice(
        (f"{hour}:{rng.choice(('00', '15', '30', '45'))}", f"{hour} o'clock", f"{hour} {rng.choice(('am', 'pm'))}")
    )
