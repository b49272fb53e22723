"""`task=plan`, as a user types it: at once, without weights, network or PyTorch."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from ftlab.config.rule import check
from ftlab.memory.matrix import CARDS, LEGEND, cell_text
from ftlab.memory.plan import HOST_BYTES
from ftlab.memory.table import matrix_text, plan_text
from ftlab.problem import InputError
from ftlab.stage.matrix import MATRIX_METHODS
from ftlab.stage.plan import compared, plan_notes, plan_run, plan_task, too_large
from ftlab.stage.shape import model_keys, shipped_shapes
from tests.config.composition import composed

GIB = 2**30


def _plan(folder: Path, *overrides: str, blocked: tuple[str, ...] = ("torch", "transformers")) -> Any:
    """Runs the task with libraries that it must not need out of reach, and reads its JSON."""
    hide = "; ".join(f"sys.modules[{name!r}] = None" for name in blocked)
    code = f"import sys; {hide}; sys.argv[1:] = {list(overrides)!r}; from ftlab.app import main; main()"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def drawn(part: RenderableType) -> str:
    """What a terminal of 80 columns shows."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(part)
    return capture.get()


def test_plan_needs_no_torch_and_leaves_nothing_behind(tmp_path: Path) -> None:
    begin = time.monotonic()
    plan = _plan(tmp_path, "task=plan", "task.format=json", "model=llama3-8b", "method=qlora", "trainer.memory=24GB")
    assert time.monotonic() - begin < 20  # 2 s on an idle machine; the gate runs beside others
    assert plan["fits"]
    assert plan["changes"] == []
    assert sum(plan["terms"].values()) == plan["total_bytes"]
    assert {
        "weights", "quantization constants", "embeddings and head", "adapters", "gradients",
        "optimizer states, paged", "activations", "logits chunk", "workspace", "fragmentation", "CUDA context",
    } <= set(plan["terms"])  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_matrix_names_a_model_for_each_card_and_method(tmp_path: Path) -> None:
    table = _plan(tmp_path, "task=plan", "task.matrix=true", "task.format=json")
    assert set(table) == {"full", "freeze", "lora", "qlora"}
    assert list(table["qlora"]) == ["8GB", "12GB", "16GB", "24GB", "40GB", "48GB", "80GB", "141GB"]
    assert 13e9 <= table["qlora"]["24GB"]["parameters"] <= 33e9
    assert table["qlora"]["40GB"]["parameters"] < 70e9 < table["qlora"]["48GB"]["parameters"]


def test_text_plan_names_terms_verdict_and_changes(capsys: pytest.CaptureFixture[str]) -> None:
    from ftlab.task.plan import run

    run(composed("task=plan", "model=llama3-8b", "method=full", "trainer.memory=24GB"))
    told = capsys.readouterr().out
    for part in ("optimizer states", "together", "It does not fit", "GFLOP a token", "method=lora", "saves"):
        assert part in told


@pytest.mark.parametrize(
    "typed",
    [
        ("method=full", "trainer.memory=24GB"),
        ("method=freeze", "trainer.memory=14GB", "kernels=none"),
        ("method=full", "trainer.memory=14GB", "kernels=fp8"),
        ("method=pissa", "trainer.memory=12GB"),
        ("method=adalora", "trainer.memory=12GB"),
        ("method=lora", "quantization=int8", "trainer.memory=8GB"),
        ("method=lora", "trainer=cpu", "trainer.memory=12GB"),
        ("training.micro_batch_tokens=32768", "trainer.memory=11GB"),
        ("training.recompute=none", "trainer.memory=10GB"),
        ("model=llama3-70b", "method=article", "trainer.memory=12GB"),
    ],
    ids=" ".join,
)
def test_each_change_composes_and_does_what_it_says(typed: tuple[str, ...]) -> None:
    base = ("task=plan", "model=llama3-8b", *typed)
    plan, changes = plan_task(composed(*base))
    assert not plan.fits
    assert changes
    for change in changes:
        given = {word.partition("=")[0]: word for word in (*base, *change.override.split())}  # the change wins
        cfg = composed(*given.values())
        assert list(check(cfg)) == [], change.override
        again, _ = plan_task(cfg)
        assert again.fits == change.fits, change.override
        if not again.fits:
            assert change.plan.needed_bytes == pytest.approx(again.needed_bytes, rel=0.02), change.override


