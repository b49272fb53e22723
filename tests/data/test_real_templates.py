"""Masks on the real chat templates of well-known models: true to the token, or refused with the reason.

The reference is slow and knows nothing of spans: the prompt is what Transformers gives the model at use, and the answer
is found by words that stand nowhere else, byte by byte beside the tokens.
"""

import json
import time
from itertools import pairwise

import pytest
from transformers import PreTrainedTokenizerFast

from ftlab.check.masks import check_masks
from ftlab.data.chat import Encoder
from ftlab.data.render import TrainOn
from ftlab.data.row import EncodedRow, Message, Row
from ftlab.problem import InputError
from tests.reference.chat_mask import token_bytes
from tests.reference.real_templates import FOLDER, MODELS, stop_ids, tokenizer

ASKED, SAID, EARLIER, THOUGHT = (
    "Wherefrom is Zephyrine?",
    "From Qûxville 🙂.",
    "Glad to meet Vlorp.",
    "Maps name Qûxville.",
)
TOOL = {
    "name": "find_place",
    "description": "Finds it.",
    "parameters": {
        "type": "object",
        "properties": {"who": {"type": "string", "description": "Who"}},
        "required": ["who"],
    },
}
TOOLS = json.dumps([{"type": "function", "function": TOOL}])
CALLS = json.dumps(
    [{"type": "function", "id": "abcdefghi", "function": {"name": "find_place", "arguments": {"who": "Zephyrine"}}}]
)
USER, ANSWER = Message("user", ASKED), Message("assistant", SAID)
FIRST = (Message("user", "Hello."), Message("assistant", EARLIER))
CALL = Message("assistant", "", tool_calls=CALLS)
RESULT = Message("tool", '{"place": "here"}', name="find_place", call_id="abcdefghi")

CASES: dict[str, Row] = {
    "one turn": Row(0, "rows.jsonl:1", messages=(USER, ANSWER)),
    "system": Row(0, "rows.jsonl:1", messages=(Message("system", "Be brief."), USER, ANSWER)),
    "turns": Row(0, "rows.jsonl:1", messages=(*FIRST, USER, ANSWER)),
    "thoughts": Row(0, "rows.jsonl:1", messages=(*FIRST, USER, Message("assistant", SAID, reasoning=THOUGHT))),
    "call": Row(0, "rows.jsonl:1", messages=(USER, CALL), tools=TOOLS),
    "result": Row(0, "rows.jsonl:1", messages=(USER, CALL, RESULT, ANSWER), tools=TOOLS),
}

NO_STOP = dict.fromkeys(CASES, "ends an answer with '', but generation stops at")
OTHER_PROMPT = "asks for answer"
NO_TOOLS = {"call": "writes no tools", "result": "writes no tools"}
NO_THOUGHTS = {"thoughts": "leaves out the thoughts"}
THINKS_FIRST = dict.fromkeys(["one turn", "system", "turns"], "asks for an answer that thinks first")
PLAIN = NO_THOUGHTS | NO_TOOLS
REFUSED: dict[str, dict[str, str]] = {
    "apertus": NO_STOP,  # writes an answer's end only once something follows
    "glm4.6": NO_STOP,
    "command-r7b": dict.fromkeys(["one turn", "system", "turns", "thoughts", "result"], OTHER_PROMPT),
    "deepseek-r1": THINKS_FIRST | NO_TOOLS,
    "deepseek-v3": THINKS_FIRST | NO_TOOLS,
    "gemma2": PLAIN | {"system": "System role not supported"},
    "gemma3": PLAIN,
    "gemma4": dict.fromkeys(["one turn", "system", "turns", "thoughts", "call"], OTHER_PROMPT),
    "gpt-oss": {},
    "granite3.3": NO_THOUGHTS | {"call": "leaves out the tool calls"},
    "granite4.0": NO_THOUGHTS,
    "hermes3": NO_THOUGHTS | {"result": OTHER_PROMPT},
    "kimi-k2": NO_THOUGHTS | dict.fromkeys(["call", "result"], "'append' of 'list' object is unsafe"),
    "lfm2": NO_THOUGHTS | {"call": "leaves out the tool calls"},
    "llama2": PLAIN,
    "llama3": PLAIN,
    "llama3.1": NO_THOUGHTS,
    "llama3.2": NO_THOUGHTS,
    "mistral-7b": NO_THOUGHTS,
    "mistral-nemo": NO_THOUGHTS,
    "mistral-small3.2": NO_THOUGHTS,
    "nemotron-nano-v2": THINKS_FIRST | dict.fromkeys(["call", "result"], "asks for an answer that thinks first"),
    "phi3.5-mini": PLAIN,
    "phi4-mini": PLAIN,
    "qwen2.5": NO_THOUGHTS,
    "qwen3": {},
    "qwen3.5": {},
    "smollm2": PLAIN,
    "smollm3": PLAIN,
}
"""What each template can't do, with words of the message; everything else must be masked truly."""

