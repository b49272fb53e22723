"""A model's node, read from its own config.json: everything else is as conf/model/custom.yaml says.

Only values are taken: nothing that the file names is imported, computed or called.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra_plugins.hydra_ftlab_hub._choice import hub_id, is_path, name_of, plain
from hydra_plugins.hydra_ftlab_hub._error import ChoiceError, NotCachedError
from hydra_plugins.hydra_ftlab_hub._hub import CARD, CONFIG, cached, without_config

_NO_SIZES = (
    "architectures", "transformers_version", "dtype", "torch_dtype", "auto_map", "quantization_config", "use_cache",
    "id2label", "label2id",
)  # fmt: skip
"""Keys of a config.json that don't say what the model is made of; those that begin with an underscore don't, either."""
_CONTEXT = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
_CAUSAL = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "WithLMHead")
"""Ends of the names of Transformers' classes that go on with a text."""
_LARGEST_BYTES = 4 * 2**20
"""Config files have a few kB; more is something else."""
_CARD_CHARACTERS = 20_000

_is_unread = False


@contextmanager
def unread() -> Iterator[None]:
    """Inside, nodes come of the choices' names alone: no file is read and none is missed."""
    global _is_unread
    _is_unread = True
    try:
        yield
    finally:
        _is_unread = False


def claims(choice: str) -> bool:
    """Whether a choice of the group `model` is a path or a hub id: both have a slash, which no shipped choice has."""
    return is_path(choice) or "/" in choice


def read(choice: str) -> dict[str, Any]:
    """Reads a model's node.

    Args:
        choice: A folder, relative or absolute; or `org/name`, perhaps with `@revision`. A folder that exists wins.

    Returns:
        The node with its defaults list.

    Raises:
        NotCachedError: The hub's model isn't in the local cache.
        ChoiceError: There is no such folder, or no causal language model in it.
    """
    folder = Path(plain(choice, "model")).expanduser()
    found = None if is_path(choice) or folder.is_dir() else hub_id(choice)
    if found is None:
        folder = folder.resolve() if choice.startswith(".") else folder.absolute()
        path, revision, name = str(folder), None, name_of(str(folder))
    else:
        (path, revision), name = found, name_of(found[0])
    node = {"defaults": ["/model/custom@_here_", "_self_"], "name": name, "path": path, "revision": revision}
    if _is_unread:
        return node
    if found is None:
        config, card = _keys(_config_in(folder, choice)), folder / CARD
    else:
        file = cached(path, revision, CONFIG)
        if file is None:
            raise NotCachedError(path, revision)
        config, card = _keys(file), cached(path, revision, CARD)  # type: ignore[assignment]
    _check_causal(config, choice)
    return {**node, **_card_keys(card), "context_tokens": _context(config), "shape": _shape(config, f"{CONFIG}: ")}


def _config_in(folder: Path, choice: str) -> Path:
    if not folder.is_dir():
        what = f"must be a choice, a folder or a hub id, but there is no folder '{folder}'."
        raise ChoiceError("model", what, "Correct the path; a hub id is written org/name.")
    if not (folder / CONFIG).is_file():
        if (folder / "model" / CONFIG).is_file():
            what = f"must hold a {CONFIG}, but '{folder}' has none."
            raise ChoiceError("model", what, f"Did you mean model={choice.rstrip('/')}/model?")
        raise without_config("model", choice, [file.name for file in folder.iterdir()], _base_of(folder))
    return folder / CONFIG


def _base_of(folder: Path) -> str:
    """The base model that an adapter names."""
    try:
        return str(json.loads((folder / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _keys(file: Path) -> Mapping[str, Any]:
    """Reads a config.json."""
    fix = "Copy it from the model's page anew."
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise ChoiceError("model", f"must have a config file of a few kB, but '{file}' is larger than 4 MB.", fix)
        keys = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ChoiceError):
            raise
        what = f"must have a {CONFIG} that can be read, but '{file}' is broken: {error}."
        raise ChoiceError("model", what, fix) from error
    if not isinstance(keys, dict) or not isinstance(keys.get("model_type"), str):
        what = f"must have a {CONFIG} that names its `model_type`, but '{file}' doesn't."
        raise ChoiceError("model", what, fix)
    return keys


def _check_causal(config: Mapping[str, Any], choice: str) -> None:
    """Refuses what isn't a decoder, as far as the config says; the rest is found when the run starts.

    Raises:
        ChoiceError: The model can't go on with a text.
    """
    classes = config.get("architectures") or []
    is_causal = not classes or any(str(name).endswith(_CAUSAL) for name in classes)
    if config.get("is_encoder_decoder") or not is_causal:
        kind = ", ".join(map(str, classes)) or "an encoder-decoder"
        what = f"must be a causal language model, but '{choice}' is {kind}."
        raise ChoiceError("model", what, "Choose a decoder model (Llama, Qwen, Mistral, Gemma, Phi …).")


def _context(config: Mapping[str, Any]) -> int | None:
    """The longest row that the model was trained for; None where its config doesn't say."""
    text = config.get("text_config")
    keys = {**config, **(text if isinstance(text, dict) else {})}
    found = [keys[name] for name in _CONTEXT if type(keys.get(name)) is int and keys[name] > 0]
    return found[0] if found else None


def _shape(value: Any, where: str) -> Any:
    """Copies what says of what the model is made.

    Raises:
        ChoiceError: A text in it isn't plain.
    """
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in _NO_SIZES and not key.startswith("_")}
        return {plain(key, where + key): _shape(inner, f"{where}{key} ") for key, inner in kept.items()}
    if isinstance(value, list):
        return [_shape(inner, where) for inner in value]
    return plain(value, f"model {where.strip()}") if isinstance(value, str) else value


def _card_keys(card: Path | None) -> dict[str, Any]:
    """What the head of a model card says of licence and access."""
    try:
        text = "" if card is None else card.read_text("utf-8", errors="replace")[:_CARD_CHARACTERS]
    except OSError:
        return {}
    head = re.match(r"---\s*\n(.*?)\n---", text, re.S)
    lines = dict(re.findall(r"^(\w+):[ \t]*[\"']?([\w .+-]*\w)", head[1], re.M)) if head else {}
    licence = lines.get("license", "")
    if licence == "other":
        licence = lines.get("license_name", licence)
    is_gated = any(name.startswith("extra_gated_") for name in lines)
    return {**({"licence": licence} if licence else {}), "gated": is_gated}
