"""What usually is behind a sign, the likeliest first, and what to type to try it, by the run's own values."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ftlab.evaluation.curve.finding import Finding, Kind
from ftlab.evaluation.curve.sign import Case, Sign

CALMER = 3.0
"""The factor between two rates that are worth trying: half a decade."""
LONG_WARMUP = 0.5
"""A warm-up of more than half of a run leaves no time to learn in."""
FAR_FROM_USUAL = 5.0
"""A rate that is further than that from the method's own is taken back to it."""
CHECK = "task=check"


class Cause(NamedTuple):
    """One cause.

    Attributes:
        text: What it is, as a sentence.
        overrides: What to type.
    """

    text: str
    overrides: tuple[str, ...] = ()


def finding_of(case: Case, sign: Sign) -> Finding:
    """Tells a sign with its causes.

    Args:
        case: The curve with its settings.
        sign: What it shows.

    Returns:
        The finding; each override stands once, in the order of the causes.
    """
    causes = list(_CAUSES[sign.kind](case, sign)) if sign.kind in _CAUSES else []
    overrides = dict.fromkeys(override for cause in causes for override in cause.overrides)
    return Finding(
        sign.kind, sign.severity, sign.title, sign.evidence, sign.steps,
        tuple(cause.text for cause in causes), tuple(overrides),
    )  # fmt: skip


def rate(case: Case) -> float | None:
    """Returns the run's learning rate: `optimizer.lr`, else the highest that was logged; None where none is known."""
    logged = [value for value in case.curve.learning_rates if math.isfinite(value) and value > 0]
    return case.settings.lr or max(logged, default=None)


def _lower(case: Case) -> Cause:
    """The learning rate is too high."""
    lr, usual = rate(case), case.settings.usual_lr
    if lr is None:
        return Cause("The learning rate is too high: try a third of it.")
    if usual and lr > FAR_FROM_USUAL * usual:
        text = f"The learning rate {_short(lr)} is too high: this method's own for this model is {_short(usual)}."
        return Cause(text, (f"optimizer.lr={_short(usual)}",))
    return Cause(
        f"The learning rate {_short(lr)} is too high: try a third of it.", (f"optimizer.lr={_short(lr / CALMER)}",)
    )


def _higher(case: Case) -> Cause:
    """The learning rate is too low; or so high that nothing is learned."""
    lr, usual = rate(case), case.settings.usual_lr
    if lr is None:
        return Cause("The learning rate is too low: try three times as much.")
    if usual and lr > FAR_FROM_USUAL * usual:
        return _lower(case)
    if usual and lr < usual / FAR_FROM_USUAL:
        text = f"The learning rate {_short(lr)} is {usual / lr:,.0f} times below this method's own for this model."
        return Cause(text, (f"optimizer.lr={_short(usual)}",))
    text = f"The learning rate {_short(lr)} is too low: try three times as much."
    return Cause(text, (f"optimizer.lr={_short(lr * CALMER)}",))


def _warmup(case: Case) -> Cause:
    text, warmup = "The rate rises too fast at the beginning: give it a longer warm-up.", case.settings.warmup or 0.0
    if case.settings.scheduler == "constant":  # has none, whatever `scheduler.warmup` is
        return Cause(text, ("scheduler=constant-with-warmup", "scheduler.warmup=0.1"))
    longer = max(0.1, 2 * warmup if warmup >= 1 else min(2 * warmup, LONG_WARMUP))  # from 1 on it counts steps
    return Cause(text, (f"scheduler.warmup={longer:g}",) if longer > warmup else ())


def _batch(case: Case) -> Cause:
    rows = case.settings.batch_rows
    return Cause(
        "The batches are too small or too unequal: average over more rows.",
        (f"training.batch_rows={2 * rows}",) if rows else (),
    )


def _clip(case: Case) -> Cause:
    norm = case.settings.max_grad_norm
    if norm is None:
        return Cause(
            "Gradients may not be clipped: a single batch then moves the weights far.", ("training.max_grad_norm=1.0",)
        )
    return Cause(
        "Clip gradients lower, so that one batch moves the weights less.", (f"training.max_grad_norm={norm / 2:g}",)
    )


def _rows(text: str) -> Cause:
    return Cause(text, (CHECK,))


def _non_finite(case: Case, sign: Sign) -> Iterator[Cause]:
    masks = _rows("Rows without a supervised token: a mean over none is no number. The check of the rows names them.")
    rows = _rows(f"Broken rows in {_span(sign)}: the log names the rows of every step left out.")
    precision = Cause("The arithmetic runs over: compute in a wider dtype.", ("trainer.precision=float32",))
    if "no-tokens" in sign.marks:
        yield masks
    yield from ((_lower(case), rows) if "after-rise" in sign.marks else (rows, _lower(case)))
    yield precision


