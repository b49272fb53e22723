"""Everything that a run needs before weights are loaded, and everything that can be wrong with it.

In: the configuration. Out: `Inputs`. The checks of all rooms are made here, one after the other, and what they find is
raised together: a user mends data, model and method in one go.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch
from omegaconf import DictConfig
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ftlab.check.examination import Examination
from ftlab.config import target
from ftlab.config.build import build, build_method
from ftlab.config.rule import check_arithmetic, check_devices, fp8_notes
from ftlab.data import mix
from ftlab.data.datamodule import steps_per_epoch, total_steps, whole
from ftlab.data.epoch import most_tokens, step_order
from ftlab.data.faults import Faults
from ftlab.data.row import Layout
from ftlab.data.source import Splits
from ftlab.evaluation.harness import check_tasks
from ftlab.kernels.attention import packing_obstacle
from ftlab.logger.installed import check_installed
from ftlab.memory.job import Device
from ftlab.memory.plan import Plan
from ftlab.method.check import check_method
from ftlab.method.method import Method
from ftlab.model.check import check_model
from ftlab.model.load import build_skeleton
from ftlab.model.tokenizer import check_vocabulary, load_tokenizer
from ftlab.optimizer.schedule import build_schedule
from ftlab.problem import InputError, Problem, raise_all
from ftlab.stage import guard, preflight
from ftlab.stage.encode import Encoded, account
from ftlab.stage.general import leak_warnings, read_general, silent_note
from ftlab.stage.inputs import Inputs
from ftlab.stage.place import Place, check_place, find_place
from ftlab.stage.plan import device_bytes, hold_to, plan_notes, plan_run
from ftlab.stage.source import load_model_config, model_source, plain, read_rows

log = logging.getLogger(__name__)

UNPLANNED_TOKENS = 4096
"""Tokens of a forward pass where nothing is trained: it keeps no activations, and takes less where memory ends."""

Found = TypeVar("Found")


class _Findings:
    """Collects what the checks find, so that the next check is made all the same."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def attempt(self, make: Callable[[], Found]) -> Found | None:
        """Returns what `make` makes; None, with its problems kept, where it can't."""
        try:
            return make()
        except InputError as error:
            self.problems += error.problems
            return None


def prepare(cfg: DictConfig, *, trains: bool = True) -> Inputs:
    """Reads rows and tokenizer, chooses device and method, and checks all of it.

    Args:
        cfg: The composed configuration; its keys were checked when the program started.
        trains: Whether it is going to be trained, for which the memory must suffice; else nothing is planned.

    Returns:
        What the run starts from.

    Raises:
        InputError: Everything that is wrong.
    """
    findings = _Findings()
    findings.problems += target.check(cfg)
    place = findings.attempt(lambda: find_place(cfg))
    findings.problems += check_devices(cfg.trainer.accelerator, cfg.trainer.devices, torch.cuda.device_count())
    device = choose_device(cfg.trainer.accelerator)
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    findings.problems += check_installed({name: str(node.get("_target_")) for name, node in cfg.logger.items()})
    if "tasks" in cfg.evaluation:
        findings.problems += check_tasks(list(cfg.evaluation.tasks), cfg.evaluation.task_folder)
    findings.problems += check_arithmetic(cfg.kernels.arithmetic, capability)
    source = model_source(cfg)
    max_row_tokens = cfg.training.max_row_tokens or cfg.model.context_tokens
    model_problems = check_model(
        **source, weights=cfg.model.weights, shape=plain(cfg.model.shape), max_row_tokens=max_row_tokens
    )
    findings.problems += model_problems
    done = findings.attempt(lambda: guard.begin(cfg))
    rows = findings.attempt(lambda: _examined_rows(cfg, done)) if done else None
    if not model_problems:
        skeleton = build_skeleton(load_model_config(cfg), trust_remote_code=cfg.model.trust_remote_code)
        findings.problems += findings.attempt(lambda: _check_method(cfg, skeleton)) or []
        tokenizer_and_notes = findings.attempt(
            lambda: load_tokenizer(**source, weights=cfg.model.weights, chat_template=cfg.model.chat_template)
        )
        if tokenizer_and_notes and done and rows:
            tokenizer, notes = tokenizer_and_notes
            findings.problems += check_vocabulary(tokenizer, skeleton.config.get_text_config().vocab_size)
            limit = max_row_tokens or getattr(skeleton.config.get_text_config(), "max_position_embeddings", None)
            encoded = findings.attempt(lambda: preflight.encode_checked(cfg, done, rows, tokenizer, limit))
            stop_ids = encoded.stop_ids if encoded else ()
            general = findings.attempt(partial(read_general, cfg, tokenizer, stop_ids, limit)) if stop_ids else None
            if encoded and place and not findings.problems and done.tally.outcome() != "errors":
                usable = guard.usable(done, rows)
                leaks = leak_warnings(general, usable.train) if general else []
                said = general.notes if general else silent_note(cfg)
                notes = [*notes, *guard.notes(cfg, done, rows), *said, *leaks]
                notes += fp8_notes(cfg.quantization.kind, cfg.kernels.arithmetic)
                inputs = _inputs(cfg, place, device, skeleton, tokenizer, usable, encoded, notes, trains=trains)
                return replace(inputs, warnings=leaks, general=general, check=guard.account(done, rows))
    raise_all([*findings.problems, *(done.tally.problems() if done else ())])
    raise AssertionError("a run without problems has its inputs")


