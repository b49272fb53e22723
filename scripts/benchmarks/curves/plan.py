"""What is run: healthy runs over methods, ranks, rates, batches and data, and runs that are spoiled on purpose.

Runs with an odd seed are there to choose thresholds by; those with an even one were set aside until thresholds stood.
The same settings with new seeds, from 11 on, were recorded after the last threshold was chosen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scripts.benchmarks.curves.data import ROWS

RATES = {
    "lora": 2e-3, "qlora": 2e-3, "dora": 2e-3, "rslora": 2e-3, "lora-plus": 2e-3, "pissa": 2e-3, "olora": 2e-3,
    "full": 2e-4, "freeze": 2e-4,
}  # fmt: skip
"""What each method's choice sets for the embedded model: its own rate times 10 (conf/method, conf/model/tiny.yaml)."""

STEPS = {4: 150, 8: 110, 16: 90, 32: 60}
"""Most optimizer steps by rows a step."""
MOST_EPOCHS = 3.0
EVALUATIONS = 10
FIRST_FRESH = 11
"""The first seed of the runs that were recorded last."""
Part = Literal["chosen by", "set aside", "fresh"]


@dataclass(frozen=True)
class Spec:
    """One run.

    Attributes:
        name: Tells it from the others.
        spoil: What is done to it; `healthy` = nothing.
        detail: The same in words.
        seed: Of data order, dropout and first values; `part` says what it is there for.
        method: The choice of `method`.
        data: A set of `data.SETS`.
        lr_factor: On the method's own rate.
        batch_rows: Rows a step.
        steps: Optimizer steps.
        overrides: Whatever else is set.
        how: What the spoil needs to know.
    """

    name: str
    spoil: str
    detail: str
    seed: int
    method: str
    data: str
    lr_factor: float = 1.0
    batch_rows: int = 16
    steps: int = 90
    overrides: tuple[str, ...] = ()
    how: dict[str, Any] = field(default_factory=dict)


def specs() -> list[Spec]:
    """Returns all runs, in an order that mixes the kinds."""
    found = [*_healthy(), *_rates(), *_shuffled(), *_masked(), *_tiny(), *_poisoned(), *_frozen()]
    found += [_renewed(spec) for spec in found if part(spec.seed) == "set aside"]
    assert len({spec.name for spec in found}) == len(found)
    return [found[(place * 67) % len(found)] for place in range(len(found))] if len(found) % 67 else found


def part(seed: int) -> Part:
    """Returns what the runs of a seed are there for."""
    if seed >= FIRST_FRESH:
        return "fresh"
    return "chosen by" if seed % 2 else "set aside"


def _renewed(spec: Spec) -> Spec:
    """The same settings with a seed that nothing was chosen by."""
    seed = spec.seed + FIRST_FRESH - 1
    return replace(spec, seed=seed, name=f"{spec.name.removesuffix(f'-{spec.seed}')}-{seed}")


def _steps(data: str, batch_rows: int, epochs: float = MOST_EPOCHS) -> int:
    return min(STEPS[batch_rows], int(epochs * ROWS[data] / batch_rows))


def _healthy() -> Iterator[Spec]:
    """Nine methods with eight seeds each, and LoRA at four more ranks: all that varies goes round at its own pace."""
    data = ("demo", "records", "demo-a", "tagged", "demo-b")
    factors = (1.0, 0.5, 1.5, 1.0, 0.7, 2.0, 1.0)
    batches = (16, 8, 32, 16, 8, 4)
    schedulers = ("cosine", "linear", "constant-with-warmup", "cosine", "wsd")
    choices = [(method, None) for method in RATES] + [("lora", rank) for rank in (2, 8, 64)]
    for row, (method, rank) in enumerate(choices):
        for seed in range(1, 9 if rank is None else 5):
            turn = row * 3 + seed
            batch, chosen = batches[turn % len(batches)], data[turn % len(data)]
            scheduler = schedulers[(row + seed) % len(schedulers)]
            ranked = () if rank is None else (f"method.r={rank}", f"method.lora_alpha={2 * rank}")
            yield Spec(
                name=f"healthy-{method}{'' if rank is None else f'-r{rank}'}-{seed}",
                spoil="healthy",
                detail=f"{chosen}, {scheduler}",
                seed=seed,
                method=method,
                data=chosen,
                lr_factor=factors[turn % len(factors)],
                batch_rows=batch,
                steps=_steps(chosen, batch),
                overrides=(f"scheduler={scheduler}", *ranked),
            )


