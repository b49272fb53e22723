"""Runs ftlab's command line in a process of its own that has the libraries imported already.

Importing PyTorch, Transformers, Lightning and W&B takes longer than most of what these tests start. The process is
forked from a server that imported them once: it has its own working folder, arguments, output files and exit code, and
takes signals, as `python -m ftlab` does.
"""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

PROCESSES = multiprocessing.get_context("forkserver")
PRELOAD = [
    "ftlab.app", "ftlab.stage.fit", "ftlab.stage.record", "ftlab.stage.check", "ftlab.stage.conclude", "bitsandbytes",
    "tests.training.rank_driver", "tests.training.kill_driver",
]  # fmt: skip
"""The server is the same for all tests of a session: it imports what those of other rooms need, too."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command line came to.

    Attributes:
        returncode: Its exit code; minus the signal's number where one killed it.
        stdout: What it said.
        stderr: What it complained of.
    """

    returncode: int
    stdout: str
    stderr: str


class Command:
    """A command line that is running.

    Args:
        folder: Where it runs; made if it is missing.
        arguments: What stands behind `python -m ftlab`.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        PROCESSES.set_forkserver_preload(PRELOAD)  # here and not above: the last one before the first start counts
        number = len(list(folder.glob(".said-*.out")))
        self._files = tuple(folder / f".said-{number}.{name}" for name in ("out", "err"))
        self.process: BaseProcess = PROCESSES.Process(target=_main, args=(folder, arguments, self._files))
        self.process.start()

    def wait(self, timeout_s: float = 500) -> Done:
        """Waits for its end."""
        self.process.join(timeout=timeout_s)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f"still running after {timeout_s} s")
        out, err = (file.read_text(encoding="utf-8") for file in self._files)
        return Done(self.process.exitcode, out, err)

    def interrupt(self, signal_number: int) -> None:
        """Sends it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal_number)


def run(folder: Path, *arguments: str) -> Done:
    """Runs `python -m ftlab <arguments>` in a folder to its end."""
    return Command(folder, *arguments).wait()


def _main(folder: Path, arguments: tuple[str, ...], files: tuple[Path, Path]) -> None:
    for number, file in enumerate(files, start=1):
        with file.open("w") as said:
            os.dup2(said.fileno(), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(folder)
    sys.argv = ["ftlab", *arguments]

    from ftlab.app import main

    main()
