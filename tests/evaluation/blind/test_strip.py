"""What tells whose an answer is goes, and is counted; what only looks like it stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftlab.evaluation.blind.strip import HIDDEN, Rules, pattern_problems, strip, telling_names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>\nfirst, …\n</think>\n\nYes.", "Yes."),
        ("<THINK>a</THINK>Yes.<think>b</think>", "Yes."),
        ("opened in the prompt…</think>Yes.", "Yes."),
        ("Yes. <think>cut at the longest len", "Yes."),
        ("<reasoning>a</reasoning> Yes.", "Yes."),
        ("I think </thinking cap> so.", "I think </thinking cap> so."),
    ],
)
def test_thinking_goes_closed_or_not(text: str, shown: str) -> None:
    found = strip(text, Rules())
    assert found[0] == shown
    assert bool(found[1]["thinking"]) == (text != shown)


@given(thought=st.text(alphabet="ab \n", max_size=2000))
def test_length_of_thinking_leaves_no_trace(thought: str) -> None:
    assert strip(f"<think>{thought}</think>\n\nThe rate is 4 %.", Rules())[0] == "The rate is 4 %."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Yes.<|im_end|>", "Yes."),
        ("<|im_start|>assistant\nYes.", "Yes."),
        ("<|start_header_id|>assistant<|end_header_id|>\n\nYes.", "Yes."),
        ("<start_of_turn>model\nYes.<end_of_turn>", "Yes."),
        ("[INST] <<SYS>> Yes.[/INST]</s>", "Yes."),
        ("### Response:\nYes.", "Yes."),
        ("<｜end▁of▁sentence｜>Yes.", "Yes."),
        ("<s>Yes.", "Yes."),
        ("a <s>struck</s> word, x<|y, [INST, a|>b", "a <s>struck</s> word, x<|y, [INST, a|>b"),
    ],
)
def test_markers_of_templates_go(text: str, shown: str) -> None:
    found = strip(text, Rules())
    assert found[0] == shown
    assert bool(found[1]["markers"]) == (text != shown)


def test_names_and_patterns_are_hidden_and_counted() -> None:
    rules = Rules(names=("Qwen3", "Qwen3-8B"), patterns=(r"ticket #\d+",))
    shown, found = strip("I am QWEN3-8b, no Qwen3x. See ticket #12 and ticket #3.", rules)
    assert shown == f"I am {HIDDEN}, no Qwen3x. See {HIDDEN} and {HIDDEN}."
    assert found == {"names": 1, "patterns": 2}
    assert strip("我是Qwen3-8B模型。", rules) == (f"我是{HIDDEN}模型。", {"names": 1})


def test_nothing_goes_that_is_switched_off() -> None:
    text = "<think>a</think><|im_end|> b"
    assert strip(f" {text}\n", Rules(thinking=False, markers=False)) == (text, {})


def test_plain_words_are_no_telling_names() -> None:
    assert telling_names(["tiny", "custom", "models/llama-3/", "gpt2"]) == ("models/llama-3/", "llama-3", "gpt2")


def test_patterns_that_can_not_work_are_all_named() -> None:
    problems = pattern_problems(["ok", "(", "x*"], "compare.strip.patterns")
    assert [problem.where for problem in problems] == ["compare.strip.patterns[1]", "compare.strip.patterns[2]"]
