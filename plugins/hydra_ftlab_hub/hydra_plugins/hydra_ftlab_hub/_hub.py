"""The hub: files of its cache, and the one download that a composition needs. The library is imported when called."""

import contextlib
import os
from pathlib import Path

from hydra_plugins.hydra_ftlab_hub._error import ChoiceError, NotCachedError

CONFIG, CARD = "config.json", "README.md"

_COPY = "Or download it elsewhere and give its folder: model=./folder."


def cached(hub_id: str, revision: str | None, name: str) -> Path | None:
    """Finds a file of a model in the local cache; uses no network.

    Args:
        hub_id: Such as `Qwen/Qwen3-8B`.
        revision: Branch, tag or commit; None = main.
        name: The file's.

    Returns:
        The file; None where it isn't there.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # the library reads it once, when it is imported
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub_id, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def fetch(missing: NotCachedError, *, offline: bool) -> None:
    """Downloads a model's config.json and its card into the hub's cache.

    Args:
        missing: Says which model.
        offline: No network may be used.

    Raises:
        NotCachedError: There is no network to use.
        ChoiceError: There is no such model, it may not be read, it isn't reached, or it has no config.json.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HFValidationError, HTTPError  # type: ignore[attr-defined]

    if offline or constants.HF_HUB_OFFLINE:
        raise missing
    try:
        # Asks once: a download that can't reach the hub tries for 20 seconds.
        get_hf_file_metadata(hf_hub_url(missing.hub_id, CONFIG, revision=missing.revision))
        hf_hub_download(missing.hub_id, CONFIG, revision=missing.revision)
    except (OSError, HTTPError, HFValidationError) as error:
        raise _explained(error, missing.hub_id, missing.revision) from error
    # Without a card the licence is unknown, which the configuration says.
    with contextlib.suppress(OSError, HTTPError):
        hf_hub_download(missing.hub_id, CARD, revision=missing.revision)


def _explained(error: Exception, hub_id: str, revision: str | None) -> ChoiceError:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = "model"
    if isinstance(error, GatedRepoError):
        what = f"must be a model that you may read, but '{hub_id}' is gated and you have no access."
        fix = f"Accept its terms at {constants.ENDPOINT}/{hub_id}, then set HF_TOKEN to your token. {_COPY}"
        return ChoiceError(where, what, fix)
    if isinstance(error, RepositoryNotFoundError | HFValidationError):
        what = f"must be a choice, a folder or a hub id, but the hub has no '{hub_id}' that you may read"
        here = "" if Path(hub_id).parent.is_dir() else f", and there is no folder '{hub_id}' here"
        return ChoiceError(where, f"{what}{here}.", f"Mind the spelling; a private model needs HF_TOKEN. {_COPY}")
    if isinstance(error, RevisionNotFoundError):
        what = f"must name a branch, tag or commit of '{hub_id}' after the @, but '{revision}' is none."
        return ChoiceError(where, what, f"Take its main branch: model={hub_id}")
    if isinstance(error, RemoteEntryNotFoundError):
        return without_config(where, hub_id, _files(hub_id, revision))
    line = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    what = f"must be in the local cache or be reached, but '{hub_id}' is not: {line} ({constants.ENDPOINT})."
    return ChoiceError(where, what, f"Check the connection, HF_ENDPOINT and the proxy, or try later. {_COPY}")


def _files(hub_id: str, revision: str | None) -> list[str]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        return HfApi().list_repo_files(hub_id, revision=revision)
    except (OSError, HTTPError):  # what is there instead can't be told then
        return []


def without_config(where: str, place: str, names: list[str], base: str = "") -> ChoiceError:
    """Says what a model's place holds in place of a config.json.

    Args:
        where: The group.
        place: The folder or the hub id.
        names: Its files.
        base: The base model that an adapter there names.
    """
    what = f"must hold a {CONFIG}, but '{place}' has none"
    if "adapter_config.json" in names:
        fix = f"Choose its base{', model=' + base if base else ', which adapter_config.json names'}."
        measured = f" To measure it: task=evaluate run={place}" if Path(place).is_dir() else ""
        return ChoiceError(where, f"{what}: it holds an adapter.", fix + measured)
    if any(name.endswith(".gguf") for name in names):
        fix = "Take the model that it was made from, in Transformers' format: model=org/name."
        return ChoiceError(
            where, f"{what}: it holds GGUF files, which are made for answering and can't be trained.", fix
        )
    fix = "Give a folder that holds config.json, weights and tokenizer, or a hub id: model=org/name."
    return ChoiceError(where, f"{what}.", fix)
