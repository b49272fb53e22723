"""Data parallel without torch's reducer: each rank runs its own micro-batches, `TrainModule` adds the gradients up.

torch's reducer exchanges gradients inside backward. A rank that runs out of memory there leaves the others waiting
for ever, and each of several backward passes a step would have to say whether it is the last.
"""

import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy


class StepReducedDDP(DDPStrategy):
    """Lightning's launch, ranks and barriers; the model is not wrapped."""

    def configure_ddp(self) -> None:
        """Gives all ranks the trained weights of rank 0; the frozen ones were read from the same file."""
        assert self.lightning_module is not None
        for parameter in self.lightning_module.parameters():
            if parameter.requires_grad:
                dist.broadcast(parameter.data, src=0)
