"""Runs tasks of the Language Model Evaluation Harness (lm-eval) on a model that is already loaded.

It comes with the extra `ftlab[lm-eval]` and is imported when it is asked for. In: the model, names of tasks, a folder
with tasks of one's own. Out: one `TaskScore` for each task and metric. Nothing is uploaded, and the model isn't loaded
again: with an adapter that can be switched off, base and tuned are measured on the same weights.

References:
    L. Gao et al., The Language Model Evaluation Harness, 10.5281/zenodo.12608602.
"""

import contextlib
import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerBase

from ftlab.problem import Problem

INSTALL = "pip install 'ftlab[lm-eval]'"


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What one metric says of a model on one task.

    Attributes:
        task: The task's name.
        metric: The metric's name, with the filter that the answers went through where it isn't `none`.
        value: The metric.
        stderr: Its standard error by lm-eval's own account; None where it gives none.
        rows: Questions that were asked.
        higher_is_better: Whether a larger value is better; None where the task doesn't say.
    """

    task: str
    metric: str
    value: float
    stderr: float | None
    rows: int | None
    higher_is_better: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON."""
        return asdict(self)


def check_tasks(tasks: Sequence[str], task_folder: str | None) -> list[Problem]:
    """Says what is wrong with the tasks that are asked for, before any weight is loaded.

    Args:
        tasks: Names of tasks, groups or tags.
        task_folder: A folder with YAML files of one's own tasks; None knows lm-eval's alone.

    Returns:
        Every problem.
    """
    if importlib.util.find_spec("lm_eval") is None:
        what = "must be installed to run evaluation.tasks, but isn't."
        return [Problem("lm-eval", what, f"Install it: {INSTALL}. evaluation=default runs without it.")]
    folder = None if task_folder is None else Path(task_folder).expanduser()
    if folder is not None and not folder.is_dir():
        what = f"must be a folder with YAML files of tasks, but '{folder}' isn't one (looked from {Path.cwd()})."
        return [Problem("evaluation.task_folder", what)]
    if not tasks:
        return [Problem("evaluation.tasks", "must name at least one task, but names none.", "Such as [hellaswag].")]
    with _quiet():
        manager = _manager(tasks, folder)
        if unknown := [task for task in tasks if not manager.match_tasks([task])]:
            own = ", ".join(_own(folder).all_tasks) if folder else ""
            fix = f"The folder has {own}." if own else "`lm_eval ls tasks` lists them."
            return [
                Problem("evaluation.tasks", f"must be names of tasks, but '{task}' is none.", fix) for task in unknown
            ]
        return list(_faulty(manager, tasks))


def _faulty(manager: Any, tasks: Sequence[str]) -> Iterator[Problem]:
    """Loads each task with its data, as running it will."""
    for task in manager.match_tasks(list(tasks)):
        try:
            manager.load([task])
        except Exception as error:  # a task is a file of the user's that may hold anything, code included
            what = (
                f"must be a task that can be loaded, but '{task}' can't: {type(error).__name__}: {_first_line(error)}"
            )
            yield Problem("evaluation.tasks", what, "Paths in a task's YAML are looked up from where you start ftlab.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "no reason is given")


def _own(folder: Path) -> Any:
    """A task manager that knows the folder's tasks alone."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=folder, include_defaults=False)


def _manager(tasks: Sequence[str], folder: Path | None) -> Any:
    """A task manager that knows the tasks: the folder's own, or where they aren't plain tasks of it all there are.

    lm-eval takes ten seconds to look through its own 14,000.
    """
    from lm_eval.tasks import TaskManager

    if folder is not None:
        own = _own(folder)
        found = {name for task in tasks for name in own.match_tasks([task]) or ("",)}
        if found <= set(own.all_subtasks):
            return own
    return TaskManager(include_path=folder)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to lm-eval's errors: its remarks are about settings that are ours."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def run_tasks(
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    tasks: Sequence[str],
    *,
    task_folder: str | None = None,
    few_shot: int | None = None,
    most_rows: int | None = None,
    batch_rows: int = 8,
    chat_template: bool = False,
    seed: int = 1,
) -> list[TaskScore]:
    """Runs tasks.

    Args:
        model: A Transformers model or one wrapped by PEFT, in evaluation mode, reading one row a line
            (`ftlab.kernels.attention.plain_attention`).
        tokenizer: Its tokenizer.
        tasks: Names of tasks, groups or tags.
        task_folder: A folder with YAML files of one's own tasks. They may bring Python code that is run.
        few_shot: Examples before each question; None = as each task says.
        most_rows: Questions of a task that are asked, the first ones; None asks all.
        batch_rows: Questions that are asked at a time.
        chat_template: Whether questions are put into the tokenizer's chat template.
        seed: Fixes the few-shot examples.

    Returns:
        One entry for each task and metric, groups of tasks included, in lm-eval's order.
    """
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    folder = None if task_folder is None else Path(task_folder).expanduser()
    with _quiet():
        wrapped = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_rows)
        found = lm_eval.simple_evaluate(
            model=wrapped,
            tasks=list(tasks),
            task_manager=_manager(tasks, folder),
            num_fewshot=few_shot,
            limit=most_rows,
            apply_chat_template=chat_template,
            log_samples=False,
            random_seed=seed,
            numpy_random_seed=seed,
            torch_random_seed=seed,
            fewshot_random_seed=seed,
        )
    return list(read_results(found))


def read_results(found: Mapping[str, Any]) -> Iterator[TaskScore]:
    """Takes lm-eval's results apart.

    Args:
        found: What `lm_eval.simple_evaluate` returns.

    Yields:
        One entry for each task and metric.
    """
    rows, better = found.get("n-samples", {}), found.get("higher_is_better", {})
    for task, values in {**found["results"], **found.get("groups", {})}.items():
        for key, value in values.items():
            metric, comma, answers = key.partition(",")
            if not comma or metric.endswith("_stderr") or not isinstance(value, int | float):
                continue
            stderr = values.get(f"{metric}_stderr,{answers}")
            yield TaskScore(
                task=task,
                metric=metric if answers == "none" else f"{metric} ({answers})",
                value=float(value),
                stderr=float(stderr) if isinstance(stderr, int | float) else None,
                rows=rows.get(task, {}).get("effective"),
                higher_is_better=better.get(task, {}).get(metric),
            )


def section(base: Sequence[TaskScore] | None, tuned: Sequence[TaskScore]) -> list[dict[str, Any]]:
    """Puts both models side by side, as `evaluation.json` holds them.

    Args:
        base: The base's scores, if they were measured.
        tuned: The tuned model's.

    Returns:
        One entry for each task and metric: `{"task", "metric", "rows", "higher_is_better", "base": {"value",
        "stderr"} | null, "tuned": {"value", "stderr"}}`.
    """
    before = {(score.task, score.metric): score for score in base or ()}
    return [
        {
            "task": score.task,
            "metric": score.metric,
            "rows": score.rows,
            "higher_is_better": score.higher_is_better,
            "base": _number(before.get((score.task, score.metric))),
            "tuned": _number(score),
        }
        for score in tuned
    ]


def _number(score: TaskScore | None) -> dict[str, float | None] | None:
    return None if score is None else {"value": score.value, "stderr": score.stderr}
