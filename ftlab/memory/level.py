"""How much of forward is run again in backward: the choices, from the fastest to the smallest.

The mechanism is `ftlab.kernels.recompute`, which has the same fields; here is only what a plan needs of it.
"""

from dataclasses import dataclass
from typing import Literal

from ftlab.memory.shape import Shape

Word = Literal["none", "norms", "mlp", "all", "offload"]


@dataclass(frozen=True, slots=True)
class Level:
    """A choice.

    Attributes:
        norms: The norms' outputs are made again.
        mlp: The MLP's inner tensors are made again.
        layers: How many layers, counted from the first, keep only their input.
        offload: Whether those inputs wait in RAM; all layers keep only them then.
    """

    norms: bool = False
    mlp: bool = False
    layers: int = 0
    offload: bool = False

    def text(self, layers: int) -> str:
        """The choice as `training.recompute` takes it.

        Args:
            layers: The model's layers.
        """
        if self.offload:
            return "offload"
        if self.layers:
            return "all" if self.layers >= layers else str(self.layers)
        return "mlp" if self.mlp else "norms" if self.norms else "none"


def level_of(chosen: str | int, layers: int) -> Level:
    """Reads `training.recompute`.

    Args:
        chosen: `none`, `norms`, `mlp`, `all`, `offload`, or how many layers are run again as a whole.
        layers: The model's layers.

    Returns:
        The level; beside whole layers, the others make norms and MLP again.
    """
    if isinstance(chosen, int):
        return Level(norms=True, mlp=True, layers=min(chosen, layers))
    return {
        "none": Level(),
        "norms": Level(norms=True),
        "mlp": Level(norms=True, mlp=True),
        "all": Level(norms=True, mlp=True, layers=layers),
        "offload": Level(norms=True, mlp=True, layers=layers, offload=True),
    }[chosen]


def levels(layers: int, *, offload: bool) -> list[Level]:
    """All levels from the fastest to the smallest.

    Args:
        layers: The model's layers.
        offload: Whether inputs can leave the device: not where it is the CPU.
    """
    return [
        *(level_of(word, layers) for word in ("none", "norms", "mlp")),
        *(level_of(k, layers) for k in _counts(layers)),
        *([level_of("offload", layers)] if offload else []),
    ]


def _counts(layers: int) -> range:
    return range(1, layers + 1)


def extra_share(level: Level, shape: Shape) -> float:
    """Products run again, as a share of one forward pass through the layers.

    Args:
        level: The choice.
        shape: The model.
    """
    whole = level.layers / shape.layers
    gated = sum(o * i for name, (o, i) in shape.linears.items() if name.startswith("mlp.") and "down" not in name)
    part = gated / shape.layer_linear if level.mlp else 0.0
    return whole + (1 - whole) * part
