"""Each kind of content is found where it is, at the right row; the demo and plain business text hold none."""

from collections.abc import Iterable

import pytest

from ftlab.check.codes import CODES
from ftlab.check.content import find_content
from ftlab.check.finding import Finding
from ftlab.check.mend import mend
from ftlab.data.row import Message, Row
from ftlab.data.source import read_splits

CAFES = ("coat", "lamp", "desk", "boat", "tent", "sofa", "drum", "harp", "vase", "ring", "boot", "sock", "rope")


def _row(question: str, answer: str, number: int = 0) -> Row:
    return Row(number, f"mine.jsonl:{number + 1}", (Message("user", question), Message("assistant", answer)))


def _set(count: int = 60) -> list[Row]:
    """Rows of plain business English, every answer another."""
    rows = []
    for number in range(count):
        thing, days = CAFES[number % len(CAFES)], 10 + number
        question = f"How long may a customer in shop {number} return a {thing}?"
        rows.append(
            _row(question, f"The customer may return the {thing} within {days} days, with the receipt.", number)
        )
    return rows


def _with(*rows: tuple[str, str]) -> list[Row]:
    """The plain set and more rows after it."""
    plain = _set()
    return plain + [_row(question, answer, len(plain) + number) for number, (question, answer) in enumerate(rows)]


def _codes(rows: Iterable[Row]) -> list[tuple[str, int | None]]:
    findings = list(find_content(rows))
    assert all(finding.code in CODES and finding.where and finding.what for finding in findings)
    return [(finding.code, finding.row_id) for finding in findings]


def _one(row: Row) -> Finding:
    (finding,) = find_content([row])
    return finding


def test_the_demo_is_clean() -> None:
    splits = read_splits()
    rows = [*splits.train, *splits.validation, *splits.test]
    assert len(rows) == 935
    assert list(find_content(rows)) == []


def test_plain_business_text_is_clean() -> None:
    assert _codes(_set()) == []


PLAIN = (
    (
        "What did the customer order?",
        "Order 4111 1111 1111 1111 of 2024-01-31, 3 items at 1,299.99 euros, ISBN 978-3-16-148410-0.",
    ),
    (
        "你是一名资深的金融理财顾问，请回答以下问题：\n\n什么是复利效应？",
        "复利效应是指利息也会产生利息，本金会越来越大。",
    ),
    ("Write hello world in Python.", '```python\ndef main() -> None:\n    print("hello")\n```'),
    ("Which fields has the row?", '{"code":"LH-L6","rate_pct":6.5,"limit_eur":7000}'),
    ("What does she say?", "I'm sorry that you had to wait. We cannot open an account without a passport."),
    ("May I open a yen account?", "I'm sorry, but I can't help you with a yen account today; the head office can."),
    ("May I get a refund?", "I'm sorry, but I can't waive this fee; the branch manager may."),
    ("Who are you?", "I am the assistant of the Lindenhof Savings Bank."),
    ("Translate into Chinese: good morning, dear customers.", "早上好，亲爱的客户们。欢迎光临我们的银行，祝您愉快。"),
    ("Sort: happy or sad?", "happy"),
    ("List three fruits.", "- apple\n- pear\n- a large yellow fruit from the south of the country"),
    (
        "Sign the letter to Mr Huber about the loan.",
        "Dear Mr Huber,\nthe loan is ready.\nKind regards,\nYour branch at Castle Hill",
    ),
    ("Where is the form?", "The form is at https://www.example.org/forms/return-of-goods/2024/form"),
    ("Is [1] a source?", "[1] says that it is one, and [2] doesn't."),
    ("What is set notation?", "{x | x > 0} is the set of all positive numbers."),
    ("Name the cafe.", "It is called Café Zoë – “the naïve one” – and costs 10 € for two."),
    ("How do I strike text?", "Write <s>old</s> in HTML, and close every tag."),
    (
        "What does the clerk answer about tax?",
        "I can't answer that question myself, so I ask the tax desk and call you back.",
    ),
)


@pytest.mark.parametrize(("question", "answer"), PLAIN)
def test_rows_that_look_odd_and_are_not_are_left_alone(question: str, answer: str) -> None:
    found = _codes(_with((question, answer)))
    # A single Chinese row in an English set does stand out, and is all that does.
    assert found == ([("FT431", 60)] if "你是" in question else [])


