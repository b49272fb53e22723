"""The page of a check: a `CheckReport` as one HTML file. What was found is not judged here."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from ftlab.check.report import CheckReport, Gravity, SplitAccount, TokenReport
from ftlab.report.page import render_page, write_html
from ftlab.report.plot import Bar, bar_plot, histogram

_VERDICTS = {
    "clean": (
        "Nothing stands against training on these rows.",
        "Start with the same command without `task=check`.",
    ),
    "warnings": (
        "Training can start; look at the warnings first.",
        "Nothing below stops a run. `check.write=clean.jsonl` writes a cleaned copy; `check.silence` takes the codes "
        "of findings that are meant so.",
    ),
    "errors": (
        "These rows can't be trained on as they are.",
        "Mend the errors below in the file, or let `check.write=clean.jsonl` write a cleaned copy and train on that.",
    ),
}
_REMEDIES = {
    "drop": "`check.write` leaves the row out.",
    "mend": "`check.write` mends the row where that needs no guess (personal data: `check.mask_personal_data=true`).",
    "keep": "`check.write` keeps the row: what is right is for you to say.",
}
_GRAVITIES: tuple[Gravity, ...] = ("error", "warning", "note", "silenced")
_COUNTS = ("read", "kept", "changed", "dropped")
_LEAKS = ("FT211", "FT212", "FT213")


def write_page(report: CheckReport, path: Path) -> None:
    """Writes the page of a check.

    Args:
        report: What the check came to; its texts are shown as text, whatever stands in them.
        path: The HTML file.
    """
    write_html(path, render_page("check.html", package="ftlab.check", **_values(report)))


def _values(report: CheckReport) -> dict[str, Any]:
    sentence, next_step = _VERDICTS[report.outcome]
    splits = {account.split: account for account in report.accounts}
    return {
        "report": report,
        "sentence": sentence,
        "next_step": next_step,
        "gravities": [(name, number) for name in _GRAVITIES if (number := report.count(name))],
        "remedies": _REMEDIES,
        "is_written": "cleaned set" in report.written,
        **{name: sum(getattr(account, name) for account in report.accounts) for name in _COUNTS},
        "account_rows": [_account_row(account) for account in report.accounts],
        "account_plot": _account_plot(report.accounts),
        "leaks": [group for group in report.groups if group.code in _LEAKS],
        "has_held_out": any(splits[name].read for name in ("validation", "test") if name in splits),
        "view": Markup(report.view),  # noqa: S704  # made and escaped by `view.ColouredRow.html`
        **(_token_values(report.tokens) if report.tokens else {}),
    }


def _account_row(account: SplitAccount) -> tuple[str, ...]:
    reasons = ", ".join(f"{code} {count:,}" for code, count in sorted(account.reasons.items()))
    return (account.split, *(f"{getattr(account, name):,}" for name in _COUNTS), reasons)


def _account_plot(accounts: tuple[SplitAccount, ...]) -> Markup | None:
    bars = [
        Bar(account.split, (account.kept, account.changed, account.dropped), f"{account.read:,}")
        for account in accounts
        if account.read
    ]
    return bar_plot(bars, ("kept", "changed", "dropped"), colours=(1, 3, 2), x_title="rows") if bars else None


def _token_values(tokens: TokenReport) -> dict[str, Any]:
    prompt = tokens.tokens - tokens.supervised_tokens
    share = tokens.supervised_tokens / tokens.tokens if tokens.tokens else 0.0
    ways = (
        ("padded", tokens.padded_full, tokens.padded_micro_batches),
        ("packed", tokens.packed_full, tokens.packed_micro_batches),
    )
    return {
        "supervised_share": share,
        "histogram": histogram(
            tokens.histogram,
            x_title="tokens of a row"
            + (" (the last bar reaches further than the others)" if _is_wider(*tokens.histogram) else ""),
            y_title="rows",
            names=("rows", "rows over the limit"),
            limit=tokens.limit_tokens,
        ),
        "lengths": "; ".join(
            f"{percent} % of the rows have up to {length:,} tokens" for percent, length in tokens.percentiles.items()
        )
        + ".",
        "supervised_plot": bar_plot(
            [Bar("all rows", (tokens.supervised_tokens, prompt), f"{tokens.tokens:,}")],
            ("answer (supervised)", "prompt (masked)"),
            colours=(3, 0),
            x_title="tokens of the training rows",
        ),
        "packing_plot": bar_plot(
            [Bar(name, (100 * full, 100 - 100 * full), f"{100 * full:.1f} %") for name, full, _ in ways],
            ("tokens of rows", "padding or left empty"),
            colours=(1, 0),
            x_title=f"% of the room of a micro-batch ({tokens.micro_batch_tokens:,} tokens)",
        ),
        "packing": " and ".join(f"{count:,} forward passes an epoch {name}" for name, _, count in ways) + ".",
        "policy_rows": [
            (p.policy, f"{p.rows:,}", f"{p.tokens:,}", f"{p.lost_tokens:,}", f"{p.lost_supervised_tokens:,}", p.what)
            for p in tokens.policies
        ],
    }


def _is_wider(first: tuple[int, int, int], *others: tuple[int, int, int]) -> bool:
    """Whether the last bin is wider than the first."""
    return bool(others) and others[-1][1] - others[-1][0] > first[1] - first[0]
