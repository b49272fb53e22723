"""The offline reader: any run folder or log, without a model, and settings from the run's own card."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ftlab.config.compose import check_run
from ftlab.evaluation.curve.curve import Settings
from ftlab.evaluation.curve.diagnose import diagnose
from ftlab.problem import InputError
from ftlab.stage.curve import diagnose_file, settings_of
from ftlab.stage.source import plain
from scripts.benchmarks.curves.judge import curve_of, with_curve
from tests.config.composition import composed

ROOT = Path(__file__).parents[2]
RISING = "".join(f"{step},{2.0 + max(0, step - 20) * 0.1:.3f},{6e-4}\n" for step in range(1, 61))


def diagnosed(run: Path | None, folder: Path) -> tuple[Any, str]:
    screen = io.StringIO()
    found = diagnose_file(None if run is None else str(run), folder, Console(file=screen, width=200))
    return found, screen.getvalue()


def run_folder(folder: Path, **card: Any) -> Path:
    """What a run leaves: metrics and card, no adapter."""
    folder.mkdir()
    head = "step,attempt,train/loss,train/learning_rate\n"
    rows = "".join(line.replace(",", ",1,", 1) for line in RISING.splitlines(keepends=True))
    (folder / "metrics.csv").write_text(head + rows)
    config = {"optimizer": {"lr": 9e-3, "_target_": "torch.optim.AdamW"}, "training": {"batch_rows": 8}}
    (folder / "run.json").write_text(json.dumps({"format": 1, "status": "done", "config": config, **card}))
    return folder


def test_log_from_elsewhere_is_shown_with_causes_and_overrides_and_written_down(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("step,loss,lr\n" + RISING)
    found, screen = diagnosed(log, tmp_path / "out")
    assert found.verdict == "diverging"
    for words in ("steps 1 to 60, no held-out losses", "Columns: step = step, loss = loss, lr = lr.",
                  "diverging  The loss left its start upwards  fatal", "1. The learning rate 0.0006 is too high",
                  "optimizer.lr=0.0002"):  # fmt: skip
        assert words in screen
    assert screen.endswith(f"Written to {tmp_path / 'out' / 'evaluation.json'}\n")
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written == {"run": str(log), "evaluation": {"curve": found.to_dict()}}


def test_run_folder_is_read_with_its_own_settings(tmp_path: Path) -> None:
    found, screen = diagnosed(run_folder(tmp_path / "run"), tmp_path / "out")
    assert found.findings[0].overrides[0] == "optimizer.lr=0.003"
    assert "Columns" not in screen  # they are ftlab's own
    alone, _ = diagnosed(tmp_path / "run" / "metrics.csv", tmp_path / "out")
    assert alone == found


def test_what_holds_no_curve_is_refused_with_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for run, message in ((None, "must name a run folder or a log, but is null"),
                         (tmp_path / "gone.csv", "isn't there"),
                         (tmp_path / "empty", "has neither metrics.csv nor trainer_state.json")):  # fmt: skip
        with pytest.raises(InputError, match=message) as raised:
            diagnosed(run, tmp_path / "out")
        assert "run=log.csv" in raised.value.problems[0].fix
    with pytest.raises(InputError, match=r"run\.json can't: `format`.*must be at most 1"):
        diagnosed(run_folder(tmp_path / "newer", format=9), tmp_path / "out")
    broken = run_folder(tmp_path / "broken")
    (broken / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json can't") as raised:
        diagnosed(broken, tmp_path / "out")
    named = raised.value.problems[0].fix.removeprefix("Read the curve alone: run=").removesuffix(".")
    found, screen = diagnosed(Path(named), tmp_path / "out")
    assert found.findings[0].overrides[0] == "optimizer.lr=0.0002"  # by the rates in the log
    assert "What the run was set to isn't known" in screen


def test_settings_are_those_of_the_shipped_configuration() -> None:
    cfg = composed("method=qlora", "optimizer.lr=0.5", "output_dir=out")
    assert settings_of(plain(cfg), 120) == Settings(
        lr=0.5, epochs=3, max_steps=None, batch_rows=16, max_grad_norm=1.0, scheduler="cosine", warmup=0.03,
        total_steps=120, method="qlora", rank=16, usual_lr=pytest.approx(2e-3),
    )  # fmt: skip
    other = settings_of(plain(composed("method=full", "optimizer=sgd", "output_dir=out")), None)
    assert (other.rank, other.usual_lr) == (None, None)  # SGD's rates are in another scale


@pytest.mark.parametrize("method", ["lora", "full", "vera"])
def test_every_override_is_one_that_a_run_takes(method: str) -> None:
    settings = settings_of(plain(composed(f"method={method}", "output_dir=out")), None)
    runs = with_curve(json.loads((ROOT / "docs" / "benchmarks" / "curves.json").read_text()))
    given = {
        override.partition("=")[0]: override
        for run in runs
        for finding in diagnose(curve_of(run), settings).findings
        for override in finding.overrides
        if not override.startswith(("task=", "method="))
    }
    assert len(given) >= 6
    assert check_run([f"method={method}", *given.values()]) == []


def test_command_reads_a_curve_without_loading_what_a_model_needs(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss,lr\n" + RISING)
    code = (
        "import sys; from ftlab.app import main\n"
        "try: main()\n"
        "finally: print('heavy:', sorted({'torch', 'transformers', 'lightning', 'peft'} & set(sys.modules)))\n"
    )
    words = ["task=evaluate", "evaluation=curve", f"run={tmp_path / 'log.csv'}", f"hydra.run.dir={tmp_path / 'out'}"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "diverging  The loss left its start upwards" in done.stdout
    assert done.stdout.strip().endswith("heavy: []")
    assert (tmp_path / "out" / "evaluation.json").exists()