def choose_device(accelerator: str) -> torch.device:
    """Returns the device of this process: the first GPU where there is one and it is allowed, else the CPU."""
    return torch.device("cuda:0" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(requested: str, device: torch.device) -> str:
    """Returns Lightning's name of the arithmetic.

    Args:
        requested: `auto`, `bfloat16` or `float32`.
        device: `auto` takes bfloat16 on a GPU that computes in it, else float32.
    """
    if requested == "auto":
        bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        requested = "bfloat16" if bfloat16 else "float32"
    return {"bfloat16": "bf16-mixed", "float32": "32-true"}[requested]


def _examined_rows(cfg: DictConfig, done: Examination) -> Splits:
    faults = Faults()
    rows = read_rows(cfg, faults)
    guard.look_once(cfg, done, rows, faults)
    return rows


def _check_method(cfg: DictConfig, skeleton: PreTrainedModel) -> list[Problem]:
    keys = target.method_keys(cfg.method)
    if list(target.check_node(keys, "method")):
        return []  # said before, by the check of the configuration
    return check_method(
        build(keys, "method"),
        name=cfg.method.name,
        skeleton=skeleton,
        quantization=cfg.quantization.kind,
        random_weights=cfg.model.weights == "random",
    )


def _inputs(
    cfg: DictConfig,
    place: Place,
    device: torch.device,
    skeleton: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Splits,
    encoded: Encoded,
    notes: list[str],
    *,
    trains: bool,
) -> Inputs:
    training = cfg.training
    steps = total_steps(encoded.epoch_rows, training.batch_rows, training.epochs, training.max_steps)
    tenth = max(1, min(steps // 10, steps_per_epoch(encoded.epoch_rows, training.batch_rows)))
    eval_every = training.eval_every_steps or tenth
    scheduler = {key: value for key, value in cfg.scheduler.items() if key != "name"}
    method = build_method(cfg.method, total_steps=steps)
    layout, layout_notes = _choose_layout(method, skeleton)
    check_place(place, encoded.sha256)
    sources = account(cfg, encoded.train, encoded.parts)
    plan = _plan(cfg, skeleton, device, encoded, steps, layout) if trains else None
    planned = plan_notes(plan) if trains else []
    if device.type == "cuda":
        hold_to(cfg.trainer.memory)
    return Inputs(
        place=place,
        device=device,
        precision=choose_precision(cfg.trainer.precision, device),
        tokenizer=tokenizer,
        stop_ids=encoded.stop_ids,
        encoder=encoded.encoder,
        rows=rows,
        train=encoded.train,
        validation=encoded.validation,
        test=encoded.test,
        parts=encoded.parts,
        sources=sources,
        data_sha256=encoded.sha256,
        total_steps=steps,
        eval_every_steps=eval_every,
        checkpoint_every_steps=training.checkpoint_every_steps or eval_every,
        method=method,
        layout=layout,
        optimizer=build(cfg.optimizer, "optimizer"),
        schedule=build_schedule(cfg.scheduler.name, total_steps=steps, **scheduler),
        plan=plan,
        micro_batch_tokens=_micro_batch_tokens(training.micro_batch_tokens, plan),
        notes=[*rows.notes, *encoded.notes, *mix.notes(sources), *notes, *layout_notes, *planned],
    )


def _plan(
    cfg: DictConfig, skeleton: PreTrainedModel, device: torch.device, encoded: Encoded, steps: int, layout: Layout
) -> Plan | None:
    kind: Device = "cuda" if device.type == "cuda" else "cpu"
    parts = encoded.parts or whole(len(encoded.train))
    order = step_order(parts, seed=cfg.seed, batch_rows=cfg.training.batch_rows, steps=steps)
    return plan_run(
        cfg,
        skeleton.config.get_text_config().to_dict(),
        kind,
        device_bytes(kind),
        encoded.train.lengths.tolist(),
        encoded.train.targets_counts.tolist(),
        most_tokens(order, encoded.train.lengths, cfg.trainer.devices, layout),
    )


def _micro_batch_tokens(wanted: str | int, plan: Plan | None) -> int:
    if plan is not None:
        return plan.load.micro_batch_tokens
    return UNPLANNED_TOKENS if isinstance(wanted, str) else wanted


def _choose_layout(method: Method, skeleton: PreTrainedModel) -> tuple[Layout, list[str]]:
    """Packed, where method and architecture allow it."""
    if method.layout == "padded":
        return "padded", [f"Rows are padded: method={method.name} does not go with packed rows."]
    obstacle = packing_obstacle(skeleton)
    return ("packed", []) if obstacle is None else ("padded", [f"Rows are padded, because {obstacle}."])
