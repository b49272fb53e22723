"""What a job's failure is raised as, once a sweeper reads what the job returned.

Hydra executes each plugin module without a leading underscore anew whenever it looks for plugins; classes that others
compare with must not be made anew, and so they are here.
"""

from collections.abc import Sequence

from hydra.errors import CompactHydraException


class OptionError(CompactHydraException):
    """An option of the launcher can't be met; nothing was started."""


class JobFailed(RuntimeError):
    """A job that ended without an exception of its own that could be sent: killed, interrupted, `sys.exit(3)`.

    Attributes:
        already_shown: An application that has told an error itself sets this on it: no traceback is printed then.
    """

    already_shown = True


class SweepStopped(CompactHydraException):
    """`fail_fast` or `max_failures` ended the sweep.

    Args:
        message: Which policy, and what came of the other jobs.

    Attributes:
        sweep_failures: The errors of all jobs that failed; a failed job's own error has the same attribute.
    """

    def __init__(self, message: str, sweep_failures: Sequence[Exception] = ()) -> None:
        super().__init__(message)
        self.sweep_failures = tuple(sweep_failures)


class InAnotherProcess(Exception):  # the cause of an error, not one itself
    """The cause of a failed job's error: it carries the traceback over from the job's process.

    Args:
        traceback: As the job's process wrote it.
    """

    def __init__(self, traceback: str) -> None:
        super().__init__(f"\n{traceback}")
