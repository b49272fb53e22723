"""What the benchmarks run: the Llama-3-8B shape with random weights, LoRA on all linear layers, and rows of tokens.

The arithmetic of a step does not depend on the values of the weights, so speed and memory hold for the released
model of the same shape. Imported by the scripts beside it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ftlab.data.pack import collate, plan_micro_batches
from ftlab.data.row import EncodedRow, MicroBatch
from ftlab.kernels.attention import packed_attention
from ftlab.model.load import load_model
from ftlab.quantization.config import quantization_config

SHAPES: dict[str, dict[str, Any]] = {
    "llama3-8b": {
        "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
        "max_position_embeddings": 8192, "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
        "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
    },
    "small": {
        "model_type": "llama", "vocab_size": 512, "hidden_size": 128, "intermediate_size": 256,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
        "max_position_embeddings": 8192, "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
    },
}  # fmt: skip


def build_model(shape: str, kind: str, device: str) -> Any:
    """The base with random weights and LoRA r 16 in float32 on all linear layers, set to packed rows.

    B is drawn too: with B = 0, A would have no gradient to compare.

    Args:
        shape: A key of `SHAPES`.
        kind: `none` (16 bits) or `nf4`.
        device: Where it goes.
    """
    from peft import LoraConfig

    from ftlab.method.peft import PeftMethod

    base = load_model(
        path=None, device=device, weights="random", shape=SHAPES[shape],
        quantization_config=quantization_config(kind, device=device),  # type: ignore[arg-type]
    )  # fmt: skip
    config = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear")
    model = PeftMethod(peft_config=config, name="lora", total_steps=100).apply(base)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.01)
    packed_attention(model)
    return model.train()


def unpack_base(model: nn.Module) -> None:
    """Replaces 4-bit layers by 16-bit ones of the same values: a bf16 base without building it anew."""
    from ftlab.kernels.nf4 import dequantize_into

    for module in model.modules():
        base: Any = getattr(module, "base_layer", None)
        if type(base).__name__ != "Linear4bit":
            continue
        dense = nn.Linear(base.in_features, base.out_features, bias=False, device="meta")
        weight = torch.empty(base.weight.quant_state.shape, dtype=torch.bfloat16, device=base.weight.device)
        dequantize_into(weight, base.weight)
        dense.weight = nn.Parameter(weight, requires_grad=False)
        module.base_layer = dense


def round_base(model: nn.Module) -> None:
    """Replaces 16-bit layers under adapters by FP8 ones: what quantization=fp8 loads."""
    from ftlab.kernels.fp8 import Fp8Linear

    for module in model.modules():
        base: Any = getattr(module, "base_layer", None)
        if type(base) is nn.Linear:
            module.base_layer = Fp8Linear(base)


def dense_rows(rows: int, tokens: int, vocabulary: int, seed: int = 0) -> list[EncodedRow]:
    """Rows that all hold `tokens` tokens, every token supervised."""
    return _rows(np.full(rows, tokens), vocabulary, seed)


def instruction_rows(rows: int, longest: int, vocabulary: int, seed: int = 0) -> list[EncodedRow]:
    """Rows of log-normal length (mean about 270 tokens), as in instruction data; every token supervised."""
    lengths = np.clip(np.random.default_rng(seed).lognormal(5.2, 0.9, rows).astype(int), 24, longest)
    return _rows(lengths, vocabulary, seed)


def micro_batches(rows: list[EncodedRow], tokens: int) -> list[MicroBatch]:
    """The rows packed into forward passes of at most `tokens` tokens."""
    plan = plan_micro_batches([len(row) for row in rows], tokens, "packed")
    return [collate([rows[index] for index in indices], "packed", 0) for indices in plan]


def _rows(lengths: Any, vocabulary: int, seed: int) -> list[EncodedRow]:
    generator = torch.Generator().manual_seed(seed)
    return [
        EncodedRow(
            number,
            torch.randint(4, vocabulary, (int(length),), generator=generator),
            torch.ones(int(length), dtype=torch.bool),
        )
        for number, length in enumerate(lengths)
    ]


@dataclass(frozen=True)
class Timing:
    """What some steps took."""

    tokens_per_s: float
    step_s: float
    peak_gib: float
    loss: float


class Stepper:
    """Optimizer steps on fixed micro-batches, one backward each.

    Args:
        model: From `build_model`.
        nll: Σ NLL of a micro-batch.
        device: Where the model is.
    """

    def __init__(self, *, model: nn.Module, nll: Callable[[nn.Module, MicroBatch], Tensor], device: str) -> None:
        self._model, self._nll, self._device = model, nll, device
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._start = [weight.detach().cpu() for weight in self._trained]
        self._optimizer = torch.optim.AdamW(self._trained, lr=1e-6, fused=device == "cuda")

    def gradients(self, batch: MicroBatch) -> tuple[float, list[Tensor]]:
        """Mean loss and a copy of all gradients on the CPU, without an update."""
        loss = self._backward(batch)
        grads = [weight.grad.detach().cpu() for weight in self._trained if weight.grad is not None]
        self._optimizer.zero_grad(set_to_none=True)
        return float(loss), grads

    def step(self, batch: MicroBatch) -> Tensor:
        """Forward, backward and update."""
        loss = self._backward(batch)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss

    def rewind(self) -> None:
        """Gives the trained weights the values they had at first."""
        with torch.no_grad():
            for weight, start in zip(self._trained, self._start, strict=True):
                weight.copy_(start)

    def timed(self, batches: list[MicroBatch], warm: int, steps: int) -> Timing:
        """Runs `warm` steps, then `steps` steps with the clock on; batches repeat in a circle."""
        source = _circle(batches)
        for _ in range(warm):
            self.step(next(source))
        self._wait()
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        tokens, losses, start = 0, [], time.perf_counter()
        for _ in range(steps):
            batch = next(source)
            tokens += batch.input_ids.numel()
            losses.append(self.step(batch))
        self._wait()
        elapsed = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() / 2**30 if self._device == "cuda" else 0.0
        return Timing(tokens / elapsed, elapsed / steps, peak, float(losses[-1]))

    def _backward(self, batch: MicroBatch) -> Tensor:
        with torch.autocast(self._device, torch.bfloat16):
            loss = self._nll(self._model, batch) / int((batch.targets != -100).sum())
        loss.backward()
        return loss.detach()

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def _circle(batches: list[MicroBatch]) -> Iterator[MicroBatch]:
    while True:
        yield from batches
