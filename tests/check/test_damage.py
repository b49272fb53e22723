"""Damaged text is told from text that only looks unusual, and mended where the bytes tell how."""

import pytest

from ftlab.check.damage import invisible, lost, mend_encoding, mend_invisible, misread

SOUND = (
    "plain ASCII, with | pipes ~ and tabs\t",
    "你好，世界。什么是复利效应？",
    "Ä, Ö, Ü: «Grüße» – “naïve café” … 5×3=15 ½ €20 10 m²",
    "São Paulo, El Niño, Ελλάδα, Москва, Việt Nam: Tiếng Việt, Ż ó ł w",
    "╔══╗\n║ A║\n╚══╝",
    "می\u200cخواهم",  # Persian needs the non-joiner
    "क्\u200dष",  # Hindi needs the joiner
    "👩\u200d👩\u200d👧 👍🏽 ❤\ufe0f",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
    "日本語のテキスト、한국어 텍스트",
    "price 10\u00a0€ and 1\u202f000",
)


@pytest.mark.parametrize("text", SOUND)
def test_sound_text_is_left_alone(text: str) -> None:
    assert misread(text) is None
    assert mend_encoding(text) == text
    assert not invisible(text)
    assert mend_invisible(text) == text
    assert lost(text) is None


@pytest.mark.parametrize("text", ["für die Änderung", "don’t", "20 °C", "El Niño", "Київ і Львів", "你好世界"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_wrong_encoding_is_found_and_undone(text: str, encoding: str) -> None:
    spoiled = text.encode().decode(encoding)
    assert misread(spoiled) is not None
    assert mend_encoding(spoiled) == text


def test_a_wrong_encoding_is_undone_line_by_line() -> None:
    assert mend_encoding("für\nfÃ¼r\n你好\n") == "für\nfür\n你好\n"


def test_the_finding_names_the_word() -> None:
    assert misread("Ich bin fÃ¼r dich da") == "'fÃ¼r' for 'für'"


@pytest.mark.parametrize(
    ("text", "names", "mended"),
    [
        ("pass\u200bword", {"U+200B": 1}, "password"),
        ("\ufeffid", {"U+FEFF": 1}, "id"),
        ("a\u202eb\u202cc", {"U+202E": 1, "U+202C": 1}, "abc"),
        ("ad\u00admin ad\u00admin", {"U+00AD": 2}, "admin admin"),
        ("bell\x07", {"U+0007": 1}, "bell"),
        ("复\u200d利", {"U+200D": 1}, "复利"),
        ("x\U000e0041", {"U+E0041": 1}, "x"),
    ],
)
def test_invisible_characters_are_counted_and_taken_out(text: str, names: dict[str, int], mended: str) -> None:
    assert invisible(text) == names
    assert mend_invisible(text) == mended


@pytest.mark.parametrize("text", ["caf\ufffd", "锟斤拷锟斤拷", "烫烫烫烫"])
def test_lost_characters_are_found(text: str) -> None:
    assert lost(f"vor {text} nach") is not None


def test_a_hot_soup_is_no_lost_character() -> None:
    assert lost("小心，汤很烫！烫烫的。") is None