def test_rows_that_are_advised_to_be_cut_are_not_refused_then() -> None:
    _, changes = plan_task(composed("task=plan", "model=llama3-8b", "trainer.memory=7GB"))
    assert "training.max_row_tokens=1024 data.long_rows=truncate" in [change.override for change in changes]


def test_plan_that_lacks_little_says_how_much_and_names_all_that_is_enough() -> None:
    plan, changes = plan_task(composed("task=plan", "model=llama3-8b", "trainer.memory=7.45GB"))
    lacking = plan.needed_bytes + plan.margin_bytes - (plan.device_bytes or 0)
    assert 0 < lacking < 0.1 * GIB
    assert f"It does not fit: {lacking / 2**20:,.0f} MiB too much." in drawn(plan_text(plan, changes, ""))
    assert [change.override.split("=")[0] for change in changes if change.fits] == [
        "method.r", "training.max_row_tokens", "model",
    ]  # fmt: skip


def test_table_of_cards_reads_at_80_columns() -> None:
    def cell(method: str) -> str:
        return cell_text({"model": "smollm2-1.7b", "recompute": "64", "pages": method == "qlora"})

    cells = {method: dict.fromkeys(CARDS, cell(method)) for method in MATRIX_METHODS}
    lines = drawn(matrix_text(cells, CARDS, "title", LEGEND)).splitlines()
    assert all("…" not in line and len(line) <= 80 for line in lines)
    assert sum(line.count("smollm2-1.7b") == len(MATRIX_METHODS) for line in lines) == len(CARDS)
    assert sum(line.count("64 layers") == len(MATRIX_METHODS) and "paged" in line for line in lines) == len(CARDS)


@pytest.mark.parametrize("model", sorted(shipped_shapes()))
@pytest.mark.parametrize("method", ["qlora", "full", "dora", "ia3", "prefix-tuning", "article", "freeze"])
def test_all_models_and_methods_can_be_planned(model: str, method: str) -> None:
    cfg = composed("task=plan", f"model={model}", f"method={method}", "trainer.memory=141GB")
    if (model, method) == ("phi4-mini", "article"):  # its projections are joined
        with pytest.raises(InputError, match=r"matches none\. There are .*qkv_proj"):
            plan_task(cfg)
        return
    plan, _ = plan_task(cfg)
    assert plan.job.device == "cuda"
    assert 0 < plan.job.trained <= plan.job.shape.parameters * 1.1
    assert plan.total_bytes > plan.tensor_bytes > 0


def test_model_folder_without_a_shape_is_read_from_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(dict(model_keys(composed("model=llama3-8b")))))
    plan, _ = plan_task(composed("model=custom", f"model.path={tmp_path}", "trainer.memory=24GB"))
    assert plan.job.shape.parameters == shipped_shapes()["llama3-8b"].parameters


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{broken", r"model\.path: must hold a readable config\.json, but .* is broken"),
        ("[]", r"model\.path: must hold a config\.json with the model's keys, but .* holds list"),
        ('{"model_type": "gpt2", "n_embd": 768}', r"model\.shape: .* lacks vocab_size, hidden_size"),
        (None, r"model\.path: must be a folder with a config\.json, but .* has none"),
    ],
)
def test_model_folder_that_can_not_be_read_is_named(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=said):
        plan_task(composed("model=custom", f"model.path={tmp_path}", "trainer.memory=24GB"))


def test_model_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.path: .* does not exist"):
        plan_task(composed("model=custom", f"model.path={tmp_path / 'nope'}", "trainer.memory=24GB"))


def test_run_that_can_not_fit_is_refused_with_what_would() -> None:
    cfg = composed("model=llama3-8b", "method=full")
    with pytest.raises(
        InputError, match=r"trainer\.memory: must hold the run, but it needs .* What helps: .*method=lora"
    ):
        plan_run(cfg, model_keys(cfg), "cuda", 24 * GIB, [300] * 50, [300] * 50, 16 * 300)


