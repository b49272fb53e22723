"""The tokenizer, made fit for training: it has a padding token and a chat template, and says what it took.

Comes in: the same folder or hub id as the model's. Goes out: a tokenizer, and notes for the user on whatever had
to be chosen. What must not be here: how rows become token ids (`ftlab.data.chat`).
"""

from collections.abc import Mapping
from pathlib import Path

from transformers import AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from ftlab.data.template import DEFAULT_CHAT_TEMPLATE
from ftlab.model.load import Weights, embedded_path
from ftlab.problem import InputError, Problem

PAD_CANDIDATES = (
    "<|finetune_right_pad_id|>",
    "<|pad|>",
    "<pad>",
    "[PAD]",
    "<|padding|>",
    "<|endoftext|>",
    "<unk>",
    "<|reserved_special_token_0|>",
)
"""Special tokens that can stand in for a missing padding token, the best first: none of them ends a turn."""


def load_tokenizer(
    *,
    path: str | None,
    weights: Weights = "pretrained",
    chat_template: str | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    offline: bool = False,
) -> tuple[PreTrainedTokenizerBase, list[str]]:
    """Loads the tokenizer and sees to it that it has a padding token and a chat template.

    Args:
        path: A folder or a hub id; None = the embedded model.
        weights: With `random`, a tokenizer that can't be reached is replaced by the embedded one.
        chat_template: None = the tokenizer's own, or ftlab's default where it has none; `default` = ftlab's
            default (`ftlab.data.template`); else the path of a Jinja file.
        trust_remote_code: Lets a hub model bring its own Python code.
        revision: Branch, tag or commit on the hub.
        offline: Never uses the network.

    Returns:
        The tokenizer, and one sentence for each thing that was chosen in the user's stead.

    Raises:
        OSError: The tokenizer can't be read (`check_model` says what to do).
        InputError: The file named by `chat_template` can't be read.
    """
    notes: list[str] = []
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            path or embedded_path(),
            trust_remote_code=trust_remote_code,
            revision=revision,
            local_files_only=offline or path is None,
        )
    except (OSError, ValueError):
        if weights != "random" or path is None:
            raise
        tokenizer = AutoTokenizer.from_pretrained(embedded_path(), local_files_only=True)
        notes.append(f"The tokenizer of {path} can't be reached: random weights are fed with the embedded tokenizer.")
    notes += _ensure_pad_token(tokenizer)
    notes += _install_template(tokenizer, chat_template)
    return tokenizer, notes


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> list[Problem]:
    """Finds a tokenizer that knows more tokens than the model has embeddings for.

    Args:
        tokenizer: From `load_tokenizer`.
        vocab_size: Rows of the model's embedding.
    """
    if len(tokenizer) <= vocab_size:
        return []
    return [
        Problem(
            "model.shape.vocab_size",
            f"must be at least {len(tokenizer)}, the size of the tokenizer's vocabulary, but is {vocab_size}.",
            "Take the tokenizer that belongs to the model, or make the vocabulary larger.",
        )
    ]


def stop_token_ids(
    source: PreTrainedModel | GenerationConfig | None, tokenizer: PreTrainedTokenizerBase
) -> tuple[int, ...]:
    """The tokens at which an answer ends: those of the generation config, and the tokenizer's end of sequence.

    Args:
        source: The model, or its generation config; None = the tokenizer alone decides.
        tokenizer: Its `eos_token_id` counts too.

    Returns:
        The ids without repeats, the generation config's first.
    """
    generation = getattr(source, "generation_config", source)
    eos = getattr(generation, "eos_token_id", None)
    ids = list(eos) if isinstance(eos, (list, tuple)) else [eos]
    ids.append(tokenizer.eos_token_id)
    return tuple(dict.fromkeys(int(token) for token in ids if token is not None))


def _ensure_pad_token(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Gives the tokenizer a padding token if it has none.

    No loss ever falls on padding (masks are built per row), so any token would do for training; but a token that
    ends a turn would be invisible to whoever masks by token id later, so one of these is the last resort.
    """
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is not None:
        return []
    known: Mapping[str, int] = tokenizer.get_vocab()
    token = next((name for name in PAD_CANDIDATES if name in known and name != tokenizer.eos_token), None)
    token = token or tokenizer.eos_token
    if token is None:
        raise InputError(
            [
                Problem(
                    "model.path",
                    "must have a tokenizer with a padding or an end-of-sequence token, but it has neither.",
                    "Set `pad_token` or `eos_token` in its tokenizer_config.json.",
                )
            ]
        )
    tokenizer.pad_token = token
    return [f"The tokenizer has no padding token: '{token}' is used (padding never carries loss)."]


def _install_template(tokenizer: PreTrainedTokenizerBase, chat_template: str | None) -> list[str]:
    if chat_template is None:
        if tokenizer.chat_template is not None:
            return []
        tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
        return ["The tokenizer has no chat template: ftlab's default is used and saved with the result."]
    if chat_template == "default":
        tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
        return []
    try:
        tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise InputError(
            [
                Problem(
                    "model.chat_template",
                    f"must be null, default or a Jinja file, but '{chat_template}' can't be read ({why}).",
                    "Set model.chat_template=default, or give the file's path.",
                )
            ]
        ) from error
    return []
