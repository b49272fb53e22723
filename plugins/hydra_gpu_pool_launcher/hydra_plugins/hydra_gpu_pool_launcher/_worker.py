"""A job's process: `python _worker.py <specification> <result>`.

In: two pickles in one file, a dictionary of plain values first, which says where to import from. Out: the result as a
file that is whole or not there, and the exit code: 0 done, 1 failed, 130 interrupted. Only the standard library is
imported at the top: Hydra and the application come once the import path is the launcher's.
"""

import os
import pickle
import runpy
import signal
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

INTERRUPTED = 130
IMPORTING = "GPU_POOL_IMPORTING"
"""Environment variable that is set while the application is imported: it must not start a sweep of its own then."""

PR_SET_PDEATHSIG = 1  # linux/prctl.h

_AROUND = {"hydra", "omegaconf", __name__}
"""Packages whose frames stand above the task's in a traceback; this file runs under the name `__main__`."""


def main() -> int:
    """Runs the job and returns the exit code."""
    specification, result = Path(sys.argv[1]), Path(sys.argv[2])
    with specification.open("rb") as file:
        head = pickle.load(file)
        sys.path[:] = head["path"]
        _end_with(head["launcher_pid"])
        os.environ[IMPORTING], sys.argv[:] = "1", head["launcher_argv"]
        try:
            import_main(head["main"], needs_main=head["needs_main"])
        except (SystemExit, Exception) as error:
            if not isinstance(error, SystemExit):  # with HYDRA_FULL_ERROR=1 Hydra raises what it else reports itself
                traceback.print_exception(error)
                if not _comes_from_hydra(error):
                    return 1
            sys.stderr.write(
                "The application starts, or ends, as soon as it is imported, and each job's process imports it. "
                'Put the call of the main function below `if __name__ == "__main__":`.\n'
            )
            return 1
        del os.environ[IMPORTING]
        sys.argv[:] = head["argv"]
        body = pickle.load(file)
    outcome = _run(body["application"], body["config"])
    new = result.with_suffix(".new")
    new.write_bytes(pickle.dumps(outcome))
    new.replace(result)
    return INTERRUPTED if outcome["interrupted"] else 1 if outcome["error"] else 0


def import_main(main: dict[str, str], *, needs_main: bool) -> None:
    """Imports the application's `__main__` under the name `__mp_main__`, as `multiprocessing` does.

    So its functions and classes are there, and what it registers with Hydra and OmegaConf, but the part below
    `if __name__ == "__main__"` doesn't run. A package's `__main__.py` often has no such line: it is imported only if
    the task function is in it.

    Args:
        main: As `_send.main_module` gives it.
        needs_main: Whether the task function is in `__main__`.
    """
    module = ModuleType("__mp_main__")
    if name := main.get("module"):
        if needs_main or not (name == "__main__" or name.endswith(".__main__")):
            module.__dict__.update(runpy.run_module(name, run_name="__mp_main__", alter_sys=True))
        module.__spec__ = find_spec(name)
        module.__file__ = module.__spec__.origin if module.__spec__ else None
    elif path := main.get("path"):
        module.__dict__.update(runpy.run_path(path, run_name="__mp_main__"))
        module.__spec__, module.__file__ = None, path
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


def _run(packed: bytes, packed_config: bytes) -> dict[str, Any]:
    """Runs the task with Hydra around it.

    Args:
        packed: A pickled `_send.Application`.
        packed_config: The job's configuration, pickled. It is read once Hydra has looked for plugins: that makes the
            plugins' classes anew, and the configuration must know the new ones.

    Returns:
        `result`: a pickled `JobReturn`, None if the job was interrupted; `error` and `traceback`: texts, empty if all
        is well, and the latter if the application has shown its error itself; `interrupted`.
    """
    from hydra.core.singleton import Singleton
    from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
    from omegaconf.basecontainer import BaseContainer

    application = pickle.loads(packed)
    setup_globals()
    Singleton.set_state({"instances": application.singletons, "omegaconf_resolvers": BaseContainer._resolvers})
    _register(application.resolvers)
    config = pickle.loads(packed_config)
    outcome: dict[str, Any] = {"result": None, "error": "", "traceback": "", "interrupted": False}
    try:
        job = run_job(
            hydra_context=application.hydra_context,
            task_function=application.task_function,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
    except KeyboardInterrupt:
        return outcome | {"error": "interrupted", "interrupted": True}
    except SystemExit as end:  # the task has called sys.exit()
        from hydra_plugins.hydra_gpu_pool_launcher._failure import JobFailed

        job = JobReturn(status=JobStatus.FAILED if end.code else JobStatus.COMPLETED)
        job.return_value = JobFailed(f"The job called sys.exit({end.code!r}).") if end.code else None
    except Exception as error:  # Hydra, around the task: its folder, its log files
        job = JobReturn(status=JobStatus.FAILED)
        job.return_value = error
    value = job._return_value
    if job.status == JobStatus.FAILED:
        outcome["error"] = _in_one_line(value)
        if not getattr(value, "already_shown", False):
            outcome["traceback"] = _own_traceback(value)
            sys.stderr.write(outcome["traceback"])
    outcome["result"] = _pack(job)
    return outcome


def _in_one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if type(error).__name__ == "JobFailed" else f"{type(error).__name__}: {text}"


def _own_traceback(error: BaseException) -> str:
    """Returns the traceback without the frames of Hydra and of this file above the task."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _AROUND:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))


def _pack(job: Any) -> bytes:
    """Pickles the result; a value that can't travel is left behind, and that is said."""
    from hydra.core.utils import JobStatus

    from hydra_plugins.hydra_gpu_pool_launcher._failure import JobFailed
    from hydra_plugins.hydra_gpu_pool_launcher._send import dumps

    try:
        packed = dumps(job)
        pickle.loads(packed)  # many an exception can be pickled, but not be made again from it
    except Exception as error:
        value = job._return_value
        if job.status == JobStatus.FAILED:
            job.return_value = JobFailed(_in_one_line(value))
        else:
            job.return_value = None
            what = f"{type(value).__module__}.{type(value).__qualname__}"
            sys.stderr.write(f"What the job returned ({what}) can't be sent: {error}. The sweeper gets None.\n")
        packed = dumps(job)
    return packed


def _register(resolvers: dict[str, bytes | None]) -> None:
    """Registers resolvers of the launcher's process that importing the application has not registered here."""
    from omegaconf.basecontainer import BaseContainer

    for name, packed in resolvers.items():
        if name in BaseContainer._resolvers:
            continue
        if packed is None:
            sys.stderr.write(
                f"The resolver `{name}` is unknown in the job's process: register it at the top level of the module "
                "that the application is started from, or install cloudpickle.\n"
            )
        else:
            BaseContainer._resolvers[name] = pickle.loads(packed)


def _comes_from_hydra(error: Exception) -> bool:
    """Returns whether it was raised below a call of a function that `hydra.main` has decorated."""
    return any(frame.f_globals.get("__name__") == "hydra.main" for frame, _ in traceback.walk_tb(error.__traceback__))


def _end_with(launcher_pid: int) -> None:
    """Makes Linux end this process if the launcher is killed, so that no job goes on that nobody waits for."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != launcher_pid:  # killed before that
            sys.exit(1)


if __name__ == "__main__":
    del sys.path[0]  # this file's folder: its names are not for others to import
    sys.exit(main())