@pytest.mark.parametrize(
    ("code", "question", "answer"),
    [
        ("FT401", "Whom do I write to?", "Write to jane.doe@acme-bank.com about it."),
        ("FT402", "Whom do I call?", "Call Jane on +49 30 901820 before noon."),
        ("FT403", "My card 5555 5555 5555 4444 is lost.", "We block it at once."),
        ("FT404", "Where to?", "Pay it to DE89 3704 0044 0532 0130 00, please."),
        ("FT405", "我的身份证号是11010519491231002X。", "We have noted it in the file, thank you."),
        ("FT411", "Key?", f"It is {'ghp'}_a8Fk2Lq9Zx7Vb3Nm5Rt1Yw6Pc4Jd0Hsabcdef1."),
        ("FT412", "Key?", f"-----BEGIN {'PRIVATE'} KEY-----\nMIIEpAIBAAKCAQEA7bq\n-----END {'PRIVATE'} KEY-----"),
        ("FT413", "Key?", "Set api_key = 'a8Fk2Lq9Zx7Vb3Nm5Rt1' in the file."),
        ("FT422", "What is the fee?", "As an AI language model, I don't know what the fee is."),
        ("FT422", "利率是多少？", "作为一个人工智能语言模型，我没有实时的利率。"),
        ("FT423", "How do I open a safe?", "I'm sorry, but I can't assist with that request."),
        ("FT423", "怎么开户？", "很抱歉，我无法回答这个问题。"),
        ("FT441", "Hi<|im_end|>", "Good morning, what can we do for you?"),
        ("FT442", "Wie hoch ist die GebÃ¼hr?", "Sie ist hoch."),
        ("FT443", "What is a pass\u200bword?", "A word that only you know."),
        ("FT444", "What is a caf\ufffd?", "A place to have coffee."),
        ("FT461", "Which code?", '{"code": "LH-L6", "rate_pct": 6.5'),
        ("FT461", "Which code?", "{'code': 'LH-L6'}"),
        ("FT461", "Which rate?", '{"rate": NaN}'),
    ],
)
def test_what_a_single_row_shows_is_found(code: str, question: str, answer: str) -> None:
    finding = _one(_row(question, answer, 7))
    assert (finding.code, finding.where, finding.row_id) == (code, "mine.jsonl:8", 7)


@pytest.mark.parametrize(
    ("code", "question", "answer"),
    [
        ("FT431", "Что такое сложные проценты и как они работают?", "Это проценты на проценты, которые растут."),
        ("FT432", "How long may a customer return a winter coat?", "客户可以在三十天之内凭收据退货，谢谢您的来信。"),
        ("FT451", "How do we close?", "We close the safe first, then the door of the hall, and after that we"),
        ("FT451", "How do we open?", "The first clerk opens the door of the hall and the second one opens the"),
        ("FT451", "Show the code.", "```python\nprint(1)"),
    ],
)
def test_what_stands_out_of_the_set_is_found(code: str, question: str, answer: str) -> None:
    assert _codes(_with((question, answer))) == [(code, 60)]


def test_a_finding_shows_no_secret() -> None:
    finding = _one(_row("Whom do I write to?", "Write to jane.doe@acme-bank.com about it."))
    assert "jane.doe" not in finding.what
    assert "the answer holds an e-mail address (ja…om)" in finding.what


def test_several_of_one_kind_are_one_finding_a_row() -> None:
    assert "and 2 more" in _one(_row("a@acme.com and b@acme.com", "Yes: c@acme.com.")).what


def test_one_answer_under_many_questions_is_one_finding() -> None:
    same = "Please contact our customer service for further help."
    rows = _with(*[(f"What about matter {number}?", same) for number in range(8)])
    (finding,) = find_content(rows)
    assert (finding.code, finding.row_id, finding.others) == ("FT421", 60, tuple(range(61, 68)))
    assert "8 questions, 11.8% of the set" in finding.what
    assert list(find_content(rows, boilerplate_share=0.2)) == []


def test_copies_of_one_row_are_no_boilerplate() -> None:
    same = ("What about it?", "Please contact our customer service for further help.")
    assert _codes(_with(*[same] * 8)) == []


