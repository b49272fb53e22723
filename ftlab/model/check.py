"""What is wrong with the model that was asked for, found before any weight is read.

Comes in: the keys of the `model` group. Goes out: problems with their fixes. Only config files are read, so the
check takes a second for a model of any size.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, PretrainedConfig

from ftlab.model.load import Weights, load_config
from ftlab.problem import Problem


def check_model(
    *,
    path: str | None,
    weights: Weights = "pretrained",
    shape: Mapping[str, Any] | None = None,
    max_row_tokens: int | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    offline: bool = False,
) -> list[Problem]:
    """Finds what would keep the model from loading or from reading the rows.

    Args:
        path: A folder or a hub id; None = the embedded model.
        weights: `random` with a `shape` needs no files.
        shape: Keyword arguments of the Transformers config, with `model_type`.
        max_row_tokens: Length of the longest row that the run allows; None = not checked.
        trust_remote_code: Lets a hub model bring its own Python code.
        revision: Branch, tag or commit on the hub.
        offline: Never uses the network.

    Returns:
        The problems; empty if the model can be loaded.
    """
    if weights == "random" and shape:
        problems = _check_shape(shape)
        if problems:
            return problems
    elif path is not None and _is_folder(path):
        problems = _check_folder(Path(path).expanduser(), weights)
        if problems:
            return problems
    try:
        config = load_config(
            path=path,
            weights=weights,
            shape=shape,
            trust_remote_code=trust_remote_code,
            revision=revision,
            offline=offline,
        )
    except (OSError, ValueError, TypeError) as error:
        return [_explain(error, path=path, weights=weights, trust_remote_code=trust_remote_code, offline=offline)]
    return [*_check_architecture(config, trust_remote_code), *_check_length(config, max_row_tokens)]


def _is_folder(path: str) -> bool:
    """Whether `path` is meant as a folder: it exists, or looks like no hub id (`organisation/name`)."""
    looks_local = path.startswith((".", "/", "~")) or "\\" in path or path.count("/") > 1
    return looks_local or Path(path).expanduser().exists()


def _check_folder(folder: Path, weights: Weights) -> list[Problem]:
    fix = "Set model.path to a folder that holds config.json, weights and tokenizer, or to a hub id."
    if not folder.is_dir():
        return [Problem("model.path", f"must be a folder or a hub id, but there is no folder '{folder}'.", fix)]
    if not (folder / "config.json").is_file():
        what = f"must hold a config.json, but '{folder}' has none."
        if (folder / "adapter_config.json").is_file():
            fix = "It holds an adapter: set model.path to the base model that adapter_config.json names."
        return [Problem("model.path", what, fix)]
    has_weights = any(folder.glob("*.safetensors")) or any(folder.glob("*.bin"))
    if weights == "pretrained" and not has_weights:
        what = f"must hold weights (*.safetensors), but '{folder}' has none."
        return [Problem("model.path", what, "Copy them there, or set model.weights=random to measure speed or memory.")]
    return []


def _check_shape(shape: Mapping[str, Any]) -> list[Problem]:
    from transformers import CONFIG_MAPPING

    name = shape.get("model_type")
    if name in CONFIG_MAPPING:
        return []
    what = f"must be an architecture that Transformers knows, but is '{name}'."
    return [
        Problem("model.shape.model_type", what, "Take it from the model's config.json, for example llama or qwen3.")
    ]


def _check_architecture(config: PretrainedConfig, trust_remote_code: bool) -> list[Problem]:
    remote = trust_remote_code and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if remote or type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return []
    what = f"must be a causal language model, but Transformers has none of the architecture '{config.model_type}'."
    return [Problem("model.path", what, "Choose a decoder model (Llama, Qwen, Mistral, Gemma, Phi …).")]


def _check_length(config: PretrainedConfig, max_row_tokens: int | None) -> list[Problem]:
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    if max_row_tokens is None or context is None or max_row_tokens <= context:
        return []
    what = f"must be at most {context} tokens, the model's context, but is {max_row_tokens}."
    return [Problem("training.max_row_tokens", what, f"Set training.max_row_tokens={context} or less.")]


def _explain(
    error: Exception, *, path: str | None, weights: Weights, trust_remote_code: bool, offline: bool
) -> Problem:
    """Turns what the loader raised into a problem that says what to type."""
    if weights == "random" and not isinstance(error, OSError):
        fix = "Compare it with the model's config.json."
        return Problem("model.shape", f"must fit the architecture's config, but: {_first_line(error)}", fix)
    where, causes = "model.path", tuple(_chain(error))
    local = "Or download it elsewhere and set model.path=<folder>."
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        fix = f"Accept the licence at https://huggingface.co/{path}, then set HF_TOKEN to your token. {local}"
        return Problem(where, f"must be a model that you may read, but '{path}' is gated and you have no access.", fix)
    if any(isinstance(cause, RevisionNotFoundError) for cause in causes):
        return Problem(
            "model.revision", f"must be a branch, tag or commit of '{path}', but is none.", "Set model.revision=null."
        )
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        fix = f"Mind the spelling; a private model needs HF_TOKEN. {local}"
        return Problem(where, f"must be a folder or a hub id, but the hub has no '{path}' that you may read.", fix)
    if not trust_remote_code and "trust_remote_code" in str(error):
        fix = "Set model.trust_remote_code=true if you trust its authors: that runs their Python code."
        return Problem("model.trust_remote_code", f"must be true for '{path}', which brings its own code.", fix)
    if isinstance(error, OSError):
        if offline or _offline_by_environment():
            fix = "Set offline=false (and unset HF_HUB_OFFLINE) to download it, or set model.path=<folder>."
            return Problem(where, f"must be in the local cache when the network is off, but '{path}' is not.", fix)
        fix = f"Check the connection and HF_ENDPOINT. {local}"
        return Problem(where, f"must be a folder or a hub id, but '{path}' can't be reached: {_first_line(error)}", fix)
    fix = "A newer Transformers may know it; else set model.path to another model."
    return Problem(where, f"must be a model that Transformers can read, but '{path}' is not: {_first_line(error)}", fix)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _offline_by_environment() -> bool:
    from huggingface_hub.constants import is_offline_mode

    return bool(is_offline_mode())
