"""Builds the team's W&B workspace and report: `python -m scripts.wandb_dashboard --entity team --project ftlab`.

The workspace shows runs as they go: loss, perplexity, memory, out-of-memory events, tokens a second, sample answers,
and a sweep's jobs by method with the spread of their seeds. `--group` shows one sweep alone; the report says in its
text what to look at. `--print` writes both specifications as JSON and needs neither account nor network.

Tried here: both are built from `wandb-workspaces`' own objects, and every key in them is one that ftlab logs (tests).
Not tried, for want of a W&B server: saving them (`save()`), and how W&B draws them. W&B calls this API a preview.
"""

import argparse
import json
import math
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import wandb
import wandb_workspaces.expr as expr
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

from ftlab import metric
from ftlab.callbacks.oom import TABLE as OOM_EVENTS
from ftlab.logger.evaluation import MEASURED, PREFIX
from ftlab.logger.step import SAMPLES

NAME = "ftlab"

METHOD, RATE, RANK, SEED = "method_name", "lr", "rank", "seed"
"""Keys of a run's configuration by which runs are grouped and filtered (`ftlab.stage.name.filters`)."""

FILTERS = (METHOD, "model_name", "data_name", "quantization_name", RATE, RANK, SEED)
"""Those that stand as columns beside the runs, where W&B filters by them."""

PEAK_BYTES, PACE, TRAINED = (f"{MEASURED}/{key}" for key in ("peak_bytes", "tokens_per_s", "trainable_parameters"))
"""Of the whole run: the last step's own values say less."""

FIGURES = (
    metric.TEST_LOSS, metric.TEST_PERPLEXITY, metric.TEST_JSON_RATE, metric.GENERAL_LOSS, PEAK_BYTES, PACE, TRAINED,
)  # fmt: skip
"""What stands beside them: what a run came to."""

RUNS = 50
"""Runs that a panel shows at most; line plots of W&B show 10 where nothing is said, which hides most of a sweep."""

COLUMNS = 3
"""Panels beside one another."""

UNFIT = "=<>'\\"
"""What a group to filter by can't hold: `wandb-workspaces` reads a filter as a sentence, and would misread these."""

