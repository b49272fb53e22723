"""What the jobs of these tests do."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from hydra_plugins.hydra_gpu_pool_launcher.progress import report


class Odd(Exception):
    """Can be pickled, but not be made again from its pickle."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def task(cfg: DictConfig) -> Any:
    """Does what `kind` says."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    kind, mended = cfg.kind, "MENDED" in os.environ
    sys.stdout.write(f"this is {kind}\n")
    report(step=3, steps=4, loss=0.5, memory_bytes=2_000_000_000)
    if mended or kind in ("good", "fine", "later"):
        (folder / "argv").write_text("\n".join(sys.argv))
        return cfg.x
    if kind == "raises":
        raise ValueError("no such luck")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "exits":
        sys.exit(7)
    if kind == "odd":
        raise Odd(1, 2)
    if kind == "flaky":
        again = folder / "again"
        if not again.exists():
            again.touch()
            raise RuntimeError("only the first time")
        return cfg.resume
    if kind == "lock":
        return threading.Lock()
    return wait(folder, stubborn=kind == "stubborn")


def wait(folder: Path, *, stubborn: bool) -> None:
    """Starts a process of its own, and waits for its end with it."""
    if stubborn:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    (folder / "pids.new").write_text(f"{os.getpid()} {child.pid}")
    (folder / "pids.new").rename(folder / "pids")
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / "saved").touch()
        raise
