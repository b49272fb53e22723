"""Questions about everyday things that need no text: kinds, opposites, colours, days, jobs, capitals."""

from collections.abc import Callable
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import IRREGULAR, a, cap, plural, sentence_list

COUNTABLE = tuple(pair for pair in words.CATEGORIES if pair[0] not in words.MASS_CATEGORIES)
Pair = tuple[str, str]


def kinds(rng: Random) -> Pair:
    """Whether a thing is of a kind, or which of three is."""
    (kind, members), (other_kind, others) = rng.sample(COUNTABLE, 2)
    thing, *rest = rng.choice(members), *rng.sample(others, 2)
    if rng.random() < 0.4:
        asked = rng.choice((kind, other_kind))
        return f"Is {a(thing)} {a(asked)}?", f"{'Yes' if asked == kind else 'No'}, {a(thing)} is {a(kind)}."
    options = [thing, *rest]
    rng.shuffle(options)
    return f"Which of these is {a(kind)}: {sentence_list(options, 'or')}?", f"The {thing} is {a(kind)}."


def lists(rng: Random) -> Pair:
    """So many members of a kind, in a sentence or as bullets."""
    kind, members = rng.choice(words.CATEGORIES)
    count = rng.randint(2, 4)
    some = rng.sample(members, min(count, len(members)))
    kinds_ = "pieces of" + kind.removeprefix("piece of") if kind.startswith("piece of") else plural(kind)
    number = words.NUMBERS[len(some)]
    ask = rng.choice(("Name {} {}.", "List {} {}.", "Can you name {} {}?", "Give me {} {}.", "Write down {} {}."))
    shape = rng.random()
    if shape < 0.3:
        reply = "\n".join(f"- {item}" for item in some)
    elif shape < 0.5:
        reply = "\n".join(f"{i}. {cap(item)}" for i, item in enumerate(some, 1))
    else:
        reply = rng.choice((f"{cap(number)} {kinds_} are {sentence_list(some)}.", f"{cap(sentence_list(some))}."))
    return ask.format(number, kinds_), reply


def opposites(rng: Random) -> Pair:
    """The opposite of a word."""
    left, right = rng.choice(words.OPPOSITES)
    if rng.random() < 0.5:
        left, right = right, left
    ask = rng.choice(("What is the opposite of {}?", 'What is the opposite of "{}"?', "Give the opposite of {}."))
    return ask.format(left), f"The opposite of {left} is {right}."


def colours(rng: Random) -> Pair:
    """The colour of a thing."""
    thing, colour = rng.choice(words.COLOUR_FACTS)
    return f"What colour is {thing}?", f"{cap(thing)} is {colour}."


def animals(rng: Random) -> Pair:
    """Young, home, food and sound of an animal."""
    animal, young, home, food, sound = rng.choice(words.ANIMAL_FACTS)
    many = plural(animal)
    return rng.choice(
        (
            (f"What is a young {animal} called?", f"A young {animal} is called {a(young)}."),
            (f"Where does {a(animal)} live?", f"{cap(a(animal))} lives in {a(home)}."),
            (f"What do {many} eat?", f"{cap(many)} eat {food}."),
            (f"What sound does {a(animal)} make?", f"{cap(many)} {sound}."),
        )
    )


def jobs(rng: Random) -> Pair:
    """What somebody does and where."""
    who, does, where = rng.choice(words.JOBS)
    return rng.choice(
        (
            (f"What does {a(who)} do?", f"{cap(a(who))} {does}."),
            (f"Who {does}?", f"{cap(a(who))} {does}."),
            (f"Where does {a(who)} work?", f"{cap(a(who))} works {where}."),
            (f"Describe the job of {a(who)}.", f"{cap(a(who))} works {where} and {does}."),
        )
    )


def uses(rng: Random) -> Pair:
    """What a thing is for."""
    thing, use = rng.choice(words.USES)
    verb = "are" if thing == "scissors" else "is"
    thing = thing if verb == "are" or thing == "soap" else a(thing)
    return rng.choice(
        (
            (f"What {verb} {thing} used for?", f"{cap(thing)} {verb} used for {use}."),
            (f"What do I need for {use}?", f"You need {thing} for {use}."),
        )
    )