ANSWERS, CAUSES = f"{PREFIX}/answers", f"{PREFIX}/format_failures"


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the workspace, and a chapter of the report.

    Attributes:
        name: Its heading.
        words: What to look at.
        panels: What it shows.
    """

    name: str
    words: str
    panels: Sequence[Any]


def parts() -> list[Part]:
    """Returns what is shown, from the question that matters most to the details."""
    return [
        Part(
            "Is it better?",
            "Held-out loss falls and stays down; base against tuned on the same rows, and what they answered.",
            [
                _line("Held-out loss", metric.VAL_LOSS),
                _line("Held-out perplexity", metric.VAL_PERPLEXITY, log_y=True),
                _bars("Perplexity of held-out answers", metric.TEST_PERPLEXITY_BASE, metric.TEST_PERPLEXITY),
                _bars("Strict JSON, share of answers", metric.TEST_JSON_RATE_BASE, metric.TEST_JSON_RATE),
                _table(ANSWERS),
                _table(SAMPLES),
            ],
        ),
        Part(
            "Ablation, by method",
            "Means over seeds and rates with their range: the lowest loss is worth nothing where it forgot the rest.",
            [
                _line("Held-out loss by method", metric.VAL_LOSS, by=METHOD),
                _bars("Loss of held-out answers", metric.TEST_LOSS, by=METHOD),
                _bars("General texts' loss before and after", metric.GENERAL_LOSS_BASE, metric.GENERAL_LOSS, by=METHOD),
                _bars("Peak memory, bytes", PEAK_BYTES, by=METHOD),
                _bars("Tokens a second", PACE, by=METHOD),
                _bars("Trained parameters", TRAINED, by=METHOD),
                _points("Target against forgetting", metric.TEST_LOSS, metric.GENERAL_LOSS),
                _points("Quality against memory", PEAK_BYTES, metric.TEST_LOSS),
                _threads(),
            ],
        ),
        Part(
            "Training",
            "A gradient norm that climbs comes before a loss that does; skipped steps had no finite loss.",
            [
                _line("Training loss", metric.TRAIN_LOSS),
                _line("Training perplexity", metric.TRAIN_PERPLEXITY, log_y=True),
                _line("Learning rate", metric.LEARNING_RATE),
                _line("Gradient norm before clipping", metric.GRAD_NORM, log_y=True),
                _line("Skipped steps", metric.SKIPPED_STEPS),
            ],
        ),
        Part(
            "Memory and out of memory",
            "Steps that ran out of memory ran again in smaller pieces: many of them cost time, none cost a row.",
            [
                _line("Peak memory of a step, bytes", metric.MEMORY_PEAK_BYTES),
                _line("Held by the allocator, bytes (GPU)", metric.MEMORY_RESERVED_BYTES),
                _line("Steps run again after out of memory", metric.OOM_RETRIES),
                _line("Token budget of a forward pass", metric.MICRO_BATCH_TOKENS),
                _table(OOM_EVENTS),
            ],
        ),
        Part(
            "Speed",
            "Tokens without padding; supervised ones are those that teach.",
            [
                _line("Tokens a second", metric.TOKENS_PER_S),
                _line("Supervised tokens a second", metric.SUPERVISED_TOKENS_PER_S),
                _line("Seconds a step", metric.STEP_S),
            ],
        ),
        Part("Format", "Failing answers of the tuned model, with their causes.", [_table(CAUSES)]),
    ]


def workspace(entity: str, project: str, group: str | None = None) -> ws.Workspace:
    """Describes the workspace.

    Args:
        entity: W&B user or team.
        project: W&B project.
        group: The sweep whose jobs are shown, as W&B's group calls it; None = all runs.
    """
    return ws.Workspace(
        name=_title(group),
        entity=entity,
        project=project,
        auto_generate_panels=False,
        sections=[
            ws.Section(
                name=part.name,
                panels=list(part.panels),
                is_open=place < 2,
                layout_settings=ws.SectionLayoutSettings(
                    columns=COLUMNS, rows=math.ceil(len(part.panels) / COLUMNS)
                ),  # on one page: W&B turns pages after two rows
                panel_settings=ws.SectionPanelSettings(x_axis=metric.STEP),
            )
            for place, part in enumerate(parts())
        ],
        settings=ws.WorkspaceSettings(x_axis=metric.STEP, max_runs=RUNS),
        runset_settings=ws.RunsetSettings(
            filters=_filters(group),
            order=[expr.Ordering(expr.Summary(metric.TEST_LOSS), ascending=True)],
            pinned_columns=["run:group", *_columns()],
        ),
    )


def report(entity: str, project: str, group: str | None = None) -> wr.Report:
    """Describes the report: the same parts, each with a sentence on what to look at.

    Args:
        entity: As for `workspace`.
        project: As for `workspace`.
        group: As for `workspace`.
    """
    blocks: list[Any] = [wr.TableOfContents()]
    for part in parts():
        runs = wr.Runset(name=group or "All runs", filters=_filters(group), pinned_columns=_columns())
        blocks += [wr.H2(part.name), wr.P(part.words), wr.PanelGrid(runsets=[runs], panels=_placed(part.panels))]
    what = f"The runs of the sweep {group}" if group else f"All runs of {project}"
    return wr.Report(
        project=project,
        entity=entity,
        title=_title(group),
        description=f"{what}: quality, forgetting, memory and speed by method.",
        blocks=blocks,
        width="fluid",
    )


def specification(entity: str, project: str, group: str | None = None) -> dict[str, Any]:
    """Returns what would be sent to W&B, as plain data; nothing is sent.

    Args:
        entity: As for `workspace`.
        project: As for `workspace`.
        group: As for `workspace`.

    Returns:
        `workspace` and `report`.
    """
    both = {"workspace": workspace(entity, project, group), "report": report(entity, project, group)}
    models = {name: shown._to_model().spec for name, shown in both.items()}
    return {name: json.loads(model.model_dump_json(by_alias=True, exclude_none=True)) for name, model in models.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds both in W&B, or prints them.

    Args:
        arguments: What was typed; None takes the command line's.

    Raises:
        SystemExit: The group can't be filtered by (2), or W&B refused or wasn't reached (1); why has been said.
    """
    parser = argparse.ArgumentParser(description="Builds the team's W&B workspace and report.")
    parser.add_argument("--entity", required=True, help="W&B user or team")
    parser.add_argument("--project", default="ftlab", help="W&B project; ftlab's own default is ftlab")
    parser.add_argument("--group", help="the sweep to show, such as 2026-01-31/12-00-00; left out = all runs")
    parser.add_argument("--print", action="store_true", help="print both as JSON; nothing is sent")
    given = parser.parse_args(arguments)
    if set(given.group or "") & set(UNFIT):
        parser.error(f"--group: can't hold any of {UNFIT}. Leave it out, and filter by `sweep` in W&B.")
    place = (given.entity, given.project, given.group)
    if given.print:
        sys.stdout.write(json.dumps(specification(*place), indent=1) + "\n")
        return
    try:
        for shown in (workspace(*place), report(*place)):
            print(shown.save().url)
    except wandb.Error as error:
        sys.exit(f"W&B: {error}\nNothing more is sent; --print shows what would be.")


