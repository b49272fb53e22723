"""From the tables to items: one item is one fact, with every way to ask for it in each split.

A prompt is `instruction | input`; without a bar the input is empty. An answer is always the same words for the same
fact, so that a small model can learn it; only the questions vary.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.build_demo.tables import POLICIES, PROBLEMS, SPLITS, TASKS, WORLD, Split

NAMES = ("Ida", "Jonas", "Mara", "Felix", "Nora", "Theo", "Lena", "Oscar", "Clara", "Hugo", "Vera", "Anton")
"""First names of invented customers; no surnames, so that no real person can be meant."""

SUMS_EUR = (15, 20, 30, 40, 60, 75, 80, 90, 120, 150, 200, 250, 300, 400)


@dataclass(slots=True)
class Item:
    """A fact and the ways to ask for it.

    Attributes:
        key: What the fact is about, such as a product code.
        examples: For each split, (prompt, answer) pairs.
    """

    key: str
    examples: dict[Split, list[tuple[str, str]]] = field(default_factory=lambda: {split: [] for split in SPLITS})


def to_json(**values: object) -> str:
    """Returns one line of strict JSON without spaces, keys in the order given."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False)


def _worded(task: str, key: str, answer: str, **slots: object) -> Item:
    """An item whose questions are the task's wordings with the slots filled in."""
    item = Item(key)
    for split in SPLITS:
        prompts = (wording.format(**slots) for wording in TASKS[task][f"{split}_wording"])
        item.examples[split] = [(_capital(prompt), answer) for prompt in prompts]
    return item


def _capital(prompt: str) -> str:
    return prompt[0].upper() + prompt[1:]


def _instructed(task: str, key: str, number: int, inputs: dict[Split, list[tuple[str, str]]]) -> Item:
    """An item whose (input, answer) pairs come with the task's instructions.

    A training input gets one of them, in turn from the item's number on; a held-out input can go with any.
    """
    item = Item(key)
    for split in SPLITS:
        wordings = TASKS[task][f"{split}_wording"]
        for i, (text, answer) in enumerate(inputs[split]):
            asked = [wordings[(number + i) % len(wordings)]] if split == "train" else wordings
            item.examples[split] += [(f"{wording} | {text}", answer) for wording in asked]
    return item


def _products() -> Iterator[Item]:
    for p in WORLD["product"]:
        price = (
            f"costs {p['fee_eur']} euro{'s' * (p['fee_eur'] != 1)} a month" if p["fee_eur"] else "has no monthly fee"
        )
        yield _worded("product", p["code"], f"The {p['name']}, code {p['code']}, is {p['purpose']}. It {price}.", **p)


def _terms() -> Iterator[Item]:
    for p in WORLD["product"]:
        yield _worded("terms", p["code"], WORLD["terms"][p["kind"]].format(**p), **p)


def _product_cards() -> Iterator[Item]:
    for p in WORLD["product"]:
        answer = to_json(code=p["code"], name=p["name"], kind=p["kind"], fee_eur=p["fee_eur"])
        yield _worded("product_card", p["code"], answer, **p)


def _terms_sheets() -> Iterator[Item]:
    for p in WORLD["product"]:
        answer = to_json(code=p["code"], rate_pct=p["rate_pct"], limit_eur=p["limit_eur"])
        yield _worded("terms_sheet", p["code"], answer, **p)


def _branch_sheets() -> Iterator[Item]:
    for b in WORLD["branch"]:
        answer = to_json(branch=b["code"], name=b["name"], opens=b["opens"], closes=b["closes"], late_day=b["late_day"])
        yield _worded("branch_sheet", b["code"], answer, **b)


def _hours() -> Iterator[Item]:
    for b in WORLD["branch"]:
        answer = (
            f"{b['name']}, branch {b['code']}, is open from {b['opens']} to {b['closes']}. "
            f"On {b['late_day']} it stays open until 19:00."
        )
        yield _worded("hours", b["code"], answer, **b)


def _services() -> Iterator[Item]:
    for b in WORLD["branch"]:
        answer = f"{b['service_at']} at {b['name']}, branch {b['code']}. Call line {b['line']} first."
        yield _worded("service", b["code"], answer, **b)


def _glossary() -> Iterator[Item]:
    for t in WORLD["term"]:
        yield _worded("glossary", t["term"], t["meaning"], term=f'"{t["term"]}"')


def _queues() -> Iterator[Item]:
    for q in WORLD["queue"]:
        answer = f"The {q['team']} on the {q['floor']} works on {q['code']}. They answer within {_hour_words(q)}."
        yield _worded("queue", q["code"], answer, **q)


def _hour_words(entry: dict[str, Any]) -> str:
    return f"{entry['hours']} hour{'s' * (entry['hours'] != 1)}"


