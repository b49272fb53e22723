"""Generated stories: scenes that each add sentences, facts to ask about, and one sentence of summary.

A story is a handful of scenes about one hero and a friend. Everything a question asks about stands in the text, so the
model learns to look an answer up rather than to make one up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from scripts.tiny_corpus import words
from scripts.tiny_corpus.phrases import a, cap, plural, sentence_list


@dataclass(frozen=True)
class Fact:
    """A question about the text with a short answer and one in a whole sentence."""

    question: str
    short: str
    full: str


@dataclass
class Story:
    """What the scenes have written so far, and who plays in it."""

    rng: Random
    hero: str
    friend: str
    he: str
    him: str
    his: str
    kind: str
    sentences: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    gists: list[str] = field(default_factory=list)

    def say(self, *variants: str) -> None:
        """Add one of the variants, its first letter made capital."""
        self.sentences.append(cap(self.rng.choice(variants)))

    def fact(self, question: str, short: str, full: str) -> None:
        """Note a question that the text answers."""
        self.facts.append(Fact(question, short, full))

    def pick(self, options: tuple[str, ...]) -> str:
        """One of the options."""
        return self.rng.choice(options)

    def thing(self) -> tuple[str, str]:
        """An object as (noun, adjective and noun)."""
        noun = self.pick(words.OBJECTS)
        pool = self.rng.choice((words.COLOURS, words.SIZES, words.QUALITIES, words.MATERIALS))
        return noun, f"{self.pick(pool)} {noun}"


def new_story(rng: Random) -> Story:
    """A story with its cast chosen and nothing told yet."""
    girl = rng.random() < 0.5
    hero = rng.choice(words.GIRLS if girl else words.BOYS)
    friend = rng.choice([name for name in words.GIRLS + words.BOYS if name != hero])
    kinds = ("girl", "woman", "grandmother", "queen") if girl else ("boy", "man", "grandfather", "king")
    kind = rng.choices(kinds, (6, 3, 1, 1))[0]
    if rng.random() < 0.2:
        kind = rng.choice(words.ANIMALS)
    pronouns = ("she", "her", "her") if girl else ("he", "him", "his")
    return Story(rng, hero, friend, *pronouns, kind)


def opening(s: Story) -> None:
    """Who the hero is and where home is."""
    adjective, home, place = s.pick(words.KIND_ADJECTIVES), s.pick(words.HOMES), s.pick(words.PLACES)
    s.say(
        f"once upon a time there was {a(f'{adjective} {s.kind}')} named {s.hero}.",
        f"there once was {a(f'{adjective} {s.kind}')} called {s.hero}.",
        f"{s.hero} was {a(f'{adjective} {s.kind}')}.",
        f"this is the story of {s.hero}, {a(f'{adjective} {s.kind}')}.",
    )
    s.say(f"{s.he} lived in {home} near {place}.", f"{s.hero}'s home was {home}, not far from {place}.")
    s.fact(f"Where did {s.hero} live?", f"In {home} near {place}.", f"{s.hero} lived in {home} near {place}.")
    s.fact("Who is the story about?", s.hero, f"The story is about {s.hero}, {a(f'{adjective} {s.kind}')}.")
    s.fact(f"What was {s.hero} like?", f"{cap(adjective)}.", f"{s.hero} was {adjective}.")
    if s.rng.random() < 0.5:
        _, full = s.thing()
        s.say(f"{s.his} favourite thing was {a(full)}.", f"{s.he} loved {s.his} {full} more than anything else.")
        s.fact(
            f"What was {s.hero}'s favourite thing?", f"{cap(a(full))}.", f"{s.hero}'s favourite thing was {a(full)}."
        )


def lost(s: Story) -> None:
    """Something is lost, looked for and found."""
    noun, full = s.thing()
    wrong, right = s.rng.sample(words.SPOTS, 2)
    when = s.pick(words.PAST_TIMES)
    s.say(f"{when}, {s.hero} could not find {s.his} {full}.", f"{when}, {s.hero} lost {s.his} {full}.")
    s.say(f"{s.he} looked {wrong}, but it was not there.", f"it was not {wrong}, where it should have been.")
    s.say(
        f"{s.friend} came to help.", f'"I will help you look," said {s.friend}.', f"{s.he} asked {s.friend} for help."
    )
    s.say(f"at last they found the {noun} {right}.", f"in the end {s.friend} saw it {right}.")
    s.fact(f"What did {s.hero} lose?", f"{cap(s.his)} {full}.", f"{s.hero} lost {s.his} {full}.")
    s.fact(f"Where was the {noun}?", f"{cap(right)}.", f"The {noun} was {right}.")
    s.fact(
        f"Who helped {s.hero} look for the {noun}?", f"{s.friend}.", f"{s.friend} helped {s.hero} look for the {noun}."
    )
    s.gists.append(f"{s.hero} lost {a(full)} and found it {right} with the help of {s.friend}")


def gift(s: Story) -> None:
    """A present and why it was given."""
    _, full = s.thing()
    why = s.pick(("it was {0}'s birthday", "{0} had been ill", "{0} had helped a lot", "it was a holiday")).format(
        s.hero
    )
    s.say(f"{s.friend} gave {s.hero} {a(full)} because {why}.", f"because {why}, {s.friend} brought {a(full)}.")
    s.say('"Thank you! I like it very much," said ' + f"{s.hero}.", f"{s.hero} was so happy that {s.he} began to sing.")
    s.fact(f"What did {s.friend} give {s.hero}?", f"{cap(a(full))}.", f"{s.friend} gave {s.hero} {a(full)}.")
    s.fact(f"Why did {s.hero} get a present?", f"Because {why}.", f"{s.hero} got a present because {why}.")
    s.gists.append(f"{s.friend} gave {s.hero} {a(full)}")


def weather(s: Story) -> None:
    """The weather turns and shelter is found."""
    change = s.pick(("it began to rain", "it started to snow", "a strong wind came up", "a thick fog came down"))
    shelter = s.pick(("a barn", "a small shop", "a cave", "an empty hut", "a bus shelter", "a cafe", "the library"))
    way = s.pick(words.PLACES)
    s.say(f"on the way to {way}, {change}.", f"{s.hero} was going to {way} when {change}.")
    s.say(f"{s.he} ran into {shelter} and waited.", f"so {s.he} waited in {shelter} until it was over.")
    s.fact(f"Where did {s.hero} wait?", f"In {shelter}.", f"{s.hero} waited in {shelter}.")
    s.fact(f"What happened on the way to {way}?", f"{cap(change)}.", f"On the way to {way}, {change}.")
    s.gists.append(f"{s.hero} had to wait in {shelter} because {change}")


def cooking(s: Story) -> None:
    """A meal with its ingredients."""
    dish = s.pick(words.FOODS[:9])
    parts = s.rng.sample(words.FRUITS + words.VEGETABLES, s.rng.randint(2, 4))
    listed = sentence_list([plural(part) for part in parts])
    s.say(f"{s.hero} wanted to make {dish}.", f"{s.pick(words.PAST_TIMES)}, {s.hero} decided to make {dish}.")
    s.say(f"{s.he} used {listed}.", f"for this {s.he} needed {listed}.")
    taste = s.pick(("very good", "a little too salty", "sweet", "wonderful", "strange", "better than ever"))
    s.say(f"the {dish} tasted {taste}.", f"everybody said that the {dish} tasted {taste}.")
    s.fact(f"What did {s.hero} make?", f"{cap(dish)}.", f"{s.hero} made {dish}.")
    s.fact(f"What did {s.hero} use for the {dish}?", f"{cap(listed)}.", f"{s.hero} used {listed} for the {dish}.")
    s.fact(f"How did the {dish} taste?", f"{cap(taste)}.", f"The {dish} tasted {taste}.")
    s.gists.append(f"{s.hero} made {dish} with {listed}")


def meeting(s: Story) -> None:
    """An animal in need becomes a friend."""
    animal = s.pick(words.ANIMALS)
    need, cure = s.rng.choice(
        (
            ("hungry", f"gave it some {s.pick(words.FOODS)}"),
            ("cold", "wrapped it in a blanket"),
            ("hurt", "put a bandage on its leg"),
            ("lost", "took it home"),
            ("thirsty", "brought it a bowl of water"),
        )
    )
    place = s.pick(words.PLACES)
    s.say(
        f"near {place}, {s.hero} met {a(animal)} that was {need}.",
        f"{s.hero} saw {a(animal)} near {place}. It was {need}.",
    )
    s.say(f"{s.hero} {cure}.", f"without waiting, {s.he} {cure}.")
    s.say(f"from then on the {animal} followed {s.him} everywhere.", f"the {animal} became {s.his} friend.")
    s.fact(f"Which animal did {s.hero} meet?", f"{cap(a(animal))}.", f"{s.hero} met {a(animal)} near {place}.")
    s.fact(f"What was wrong with the {animal}?", f"It was {need}.", f"The {animal} was {need}.")
    s.fact(f"What did {s.hero} do for the {animal}?", f"{cap(s.he)} {cure}.", f"{s.hero} {cure}.")
    s.gists.append(f"{s.hero} helped {a(animal)} that was {need}")


def shopping(s: Story) -> None:
    """Things bought, how many, and for how much."""
    count = s.rng.randint(2, 12)
    item = s.pick(words.FRUITS + words.VEGETABLES + words.OBJECTS[:30])
    price = s.rng.randint(2, 60)
    shop = s.pick(("the market", "a small shop", "the corner shop", "the bakery", "a stall by the road"))
    number = words.NUMBERS[count]
    s.say(
        f"{s.he} went to {shop} and bought {number} {plural(item)}.",
        f"at {shop}, {s.hero} bought {number} {plural(item)}.",
    )
    s.say(f"{s.he} paid {price} coins for them.", f"they cost {price} coins.")
    s.fact(f"How many {plural(item)} did {s.hero} buy?", f"{cap(number)}.", f"{s.hero} bought {number} {plural(item)}.")
    s.fact(f"How much did the {plural(item)} cost?", f"{price} coins.", f"The {plural(item)} cost {price} coins.")
    s.gists.append(f"{s.hero} bought {number} {plural(item)}")


def journey(s: Story) -> None:
    """A trip by some means, with something seen."""
    means, town = s.pick(("train", "bus", "boat", "bicycle", "tram")), s.pick(words.TOWNS)
    sight = s.pick(
        (
            "a high tower",
            "a very old bridge",
            "a ship with white sails",
            "a street full of music",
            "a market with hundreds of lamps",
            "a statue of a horse",
            "a garden of roses",
        )
    )
    s.say(f"{s.pick(words.PAST_TIMES)}, {s.hero} and {s.friend} went to {town} by {means}.")
    s.say(f"there they saw {sight}.", f"the best thing they saw was {sight}.")
    s.fact(f"How did they get to {town}?", f"By {means}.", f"They went to {town} by {means}.")
    s.fact(f"What did they see in {town}?", f"{cap(sight)}.", f"In {town} they saw {sight}.")
    s.fact(f"Who went to {town} with {s.hero}?", f"{s.friend}.", f"{s.friend} went to {town} with {s.hero}.")
    s.gists.append(f"{s.hero} and {s.friend} went to {town} by {means}")


def repair(s: Story) -> None:
    """Something breaks and is mended."""
    noun, full = s.thing()
    tool = s.pick(("a hammer", "some glue", "a needle and thread", "a piece of string", "two nails", "a screwdriver"))
    s.say(f"but the {full} was broken.", f"then the {full} fell down and broke.", f"{s.friend} had broken the {full}.")
    s.say(f"{s.hero} took {tool} and fixed it.", f"with {tool}, {s.hero} made it as good as new.")
    s.fact(f"How did {s.hero} fix the {noun}?", f"With {tool}.", f"{s.hero} fixed the {noun} with {tool}.")
    s.fact("What was broken?", f"The {full}.", f"The {full} was broken.")
    s.gists.append(f"{s.hero} fixed {a(full)} with {tool}")


def garden(s: Story) -> None:
    """Seeds, waiting, harvest."""
    plant, weeks = s.pick(words.VEGETABLES), s.rng.randint(2, 12)
    s.say(f"in spring {s.hero} planted {plural(plant)}.", f"{s.hero} put {plant} seeds into the ground.")
    s.say(f"{s.he} gave them water every day, and after {weeks} weeks they were ready.")
    s.fact(f"What did {s.hero} plant?", f"{cap(plural(plant))}.", f"{s.hero} planted {plural(plant)}.")
    s.fact(
        f"How long did the {plural(plant)} take?",
        f"{weeks} weeks.",
        f"The {plural(plant)} were ready after {weeks} weeks.",
    )
    s.gists.append(f"{s.hero} grew {plural(plant)}")


def chore(s: Story) -> None:
    """Help for a neighbour and what came back for it."""
    neighbour = f"{s.pick(('Mr', 'Mrs'))} {s.pick(words.SURNAMES)}"
    task, food = s.pick(words.CHORES), s.pick(words.FOODS)
    s.say(f"{neighbour} asked {s.hero} to {task}.", f"{s.hero} helped {neighbour} to {task}.")
    s.say(f"as a thank-you, {neighbour} gave {s.him} some {food}.", f"afterwards everybody had some {food}.")
    s.fact(f"Whom did {s.hero} help?", f"{neighbour}.", f"{s.hero} helped {neighbour} to {task}.")
    s.fact(f"What did {s.hero} help with?", f"{s.hero} helped to {task}.", f"{s.hero} helped {neighbour} to {task}.")
    s.gists.append(f"{s.hero} helped {neighbour} to {task}")


def quarrel(s: Story) -> None:
    """Two want the same thing and make peace."""
    noun, full = s.thing()
    s.say(f"{s.hero} and {s.friend} both wanted the {full}.", f"then {s.friend} took the {full} away from {s.hero}.")
    s.say(f'"It is mine!" said {s.friend}.', f"{s.hero} was angry and did not speak.", "they argued for an hour.")
    s.say(
        f"in the end {s.friend} said sorry, and they shared the {noun}.",
        "but soon they laughed and were friends again.",
    )
    s.fact(f"What did {s.hero} and {s.friend} argue about?", f"The {full}.", f"They argued about the {full}.")
    s.gists.append(f"{s.hero} and {s.friend} argued about {a(full)} and made peace")


def fear(s: Story) -> None:
    """A fear that is overcome."""
    thing = s.pick(words.FEARS)
    s.say(f"{s.hero} was afraid of {thing}.", f"there was one thing that {s.hero} feared: {thing}.")
    s.say(f'"You do not have to be afraid," said {s.friend}. "I am with you."', f"{s.friend} held {s.his} hand.")
    s.say(f"after that, {s.hero} was brave.", f"step by step, {s.hero} lost {s.his} fear.")
    s.fact(f"What was {s.hero} afraid of?", f"{cap(thing)}.", f"{s.hero} was afraid of {thing}.")
    s.gists.append(f"{s.hero} was afraid of {thing} and became brave")


def skill(s: Story) -> None:
    """Practice until it works."""
    what, days = s.pick(words.SKILLS), s.rng.randint(2, 30)
    s.say(f"{s.hero} wanted to learn {what}.", f"more than anything, {s.hero} wished {what}.")
    s.say(f"at first it was hard, but {s.he} practised for {days} days.", f"{s.friend} taught {s.him} for {days} days.")
    s.say(f"now {s.he} could do it well.", f"in the end it was easy, and {s.he} was proud.")
    s.fact(f"What did {s.hero} want to learn?", f"{cap(what)}.", f"{s.hero} wanted to learn {what}.")
    s.fact("How long did it take?", f"{days} days.", f"It took {days} days.")
    s.gists.append(f"{s.hero} learned {what}")


def job(s: Story) -> None:
    """The hero's or the friend's work."""
    who, does, where = s.rng.choice(words.JOBS)
    name = s.rng.choice((s.hero, s.friend))
    s.say(f"{name} worked as {a(who)}.", f"{name}'s job was to be {a(who)}, and it was a good job.")
    s.say(f"every {who} {does} {where}, and {name} did it with joy.", f"each day began early {where}.")
    s.fact(f"What was {name}'s job?", f"{cap(a(who))}.", f"{name} worked as {a(who)}.")
    s.gists.append(f"{name} worked as {a(who)}")


def feeling(s: Story) -> None:
    """How somebody felt and why."""
    mood, why = s.rng.choice(words.FEELINGS)
    name = s.rng.choice((s.hero, s.friend))
    s.say(f"{name} felt {mood} because {why}.", f"{why}, and so {name} was {mood}.")
    s.fact(f"How did {name} feel?", f"{cap(mood)}.", f"{name} felt {mood} because {why}.")
    s.fact(f"Why was {name} {mood}?", f"Because {why}.", f"{name} was {mood} because {why}.")


SCENES: tuple[Callable[[Story], None], ...] = (
    lost,
    gift,
    weather,
    cooking,
    meeting,
    shopping,
    journey,
    repair,
    garden,
    chore,
    quarrel,
    fear,
    skill,
    job,
    feeling,
)

ENDINGS = (
    "And that was the end of a good day.",
    "They were friends for the rest of their lives.",
    "Then everybody went home.",
    "From that day on, things were better.",
    "That night everybody slept well.",
    "It was a day that nobody forgot.",
    "A good friend is worth more than gold.",
    "Small things can make a big difference.",
    "The end.",
)


def tell(rng: Random, scenes: int) -> Story:
    """A whole story of an opening, so many scenes, and mostly an ending."""
    story = new_story(rng)
    opening(story)
    for scene in rng.sample(SCENES, scenes):
        scene(story)
    if rng.random() < 0.7:
        story.sentences.append(rng.choice(ENDINGS))
    return story