def calendar(rng: Random) -> Pair:
    """The day or month before or after another."""
    names = rng.choice((words.DAYS, words.MONTHS))
    unit = "day" if names is words.DAYS else "month"
    i = rng.randrange(len(names))
    after, before = names[(i + 1) % len(names)], names[i - 1]
    return rng.choice(
        (
            (f"Which {unit} comes after {names[i]}?", f"{after} comes after {names[i]}."),
            (f"Which {unit} comes before {names[i]}?", f"{before} comes before {names[i]}."),
        )
    )


def capitals(rng: Random) -> Pair:
    """The capital of a country."""
    country, city = rng.choice(words.COUNTRIES)
    return rng.choice(
        (
            (f"What is the capital of {country}?", f"The capital of {country} is {city}."),
            (f"{city} is the capital of which country?", f"{city} is the capital of {country}."),
        )
    )


def plurals(rng: Random) -> Pair:
    """The plural of a noun."""
    noun = rng.choice(tuple(IRREGULAR) + words.OBJECTS + words.FRUITS)
    return f"What is the plural of {noun}?", f"The plural of {noun} is {plural(noun)}."


def manners(rng: Random) -> Pair:
    """Greetings, thanks and talk about oneself."""
    name = rng.choice(words.GIRLS + words.BOYS)
    return rng.choice(
        (
            ("Hello!", "Hello! How can I help you?"),
            ("Hi there.", "Hi! What can I do for you?"),
            (f"Hello, my name is {name}.", f"Hello, {name}! Nice to meet you. How can I help you?"),
            ("Good morning!", "Good morning! How can I help you today?"),
            ("Thank you!", "You are welcome."),
            ("Thanks for your help.", "You are welcome. Have a nice day!"),
            ("How are you?", "I am fine, thank you."),
            ("Who are you?", "I am a small language model. I can answer simple questions."),
            ("What can you do?", "I can answer simple questions, tell short stories and rewrite sentences."),
            ("Goodbye.", "Goodbye! Have a nice day."),
            ("Can you help me?", "Yes, of course. What do you need?"),
        )
    )


def reasons(rng: Random) -> Pair:
    """Simple causes and simple advice."""
    return rng.choice(
        (
            ("Why do people wear coats in winter?", "People wear coats in winter because it is cold."),
            ("Why do we sleep?", "We sleep because our bodies need rest."),
            ("What should I do when I am thirsty?", "You should drink some water."),
            ("What should I do if I am lost?", "You should ask somebody for the way or look at a map."),
            ("Why is it good to read books?", "Reading books is good because you learn new things."),
            ("Why should I keep a receipt?", "You should keep a receipt so that you can return what you bought."),
            ("What do I need to travel abroad?", "You need a passport and a ticket to travel abroad."),
            ("How can I stay healthy?", "Eat good food, sleep enough and move every day."),
            ("How can I save money?", "Spend less than you earn and put a little aside every month."),
            ("What is a bank?", "A bank is a place that keeps money safe and lends it to people."),
            ("What is a shop?", "A shop is a place where people buy things."),
            ("Why do birds fly south?", "Birds fly south because the winter is warmer there."),
            ("How do I make tea?", "Boil some water, pour it over the tea and wait a few minutes."),
            ("What should I pack for the beach?", "Pack a towel, a hat, some water and a good book."),
            (
                "How do I write a good letter?",
                "Begin with a greeting, say clearly what you want and end with your name.",
            ),
        )
    )


TOPICS: tuple[Callable[[Random], Pair], ...] = (
    kinds,
    kinds,
    lists,
    lists,
    lists,
    opposites,
    colours,
    animals,
    animals,
    jobs,
    jobs,
    uses,
    calendar,
    capitals,
    plurals,
    manners,
    reasons,
)


def conversation(rng: Random) -> Document:
    """One to four questions on everyday things."""
    contents: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        contents += rng.choice(TOPICS)(rng)
    system = rng.choice(SYSTEMS) if rng.random() < 0.2 else ""
    return Document.chat(*contents, system=system)


SYSTEMS = (
    "You are a helpful assistant.",
    "Answer the user's question.",
    "You answer in plain English.",
    "You are a friendly assistant.",
    "Be short and clear.",
    "You help customers.",
    "Answer in one sentence.",
)
