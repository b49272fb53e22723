"""Sets up the process before any heavy library is imported: network, allocator, what libraries may print.

These settings are environment variables that libraries read once, at import; therefore this comes first, and imports
none of them at module level.
"""

import logging
import os
import sys
import warnings


def settle(*, offline: bool) -> None:
    """Prepares the process for a run.

    Args:
        offline: Whether all network use is switched off: no hub, no data sets, no W&B server.
    """
    if offline:
        os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_DATASETS_OFFLINE="1")
        hub = sys.modules.get("huggingface_hub.constants")
        if hub is not None:  # a model of the hub was composed from its cache: the library has read the environment
            hub.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if "PYTORCH_ALLOC_CONF" not in os.environ:  # the newer name of the same setting: a user's own wins
        # Lets the allocator grow a segment instead of leaving gaps that no later tensor fits.
        os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    _quiet_libraries()


def _quiet_libraries() -> None:
    """Leaves the terminal to ftlab: libraries' own bars and hints for programmers help nobody who fine-tunes."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    for name in ("httpx", "urllib3", "filelock", "fsspec", "lightning.fabric", "torch.distributed", "uvicorn"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category, module=r"(?!ftlab)")
