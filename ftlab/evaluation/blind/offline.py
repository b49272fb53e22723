"""The blind test as one file: an expert opens it in a browser, rates without a network, and sends the result back."""

from pathlib import Path

from ftlab.evaluation.blind.rating_page import render_sheet
from ftlab.evaluation.blind.sheet import Sheet
from ftlab.evaluation.blind.words import Language
from ftlab.report.page import write_html


def write_offline(sheet: Sheet, path: Path, language: Language = "en") -> None:
    """Writes a rater's page with everything in it, whole or not at all.

    Args:
        sheet: What the rater is asked.
        path: The file.
        language: In which language the page begins; it can be switched.
    """
    write_html(path, render_sheet(sheet, {}, language=language, offline=True))
