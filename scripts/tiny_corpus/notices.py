"""Rules, notices and counter talk of made-up places: the plain business English of shops, banks and offices."""

from collections.abc import Callable
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.document import Document
from scripts.tiny_corpus.phrases import a, cap, clock, code, date, person, plural, price, sentence_list

Rule = tuple[str, str, str]
"""A sentence of the notice, a question it answers, the answer."""

PLACES = (
    "library",
    "gym",
    "museum",
    "swimming pool",
    "hotel",
    "bookshop",
    "garage",
    "bakery",
    "theatre",
    "garden centre",
    "bank",
    "shoe shop",
    "post office",
    "language school",
    "furniture shop",
    "pharmacy",
    "car park",
    "ferry company",
    "tea house",
    "tool rental",
    "insurance office",
    "bicycle shop",
    "online shop",
    "train company",
    "camping site",
)
PEOPLE = ("members", "customers", "guests", "visitors", "students", "clients", "children", "new customers")
CARDS = (
    "day ticket",
    "basic card",
    "gold card",
    "family ticket",
    "student account",
    "savings account",
    "monthly pass",
    "gift card",
    "starter plan",
    "premium plan",
    "business account",
    "travel card",
    "home insurance",
)
PAPERS = (
    "a passport",
    "a receipt",
    "proof of address",
    "a signed form",
    "a student card",
    "a photo",
    "the order number",
)


def _limit(rng: Random) -> Rule:
    who, count, thing, days = rng.choice(PEOPLE), rng.randint(2, 30), rng.choice(words.OBJECTS), rng.randint(2, 60)
    return (
        f"{cap(who)} may borrow up to {count} {plural(thing)} for {days} days.",
        *rng.choice(
            (
                (
                    f"How many {plural(thing)} may {who} borrow?",
                    f"{cap(who)} may borrow up to {count} {plural(thing)}.",
                ),
                (
                    f"For how long may {who} keep the {plural(thing)}?",
                    f"{cap(who)} may keep the {plural(thing)} for {days} days.",
                ),
            )
        ),
    )


def _hours(rng: Random) -> Rule:
    first, last = rng.sample(words.DAYS, 2)
    opens, closes, place = clock(rng), clock(rng), rng.choice(("shop", "office", "desk", "hall", "branch", "hotline"))
    return (
        f"The {place} is open from {opens} to {closes}, {first} to {last}.",
        *rng.choice(
            (
                (f"When does the {place} open?", f"The {place} opens at {opens}."),
                (f"When does the {place} close?", f"The {place} closes at {closes}."),
                (f"On which days is the {place} open?", f"The {place} is open from {first} to {last}."),
            )
        ),
    )


def _fee(rng: Random) -> Rule:
    card, fee, period = rng.choice(CARDS), price(rng), rng.choice(("month", "year", "day", "week", "quarter"))
    return (
        rng.choice((f"The {card} costs {fee} per {period}.", f"The fee for the {card} is {fee} per {period}.")),
        *rng.choice(
            (
                (f"How much is the {card}?", f"The {card} costs {fee} per {period}."),
                (f"What is the fee for the {card}?", f"The fee for the {card} is {fee} per {period}."),
            )
        ),
    )


def _returns(rng: Random) -> Rule:
    days, paper, thing = rng.randint(3, 90), rng.choice(PAPERS), rng.choice(words.OBJECTS)
    return (
        f"{cap(a(thing))} can be returned within {days} days with {paper}.",
        *rng.choice(
            (
                (f"Can I return {a(thing)}?", f"Yes, you can return {a(thing)} within {days} days with {paper}."),
                (f"What do I need to return {a(thing)}?", f"You need {paper} to return {a(thing)}."),
                (f"How long do I have to return {a(thing)}?", f"You have {days} days to return {a(thing)}."),
            )
        ),
    )


def _refund(rng: Random) -> Rule:
    days, way = rng.randint(2, 20), rng.choice(("to the same card", "in cash", "as a voucher", "to your account"))
    return (
        f"Refunds are paid {way} within {days} working days.",
        *rng.choice(
            (
                ("How long does a refund take?", f"A refund takes up to {days} working days."),
                ("How are refunds paid?", f"Refunds are paid {way}."),
            )
        ),
    )