REWRITES = {"gpt-oss", "qwen3", "qwen3.5"}
"""Templates that write an answer otherwise once the conversation goes on."""


def encoder(name: str, train_on: TrainOn = "answer") -> Encoder:
    return Encoder(tokenizer(name), stop_ids=stop_ids(name), train_on=train_on)


def prompt_at_use(name: str, row: Row) -> list[int]:
    """The ids that Transformers gives the model before the last answer, the date being that of the rows."""
    messages = []
    for turn in row.messages[:-1]:
        message = {"role": turn.role, "content": turn.content}
        message |= {"tool_calls": json.loads(turn.tool_calls)} if turn.tool_calls else {}
        messages.append(message | ({"tool_call_id": turn.call_id, "name": turn.name} if turn.call_id else {}))
    tools = json.loads(row.tools) if row.tools else None
    text = tokenizer(name).apply_chat_template(messages, tools, tokenize=False, add_generation_prompt=True)
    for today in {time.strftime(form) for form in ("%d %b %Y", "%Y-%m-%d", "%B %d, %Y")}:
        form = next(form for form in ("%d %b %Y", "%Y-%m-%d", "%B %d, %Y") if time.strftime(form) == today)
        text = text.replace(today, time.strftime(form, time.strptime("2024-07-26", "%Y-%m-%d")))
    ids: list[int] = tokenizer(name)(text, add_special_tokens=False)["input_ids"]
    return ids


def written(name: str, row: EncodedRow, *, supervised: bool) -> str:
    """What the supervised or the masked tokens spell, token by token."""
    known: PreTrainedTokenizerFast = tokenizer(name)
    chosen = zip(row.ids.tolist(), row.supervised.tolist(), strict=True)
    return b"".join(token_bytes(known, token) for token, flag in chosen if flag == supervised).decode()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", MODELS)
def test_mask_is_true_or_the_row_is_refused_with_the_reason(name: str, case: str) -> None:
    row, encode = CASES[case], encoder(name)
    if case in REFUSED[name]:
        with pytest.raises(InputError, match=r"\[FT51\d\]") as error:
            encode.encode(row)
        assert REFUSED[name][case] in str(error.value)
        return
    encoded = encode.encode(row)
    start = int(encoded.supervised.nonzero()[0])
    assert encoded.ids[:start].tolist() == prompt_at_use(name, row)
    spoken = written(name, encoded, supervised=True)
    answer = row.messages[-1]
    parts = [part for part in (answer.content, answer.reasoning, "find_place" if answer.tool_calls else "") if part]
    assert all(part in spoken for part in parts)
    assert int(encoded.ids[encoded.supervised][-1]) in encode.stop_ids
    assert not any(word in spoken for word in (ASKED, EARLIER, "Hello.", "Be brief."))
    assert SAID not in written(name, encoded, supervised=False)
    assert sum(a != b for a, b in pairwise(encoded.supervised.tolist())) <= 2, "one stretch carries loss"


