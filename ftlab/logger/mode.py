"""Decides, before W&B is started, whether a run goes online: W&B itself would ask for a key, or wait half a minute."""

import contextlib
import os
import socket
import threading
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import wandb
from wandb.sdk.lib import wbauth

Mode = Literal["online", "offline", "disabled"]

PROBE_S = 3.0
"""How long the server may take to accept a connection."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How a run is logged, and why.

    Attributes:
        mode: W&B's word for it.
        reason: Why it isn't online, in a few words; empty where it is.
    """

    mode: Mode
    reason: str = ""


def decide_mode(*, offline: bool) -> Decision:
    """Decides without asking the user anything and in at most `PROBE_S` seconds.

    Args:
        offline: Whether the user switched off all network use.

    Returns:
        Online only where the user allows it, a key is known and the server answers.
    """
    wanted = os.environ.get("WANDB_MODE", "").lower()
    if wanted == "disabled" or os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1"):
        return Decision("disabled", "switched off by the environment")
    if offline:
        return Decision("offline", "offline=true")
    if wanted in ("offline", "dryrun"):
        return Decision("offline", f"WANDB_MODE={wanted}")
    server = wandb.setup().settings.base_url
    if problem := _key_problem(server):
        return Decision("offline", problem)
    if not _answers(server):
        return Decision("offline", f"{urlsplit(server).hostname} can't be reached")
    return Decision("online")


def _key_problem(server: str) -> str:
    """Why W&B knows no key for the server; empty where it knows one."""
    try:
        known = wbauth.authenticate_session(host=server, source="ftlab", prompt=False, update_session=False)
    except Exception as error:  # W&B raises its own errors on a malformed key or netrc; none may end the run
        return f"the API key can't be used: {error}"
    return "" if known else "no API key"


def _answers(server: str) -> bool:
    """Whether the server, or the proxy before it, accepts a connection."""
    url = urlsplit(os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or server)
    address = (url.hostname or "", url.port or (80 if url.scheme == "http" else 443))
    accepted = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError):
            socket.create_connection(address, timeout=PROBE_S).close()
            accepted.set()

    # In a thread of its own: a socket's time limit doesn't hold for looking up the name.
    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(PROBE_S)
    return accepted.is_set()
