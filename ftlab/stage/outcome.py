"""What the scores of base and tuned come to: metrics, sections of the card, lines of the summary.

In: the scores. Out: plain data, the same after training and in `task=evaluate`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from omegaconf import DictConfig

from ftlab import metric
from ftlab.data.row import Row
from ftlab.evaluation import answers, breakdown, forgetting, harness
from ftlab.evaluation.forgetting import General, Probe
from ftlab.evaluation.perplexity import Figure
from ftlab.report.number import counted, interval, percent, surprise, times
from ftlab.report.summary import Comparison, Sample
from ftlab.stage.held_out import held_out_rows, question, reference
from ftlab.stage.inputs import Inputs
from ftlab.stage.score import Score

NOTHING = Score()
"""Of a model that wasn't measured."""


def metrics_of(score: Score | None, *, of_base: bool) -> dict[str, float]:
    """Returns a score as metrics; what wasn't measured is left out.

    Args:
        score: Of one model; None = it wasn't measured.
        of_base: Whether that is the base.
    """
    if score is None:
        return {}
    general = score.general or General(None, None)
    found: dict[str, float | None] = {metric.GENERAL_PROBE_RATE: _rate(general.probe)}
    for key, measured, name in (
        (metric.TEST_LOSS, score.held_out, "loss"),
        (metric.TEST_PERPLEXITY, score.held_out, "perplexity"),
        (metric.TEST_TEXT_LOSS, score.text, "loss"),
        (metric.TEST_TEXT_PERPLEXITY, score.text, "perplexity"),
        (metric.TEST_JSON_RATE, score.judged, "strict"),
        (metric.TEST_SCHEMA_RATE, score.judged, "schema"),
        (metric.TEST_FIELDS_RIGHT, score.judged, "fields"),
        (metric.TEST_STOP_RATE, score.judged, "stopped"),
        (metric.TEST_EXACT_RATE, score.judged, "exact"),
        (metric.TEST_ROUGE_L, score.judged, "rouge_l"),
        (metric.GENERAL_LOSS, general.texts, "loss"),
        (metric.GENERAL_PERPLEXITY, general.texts, "perplexity"),
    ):
        found[key] = None if measured is None else getattr(measured, name)
    return {metric.of_base(key) if of_base else key: value for key, value in found.items() if value is not None}


def sections(inputs: Inputs, base: Score | None, tuned: Score | None, samples: Sequence[Sample]) -> dict[str, Any]:
    """Returns what was measured as the card's `evaluation` holds it; None where a section wasn't measured.

    Args:
        inputs: Says which source each row is of.
        base: The base's score, if it was measured.
        tuned: The tuned model's.
        samples: Held-out questions with both answers.
    """
    return {
        "perplexity": perplexity_section(inputs, base, tuned),
        "format": format_section(base, tuned),
        "forgetting": forgetting_section(inputs, base, tuned),
        "lm_eval": harness_section(base, tuned),
        "samples": [asdict(sample) for sample in samples] or None,
    }


def perplexity_section(inputs: Inputs, base: Score | None, tuned: Score | None) -> dict[str, Any] | None:
    """Returns perplexity before and after, by source and length (`ftlab.evaluation.breakdown.section`)."""
    ranges = [(source.name, source.first_id, source.end_id) for source in inputs.rows.sources]
    return breakdown.section((base or NOTHING).sums, (tuned or NOTHING).sums, ranges)


def format_section(base: Score | None, tuned: Score | None) -> dict[str, Any] | None:
    """Returns what the answers are worth before and after (`ftlab.evaluation.answers.section`)."""
    known = tuned or base or NOTHING
    return answers.section(known.wants, known.asked, known.fitting, (base or NOTHING).judged, (tuned or NOTHING).judged)


def forgetting_section(inputs: Inputs, base: Score | None, tuned: Score | None) -> dict[str, Any] | None:
    """Returns what general texts and the probe say before and after (`ftlab.evaluation.forgetting.section`)."""
    sources = inputs.general.sources if inputs.general else ()
    return forgetting.section((base or NOTHING).general, (tuned or NOTHING).general, sources)