def _title(group: str | None) -> str:
    """W&B refuses names of workspaces with symbols in them, such as a plus sign."""
    title = f"{NAME}: {group}" if group else NAME
    return "".join("-" if unicodedata.category(sign) in ("So", "Sk", "Sm", "Sc") else sign for sign in title)


def _filters(group: str | None) -> Any:
    return expr.And(expr.Metric("Group") == group) if group else ""


def _columns() -> list[str]:
    return [*(f"config:{key}.value" for key in FILTERS), *(f"summary:{key}" for key in FIGURES)]


def _placed(panels: Sequence[Any]) -> list[Any]:
    """The panels three in a line of a report's 24 columns; tables take a whole line."""
    return list(_layouts(panels))


def _layouts(panels: Sequence[Any]) -> Iterator[Any]:
    across, down = 0, 0
    for panel in panels:
        width, height = (24, 8) if isinstance(panel, wr.WeavePanelSummaryTable) else (8, 6)
        if across + width > 24:
            across, down = 0, down + 6
        panel.layout = wr.Layout(x=across, y=down, w=width, h=height)
        yield panel
        across, down = (across + width, down) if width < 24 else (0, down + height)


def _line(title: str, key: str, *, by: str | None = None, log_y: bool | None = None) -> wr.LinePlot:
    spread = {} if by is None else {"groupby": wr.Config(by), "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}
    return wr.LinePlot(
        title=title, x=metric.STEP, y=[key], title_x="optimizer step", log_y=log_y, max_runs_to_show=RUNS, **spread
    )


def _bars(title: str, *keys: str, by: str | None = None) -> wr.BarPlot:
    spread = {} if by is None else {"groupby": wr.Config(by), "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}
    return wr.BarPlot(title=title, metrics=list(keys), max_runs_to_show=RUNS, max_bars_to_show=RUNS, **spread)


def _points(title: str, across: str, up: str) -> wr.ScatterPlot:
    return wr.ScatterPlot(title=title, x=wr.SummaryMetric(across), y=wr.SummaryMetric(up), z=wr.Config(RATE))


def _threads() -> wr.ParallelCoordinatesPlot:
    """Settings on the left, what they led to on the right."""
    keys = (wr.Config(METHOD), wr.Config(RATE), wr.Config(RANK), wr.Config(SEED), wr.SummaryMetric(metric.TEST_LOSS))
    columns = [wr.ParallelCoordinatesPlotColumn(metric=key, log=key == wr.Config(RATE) or None) for key in keys]
    return wr.ParallelCoordinatesPlot(title="Settings and what they led to", columns=columns)


def _table(key: str) -> wr.WeavePanelSummaryTable:
    return wr.WeavePanelSummaryTable(table_name=key)


if __name__ == "__main__":
    main()