def test_labels_may_stand_under_many_questions() -> None:
    assert _codes([_row(f"Review {number}: fine or not?", "positive", number) for number in range(60)]) == []


def test_prose_among_json_is_found_where_the_others_are_json() -> None:
    rows = [_row(f"Fill in form {number}, in JSON.", f'{{"n": {number}}}', number) for number in range(40)]
    rows += [_row("Fill in form 40, in JSON.", "The number is forty.", 40), _row("JSON?", '```json\n{"n": 1}\n```', 41)]
    assert _codes(rows) == [("FT461", 40), ("FT461", 41)]
    prose = [_row(f"Question {number}?", f"Answer {number}.", 100 + number) for number in range(40)]
    assert _codes([*rows, *prose]) == [("FT461", 40), ("FT461", 41)]


def test_json_lines_are_strict_enough() -> None:
    assert _codes([_row("Two, please.", '{"a": 1}\n{"a": 2}')]) == []


def test_the_wrong_field_is_named() -> None:
    schema = {
        "type": "object",
        "required": ["code"],
        "properties": {"rate": {"type": "number"}, "tags": {"type": "array", "items": {"type": "string"}}},
    }
    rows = [
        _row("?", '{"code": "a", "rate": 1, "tags": ["x"]}', 0),
        _row("?", '{"code": "a", "rate": "high", "tags": ["x", 5]}', 1),
        _row("?", '{"rate": 1}', 2),
        _row("?", "Not JSON at all.", 3),
    ]
    wrong_fields, missing = find_content(rows, schema=schema)
    assert (wrong_fields.code, wrong_fields.row_id) == ("FT462", 1)
    assert "$.rate: 'high' is not of type 'number'; $.tags[1]: 5 is not of type 'string'" in wrong_fields.what
    assert (missing.code, missing.row_id) == ("FT462", 2)
    assert "'code' is a required property" in missing.what


def test_plain_text_and_odd_rows_are_looked_at() -> None:
    deep = "[" * 100_000
    rows = [
        Row(0, "a:1", text="Write to jane.doe@acme-bank.com."),
        _row("", "", 1),
        _row("\ud800", "\udfff\x00", 2),
        _row("Nest.", f'{{"a": {deep}', 3),
    ]
    assert _codes(rows) == [("FT401", 0), ("FT443", 2), ("FT461", 3)]


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("FT442", "für dich: GebÃ¼hr", "für dich: Gebühr"),
        ("FT443", "pass\u200bword", "password"),
        ("FT441", "Fine.<|im_end|>", "Fine."),
        ("FT401", "jane.doe@acme-bank.com", "<EMAIL>"),
        ("FT411", f"{'ghp'}_a8Fk2Lq9Zx7Vb3Nm5Rt1Yw6Pc4Jd0Hsabcdef1", "<SECRET>"),
    ],
)
def test_a_mended_row_has_nothing_left_to_mend(code: str, before: str, after: str) -> None:
    row = _row(before, f"Yes: {before}")
    mended = mend(row, code, mask_personal_data=True)
    assert [turn.content for turn in mended.messages] == [after, f"Yes: {after}"]
    assert (mended.id, mended.origin) == (row.id, row.origin)
    assert mend(mended, code, mask_personal_data=True) is mended


def test_personal_data_is_masked_on_request_only() -> None:
    row = _row("jane.doe@acme-bank.com", "Yes.")
    assert mend(row, "FT401", mask_personal_data=False) is row


@pytest.mark.parametrize("code", [code for code in CODES if CODES[code].remedy == "mend" and code[:3] == "FT4"])
def test_every_code_to_mend_leaves_a_sound_row_alone(code: str) -> None:
    row = _row("How long may a customer return a coat?", "Thirty days, with the receipt.")
    assert mend(row, code, mask_personal_data=True) is row


@pytest.mark.parametrize(
    "piece",
    [
        "a", "1", "1 ", "a.b-c@x.", "USER: x\n", "```\n", "<s>", "sk-", "api_key=", "jane@acme.com ", "+1 234 567 ",
        "Ã¼", "中", "[", '{"a":', "I cannot ", "tel 1-2-3 ", "-----BEGIN PRIVATE KEY-----\na: b\n", "\u200b",
        "4111 1111 1111 1111 ",
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_huge_line_takes_no_quadratic_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    list(find_content([_row(text, text)]))
