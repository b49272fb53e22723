"""What a run's memory depends on beside its token budget and its recomputation: model, method, storage, device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ftlab.memory.shape import Shape

Kind = Literal["none", "nf4", "fp4", "int8", "fp8"]
Device = Literal["cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter on a layer's matrices.

    Attributes:
        ranks: Rank by name of a matrix of `Shape.linears`; those without an adapter are left out.
        layers: Layers that have it.
        dropout: Share of the adapter's input dropped.
        plain: Whether it is LoRA as the fused kernels know it (no DoRA, no AdaLoRA …).
        has_r: Whether its rank is set by `method.r`.
        on_exact: Whether it starts from the base's exact weights (PiSSA), which then can't be quantised.
        other_parameters: Trained weights that no rank explains (magnitudes, vectors, virtual tokens).
    """

    ranks: Mapping[str, int]
    layers: int
    dropout: float = 0.0
    plain: bool = True
    has_r: bool = True
    on_exact: bool = False
    other_parameters: int = 0


@dataclass(frozen=True, slots=True)
class Fused:
    """Which parts of a layer run on the fused kernels."""

    attention: bool = False
    mlp: bool = False
    norms: bool = False


@dataclass(frozen=True, slots=True)
class Optimizer:
    """What an optimizer keeps.

    Attributes:
        name: Its class.
        moments: Numbers kept for each trained weight.
        moment_bytes: Bytes of each; None = as wide as the weight.
        paged: Whether large states lie in memory that moves to the host where the device is full.
        least_numel: Smaller weights keep 32-bit moments that are not paged (bitsandbytes).
    """

    name: str
    moments: float
    moment_bytes: float | None
    paged: bool = False
    least_numel: int = 0


OPTIMIZERS = {
    "AdamW": Optimizer("AdamW", 2, None),
    "AdamW8bit": Optimizer("AdamW8bit", 2, 1 + 4 / 256, least_numel=4096),
    "PagedAdamW32bit": Optimizer("PagedAdamW32bit", 2, 4, paged=True),
    "PagedAdamW8bit": Optimizer("PagedAdamW8bit", 2, 1 + 4 / 256, paged=True, least_numel=4096),
    "Lion8bit": Optimizer("Lion8bit", 1, 1 + 4 / 256, least_numel=4096),
    "Adafactor": Optimizer("Adafactor", 0.02, 4),
}
"""By class; an 8-bit moment has a 32-bit scale for each 256 (bitsandbytes)."""


@dataclass(frozen=True, slots=True)
class Job:
    """Everything but the budget and the recomputation.

    Attributes:
        shape: The model.
        kind: How the frozen matrices are stored.
        double_quantization: Whether 4-bit scales are stored in 8 bits.
        base_bytes: Of a weight that is not quantised.
        trained_bytes: Of a trained weight.
        activation_bytes: Of what layers multiply: 2 under bfloat16.
        stream_bytes: Of the residual stream: 4 where embedding or norms are in float32, under autocast too.
        method: `full`, `freeze` (the last layers) or `adapter`.
        trained_layers: Of `full` and `freeze`: how many layers, counted from the last one, are trained.
        adapter: Of `adapter`.
        optimizer: What updates.
        device: Where.
        kernels: What may run on the fused kernels (`kernels` of the configuration).
        wants_fp8: Whether frozen products shall run on FP8 tensor cores.
        notes: What of the plan is an estimate, and why.
        fused: What of `kernels` the model, its adapter and its storage let `ftlab.kernels.accelerate` take.
        fp8: Whether frozen products do run on FP8 tensor cores.
    """

    shape: Shape
    kind: Kind
    double_quantization: bool
    base_bytes: int
    trained_bytes: int
    activation_bytes: int
    stream_bytes: int
    method: Literal["full", "freeze", "adapter"]
    optimizer: Optimizer
    device: Device
    trained_layers: int = 0
    adapter: Adapter | None = None
    kernels: Fused = field(default_factory=Fused)
    wants_fp8: bool = False
    notes: tuple[str, ...] = ()
    fused: Fused = field(init=False)
    fp8: bool = field(init=False)

    def __post_init__(self) -> None:
        """Finds out once what a plan asks for thousands of times."""
        fused = self._fused()
        object.__setattr__(self, "fused", fused)
        takes = self.wants_fp8 and self.device == "cuda" and (fused.attention or fused.mlp)
        object.__setattr__(self, "fp8", takes)

    @property
    def graph_layers(self) -> int:
        """Layers that keep something for backward: those behind the first trained weight."""
        return self.trained_layers if self.method == "freeze" else self.shape.layers

    @property
    def head_is_trained(self) -> bool:
        """Whether the head gets a gradient: its logits must then be kept."""
        return self.method == "full"

    @property
    def adapter_parameters(self) -> int:
        """Weights of the adapter."""
        return sum(count * numel for numel, count in self.adapter_tensors()) + self._others()

    @property
    def trained(self) -> int:
        """All trained weights."""
        if self.method == "adapter":
            return self.adapter_parameters
        if self.method == "full":
            return self.shape.parameters
        return self.trained_layers * (self.shape.layer_linear + self.shape.vector_parameters)

    def adapter_tensors(self) -> list[tuple[int, int]]:
        """Size and number of the adapter's tensors."""
        if self.adapter is None:
            return []
        found = []
        for name, rank in self.adapter.ranks.items():
            outputs, inputs = self.shape.linears[name]
            found += [(rank * outputs, self.adapter.layers), (rank * inputs, self.adapter.layers)]
        return found

    def trained_tensors(self) -> list[tuple[int, int]]:
        """Size and number of all trained tensors; vectors are taken together."""
        if self.method == "adapter":
            others = self._others()
            return self.adapter_tensors() + ([(others, 1)] if others else [])
        matrices = [(outputs * inputs, self.trained_layers) for outputs, inputs in self.shape.linears.values()]
        vectors = [(self.shape.hidden, self.trained_layers * self.shape.vector_parameters // self.shape.hidden)]
        if self.method == "freeze":
            return matrices + vectors
        return [*matrices, *vectors, (self.shape.vocabulary * self.shape.hidden, 1 if self.shape.tied else 2)]

    def _fused(self) -> Fused:
        adapter = self.adapter
        casts = self.activation_bytes < self.base_bytes  # under autocast the plain path stays
        if adapter is None or not self.shape.is_known or casts:
            return Fused()
        takes = adapter.plain and self.kind != "int8"
        on = {name.partition(".")[0] for name, rank in adapter.ranks.items() if rank}
        return Fused(
            attention=self.kernels.attention and takes and "self_attn" in on,
            mlp=self.kernels.mlp and takes and "mlp" in on,
            norms=self.kernels.norms,
        )

    def _others(self) -> int:
        return 0 if self.adapter is None else self.adapter.other_parameters
