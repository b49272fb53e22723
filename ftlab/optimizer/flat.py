"""Lets a bitsandbytes optimizer update many small weights as if they were one.

bitsandbytes launches a kernel for each tensor and waits for the device after each: with the 448 tensors of an 8B
model's adapter that is a tenth of a step. Here small tensors become views into one long tensor, which is what the
optimizer sees; the numbers are the same, since these optimizers work element by element (in 8 bits: in blocks of 256
elements, and every tensor begins at a block).

States that page do so in a resumed run, too: by itself bitsandbytes would load them onto the device, where they may
find no room.

Comes in: an optimizer class and parameter groups. Goes out: the optimizer. The model's parameters stay what they are
by name, shape and value; only where their elements lie has changed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import bitsandbytes
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

ELEMENT_WISE = (
    bitsandbytes.optim.AdamW, bitsandbytes.optim.AdamW8bit, bitsandbytes.optim.AdamW32bit,
    bitsandbytes.optim.PagedAdamW, bitsandbytes.optim.PagedAdamW8bit, bitsandbytes.optim.PagedAdamW32bit,
    bitsandbytes.optim.Lion, bitsandbytes.optim.Lion8bit, bitsandbytes.optim.Lion32bit,
    bitsandbytes.optim.PagedLion, bitsandbytes.optim.PagedLion8bit, bitsandbytes.optim.PagedLion32bit,
)  # fmt: skip
"""Optimizers whose update of an element depends on nothing outside its block."""

BLOCK = 256
"""Elements that share a scale in an 8-bit state."""

LEAST, MOST = 4096, 2**21
"""Elements of a tensor that is worth joining: smaller ones keep 32-bit states in 8-bit optimizers, and with larger
ones launching is no longer what costs."""

PIECE = 2**24
"""Elements that are joined at most: while a piece is made, or its gradients are gathered, it is held twice."""

MOMENTS = ("state1", "state2")
"""What bitsandbytes calls the large states, which page."""


def is_element_wise(optimizer: type) -> bool:
    """Whether tensors may be joined for this optimizer class."""
    return optimizer in ELEMENT_WISE


def flattened(optimizer: type[Optimizer]) -> Callable[..., Optimizer]:
    """Returns what builds this optimizer over joined tensors; it takes the same arguments.

    Args:
        optimizer: One of `ELEMENT_WISE`.
    """

    class Flat(optimizer):  # type: ignore[valid-type, misc]
        """The optimizer over joined tensors."""

        state: "defaultdict[nn.Parameter, dict[str, Any]]"

        def __init__(self, groups: Sequence[dict[str, Any]], **settings: Any) -> None:
            self.joined: list[_Joined] = []
            self._loaded: dict[nn.Parameter, dict[str, Any]] = {}  # what waits for `settle`
            super().__init__([group | {"params": self._join(group["params"])} for group in groups], **settings)

        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            """Runs the closure, which makes the gradients, and updates."""
            loss = None
            if closure is not None:
                with torch.enable_grad():
                    loss = closure()
            self.gather()
            super().step()
            for joined in self.joined:
                joined.whole.grad = None
            return loss

        def gather(self) -> None:
            """Moves the gradients to where the optimizer sees them; `step` does it with those not moved yet."""
            self.settle()
            for joined in self.joined:
                joined.gather()

        def load_state_dict(self, state_dict: Mapping[str, Any], move_to_device: bool = True) -> None:
            """Takes states back; those of a paged optimizer wait in RAM for `settle`.

            Lightning moves all states that it sees to the device after this.
            """
            super().load_state_dict(state_dict, move_to_device=move_to_device and not self.is_paged)
            if self.is_paged:
                self._loaded, self.state = dict(self.state), defaultdict(dict)

        def state_dict(self) -> dict[str, Any]:
            """The states, those that wait included."""
            self.settle()
            return super().state_dict()  # type: ignore[no-any-return]

        def settle(self) -> None:
            """Gives states that were loaded a place that pages."""
            while self._loaded:
                parameter, state = self._loaded.popitem()
                for name in MOMENTS:
                    if name in state:
                        place = self.get_state_buffer(parameter, dtype=state[name].dtype)
                        state[name] = place.copy_(state[name])
                self.state[parameter] = {
                    name: value.to(parameter.device) if isinstance(value, Tensor) and name not in MOMENTS else value
                    for name, value in state.items()
                }

        def _join(self, members: Sequence[nn.Parameter]) -> list[nn.Parameter]:
            kinds: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = {}
            for member in members:
                if LEAST <= member.numel() < MOST:
                    kinds.setdefault((member.device, member.dtype), []).append(member)
            made = [_Joined(piece) for alike in kinds.values() for piece in _pieces(alike) if len(piece) > 1]
            self.joined += made
            inside = {id(member) for joined in made for member in joined.members}
            return [joined.whole for joined in made] + [member for member in members if id(member) not in inside]

    Flat.__name__ = Flat.__qualname__ = optimizer.__name__
    return Flat


def _pieces(members: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Yields the members in turn, as many at a time as make a piece."""
    piece: list[nn.Parameter] = []
    for member in members:
        if sum(held.numel() for held in piece) + member.numel() > PIECE:
            yield piece
            piece = []
        piece.append(member)
    yield piece


class _Joined:
    """Tensors of one dtype on one device that lie in one long tensor.

    Args:
        members: Their elements move into it; they become views.

    Attributes:
        whole: The long tensor.
    """

    def __init__(self, members: Sequence[nn.Parameter]) -> None:
        self.members = members
        places = [0]
        for member in members:
            places.append(places[-1] + -(-member.numel() // BLOCK) * BLOCK)
        self._places = places
        self.whole = nn.Parameter(torch.zeros(places[-1], dtype=members[0].dtype, device=members[0].device))
        for member, view in zip(members, self._views(self.whole.data), strict=True):
            view.copy_(member.data)
            member.data = view

    @torch.no_grad()
    def gather(self) -> None:
        """Moves the gradients side by side; one that is missing counts as zero. Without any, nothing happens."""
        gradients = [member.grad for member in self.members]
        if all(gradient is None for gradient in gradients):
            return
        if self.whole.grad is None:
            self.whole.grad = torch.zeros_like(self.whole)
        pairs = zip(self._views(self.whole.grad), gradients, strict=True)
        given = [(view, gradient) for view, gradient in pairs if gradient is not None]
        torch._foreach_copy_([view for view, _ in given], [gradient for _, gradient in given])
        for member in self.members:
            member.grad = None  # else all of them would be held twice

    def _views(self, whole: Tensor) -> list[Tensor]:
        return [
            whole[place : place + member.numel()].view(member.shape)
            for place, member in zip(self._places, self.members, strict=False)
        ]
