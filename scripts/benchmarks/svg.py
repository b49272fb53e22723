"""Makes a plot of `ftlab.report` a picture of its own, with the colours that a page gives it, light and dark."""

import re

from markupsafe import Markup

from ftlab.report.page import render_page

FONT = 'svg { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; background: var(--ground); }'


def standalone(plot: Markup) -> str:
    """Returns an SVG file's content.

    Args:
        plot: What `ftlab.report` drew.

    Returns:
        The plot with the rules of the pages' own style sheet that are about plots.
    """
    sheet = re.search(r"<style>\n(.*?)</style>", render_page("base.html"), re.S)
    assert sheet, "the pages' base template has a style sheet"
    colours = re.findall(r"^:root \{.*?^\}|^@media \(prefers-color-scheme.*?^\}", sheet[1], re.S | re.M)
    rules = [line for line in sheet[1].splitlines() if line.startswith(".plot ")]
    style = "\n".join([*colours, FONT, *rules])
    svg = str(plot).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return svg.replace(">", f"><style>\n{style}\n</style>", 1) + "\n"
