"""What travels to a job's process: the composed configuration, the task function, and Hydra's own state.

The process starts from nothing, as `multiprocessing`'s do with `spawn`: the application's module is imported there
again, and functions and classes are found in it by name. What has no name there (a function inside a function, a
lambda, a notebook's cell) needs cloudpickle, if it is installed.
"""

import importlib
import io
import pickle
import sys
import warnings
from collections import ChainMap
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hydra.core.singleton import Singleton
from hydra.types import HydraContext, TaskFunction
from omegaconf.basecontainer import BaseContainer

from hydra_plugins.hydra_gpu_pool_launcher._failure import OptionError

_HYDRAS_OWN = ("oc.", "hydra")
_NOT_SENT = {"now", "python_version"}


@dataclass(frozen=True)
class Application:
    """What all jobs of a sweep share.

    Attributes:
        hydra_context: As Hydra gave it.
        task_function: The function below `@hydra.main`.
        singletons: Hydra's singletons, `Plugins` left out.
        resolvers: The application's OmegaConf resolvers, each pickled; None for one that can't be.
    """

    hydra_context: HydraContext
    task_function: TaskFunction
    singletons: dict[Any, Any]
    resolvers: dict[str, bytes | None]


def pack(hydra_context: HydraContext, task_function: TaskFunction) -> bytes:
    """Pickles what all jobs share.

    Args:
        hydra_context: As Hydra gave it.
        task_function: As Hydra gave it.

    Returns:
        A pickled `Application`.

    Raises:
        OptionError: Something can be found neither by its name nor by cloudpickle.
    """
    names = [name for name in BaseContainer._resolvers if not name.startswith(_HYDRAS_OWN) and name not in _NOT_SENT]
    resolvers = {name: _try_dumps(BaseContainer._resolvers[name]) for name in names}
    application = Application(hydra_context, task_function, Singleton.get_state()["instances"], resolvers)
    try:
        return dumps(application)
    except Exception as error:  # what can't be pickled says so with all kinds of errors
        raise OptionError(
            f"hydra/launcher=gpu_pool can't send the application to the jobs' processes: {error}. "
            "Put the task function at the top level of a module, or install cloudpickle."
        ) from error


def dumps(value: Any) -> bytes:
    """Pickles by name where there is one, else with cloudpickle where it is installed."""
    try:
        buffer = io.BytesIO()
        _ByName(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
        return buffer.getvalue()
    except Exception:
        try:
            cloudpickle = importlib.import_module("cloudpickle")
        except ImportError:
            cloudpickle = None
        if cloudpickle is None:
            raise
        return _by_value(cloudpickle, value)


def with_file(file: str, make: Any, arguments: tuple[Any, ...]) -> CodeType:
    """Makes a code object that knows the file it was written in; the counterpart of `_by_value`."""
    code: CodeType = make(*arguments)
    return code.replace(co_filename=file)


def _by_value(cloudpickle: ModuleType, value: Any) -> bytes:
    """Pickles with cloudpickle, but keeps the names of files, which it leaves out: tracebacks are read by people."""
    table = cloudpickle.Pickler.dispatch_table

    def reduce_code(code: CodeType) -> Any:
        make, arguments = table[CodeType](code)
        return with_file, (code.co_filename, make, arguments)

    pickler = type("ByValue", (cloudpickle.Pickler,), {"dispatch_table": ChainMap({CodeType: reduce_code}, table)})
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # it reads the names of all loaded modules, deprecated ones too
        pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def main_module() -> dict[str, str]:
    """Returns how `__main__` was started, for `_worker.import_main`: `{"module": name}` or `{"path": file}`."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return {"module": spec.name}
    file = getattr(main, "__file__", None)
    return {"path": str(Path(file).absolute())} if file and Path(file).is_file() else {}


def unwrap(module: str, name: str, depth: int) -> Any:
    """Finds what `depth` decorators hide behind a name; the counterpart of `_ByName`."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found


class _ByName(pickle.Pickler):
    """Pickles a function that a decorator hides, as `@hydra.main` does, by the decorated function's name."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, FunctionType) or "<" in value.__qualname__:
            return NotImplemented
        try:
            found, depth = unwrap(value.__module__, value.__qualname__, 0), 0
            while found is not value:
                found, depth = found.__wrapped__, depth + 1
        except (ImportError, AttributeError):
            return NotImplemented
        return (unwrap, (value.__module__, value.__qualname__, depth)) if depth else NotImplemented


def _try_dumps(value: Any) -> bytes | None:
    try:
        return dumps(value)
    except Exception:
        return None
