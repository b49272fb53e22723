"""A data set spoiled on purpose: good rows of the embedded demo with one fault after another between them.

`write_spoiled` makes the files and says which finding belongs to which line.
"""

import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

GOOD_ROWS = 120
"""Rows of the demo that stand in front of the faults."""

Line = dict[str, Any] | str | bytes


@dataclass(slots=True)
class Spoiled:
    """The files and their faults.

    Attributes:
        path: The folder of training rows.
        validation_path: The file of validation rows.
        faults: The codes that belong to each place, `file:line` or `file`.
    """

    path: Path
    validation_path: Path
    faults: dict[str, set[str]] = field(default_factory=dict)


def write_spoiled(folder: Path) -> Spoiled:
    """Writes the files into an empty folder."""
    spoiled = Spoiled(folder / "train", folder / "validation.jsonl")
    spoiled.path.mkdir()
    demo = (files("ftlab.data") / "demo" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    good = [json.loads(line) for line in demo[: GOOD_ROWS + 2]]
    _write(spoiled, "alpaca.jsonl", [(row, "") for row in good[:GOOD_ROWS]] + _alpaca(good))
    _write(spoiled, "messages.jsonl", _messages())
    _write(spoiled, "table.csv", [(b"instruction,output", ""), (b"Who opens the branch?,Its head does.", ""), *_CSV])
    _write(spoiled, "other.jsonl", [(b"instruction,output", "FT104"), (b"Who closes it?,The guard does.", "")])
    (spoiled.path / "empty.jsonl").write_bytes(b"")
    spoiled.faults[str(spoiled.path / "empty.jsonl")] = {"FT105"}
    held_out = _row("Which day is the vault counted?", "The vault is counted on the last Friday of a month.")
    spoiled.validation_path.write_text(f"{json.dumps(held_out)}\n", encoding="utf-8")
    return spoiled


def _write(spoiled: Spoiled, name: str, lines: list[tuple[Line, str]]) -> None:
    path = spoiled.path / name
    with path.open("wb") as file:
        for number, (line, codes) in enumerate(lines, 1):
            text = json.dumps(line, ensure_ascii=False) if isinstance(line, dict) else line
            file.write((text if isinstance(text, bytes) else text.encode()) + b"\n")
            if codes:
                spoiled.faults[f"{path}:{number}"] = set(codes.split())


def _row(instruction: Any, output: Any, **more: Any) -> dict[str, Any]:
    return {"instruction": instruction, "input": "", "output": output, **more}


_CSV: list[tuple[Line, str]] = [
    (b"Who locks it, and when?,The guard does.,late", "FT106"),
    (b"Nothing else", "FT106"),
]


def _alpaca(good: list[dict[str, Any]]) -> list[tuple[Line, str]]:
    conflict = {**good[7], "output": "Nobody has told me anything about that so far, and I was not there."}
    loud = {**good[6], "instruction": f"  {good[6]['instruction'].upper()} "}
    story = (
        "The branch at the harbour opens at nine, closes at five, and keeps a safe for the fishermen, "
        "who bring their takings on Friday evenings, when the tide is low and the boats lie dry."
    )
    return [
        ('{"instruction" "Who?", "output": "He."}', "FT101"),
        ("{'instruction': 'Who?', 'output': 'She.'}", "FT101"),
        ('{"instruction": "Who?", "output": "They.",}', "FT101"),
        ('{"instruction": "How much?", "output": NaN}', "FT101"),
        ('{"instruction": "Who?", "output": "It is cut off', "FT101"),
        ('["Who?", "He."]', "FT102"),
        ('"Who? He."', "FT102"),
        ('{"instruction": "Wo?", "output": "In München."}'.encode("cp1252"), "FT103"),
        ({"instruction": "Who signs?", "ouput": "The clerk signs."}, "FT107"),
        ({"input": "Who signs?"}, "FT107"),
        (_row("Who pays the fee?", None), "FT108"),
        (_row("Who pays the postage?", ""), "FT108"),
        (_row("Who pays the tax?", " \n\t"), "FT108"),
        (_row("", "The sender pays it."), "FT109"),
        ('{"instruction": "Which sign?", "output": "This one: \\ud83d"}', "FT110"),
        ({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}, "FT113"),
        ('{"instruction": "Who rings?", "output": "The bell.", "output": "The guard rings the bell."}', "FT122"),
        ("\ufeff" + json.dumps(_row("Who knocks?", "A customer knocks at the door.")), "FT123"),
        (_row("Give the opening hours as JSON.", {"from": 9, "until": 17, "days": ["Mo", "Fr"]}), "FT119"),
        (_row("How many safes are there?", 12), "FT119"),
        (_row("Who waters the palms?", "The apprentice waters the palms.", editor="K."), "FT120"),
        (good[5], "FT201"),
        (loud, "FT201"),
        (_row("Tell the story of the harbour branch.", story), ""),
        (_row("Tell the story of the harbour branch.", f"{story} So it is."), "FT202 FT203"),
        (conflict, "FT203"),
        (_row("Which day is the vault counted?", "The vault is counted on the last Friday of a month."), "FT211"),
        (_row("Whom do I write to?", "Write to eva.lindner@harbour-mail.com about the key."), "FT401"),
        (_row("Whom do I call?", "Call her at +49 30 23125 4421 in the morning."), "FT402"),
        (_row("Which card was it?", "It was the card 4539 1488 0343 6467 of the customer."), "FT403"),
        (_row("Which account was it?", "It was DE89 3704 0044 0532 0130 00 at the old bank."), "FT404"),
        (_row("Which key opens the service?", "Use ghp_16C7e42F292c6912E7710c838347Ae178B4a for it."), "FT411"),
        (_row("What stands in the file?", f"-----BEGIN {'PRIVATE'} KEY-----\nMIIEvQIBADANBgkqhkiG9w0B"), "FT412"),
        (_row("Who are you?", "As an AI language model, I have no name, but the bank has one."), "FT422"),
        (_row("How do I open a tin?", "I'm sorry, but I can't help with that request."), "FT423"),
        (_row("What comes next?", "The next turn comes on the morning after.<|im_end|>"), "FT441"),
        (_row("Where is the main branch?", "It stands in MÃ¼nchen, near the grÃ¼nen Tor."), "FT442"),
        (_row("How is it spelt?", "It is spelt Linden\u200bhof with a silent h."), "FT443"),
        (_row("What was the name?", "The name was Gr\ufffd\ufffdner, as far as I remember."), "FT444"),
        (_row("Why is it closed?", "It has been closed since the third day of the month because the"), "FT451"),
        (_row("Give the address as JSON.", '{"street": "Quay 4", "city": "Harbour'), "FT461"),
        (_row("Tell me everything.", "Well, one thing follows another. " * 400), "FT301"),
    ]


def _messages() -> list[tuple[Line, str]]:
    def turns(*pairs: tuple[str, Any]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": content} for role, content in pairs]}

    asked = ("user", "Who keeps the second key?")
    answered = ("assistant", "The head of the branch keeps the second key.")
    return [
        (turns(asked, answered), ""),
        ({"messages": "no list"}, "FT111"),
        ({"messages": [{"role": "user"}, "text"]}, "FT109"),
        ({"messages": ["text"]}, "FT111"),
        (turns(("narrator", "It is late."), answered), "FT112"),
        (turns(("user", "Who keeps the third key?")), "FT114"),
        (turns(("assistant", "Good morning, this is the bank.")), "FT115"),
        (turns(("user", "Hello."), ("user", "Who is there?"), ("assistant", "It is the night guard.")), "FT116"),
        (
            turns(("user", "Who sweeps?"), ("system", "Be short."), ("assistant", "The caretaker sweeps.")),
            "FT117",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": "x.png"}]},
                    {"role": "assistant", "content": "A picture."},
                ]
            },
            "FT118",
        ),
        (turns(("user", "Who paints?"), ("assistant", "")), "FT108"),
    ]