def _delivery(rng: Random) -> Rule:
    days, limit, fee = rng.randint(1, 14), price(rng), price(rng)
    return (
        f"Delivery takes {days} working days and costs {fee}; it is free for orders over {limit}.",
        *rng.choice(
            (
                ("How long does delivery take?", f"Delivery takes {days} working days."),
                ("What does delivery cost?", f"Delivery costs {fee}."),
                ("When is delivery free?", f"Delivery is free for orders over {limit}."),
            )
        ),
    )


def _ban(rng: Random) -> Rule:
    thing = rng.choice(("dogs", "bicycles", "large bags", "cameras", "food", "glass bottles", "phones", "skates"))
    place = rng.choice(("the hall", "the garden", "the reading room", "the building", "the ground floor"))
    allowed = rng.random() < 0.4
    return (
        f"{cap(thing)} are {'' if allowed else 'not '}allowed in {place}.".replace("Food are", "Food is"),
        f"Can I bring {thing} into {place}?",
        f"Yes, you can bring {thing} into {place}."
        if allowed
        else f"No, {thing} are not allowed in {place}.".replace("food are", "food is"),
    )


def _contact(rng: Random) -> Rule:
    matter = rng.choice(
        ("a lost card", "a damaged parcel", "a wrong bill", "a change of address", "a late payment", "a broken item")
    )
    team, ref = (
        rng.choice(("the service desk", "the front office", "your branch", "the help line", "the repair team")),
        code(rng),
    )
    return (
        f"For {matter}, contact {team} and quote {ref}.",
        *rng.choice(
            (
                (f"Whom do I contact about {matter}?", f"For {matter}, contact {team} and quote {ref}."),
                (f"Which code do I quote for {matter}?", f"For {matter}, quote {ref}."),
            )
        ),
    )


def _age(rng: Random) -> Rule:
    age, card = rng.randint(6, 70), rng.choice(CARDS)
    over = rng.random() < 0.5
    group = f"people {'over' if over else 'under'} {age}"
    return f"The {card} is for {group}.", f"Who can get the {card}?", f"The {card} is for {group}."


def _steps(rng: Random) -> Rule:
    card, papers = rng.choice(CARDS), sentence_list(rng.sample(PAPERS, 2))
    return (
        f"To get {a(card)}, bring {papers} to the desk.",
        f"How do I get {a(card)}?",
        f"To get {a(card)}, bring {papers} to the desk.",
    )


def _notice_period(rng: Random) -> Rule:
    card, weeks = rng.choice(CARDS), rng.randint(1, 12)
    return (
        f"The {card} can be cancelled in writing with {weeks} weeks' notice.",
        f"How can I cancel the {card}?",
        f"You can cancel the {card} in writing with {weeks} weeks' notice.",
    )


RULES: tuple[Callable[[Random], Rule], ...] = (
    _limit,
    _hours,
    _fee,
    _returns,
    _refund,
    _delivery,
    _ban,
    _contact,
    _age,
    _steps,
    _notice_period,
)


def notice(rng: Random) -> Document:
    """A notice of one to five rules and questions about it; at times the notice is the system message."""
    rules = [make(rng) for make in rng.sample(RULES, rng.randint(1, 5))]
    name = f"{rng.choice(words.SURNAMES + words.TOWNS)} {cap(rng.choice(PLACES))}"
    lines = [rule[0] for rule in rules]
    text = rng.choice((" ".join(lines), "\n".join(f"- {line}" for line in lines), "\n".join(lines)))
    asked = rng.sample(rules, min(len(rules), rng.choice((1, 1, 2, 3))))
    contents = [part for rule in asked for part in rule[1:]]
    if rng.random() < 0.3:
        intro = rng.choice((f"You answer questions for {name}.", f"You are the assistant of {name}. Use these rules."))
        return Document.chat(*contents, system=f"{intro}\n{text}")
    ask = rng.choice(
        ("Answer the customer.", "Answer with the rules below.", "Use the notice.", "Read the notice and answer.")
    )
    first = rng.choice(
        (f"{ask} {contents[0]}\n\n{name}: {text}", f"{text}\n\n{contents[0]}", f"{contents[0]}\n\n{text}")
    )
    return Document.chat(first, *contents[1:])


