"""A model's shape as memory sees it: matrices of a layer, widths of what flows between them.

Comes in: the keys of a Transformers config (`model.shape` of a YAML file, or a config.json). Goes out: `Shape`. What
must not be here: dtypes, devices, what is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftlab.problem import InputError, Problem

KNOWN = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text", "phi3")
"""Architectures whose layers are counted exactly; others of the same keys are taken for a Llama."""

_TIED_BY_DEFAULT = ("gemma3_text",)
_NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_SIZES = (*_NEEDED, "num_key_value_heads", "head_dim")


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a decoder of Transformers.

    Attributes:
        architecture: Transformers' `model_type`.
        layers: Decoder layers.
        vocabulary: Tokens.
        hidden: Channels of the residual stream, C.
        inner: Width of the MLP, F.
        heads: Query heads of a layer.
        query: Channels of all queries of a token.
        key: Channels of all keys of a token; as many as of its values.
        head_width: Channels of a head.
        tied: Whether head and embedding are one matrix.
        linears: A layer's matrices by name: outputs and inputs.
        vector_parameters: Norms and biases of a layer.
        head_norms: Whether queries and keys are normed (Qwen 3, Gemma 3).
        branch_norms: Whether the outputs of attention and MLP are normed (Gemma 3).
        joined: Whether one matrix makes queries, keys and values, and one gate and up (Phi 3).
    """

    architecture: str
    layers: int
    vocabulary: int
    hidden: int
    inner: int
    heads: int
    query: int
    key: int
    head_width: int
    tied: bool
    linears: Mapping[str, tuple[int, int]]
    vector_parameters: int
    head_norms: bool
    branch_norms: bool
    joined: bool

    @property
    def layer_linear(self) -> int:
        """Weights in the matrices of a layer."""
        return sum(outputs * inputs for outputs, inputs in self.linears.values())

    @property
    def linear(self) -> int:
        """Weights in the matrices of all layers: what quantization and adapters are about."""
        return self.layers * self.layer_linear

    @property
    def vectors(self) -> int:
        """Norms and biases of the whole model."""
        return self.layers * self.vector_parameters + self.hidden

    @property
    def embeddings(self) -> int:
        """Weights of embedding and head; one matrix where they are tied."""
        return (1 if self.tied else 2) * self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear + self.vectors + self.embeddings

    @property
    def is_known(self) -> bool:
        """Whether its layers are counted exactly."""
        return self.architecture in KNOWN


def shape_of(config: Mapping[str, Any]) -> Shape:
    """Reads a shape from the keys of a Transformers config.

    Args:
        config: As in config.json; for a model of several parts, those of its text model may lie in `text_config`.

    Returns:
        The shape.

    Raises:
        InputError: Sizes are missing or no numbers, or the model has experts, which are not planned.
    """
    keys: Mapping[str, Any] = config.get("text_config") or config
    missing = [name for name in _NEEDED if keys.get(name) is None]
    if missing:
        what = f"must give the model's sizes for a plan of its memory, but lacks {', '.join(missing)}."
        raise InputError([Problem("model.shape", what, "Take them from the model's config.json.")])
    wrong = [f"{name}={keys[name]!r}" for name in _SIZES if keys.get(name) is not None and not _is_size(keys[name])]
    if wrong:
        what = f"must give the model's sizes as whole numbers for a plan of its memory, but has {', '.join(wrong)}."
        raise InputError([Problem("model.shape", what, "Take them from the model's config.json.")])
    if any(keys.get(name) for name in ("num_experts", "num_local_experts", "n_routed_experts")):
        what = "must be a dense model for a plan of its memory, but has experts."
        raise InputError([Problem("model.shape", what, "Set training.micro_batch_tokens to a number.")])
    architecture = str(keys.get("model_type", "llama"))
    hidden, inner, heads = int(keys["hidden_size"]), int(keys["intermediate_size"]), int(keys["num_attention_heads"])
    head_width = int(keys.get("head_dim") or hidden // heads)
    query, key = heads * head_width, int(keys.get("num_key_value_heads") or heads) * head_width
    head_norms, branch_norms = architecture in ("qwen3", "gemma3_text"), architecture == "gemma3_text"
    biased = architecture == "qwen2" or bool(keys.get("attention_bias"))
    norms = (4 if branch_norms else 2) * hidden + (2 * head_width if head_norms else 0)
    return Shape(
        architecture=architecture,
        layers=int(keys["num_hidden_layers"]),
        vocabulary=int(keys["vocab_size"]),
        hidden=hidden,
        inner=inner,
        heads=heads,
        query=query,
        key=key,
        head_width=head_width,
        tied=bool(keys.get("tie_word_embeddings", architecture in _TIED_BY_DEFAULT)),
        linears=_linears(architecture, hidden, inner, query, key),
        vector_parameters=norms + (query + 2 * key if biased else 0),
        head_norms=head_norms,
        branch_norms=branch_norms,
        joined=architecture == "phi3",
    )


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _linears(architecture: str, hidden: int, inner: int, query: int, key: int) -> dict[str, tuple[int, int]]:
    if architecture == "phi3":
        ahead = {"self_attn.qkv_proj": (query + 2 * key, hidden)}
        gated = {"mlp.gate_up_proj": (2 * inner, hidden)}
    else:
        ahead = {"self_attn.q_proj": (query, hidden), "self_attn.k_proj": (key, hidden)}
        ahead["self_attn.v_proj"] = (key, hidden)
        gated = {"mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden)}
    return ahead | {"self_attn.o_proj": (hidden, query)} | gated | {"mlp.down_proj": (hidden, inner)}
