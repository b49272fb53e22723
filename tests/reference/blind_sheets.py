"""Sheets to rate: of realistic content, of fifty short items, and of text that means harm."""

from ftlab.evaluation.blind.sheet import Item, Sheet

HOSTILE = "\n\n".join(
    [
        '<script>window.hit = 1</script><img src=x onerror="window.hit = 2"><iframe src="data:text/html,x"></iframe>',
        "[click](javascript:window.hit=3) [data](data:text/html,<script>window.hit=4</script>) <https://evil.invalid/a>",
        "![picture](https://evil.invalid/track.png 'title') [ref]: https://evil.invalid/b",
        '</textarea></script></style><style>*{display:none}</style><svg onload="window.hit=5"><a id="next">x</a>',
        "```html\"onmouseover=\"window.hit=6\n</code></pre><script>window.hit=7</script>\n```",
        r"$\text{<script>window.hit=8</script>}$, $\href{javascript:window.hit=9}{x}$, $\frac{$, \(\begin{x}\)",
        r"\[ \newcommand{\a}{\b\b}\a \] and $\style{position:fixed;inset:0}{x}$ and $\rule{900em}{900em}$",
        "right-to-left \u202egnp.exe\u202c, zero\u200bwidth, nul \x00, bell \x07, half \ud800",
        "W" * 5_000,
        "{{ 7 * 7 }} {% raw %} ${7 * 7} &lt;b&gt; &#x202e;",
    ]
)  # fmt: skip
"""Everything that a page must only show."""


def realistic_sheet(rater: str = "anna") -> Sheet:
    """A handful of questions as an expert meets them: prose, formulas, code, JSON, Chinese."""
    lease = Item(
        "i-01",
        "A tenant stores solvents in a unit that is let **for office use only**. Which clause governs, and what may "
        "the landlord do within the first 30 days?",
        "**Clause 7.2 (permitted use)** governs: storage of hazardous goods is outside “office use”.\n\n"
        "1. Give written notice of the breach (clause 14.1).\n"
        "2. The tenant has **28 days** to remedy it.\n"
        "3. Only then may the landlord forfeit the lease, and not before day 29.\n\n"
        "> Acceptance of rent after the notice may waive the breach.\n\n"
        "| Step | Earliest day |\n|---|--:|\n| Notice | 1 |\n| Remedy ends | 28 |\n| Forfeiture | 29 |",
        "The landlord can look at the lease to see what is allowed. Generally, tenants have to follow the rules of "
        "the building, and storing solvents might be dangerous.\n\nThe landlord should:\n\n- talk to the tenant\n- "
        "call the insurance company\n- end the lease immediately",
    )
    dose = Item(
        "i-02",
        "Give the clearance of a drug with half-life $t_{1/2} = 6$ h and volume of distribution $V_d = 42$ L.",
        "The elimination rate is\n\n$$k_e = \\frac{\\ln 2}{t_{1/2}} = \\frac{0.693}{6\\ \\text{h}} \\approx 0.116\\ "
        "\\text{h}^{-1}$$\n\nso that \\(CL = k_e \\cdot V_d \\approx 4.9\\ \\text{L/h}\\).",
        "Clearance is half-life times volume: $CL = 6 \\times 42 = 252$ L. \n\nIn code:\n\n```python\nhalf_life_h = 6\n"
        'volume_l = 42\nclearance = half_life_h * volume_l  # 252\nprint(f"{clearance} L")\n```',
    )
    invoice = Item(
        "i-03",
        'Extract the invoice as JSON with the keys "number", "total", "currency", "due".\n\n'
        "> Invoice 2026-0417, payable by 30 June: EUR 1,250.00",
        '{"number": "2026-0417", "total": 1250.00, "currency": "EUR", "due": "2026-06-30"}',
        '{"number": "2026-0417", "total": "EUR 1,250.00", "due": "30 June",}',
    )
    chinese = Item(
        "i-04",
        "患者空腹血糖 7.8 mmol/L，糖化血红蛋白 6.9%。是否可以诊断为糖尿病？请说明依据。",
        "**可以考虑诊断为 2 型糖尿病**，但无典型症状时需另日复查确认。\n\n"
        "依据：\n\n- 空腹血糖 ≥ 7.0 mmol/L\n- HbA1c ≥ 6.5%",
        "血糖偏高，建议少吃甜食，多运动，一个月后再来检查。",
    )
    return Sheet("t-2f9c", rater, (lease, dose, invoice, chinese))


def short_sheet(rater: str = "anna", items: int = 50) -> Sheet:
    """Many items whose answers are told apart by their numbers."""
    return Sheet(
        "t-short",
        rater,
        tuple(
            Item(f"i-{number:02}", f"Question {number}?", f"first {number}", f"second {number}")
            for number in range(1, items + 1)
        ),
    )


def hostile_sheet(rater: str = "anna") -> Sheet:
    """Text that tries to act, to hide and to break the page, in every place."""
    return Sheet("t-hostile", rater, (Item("i-1", HOSTILE, HOSTILE, ""), Item("i-2", "fine", "fine", HOSTILE)))