@pytest.mark.parametrize("name", [name for name in MODELS if "turns" not in REFUSED[name]])
def test_all_answers_are_masked_truly_or_refused(name: str) -> None:
    encode = encoder(name, "assistant")
    if name in REWRITES:
        with pytest.raises(
            InputError, match=r"rewrites answer 1 once the conversation goes on.*Set data.train_on=each"
        ):
            encode.encode(CASES["turns"])
        return
    encoded = encode.encode(CASES["turns"])
    spoken = written(name, encoded, supervised=True)
    assert EARLIER in spoken
    assert SAID in spoken
    assert not any(word in spoken for word in (ASKED, "Hello."))
    rows, known = [CASES["turns"]], tokenizer(name)
    stops = encode.stop_ids
    assert not check_masks([encoded], rows, tokenizer=known, stop_ids=stops, pad_id=-1, train_on="assistant")


@pytest.mark.parametrize("name", MODELS)
def test_preflight_passes_whatever_the_encoder_lets_through(name: str) -> None:
    encode = encoder(name)
    rows = [row for case, row in CASES.items() if case not in REFUSED[name]]
    found = check_masks(
        encode.encode_all(rows) if rows else [], rows, tokenizer=tokenizer(name), stop_ids=encode.stop_ids, pad_id=-1,
        train_on="answer",
    )  # fmt: skip
    assert found == []


@pytest.mark.parametrize("name", [name for name in MODELS if "one turn" not in REFUSED[name]])
def test_begin_token_stands_once_and_first_where_the_template_writes_it(name: str) -> None:
    known = tokenizer(name)
    ids = encoder(name).encode(CASES["one turn"]).ids.tolist()
    if "bos_token" in known.get_chat_template():
        assert ids[0] == known.bos_token_id
    assert ids[1] != known.bos_token_id


@pytest.mark.parametrize("name", sorted(REWRITES))
def test_each_answer_gets_a_row_of_its_own_where_the_template_rewrites_earlier_ones(name: str) -> None:
    encode, row = encoder(name, "each"), CASES["turns"]
    encoded = encode.encode_all([row])
    spoken = [written(name, one, supervised=True) for one in encoded]
    assert [EARLIER in text for text in spoken] == [True, False]
    assert [SAID in text for text in spoken] == [False, True]
    assert encoded[1].ids.tolist() == encoder(name).encode(row).ids.tolist()
    first = Row(0, "rows.jsonl:1", messages=row.messages[:2])
    assert encoded[0].ids.tolist() == encoder(name).encode(first).ids.tolist()
    stops = encode.stop_ids
    assert not check_masks(encoded, [row, row], tokenizer=tokenizer(name), stop_ids=stops, pad_id=-1, train_on="each")


@pytest.mark.parametrize("name", ["deepseek-r1", "nemotron-nano-v2"])
def test_thoughts_stand_behind_the_prompt_that_opens_them(name: str) -> None:
    spoken = written(name, encoder(name).encode(CASES["thoughts"]), supervised=True)
    assert spoken.startswith(f"{THOUGHT}\n</think>\n\n{SAID}")
    in_text = Message("assistant", f"<think>\n{THOUGHT}\n</think>\n\n{SAID}")
    row = Row(0, "rows.jsonl:1", messages=(*FIRST, USER, in_text))
    assert written(name, encoder(name).encode(row), supervised=True) == spoken


def test_system_message_that_moves_stands_where_the_model_is_given_it() -> None:
    text = tokenizer("mistral-7b").decode(encoder("mistral-7b").encode(CASES["system"]).ids)
    assert text == f"<s>[INST] Be brief.\n\n{ASKED}[/INST] {SAID}</s>"


@pytest.mark.parametrize("name", ["llama3.2", "gpt-oss", "granite3.3", "mistral-small3.2"])
def test_date_is_the_same_on_every_day_and_said(name: str) -> None:
    text = tokenizer(name).decode(encoder(name).encode(CASES["one turn"]).ids)
    assert any(date in text for date in ("26 Jul 2024", "2024-07-26", "July 26, 2024"))
    assert time.strftime("%Y") not in text
    assert "today's date" in " ".join(encoder(name).notes)
    assert not encoder("qwen3").notes


def test_every_template_file_is_tested() -> None:
    assert {file.stem for file in FOLDER.glob("*.jinja")} == set(MODELS) == set(REFUSED)
    assert len(MODELS) >= 25
