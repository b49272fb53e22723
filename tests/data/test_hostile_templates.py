"""Chat templates are foreign code: they run in Jinja's sandbox, come to an end, and fail with a message."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from ftlab.data import jinja
from ftlab.data.chat import Encoder
from ftlab.data.jinja import ChatTemplate
from ftlab.data.row import Message, Row
from ftlab.data.values import RowFault
from ftlab.model.tokenizer import load_tokenizer
from ftlab.problem import InputError
from tests.data.chat_templates import byte_level

ROW = Row(0, "rows.jsonl:1", messages=(Message("user", "Why?"), Message("assistant", "So.")))
ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}{{ ''|attr('__class__') }}{{ ().__class__.__base__.__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.popen('echo').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'role': 'x'}) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
]
FAILURES = [
    "{{ 1 / 0 }}",
    "{{ messages.missing.deeper }}",
    "{{ messages['x'] + 1 }}",
    "{{ raise_exception('No.') }}",
    "{% if %}",
    "{% for m in messages %}",
    "{{ unknown() }}",
    "{{ messages|nofilter }}",
    "{{ range(10**9)|list }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ '\\ud800' }}",
    "{{ 'x' * 2000000000000000 }}",
    "{{ messages|map('int')|sum }}",
    "\x00{{ bos_token }}",
    "",
]


def tokenizer(template: str) -> PreTrainedTokenizerFast:
    backend = byte_level("default").backend_tokenizer
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", chat_template=template)


@pytest.mark.parametrize("template", ESCAPES)
def test_ways_out_of_the_sandbox_are_closed(template: str) -> None:
    with pytest.raises(RowFault, match=r"unsafe|loader|undefined|not found") as fault:
        ChatTemplate(tokenizer(template)).render(ROW.messages)
    assert fault.value.code == "FT511"


@pytest.mark.parametrize("template", ["{{ raise_exception.__globals__ }}", "{{ '{0.__class__}'.format(1) }}"])
def test_ways_out_of_the_sandbox_show_nothing(template: str) -> None:
    assert ChatTemplate(tokenizer(template)).render(ROW.messages) == ""


@pytest.mark.parametrize("template", [*ESCAPES, *FAILURES])
def test_template_that_fails_is_told_once_for_all_rows(template: str) -> None:
    with pytest.raises(InputError) as error:
        Encoder(tokenizer(template)).encode_all([ROW, ROW])
    (problem,) = error.value.problems
    assert problem.where == "model.chat_template"
    assert problem.code == "FT510"


def test_template_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja, "_SECONDS", 0.2)
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    started = time.monotonic()
    with pytest.raises(RowFault, match=r"refuses the conversation: it takes longer than 0.2 s\."):
        ChatTemplate(tokenizer(loop)).render(ROW.messages)
    assert time.monotonic() - started < 5


def test_time_limit_leaves_no_alarm_behind_and_needs_no_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja, "_SECONDS", 0.05)
    template, texts = ChatTemplate(tokenizer("{{ messages|length }}")), []
    texts.append(template.render(ROW.messages))
    thread = threading.Thread(target=lambda: texts.append(template.render(ROW.messages)))
    thread.start()
    thread.join()
    time.sleep(0.1)
    assert texts == ["2", "2"]


def test_template_that_writes_without_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja, "_MAX_CHARS", 1000)
    with pytest.raises(RowFault, match="writes 2,000 characters, but at most 1,000 are allowed"):
        ChatTemplate(tokenizer("{{ 'x' * 2000 }}")).render(ROW.messages)


def test_template_cannot_change_the_row_for_the_next_rendering() -> None:
    template = ChatTemplate(tokenizer("{% set _ = messages[0].pop('content') %}{{ messages[0] }}"))
    for _ in range(2):
        with pytest.raises(RowFault, match="unsafe"):
            template.render(ROW.messages)


@pytest.mark.parametrize("name", ["real", "hostile", "binary", "missing"])
def test_template_of_a_file_runs_in_the_same_sandbox(name: str, tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    contents = {
        "hostile": ESCAPES[0].encode(),
        "binary": b"\xff\xfe{{",
        "real": byte_level("default").chat_template.encode(),
    }
    if name in contents:
        file.write_bytes(contents[name])
    if name == "real":
        known, _ = load_tokenizer(path=None, chat_template=str(file))
        assert Encoder(known).encode(ROW).targets_count > 0
        return
    with pytest.raises(InputError) as error:
        Encoder(load_tokenizer(path=None, chat_template=str(file))[0]).encode(ROW)
    assert error.value.problems[0].where == "model.chat_template"


PIECES = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        " messages ",
        " m ",
        "for ",
        "in ",
        "if ",
        "endfor",
        "endif",
        "set ",
        "[0]",
        ".content",
        "~",
    ),
    *("|trim", "'x'", "eos_token", "bos_token", "add_generation_prompt", "raise_exception('no')", "loop.last", "\n"),
]
WHOLE = [
    "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
    "{% for m in messages %}{{ m.role }}{% endfor %}",
    "{% if add_generation_prompt %}>{% endif %}",
    *("{{ messages[-1].content }}", "{{ messages[0].content }}", "{{ eos_token }}", "x"),
]
templates = st.one_of(st.lists(st.sampled_from(PIECES), max_size=8), st.lists(st.sampled_from(WHOLE), max_size=5))


@settings(max_examples=150, deadline=None)
@given(template=templates.map("".join))
def test_any_template_gives_a_true_mask_or_a_message(template: str) -> None:
    known = tokenizer(template)
    try:
        encoded = Encoder(known).encode(ROW)
    except InputError:
        return
    spoken = known.decode(encoded.ids[encoded.supervised])
    assert spoken.endswith("</s>")
    assert "So." in spoken
    assert "Why?" not in spoken
