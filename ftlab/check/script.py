"""The scripts that rows are written in: a row unlike the whole set, an answer unlike its question.

A script stands for languages here: Latin for English as for German, Han for Chinese. Telling languages of one script
apart needs a model of them, which errs on short rows. In: rows, one by one. Out: findings FT431 and FT432, at the end.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ftlab.check.finding import Finding
from ftlab.check.wording import Exchange

_SCRIPTS = {
    "Latin": re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
    "Chinese": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"),
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Korean": re.compile("[\u1100-\u11ff\uac00-\ud7af]"),
    "Cyrillic": re.compile("[\u0400-\u052f]"),
    "Greek": re.compile("[\u0370-\u03ff]"),
    "Arabic": re.compile("[\u0600-\u06ff\u0750-\u077f]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
}
_LETTERS_A_SIGN = {"Chinese": 3, "Japanese": 2, "Korean": 2}
"""About how many Latin letters say as much as one sign, so that a name in Latin letters doesn't outweigh a sentence."""

_SAMPLE = 600
_MIN_ROWS = 20
_MIN_LETTERS = 24
_CLEAR = 0.8
_RARE = 0.05
"""Share of rows up to which a script counts as a slip, where nine tenths of the rows have one script."""
_CROSSED = 0.1
"""Share of rows up to which an answer in another script than its question counts as a slip and not as the set's way."""

_MEANT = re.compile(
    r"translat|übersetz|tradu|\b(?:in|into|to|to say) (?:english|chinese|mandarin|german|french|spanish|japanese|korean"
    r"|russian|arabic|hindi|hebrew|greek|thai)\b|翻译|译[成为]|英[文语]|中[文译]|汉语|日[文语]|韩[文语]|法[文语]|德[文语]|俄[文语]"
    r"|拼音|用.{1,4}语",
    re.IGNORECASE,
)


def main_script(text: str) -> str | None:
    """Returns the script that most letters of a text have; None where there are few letters, or the scripts are mixed.

    Args:
        text: Any text; its first 600 characters are looked at.
    """
    letters = _letters(text[:_SAMPLE])
    total = sum(letters.values())
    if total < _MIN_LETTERS:
        return None
    script, count = letters.most_common(1)[0]
    if letters["Japanese"] > 0.1 * total and script == "Chinese":
        script, count = "Japanese", letters["Japanese"] + letters["Chinese"]
    elif script == "Japanese":
        count += letters["Chinese"]
    return script if count >= _CLEAR * total else None


def _letters(text: str) -> Counter[str]:
    """Letters by script, signs that say more weighed accordingly."""
    if text.isascii():
        return Counter(Latin=len(_SCRIPTS["Latin"].findall(text)))
    return Counter(
        {
            script: count * _LETTERS_A_SIGN.get(script, 1)
            for script, pattern in _SCRIPTS.items()
            if (count := len(pattern.findall(text)))
        }
    )


@dataclass(slots=True)
class ScriptCheck:
    """Collects the scripts of all rows, and names the few that stand out."""

    _rows: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    _pairs: int = 0
    _crossed: list[tuple[int, str, str, str]] = field(default_factory=list)

    def look(self, exchange: Exchange) -> None:
        """Takes in one row."""
        row = exchange.row
        prompt, answer = main_script(exchange.prompt), None if exchange.is_code else main_script(exchange.answer)
        script = (
            prompt
            if prompt == answer
            else main_script(f"{exchange.prompt[: _SAMPLE // 2]}\n{exchange.answer or row.text}")
        )
        if prompt and answer:
            self._pairs += 1
            if prompt != answer and not _MEANT.search(exchange.prompt):
                self._crossed.append((row.id, row.origin, prompt, answer))
                return
        if script:
            self._rows[script].append((row.id, row.origin))

    def close(self) -> Iterator[Finding]:
        """Yields the findings of the whole set."""
        if self._pairs >= _MIN_ROWS and len(self._crossed) <= max(_CROSSED * self._pairs, 1):
            for row_id, origin, prompt, answer in self._crossed:
                what = f"the question is written in {prompt} script, the answer in {answer} script."
                fix = "Translate one of them, or say in the question which language the answer shall have."
                yield Finding("FT432", origin, what, fix, row_id)
        counts = Counter({script: len(rows) for script, rows in self._rows.items()})
        total = sum(counts.values())
        if total < _MIN_ROWS:
            return
        main, most = counts.most_common(1)[0]
        if most < (1 - 2 * _RARE) * total:
            return
        for script, rows in self._rows.items():
            if script == main or len(rows) > max(_RARE * total, 1):
                continue
            for row_id, origin in rows:
                what = f"is written in {script} script, {most / total:.1%} of the rows in {main} script."
                yield Finding("FT431", origin, what, "Remove it, unless it is meant.", row_id)
