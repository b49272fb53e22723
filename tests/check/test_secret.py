"""Keys are found; code and prose that speaks of keys are left alone."""

import pytest

from ftlab.check.secret import SECRETS
from ftlab.check.sensitive import find_sensitive, mask_sensitive

# Put together here, so that no scanner of this repository takes the tests for a leak.
RANDOM = "a8Fk2Lq9Zx7Vb3Nm5Rt1Yw6Pc4Jd0Hs"
FOUND = (
    (f"aws_access_key_id = {'AKIA'}IOSFODNN7EXAMPLE", "FT411"),
    (f"use {'ghp'}_{RANDOM}wxyzA for the repo", "FT411"),
    (f"{'github_pat'}_11ABCDEFG0{RANDOM}", "FT411"),
    (f"OPENAI: {'sk'}-proj-{RANDOM}", "FT411"),
    (f"{'sk'}-{RANDOM}", "FT411"),
    (f"{'sk'}-ant-api03-{RANDOM}", "FT411"),
    (f"login with {'hf'}_{RANDOM}Ab", "FT411"),
    (f"{'xoxb'}-123456789012-{RANDOM}", "FT411"),
    (f"{'AIza'}Sy{RANDOM}xy", "FT411"),
    (f"{'eyJ'}hbGciOiJIUzI1NiJ9.{'eyJ'}zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "FT411"),
    (f"-----BEGIN RSA {'PRIVATE'} KEY-----\nMIIEpAIBAAKCAQEA7bq\n-----END RSA {'PRIVATE'} KEY-----", "FT412"),
    (f'api_key = "{RANDOM}"', "FT413"),
    (f"client-secret: {RANDOM}", "FT413"),
    (f'{{"access_token": "{RANDOM}"}}', "FT413"),
)
HARD_NEGATIVES = (
    "api_key = os.environ['SERVICE_API_KEY']",
    "api_key=YOUR_API_KEY_GOES_HERE_12345",
    'token = "<your token>"',
    "password: see the handbook, page 12",
    "token = generate_token_for_user(user_id=12345678901234)",
    "The secret: practise-every-single-day-of-the-week",
    "sk-learn-is-not-a-key-but-a-library-name",
    "secret = aaaaaaaaaaaaaaaaaaaaaaaa1",
    "A PEM file begins with -----BEGIN PRIVATE KEY----- and ends with -----END PRIVATE KEY-----.",
    "A JWT begins with eyJ and has two dots.",
    "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit 36a4196f0d1c2b3a4958677e8d9c0b1a2f3e4d5c",
    "token_type: bearer, tokens = 128000, max_tokens=4096",
    "hf_hub_download('gpt2')",
    "AKIA is the prefix of AWS keys.",
)


@pytest.mark.parametrize(("text", "code"), FOUND)
def test_keys_are_found_and_masked(text: str, code: str) -> None:
    assert [place.kind.code for place in find_sensitive(text, SECRETS)] == [code]
    masked = mask_sensitive(text, SECRETS, code)
    assert RANDOM not in masked
    assert "<SECRET>" in masked or masked == "<PRIVATE_KEY>"


@pytest.mark.parametrize("text", HARD_NEGATIVES)
def test_text_about_keys_is_left_alone(text: str) -> None:
    assert [text[place.start : place.end] for place in find_sensitive(text, SECRETS)] == []


def test_the_name_of_a_masked_value_stays() -> None:
    assert mask_sensitive(f'api_key = "{RANDOM}"', SECRETS, "FT413") == 'api_key = "<SECRET>"'