def _rates() -> Iterator[Spec]:
    methods = ("lora", "full", "dora", "qlora", "lora-plus", "rslora")
    data, batches = ("demo", "records", "tagged", "demo-a"), (16, 8, 16)
    for row, method in enumerate(methods):
        for turn, factor in enumerate((30.0, 100.0, 300.0, 1000.0)):
            seed = (row + turn) % 6 + 1
            chosen, batch = data[(row + turn) % 4], batches[(row + turn) % 3]
            yield Spec(
                f"rate-x{factor:g}-{method}-{seed}", "rate-high", f"rate x{factor:g}, {chosen}", seed, method, chosen,
                factor, batch, _steps(chosen, batch),
            )  # fmt: skip
    low = ("lora", "full", "qlora", "dora", "rslora", "freeze", "lora", "full", "olora", "lora-plus")
    for row, method in enumerate(low):
        chosen, batch = data[row % 4], batches[row % 3]
        yield Spec(
            f"rate-low-{method}-{row + 1}", "rate-low", f"rate /1000, {chosen}", row + 1, method, chosen, 0.001,
            batch, _steps(chosen, batch),
        )  # fmt: skip


def _shuffled() -> Iterator[Spec]:
    methods = ("lora", "full", "qlora", "dora", "rslora", "lora-plus")
    for row, method in enumerate(methods):
        for data, epochs in (("records", 3.0), ("demo-b", 8.0)):
            for half in (1, 2):
                seed = 2 * (row % 3) + half
                yield Spec(
                    f"shuffled-{method}-{epochs:g}e-{seed}", "shuffled", f"answers of other rows, {epochs:g} epochs",
                    seed, method, data, 1.0, 16, int(epochs * ROWS[data] / 16), how={"epochs": epochs},
                )  # fmt: skip


def _masked() -> Iterator[Spec]:
    methods = ("lora", "full", "qlora", "dora", "freeze")
    for row, method in enumerate(methods):
        for turn, (share, batch, most) in enumerate(((1.0, 16, 3), (0.9, 8, 1000))):
            seed = (row + turn) % 4 + 1
            yield Spec(
                f"masked-{share:g}-{method}-{seed}", "masked", f"{share:.0%} of the rows without a supervised token",
                seed, method, "demo", 1.0, batch, _steps("demo", batch),
                (f"training.max_skipped_steps={most}",), {"share": share},
            )  # fmt: skip


def _tiny() -> Iterator[Spec]:
    methods = ("lora", "full", "qlora", "dora", "rslora", "lora-plus", "pissa")
    for row, method in enumerate(methods):
        for turn, (rows, epochs) in enumerate(((16, 50), (48, 30))):
            seed = (row + turn) % 6 + 1
            yield Spec(
                f"tiny-{rows}-{method}-{seed}", "tiny", f"{rows} rows for {epochs} epochs", seed, method, "demo",
                1.0, 8, rows * epochs // 8, how={"rows": rows},
            )  # fmt: skip


def _poisoned() -> Iterator[Spec]:
    methods = ("lora", "full", "qlora", "dora", "rslora", "lora-plus")
    for row, method in enumerate(methods):
        for turn, (data, at) in enumerate((("demo", (0.5,)), ("records", (0.35, 0.7)))):
            seed, batch = (row + turn) % 6 + 1, (16, 8)[row % 2]
            steps = min(_steps(data, batch), ROWS[data] // batch)  # one epoch: the poison comes once
            yield Spec(
                f"poisoned-{data}-{method}-{seed}", "poisoned", f"{len(at)} batches of random answers, {data}", seed,
                method, data, 1.0, batch, steps, how={"steps": tuple(max(1, int(share * steps)) for share in at)},
            )  # fmt: skip


def _frozen() -> Iterator[Spec]:
    methods = ("lora", "qlora", "rslora", "lora-plus")
    for row, method in enumerate(methods):
        for turn, which in enumerate(("both-zero", "b-frozen", "scale-zero")):
            if (method, which) == ("lora-plus", "b-frozen"):
                continue  # its rates are set for B: a run without B is refused
            seed, data = (row + turn) % 6 + 1, ("demo", "records", "tagged")[(row + turn) % 3]
            yield Spec(
                f"frozen-{which}-{method}-{seed}", "frozen", f"adapters that can't move: {which}, {data}", seed, method,
                data, 1.0, 16, min(60, _steps(data, 16)), how={"which": which},
            )  # fmt: skip