def test_budget_of_the_user_wins_where_a_gpu_can_find_a_smaller_one_by_itself() -> None:
    cfg = composed("model=llama3-8b", "training.micro_batch_tokens=32768", "training.recompute=none")
    plan = plan_run(cfg, model_keys(cfg), "cuda", 24 * GIB, [2000] * 50, [2000] * 50, 16 * 2000)
    assert plan is not None
    assert plan.load.micro_batch_tokens == 32768
    assert not plan.fits
    (note,) = plan_notes(plan)
    assert "GiB of 24.0 GiB (32,768 tokens a forward pass, recompute=none): it may run out of memory" in note


def test_plan_that_fits_says_nothing_and_one_that_is_missing_is_named() -> None:
    plan, _ = plan_task(composed("model=llama3-8b", "trainer.memory=24GB"))
    assert plan_notes(plan) == []
    assert "can't be planned" in plan_notes(None)[0]


def test_budget_of_the_user_that_ram_can_not_hold_is_refused_before_the_kernel_ends_the_process() -> None:
    cfg = composed("model=qwen3-0.6b", "trainer=cpu", "training.micro_batch_tokens=32768")
    with pytest.raises(InputError, match=r"training\.micro_batch_tokens=auto"):
        plan_run(cfg, model_keys(cfg), "cpu", 8 * GIB, [2000] * 50, [2000] * 50, 16 * 2000)


def test_states_that_ram_can_not_take_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = composed("model=llama3-8b", "method=full", "optimizer=paged-adamw-32bit")
    monkeypatch.setattr("ftlab.stage.plan.host_bytes", lambda: 100 * GIB)
    assert plan_run(cfg, model_keys(cfg), "cuda", 48 * GIB, [300] * 50, [300] * 50, 16 * 300) is not None
    monkeypatch.setattr("ftlab.stage.plan.host_bytes", lambda: 20 * GIB)
    with pytest.raises(InputError, match=r"optimizer: pages 59\.9 GiB of its states to RAM, but there are 20\.0 GiB"):
        plan_run(cfg, model_keys(cfg), "cuda", 48 * GIB, [300] * 50, [300] * 50, 16 * 300)


def test_model_that_can_not_be_planned_runs_with_a_budget_of_the_users() -> None:
    keys = dict(model_keys(composed("model=llama3-8b"))) | {"num_local_experts": 8}
    assert plan_run(composed("training.micro_batch_tokens=512"), keys, "cuda", 24 * GIB, [300], [300], 300) is None
    with pytest.raises(InputError, match="has experts"):
        plan_run(composed(), keys, "cuda", 24 * GIB, [300], [300], 300)


def test_run_longest_row_and_step_come_from_the_data() -> None:
    cfg = composed("model=llama3-8b", "training.batch_rows=2")
    plan = plan_run(cfg, model_keys(cfg), "cuda", 80 * GIB, [10, 500, 20, 400], [1, 5, 2, 4], 520)
    assert plan is not None
    assert (plan.load.longest_row, plan.load.step_tokens) == (500, 520)


def test_full_run_with_few_supervised_tokens_needs_less_for_its_logits() -> None:
    cfg = composed("model=llama3.2-1b", "method=full")
    sizes = []
    for share in (10, 100):
        plan = plan_run(cfg, model_keys(cfg), "cuda", 80 * GIB, [100] * 100, [share] * 100, 1600)
        assert plan is not None
        sizes.append({term.name: term.bytes for term in plan.terms}["logits chunk"])
    assert sizes[0] < 0.3 * sizes[1]


def test_demo_on_a_cpu_keeps_its_usual_budget() -> None:
    cfg = composed("trainer=cpu")
    plan = plan_run(cfg, model_keys(cfg), "cpu", 8 * GIB, [98] * 400, [98] * 400, 1568)
    assert plan is not None
    assert (plan.load.micro_batch_tokens, plan.recompute) == (4096, "none")
    assert plan.total_bytes > HOST_BYTES


def test_plan_is_held_against_the_measured_peak() -> None:
    plan, _ = plan_task(composed("model=llama3-8b", "trainer.memory=24GB"))
    held = compared(plan, {"peak_bytes": plan.tensor_bytes // 2})
    assert held["off"] == pytest.approx(1.0, abs=1e-3)
    assert held["planned_peak_bytes"] == plan.tensor_bytes


def test_what_is_too_large_is_said_in_gib() -> None:
    plan, changes = plan_task(composed("model=llama3-70b", "trainer.memory=24GB"))
    problem = too_large(plan, changes)
    assert "there are 23.6 GiB" in problem.what
    assert "model=" in problem.fix