def _levels() -> Iterator[Item]:
    for e in WORLD["level"]:
        answer = f"We use level {e['code']} when {e['when']}. The {e['owner']} must answer within {_hour_words(e)}."
        yield _worded("level", e["code"], answer, **e)


def _escalations() -> Iterator[Item]:
    notes = TASKS["escalation"]["note"]
    for number, e in enumerate(WORLD["level"]):
        answer = to_json(level=e["code"], owner=e["owner"], hours=e["hours"])
        inputs = {split: [(note, answer) for note in notes[e["code"]][split]] for split in SPLITS}
        yield _instructed("escalation", e["code"], number, inputs)


def _procedures() -> Iterator[Item]:
    for p in PROBLEMS:
        answer = f"{p['first']} Then fill in form {p['form']} and send it to {p['queue']}."
        yield _worded("procedure", p["form"], answer, **p)


def _tickets() -> Iterator[Item]:
    for number, p in enumerate(PROBLEMS):
        answer = to_json(queue=p["queue"], priority=p["priority"], form=p["form"])
        messages = {"train": p["train"], "validation": p["validation"][:1], "test": p["test"][:1]}
        inputs = {split: [(message, answer) for message in messages[split]] for split in SPLITS}
        yield _instructed("ticket", p["form"], number, inputs)


def _replies() -> Iterator[Item]:
    queues = {q["code"]: q for q in WORLD["queue"]}
    for number, p in enumerate(PROBLEMS):
        q = queues[p["queue"]]
        answer = (
            f"Dear customer, {p['sorry']}. Please fill in form {p['form']}. "
            f"The {q['team']} will answer within {_hour_words(q)}."
        )
        messages = {"train": p["train"], "validation": p["validation"][1:], "test": p["test"][1:]}
        inputs = {split: [(message, answer) for message in messages[split]] for split in SPLITS}
        yield _instructed("reply", p["form"], number, inputs)


def _policies() -> Iterator[Item]:
    for p in POLICIES:
        answer = f"Rule {p['rule']}: {p['says']}"
        parts = _policy_splits(p["ask"], train=4)
        yield Item(p["rule"], {split: [(text, answer) for text in parts[split]] for split in SPLITS})


def _decisions() -> Iterator[Item]:
    for number, p in enumerate(POLICIES):
        parts = _policy_splits(p["case"], train=6)
        inputs = {split: [(case, _decide(p, case)) for case in parts[split]] for split in SPLITS}
        yield _instructed("decision", p["rule"], number, inputs)


def _policy_splits(texts: list[str], *, train: int) -> dict[Split, list[str]]:
    """The first `train` texts are for training, the next for validation, the last for test."""
    assert len(texts) == train + 2, texts
    return {"train": texts[:train], "validation": texts[train:-1], "test": texts[-1:]}


def _decide(policy: dict[str, Any], case: str) -> str:
    (sum_eur,) = re.findall(r"(\d+) euros", case)
    return to_json(allowed=int(sum_eur) <= policy["limit_eur"], limit_eur=policy["limit_eur"], rule=policy["rule"])


def _extractions() -> Iterator[Item]:
    """Customers' messages about accounts: each template once per product, with a random name, sum and branch."""
    messages: dict[Split, list[str]] = TASKS["extraction"]["message"]
    rng = random.Random("extraction")
    accounts = [p for p in WORLD["product"] if p["kind"] in ("savings", "account")]
    for number, p in enumerate(accounts):
        inputs = {split: [_extraction(text, p, rng) for text in messages[split]] for split in SPLITS}
        yield _instructed("extraction", p["code"], number, inputs)


def _extraction(text: str, product: dict[str, Any], rng: random.Random) -> tuple[str, str]:
    who, amount_eur, branch = rng.choice(NAMES), rng.choice(SUMS_EUR), rng.choice(WORLD["branch"])
    answer = to_json(name=who, product=product["code"], amount_eur=amount_eur, branch=branch["code"])
    return text.format(who=who, amount=amount_eur, name=product["name"], branch=branch["name"]), answer


MAKERS: dict[str, Callable[[], Iterator[Item]]] = {
    "product": _products,
    "terms": _terms,
    "product_card": _product_cards,
    "terms_sheet": _terms_sheets,
    "ticket": _tickets,
    "decision": _decisions,
    "branch_sheet": _branch_sheets,
    "escalation": _escalations,
    "extraction": _extractions,
    "policy": _policies,
    "hours": _hours,
    "service": _services,
    "glossary": _glossary,
    "procedure": _procedures,
    "queue": _queues,
    "level": _levels,
    "reply": _replies,
}
"""Which function makes the items of a task; the tasks' names are those of `question.toml`."""
