"""Recomputation rises a step at a time: what is left where even single rows don't fit."""

from torch import nn

from ftlab.kernels.recompute import ALL, LEAST, NONE, Recompute, decoder_layers, set_recompute


class Ladder:
    """The levels from the fastest to the smallest, and where a model stands.

    Args:
        model: A Transformers model, with PEFT around it or not.
        level: What it follows now.

    Attributes:
        level: What it follows now.
    """

    def __init__(self, model: nn.Module, level: Recompute = NONE) -> None:
        self.level = level
        self._model = model

    def rise(self) -> str | None:
        """Makes the model keep less.

        Returns:
            The new level as `training.recompute` takes it; None where nothing is left to run again.
        """
        try:
            count = len(decoder_layers(self._model))
        except ValueError:
            return None
        on_gpu = next(self._model.parameters()).is_cuda
        for word, level in _rungs(count, offload=on_gpu):
            if _depth(level, count) > _depth(self.level, count):
                self.set(level)
                return word
        return None

    def set(self, level: Recompute) -> None:
        """Makes the model follow a level."""
        set_recompute(self._model, level)
        self.level = level

    def state(self) -> dict[str, int | bool]:
        """What a checkpoint holds."""
        level = self.level
        return {"norms": level.norms, "mlp": level.mlp, "layers": level.layers, "offload": level.offload}

    def restore(self, state: dict[str, int | bool]) -> None:
        """Rises to what a checkpoint held, where the run began below it."""
        offload = bool(state.get("offload", False))  # checkpoints from before this level have no such key
        saved = Recompute(bool(state["norms"]), bool(state["mlp"]), int(state["layers"]), offload)
        if saved == NONE:
            return
        count = len(decoder_layers(self._model))
        if _depth(saved, count) > _depth(self.level, count):
            self.set(saved)


def _rungs(count: int, *, offload: bool) -> list[tuple[str, Recompute]]:
    parts = [round(count * share / 4) for share in (1, 2, 3)]
    rungs = [("norms", Recompute(norms=True)), ("mlp", Recompute(norms=True, mlp=True))]
    rungs += [(str(part), Recompute(norms=True, mlp=True, layers=part)) for part in parts if 0 < part < count]
    return [*rungs, ("all", ALL), *([("offload", LEAST)] if offload else [])]


def _depth(level: Recompute, count: int) -> tuple[bool, int, bool, bool]:
    """Sorts levels by how little they keep."""
    whole = count if level.layers < 0 else min(level.layers, count)
    return (level.offload, whole, whole == count or level.mlp, whole == count or level.norms)
