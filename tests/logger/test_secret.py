"""Nothing secret is written down, and nothing else is hidden."""

import pytest

from ftlab.logger.secret import HIDDEN, redact, redact_command

FORMS = [
    "hf_" + "a1B2" * 8,
    "wandb_v1_" + "a1B2_" * 8,
    "sk-" + "proj-abcd1234" * 3,
    "ghp_" + "a1B2" * 9,
    "AKIA" + "ABCD1234" * 2,
    "eyJhbGciOi." + "eyJzdWIiOiIx." + "abc-_123",
    "0123456789abcdef" * 2 + "01234567",
]


@pytest.mark.parametrize(
    "name", ["token", "hub_token", "api_key", "apiKey", "WANDB_API_KEY", "client-secret", "password"]
)
def test_values_with_a_secret_name_are_hidden_at_any_depth(name: str) -> None:
    found = redact({"a": [{"b": {name: "short"}}], name: {"x": "y", "n": 3}})
    assert found == {"a": [{"b": {name: HIDDEN}}], name: {"x": HIDDEN, "n": 3}}


@pytest.mark.parametrize("secret", FORMS)
def test_values_that_look_like_a_token_are_hidden(secret: str) -> None:
    assert redact({"note": secret}) == {"note": HIDDEN}
    assert secret not in redact({"note": f"uses {secret}"})["note"] or secret == FORMS[-1]


def test_the_password_of_a_url_is_hidden() -> None:
    assert redact({"proxy": "https://me:pass@host/x"}) == {"proxy": f"https://{HIDDEN}@host/x"}


def test_a_secret_of_the_environment_is_hidden_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPANY_API_TOKEN", "correct horse battery")
    assert redact({"system": "say correct horse battery!"}) == {"system": f"say {HIDDEN}!"}


def test_ordinary_settings_stay() -> None:
    config = {
        "training": {"micro_batch_tokens": 4096, "max_row_tokens": None, "max_grad_norm": 1.0},
        "model": {
            "revision": "0123456789abcdef" * 2 + "01234567",
            "path": "hf_models/llama",
            "trust_remote_code": False,
        },
        "method": {"target_modules": ["q_proj", "v_proj"], "num_virtual_tokens": 8, "monkey": "patch"},
        "tokenizer": {"pad_token": "<|pad|>", "pad_token_id": 0},
        "data": {"path": "s3://bucket/a-key-to-success.jsonl", "glob": "https://host:8080/a@b"},
    }
    assert redact(config) == config


def test_the_command_line_keeps_its_words() -> None:
    typed = ["method=qlora", "model.token=abc", "+logger.wandb.api_key=x=y", "--cfg", "job", "note=" + FORMS[0]]
    assert redact_command(typed) == [
        "method=qlora",
        f"model.token={HIDDEN}",
        f"+logger.wandb.api_key={HIDDEN}",
        "--cfg",
        "job",
        f"note={HIDDEN}",
    ]