def harness_section(base: Score | None, tuned: Score | None) -> list[dict[str, Any]] | None:
    """Returns what lm-eval's tasks say before and after (`ftlab.evaluation.harness.section`)."""
    return harness.section(base.tasks if base else None, tuned.tasks if tuned else []) or None


def shown_samples(cfg: DictConfig, inputs: Inputs, base: Score | None, tuned: Score) -> list[Sample]:
    """Returns the first held-out questions with both answers, as many as `evaluation.samples` says."""
    rows: Sequence[Row] = held_out_rows(inputs)[0][: cfg.evaluation.samples]
    return [
        Sample(
            question=question(row),
            reference=reference(row),
            base=base.answers[row.id].text if base else "",
            tuned=tuned.answers[row.id].text,
        )
        for row in rows
    ]


def comparisons(base: Score | None, tuned: Score) -> list[Comparison]:
    """Returns the lines of the summary: base against tuned."""
    lines: list[Comparison] = []
    before = base or NOTHING
    for name, of_base, of_tuned in (("answers", before.held_out, tuned.held_out), ("texts", before.text, tuned.text)):
        if of_tuned is not None:
            lines += _perplexity(f"perplexity of {name}, {of_tuned.rows:,} rows", of_base, of_tuned)
    if tuned.judged is not None:
        what = "strict JSON" if tuned.wants == "json" else "ended by themselves"
        rate = "strict" if tuned.wants == "json" else "stopped"
        lines.append(_share(f"{what}, {counted(tuned.asked, tuned.fitting, 'answers')}", base, tuned, rate))
        for name, rate in (("  fits the schema", "schema"), ("  fields as in the reference", "fields")):
            lines.append(_share(name, base, tuned, rate))
        if tuned.wants == "text":
            lines.append(_share("  ROUGE-L against the references", base, tuned, "rouge_l"))
    lines += [*_forgetting(base, tuned), *_tasks(base, tuned)]
    return [line for line in lines if line.tuned]


def _forgetting(base: Score | None, tuned: Score) -> Iterator[Comparison]:
    nothing = General(None, None)
    before, after = (base or NOTHING).general or nothing, tuned.general or nothing
    if after.texts is not None:
        yield from _perplexity(f"perplexity of {after.texts.rows:,} general texts", before.texts, after.texts)
    if after.probe is not None:
        name = f"general questions, {after.probe.asked:,}: right"
        yield Comparison(name, _percent(_rate(before.probe)), _percent(_rate(after.probe)))
        if after.probe.cut or (before.probe and before.probe.cut):
            cut = "" if before.probe is None else f"{before.probe.cut:,}"
            yield Comparison("  answers cut off before their end", cut, f"{after.probe.cut:,}")


def _tasks(base: Score | None, tuned: Score) -> Iterator[Comparison]:
    for line in harness_section(base, tuned) or ():
        asked = "" if line["rows"] is None else f", {line['rows']:,} questions"
        yield Comparison(f"{line['task']}{asked}: {line['metric']}", *(_task(line[arm]) for arm in ("base", "tuned")))


def _task(number: Mapping[str, float | None] | None) -> str:
    if number is None:
        return ""
    error = "" if number["stderr"] is None else f" ± {number['stderr']:.3f}"
    return f"{number['value']:.3f}{error}"


def _rate(found: Probe | None) -> float | None:
    return None if found is None else found.right / found.asked


def _perplexity(name: str, before: Figure | None, after: Figure) -> list[Comparison]:
    """The figure, and below it how far it would move with other rows."""
    base, tuned = before.to_dict() if before else None, after.to_dict()
    line = Comparison(name, surprise(base) if base else "", surprise(tuned), times(base, tuned))
    return [line, Comparison("  95 % interval", interval(base) or "–", interval(tuned))]


def _share(name: str, base: Score | None, tuned: Score, rate: str) -> Comparison:
    before = getattr(base.judged, rate) if base and base.judged else None
    return Comparison(name, _percent(before), _percent(getattr(tuned.judged, rate)))


def _percent(value: float | None) -> str:
    return "" if value is None else percent(value)
