"""Draws a `CheckReport` in the terminal: the verdict, findings by code, all rows, tokens, where things lie."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ftlab.check.report import CheckReport, FindingGroup, Gravity, TokenReport

_PLACES = 3
"""Places of one code that are named."""

_NOTHING_WITHOUT = frozenset({"FT104", "FT105", "FT510", "FT606", "FT607"})
"""Faults of a whole file, or of all rows: silenced they leave nothing to train on."""

_BAR_COLUMNS = 28

_STYLES: dict[Gravity, str] = {"error": "bold red", "warning": "yellow", "note": "cyan", "silenced": "dim"}
_OUTCOMES = {
    "errors": ("bold red", "These rows can't be trained on as they are."),
    "warnings": ("yellow", "Training can start; look at the warnings first."),
    "clean": ("bold green", "Nothing stands against training on these rows."),
}


def print_report(console: Console, report: CheckReport, *, title: str, view: Sequence[RenderableType] = ()) -> None:
    """Prints the report.

    Args:
        console: Where to.
        report: What the check came to.
        title: Data, model and method in one line.
        view: A few rows with their masks.
    """
    parts = [part for part in (_verdict(report), *_findings(report), _rows(report)) if part]
    if report.tokens:
        parts.append(_tokens(report.tokens))
    if view:
        parts.append(_section("Rows as the model sees them: what carries loss is green", Group(*view)))
    if report.notes:
        parts.append(_section("Decided for you", Text("\n".join(report.notes))))
    if advice := _advice(report):
        parts.append(_section("What to type next", _pairs(advice)))
    if report.written:
        parts.append(_section("Written", _pairs(report.written)))
    style = _OUTCOMES[report.outcome][0]
    console.print(Panel(Group(*_spaced(parts)), title=title, border_style=style, expand=True))


def _verdict(report: CheckReport) -> RenderableType:
    style, sentence = _OUTCOMES[report.outcome]
    counts = [
        f"{count:,} {name}{'' if count == 1 else 's'}"
        for name in ("error", "warning", "note")
        if (count := report.count(name))  # type: ignore[arg-type]
    ]
    silenced = report.count("silenced")
    counts += [f"{silenced:,} silenced"] if silenced else []
    read = sum(account.read for account in report.accounts)
    rows = f"{read:,} row{'' if read == 1 else 's'} of {', '.join(report.sources)}, read as {report.row_format}"
    return Group(
        Text.assemble((sentence, style), f"  {', '.join(counts)}" if counts else ""),
        Text(f"{rows}{_names(report)}", style="dim"),
    )


def _names(report: CheckReport) -> str:
    named = ", ".join(f"{field}={name}" for field, name in report.columns.items())
    return f" ({named}{', guessed' if report.guessed else ''})" if named else ""


def _findings(report: CheckReport) -> Iterator[RenderableType]:
    for gravity, heading in (("error", "Errors"), ("warning", "Warnings"), ("note", "Notes"), ("silenced", "Silenced")):
        groups = [group for group in report.groups if group.gravity == gravity]
        if groups:
            yield _section(heading, Group(*(_group(group) for group in groups)), _STYLES[gravity])  # type: ignore[index]


def _group(group: FindingGroup) -> RenderableType:
    count = f"{group.findings_count:,}×" if group.findings_count > 1 else ""
    lines: list[RenderableType] = [
        Text.assemble((group.code, _STYLES[group.gravity]), " ", (group.title, "bold"), f"  {count}")
    ]
    if group.gravity == "silenced":
        return lines[0]
    lines += [
        Padding(Text.assemble((finding.where, "bold"), f"  {finding.what}"), (0, 0, 0, 2))
        for finding in group.first[:_PLACES]
    ]
    more = group.findings_count - min(_PLACES, len(group.first))
    if more:
        lines.append(Text(f"  and {more:,} more", style="dim"))
    fixes = {finding.fix: None for finding in group.first if finding.fix}
    if fixes or group.gravity != "note":
        advice = next(iter(fixes)) if len(fixes) == 1 else group.meaning
        lines.append(Padding(Text(f"→ {advice}", style="green"), (0, 0, 0, 2)))
    return Group(*lines)


def _rows(report: CheckReport) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("split", "read", "kept", "changed", "dropped"):
        table.add_column(name, justify="left" if name == "split" else "right")
    table.add_column("because of")
    for account in report.accounts:
        reasons = ", ".join(f"{code} {count:,}" for code, count in sorted(account.reasons.items()))
        numbers = (account.read, account.kept, account.changed, account.dropped)
        table.add_row(account.split, *(f"{number:,}" for number in numbers), reasons)
    written = "cleaned set" in report.written
    return _section("All rows" if written else "All rows, as check.write=clean.jsonl would leave them", table)


def _tokens(tokens: TokenReport) -> RenderableType:
    share = tokens.supervised_tokens / tokens.tokens
    mean = tokens.tokens / tokens.rows
    passes = f"{tokens.epochs:g} epoch{'' if tokens.epochs == 1 else 's'}"
    facts = {
        "training rows": f"{tokens.rows:,} rows, {tokens.tokens:,} tokens, {share:.0%} of them supervised",
        "row length": ", ".join(
            [f"mean {mean:,.0f}", *(f"{name} % up to {length:,}" for name, length in tokens.percentiles.items())]
        ),
        "longest row": f"{tokens.longest_tokens:,} tokens, {tokens.longest_origin}",
        "limit": _limit(tokens),
        "padding": f"{1 - tokens.padded_full:.0%} of a padded micro-batch would be padding; a packed one has none",
        "micro-batches": _micro_batches(tokens),
        "schedule": f"{tokens.total_steps:,} steps of {tokens.batch_rows:,} rows, {passes}",
    }
    parts: list[RenderableType] = [_pairs(facts), Text(), _histogram(tokens)]
    if tokens.policies:
        parts += [Text(), _policies(tokens)]
    return _section(f"Tokens, by the tokenizer of {tokens.tokenizer}", Group(*parts))


def _limit(tokens: TokenReport) -> str:
    if tokens.limit_tokens is None:
        return "none"
    count = tokens.over_limit_rows
    over = f"{count:,} row{' is' if count == 1 else 's are'} longer" if count else "no row is longer"
    return f"{tokens.limit_tokens:,} tokens: {over}"


def _micro_batches(tokens: TokenReport) -> str:
    counts = f"{tokens.packed_micro_batches:,} packed or {tokens.padded_micro_batches:,} padded an epoch"
    return f"{counts}, of at most {tokens.micro_batch_tokens:,} tokens"


def _histogram(tokens: TokenReport) -> RenderableType:
    """Rows by length, one bar a bin."""
    most = max(count for _, _, count in tokens.histogram)
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    for first, last, count in tokens.histogram:
        columns = max(1, round(_BAR_COLUMNS * count / most)) if count else 0
        table.add_row(
            f"{first:,}" if first == last else f"{first:,}–{last:,}", Text("█" * columns, style="cyan"), f"{count:,}"
        )
    return table


def _policies(tokens: TokenReport) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("data.long_rows", "rows", "tokens lost", "supervised lost", ""):
        table.add_column(name, justify="right" if name in ("rows", "tokens lost", "supervised lost") else "left")
    for policy in tokens.policies:
        numbers = (policy.rows, policy.lost_tokens, policy.lost_supervised_tokens)
        table.add_row(policy.policy, *(f"{number:,}" for number in numbers), policy.what)
    return table


def _advice(report: CheckReport) -> dict[str, str]:
    """What to add to the command, by what for."""
    dropped = sum(account.dropped for account in report.accounts)
    changed = sum(account.changed for account in report.accounts)
    if report.outcome == "clean" or "cleaned set" in report.written:
        return {}
    advice = {}
    if dropped or changed:
        done = [f"{verb} {count:,}" for verb, count in (("leave out", dropped), ("mend", changed)) if count]
        rows = "row" if dropped + changed == 1 else "rows"
        advice[f"{' and '.join(done)} {rows}"] = "check.write=clean.jsonl"
    weighty = (group.code for group in report.groups if group.gravity in ("error", "warning"))
    if code := next((code for code in weighty if code not in _NOTHING_WITHOUT), None):
        advice[f"take {code} for granted"] = f"check.silence=[{code}]"
    return advice


def _pairs(facts: dict[str, str]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def _section(heading: str, content: RenderableType, style: str = "bold") -> RenderableType:
    return Group(Text(heading, style=style), content)


def _spaced(parts: Sequence[RenderableType]) -> Iterator[RenderableType]:
    for number, part in enumerate(parts):
        if number:
            yield Text()
        yield part