def reply_note(rng: Random) -> Document:
    """A customer's message and a short reply that takes up its details."""
    name, thing, ref, day = rng.choice(words.GIRLS + words.BOYS), rng.choice(words.OBJECTS), code(rng), date(rng)
    message, reply = rng.choice(
        (
            (
                f"my {thing} from order {ref} is broken.",
                f"we are sorry that your {thing} from order {ref} is broken. We will send a new one.",
            ),
            (
                f"I ordered {a(thing)} on {day} and it is not here yet.",
                f"we are sorry for the delay. Your {thing} is on its way.",
            ),
            (f"I would like to cancel order {ref}.", f"order {ref} has been cancelled. You will get your money back."),
            (
                f"I moved house. Please change my address for {ref}.",
                f"thank you for telling us. We changed your address for {ref}.",
            ),
            (
                f"thank you for the quick delivery of my {thing}.",
                f"thank you for your kind message. Enjoy your {thing}!",
            ),
            (f"can I come on {day}?", f"yes, you are welcome on {day}."),
            (f"I lost my card {ref}.", f"we have blocked card {ref}. A new card is on its way to you."),
        )
    )
    ask = rng.choice(("Answer this message.", "Write a reply to the customer.", "Reply politely."))
    return Document.chat(f"{ask}\n\nHello, {message} {name}", f"Dear {name}, {reply}")


def message_facts(rng: Random) -> Document:
    """A customer's message, and what it says about who, what, how much and where."""
    who, thing, cost, town = person(rng), rng.choice(words.OBJECTS + CARDS), price(rng), rng.choice(words.TOWNS)
    begin = rng.choice((f"My name is {who}.", f"I am {who}.", f"{who} here.", f"Good morning, this is {who}."))
    middle = rng.choice(
        (
            f"I paid {cost} for {a(thing)} in {town}.",
            f"In {town} I bought {a(thing)} for {cost}.",
            f"You charged me {cost} for my {thing} at your {town} branch.",
            f"I want to pay {cost} for the {thing} in {town}.",
        )
    )
    end = rng.choice(("", " Please help me.", " Can you check this?", " I have a question.", " Thank you."))
    pairs = [
        ("Who wrote this message?", f"{who} wrote this message."),
        ("What is the name of the customer?", f"The name is {who}."),
        ("Which product is it about?", f"It is about the {thing}."),
        ("How much money is it about?", f"It is about {cost}."),
        ("Which town is named?", f"The town is {town}."),
        (
            "Pick out the facts.",
            f"The name is {who}, the product is the {thing}, the amount is {cost} and the town is {town}.",
        ),
    ]
    (ask, reply), *more = rng.sample(pairs, rng.randint(1, 3))
    message = f"{begin} {middle}{end}"
    first = rng.choice((f"{ask}\n\n{message}", f"{message}\n\n{ask}"))
    return Document.chat(first, reply, *(part for pair in more for part in pair))


def counter_talk(rng: Random) -> Document:
    """Two people at a counter, as plain text or with the assistant behind it."""
    name, thing, cost = rng.choice(words.GIRLS + words.BOYS), rng.choice(words.OBJECTS + words.FRUITS), price(rng)
    colour, second, hour = rng.choice(words.COLOURS), rng.choice(words.OBJECTS), clock(rng)
    turns = ["Good morning. Can I help you?", f"Yes, please. I am looking for {a(thing)}."]
    turns += rng.choice(
        (
            [f"We have {a(f'{colour} {thing}')} for {cost}.", "That is fine. I will take it."],
            [
                f"I am sorry, we have no {plural(thing)} today.",
                f"Do you have {a(second)} instead?",
                f"Yes, {a(second)} costs {cost}.",
                "Good, then I will take that.",
            ],
            [
                "What colour would you like?",
                f"{cap(colour)}, please.",
                f"Here you are. That is {cost}.",
                "Thank you very much.",
            ],
        )
    )
    turns += rng.choice(
        (["Would you like a bag?", "No, thank you. Goodbye."], [f"We close at {hour}. Have a nice day!", "Goodbye!"])
    )
    if rng.random() < 0.5:
        clerk = rng.choice(("Clerk", "Seller", "Shop assistant", "Cashier"))
        return Document.plain("\n".join(f"{(clerk, name)[i % 2]}: {turn}" for i, turn in enumerate(turns)))
    return Document.chat("Good morning.", *turns[:-1])