def _diverging(case: Case, sign: Sign) -> Iterator[Cause]:
    yield _lower(case)
    yield _warmup(case)
    yield _clip(case)
    yield _rows("Rows that contradict the others from some point on: look at them.")


def _flat(case: Case, sign: Sign) -> Iterator[Cause]:
    rank = case.settings.rank
    data = _rows("Data format and masks: answers that don't belong to their questions, or loss on the wrong tokens.")
    template = _rows("A chat template that isn't the model's own: the check shows rows as the model sees them.")
    if "zero-gradient" in sign.marks:
        text = (
            "Frozen parameters: what is trained doesn't reach the loss, such as an adapter whose factors are both zero."
        )
        yield Cause(text, ("method.init_lora_weights=true", "method.target_modules=all-linear") if rank else ())
        yield from (data, template)
        return
    yield data
    yield _higher(case)
    if "plateau" in sign.marks:
        yield Cause("The adapter is too small for what the rows hold.", (f"method.r={4 * rank}",) if rank else ())
    else:
        yield Cause(f"Frozen parameters: {_gradient(case)}", ("method.target_modules=all-linear",) if rank else ())
    yield template


def _oscillating(case: Case, sign: Sign) -> Iterator[Cause]:
    yield _lower(case)
    yield _batch(case)
    yield _warmup(case)
    yield _clip(case)


def _spiking(case: Case, sign: Sign) -> Iterator[Cause]:
    yield _rows(f"Broken rows in {_span(sign)}: garbage, another language, cut answers.")
    yield _clip(case)
    yield _lower(case)
    yield _batch(case)


def _memorising(case: Case, sign: Sign) -> Iterator[Cause]:
    yield _fewer_passes(case, case.last_step / 3)
    yield _rows("Too few rows, or many that are nearly the same: add other ones; the check counts duplicates.")
    yield from _less_capacity(case)


def _over_fitting(case: Case, sign: Sign) -> Iterator[Cause]:
    rows = _rows("Too few rows for what is trained, or answers that don't belong to their questions.")
    fewer = _fewer_passes(case, sign.steps[0])
    yield from (rows, fewer) if "parted" in sign.marks else (fewer, rows)
    yield from _less_capacity(case)


def _fewer_passes(case: Case, best_step: float) -> Cause:
    """Ends the run where training last taught something general."""
    text = "Too many passes over the rows"
    epochs = case.settings.epochs or (case.curve.epochs[-1] if case.curve.epochs else None)
    if case.settings.max_steps or not epochs or not math.isfinite(epochs):
        steps = max(1, round(best_step))
        return Cause(f"{text}: end around step {steps}.", (f"training.max_steps={steps}",))
    wanted = float(f"{max(epochs * best_step / case.last_step, 0.1):.2g}")
    return Cause(f"{text}: {epochs:.3g}.", (f"training.epochs={wanted:g}",))


def _less_capacity(case: Case) -> Iterator[Cause]:
    settings, text = case.settings, "More is trained than the rows need"
    if settings.rank:
        overrides = (f"method.r={max(1, settings.rank // 2)}", "method.lora_dropout=0.05")
        yield Cause(f"{text}: a smaller adapter, and dropout.", overrides)
    elif settings.method == "full":
        yield Cause(f"{text}: an adapter holds less.", ("method=lora",))
    yield _lower(case)


def _still_falling(case: Case, sign: Sign) -> Iterator[Cause]:
    text, settings = "The run was short: go on with more steps, or try a higher rate.", case.settings
    if settings.epochs and not settings.max_steps:
        yield Cause(text, (f"training.epochs={1.5 * settings.epochs:.2g}",))
    else:
        yield Cause(text, (f"training.max_steps={round(1.5 * (settings.max_steps or case.last_step))}",))


def _span(sign: Sign) -> str:
    first, last = sign.steps
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _gradient(case: Case) -> str:
    norms = sorted(norm for norm in case.curve.grad_norms if math.isfinite(norm))
    if not norms:
        return "no gradient norm was logged; is anything trained at all?"
    return f"but the gradient norm is {norms[len(norms) // 2]:.2g} in the middle, so something is trained."


def _short(value: float) -> str:
    """A rate as one types it: 6.7e-05, 0.002."""
    return f"{value:.2g}"


_CAUSES: dict[Kind, Callable[[Case, Sign], Iterator[Cause]]] = {
    "non-finite": _non_finite,
    "diverging": _diverging,
    "flat": _flat,
    "oscillating": _oscillating,
    "spiking": _spiking,
    "memorising": _memorising,
    "over-fitting": _over_fitting,
    "still-falling": _still_falling,
}
