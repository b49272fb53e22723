"""The command line: composes the configuration, checks it, hands it to the task, and turns the end into an exit code.

Exit codes: 0 all is well; 1 the run failed (its reason or its traceback is shown); 2 the input is wrong (nothing was
started); 130 interrupted. Nothing here imports torch: that is left to the task, once there is something to do.
"""

import contextlib
import importlib
import os
import sys
import traceback
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ftlab.config import compose, explain, secret, validate
from ftlab.config.folder import CONF_DIR
from ftlab.config.release import RUNNING
from ftlab.config.terminal import show
from ftlab.problem import InputError, Problem, Refused, RunEnded, raise_all
from ftlab.stage.sweep import compare_sweep, leave_reason
from hydra_plugins import hydra_ftlab_optuna
from hydra_plugins.hydra_gpu_pool_launcher import OptionError, SweepStopped

RUN_FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

_codes: list[int] = []
"""How the jobs of this process failed: in a multirun the others go on."""


@hydra.main(config_path=str(CONF_DIR), config_name="config", **RUNNING)
def job(cfg: DictConfig) -> float | None:
    """Runs the task of one configuration; Hydra calls this once a run, or for every job of a multirun.

    Args:
        cfg: The composed configuration.

    Returns:
        The held-out loss, for sweepers; None where the task has none.

    Raises:
        SystemExit: A single run failed; what is wrong has been shown.
        KeyboardInterrupt: The run was told to end; this ends a multirun as a whole.
    """
    try:
        raise_all(validate.check(cfg))
        return importlib.import_module(f"ftlab.task.{cfg.task.name}").run(cfg)  # type: ignore[no-any-return]
    except Exception as error:
        _codes.append(_report(error))
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            leave_reason(Path(HydraConfig.get().runtime.output_dir), error)
            with contextlib.suppress(AttributeError):
                error.already_shown = True  # type: ignore[attr-defined]  # hydra/launcher=gpu_pool shows no traceback then
            raise  # marks this job as failed; the launcher goes on with the next
        raise SystemExit(_codes[-1]) from None


job.__wrapped__.gpu_pool_again = ("resume=auto",)  # type: ignore[attr-defined]
"""For `hydra/launcher=gpu_pool`: a job that begins again goes on from its newest whole checkpoint."""


def main() -> None:
    """Starts ftlab from `sys.argv` and exits with its code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's errors reach us, and are said in our words
    # Below `uv run`, Ray would run jobs in a copy of the working folder, in an environment of its own without ftlab.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    _codes.clear()
    try:
        _refuse_bad_input()
        job()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # whoever reads the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        codes = _codes or [_code(failure) for failure in getattr(error, "sweep_failures", ())]
        if not codes:
            sys.exit(_report(error))
        if isinstance(error, SweepStopped):
            sys.stderr.write(f"{error}\n")
        sys.stderr.write(f"{len(codes)} of the jobs failed, see above.\n")
        sys.exit(RUN_FAILED if RUN_FAILED in codes else BAD_INPUT)
    finally:
        compare_sweep()  # also where jobs failed, or Ctrl-C ended it


def _refuse_bad_input() -> None:
    """Checks the command line before Hydra makes a folder.

    Raises:
        InputError: Something in it can't work.
    """
    raise_all(secret.check(sys.argv[1:]))
    given = get_args_parser().parse_args()
    if given.help or given.hydra_help or given.shell_completion:
        return
    extra = [f"hydra.searchpath=[file://{os.path.abspath(given.config_dir)}]"] if given.config_dir else []
    overrides, name, folder = [*extra, *given.overrides], given.config_name or "config", given.config_path or CONF_DIR
    if given.cfg or given.info:
        raise_all(compose.fetch_choices(overrides, name, folder))
    else:
        raise_all(compose.check(overrides, name, folder, multirun=given.multirun))


def _code(error: Exception) -> int:
    """Returns the exit code for the error of a job that ran in another process, where it has been shown."""
    if isinstance(error, Refused):
        return error.exit_code
    return BAD_INPUT if isinstance(error, InputError) else RUN_FAILED


def _report(error: Exception) -> int:
    """Shows what went wrong and returns the exit code for it."""
    if isinstance(error, hydra_ftlab_optuna.OptionError):
        show([Problem("search", line) for line in str(error).splitlines()])
        return BAD_INPUT
    if isinstance(error, OptionError):
        show([Problem("hydra/launcher", line) for line in str(error).splitlines()])
        return BAD_INPUT
    if isinstance(error, Refused):
        return error.exit_code
    if isinstance(error, InputError):
        show(error.problems)
        return BAD_INPUT
    if isinstance(error, compose.COMPOSITION_ERRORS) and not HydraConfig.initialized():
        show(compose.check_run(get_args_parser().parse_args().overrides) or [explain.whole(error)])
        return BAD_INPUT
    if isinstance(error, OSError) and not HydraConfig.initialized():
        show([Problem("hydra.run.dir", f"must be a folder that can be written, but: {error}.")])
        return BAD_INPUT
    if isinstance(error, RunEnded):
        sys.stderr.write(f"The run ended: {error}\n")
        return RUN_FAILED
    traceback.print_exception(error)
    return RUN_FAILED
