"""Pretraining of the embedded `tiny` model: the token stream, the optimizers, the loop, held-out perplexity, samples.

In comes what `scripts.tiny_corpus.tokens` wrote; out goes a folder that Transformers loads.
"""

import inspect
import lzma
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

CAUSAL: dict[str, Any] = (
    {"window_size": (-1, 0)} if "window_size" in inspect.signature(varlen_attn).parameters else {"is_causal": True}
)
"""How this PyTorch's `varlen_attn` is told to be causal: 2.10 had a flag, later ones a window."""
SOURCES = ("generated", "definitions", "passages", "broad")


@dataclass(frozen=True)
class Phase:
    """A part of the training, with fresh optimizers, from the saved weights of the part before.

    Attributes:
        steps: Optimizer steps.
        learning_rate: Peak rate of both optimizers (Muon's update is scaled to AdamW's size).
        warmup_steps: Linear rise of the rate.
        decay: Last part of the phase over which the rate falls linearly to zero.
        shares: Which part of the tokens each source gives; a small source is seen more often.
    """

    steps: int
    learning_rate: float
    warmup_steps: int
    decay: float
    shares: dict[str, float]


PHASES = (
    Phase(7500, 3e-3, 200, 0.4, {"generated": 0.80, "definitions": 0.14, "passages": 0.06}),
    Phase(1000, 2e-3, 50, 0.9, {"generated": 0.30, "definitions": 0.15, "passages": 0.10, "broad": 0.45}),
)
"""First the shape of texts, questions and answers; then a broader language, so that no answer is taken for certain."""


@dataclass(frozen=True)
class Recipe:
    """What both phases share.

    Attributes:
        step_tokens: Tokens per optimizer step.
        weight_decay: Decoupled; not applied to norms and embeddings.
        seed: Of the weights and of the order of documents.
    """

    step_tokens: int = 131_072
    weight_decay: float = 0.1
    seed: int = 1


def config(tokenizer: PreTrainedTokenizerBase) -> LlamaConfig:
    """The shape: every width divides by 64, so that 4-bit blocks fit."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=1024,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attention_dropout=0.0,
        use_cache=True,
    )


def read(folder: Path, name: str) -> np.ndarray:
    """Token ids that `tokens.build` wrote, uint16, flat."""
    with lzma.open(folder / f"{name}.npy.xz") as file:
        ids: np.ndarray = np.load(file)
    return ids


class Stream:
    """The order of documents of a whole phase, served in steps of `step_tokens`.

    Each source's documents are dealt out in shuffled rounds until it has given its share, then all are mixed. A
    document cut by the border of two steps goes on at the start of the next one.
    """

    def __init__(self, folder: Path, phase: Phase, recipe: Recipe, bos: int, device: torch.device) -> None:
        rng = np.random.default_rng(recipe.seed)
        arrays = {name: read(folder, name) for name in phase.shares}
        tokens = np.concatenate(list(arrays.values()))
        chosen, first = [], 0
        needed = phase.steps * recipe.step_tokens + 1
        starts = np.flatnonzero(tokens == bos)
        lengths = np.diff(np.append(starts, len(tokens)))
        for name, share in phase.shares.items():
            count = int((arrays[name] == bos).sum())
            rounds = math.ceil(share * needed / len(arrays[name]))
            order = np.concatenate([first + rng.permutation(count) for _ in range(rounds)])
            upto = np.searchsorted(np.cumsum(lengths[order]), share * needed) + 2
            chosen.append(order[:upto])
            first += count
            print(f"{name}: {len(arrays[name]):,} tokens, seen {share * needed / len(arrays[name]):.1f} times")
        order = np.concatenate(chosen)
        rng.shuffle(order)
        self.begins = np.cumsum(lengths[order]) - lengths[order]
        self.step_tokens = recipe.step_tokens
        self.device = device
        source = torch.from_numpy(tokens.astype(np.int32)).to(device)
        shift = torch.from_numpy(starts[order] - self.begins).to(device)
        index = torch.repeat_interleave(shift, torch.from_numpy(lengths[order]).to(device))
        index += torch.arange(len(index), device=device)
        self.tokens = source[index]

    def step(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Ids [N + 1], the borders of the documents in them (int32, filled up with N), and positions [N]."""
        size = self.step_tokens
        low = i * size
        inside = (
            self.begins[np.searchsorted(self.begins, low, "right") : np.searchsorted(self.begins, low + size)] - low
        )
        borders = np.full(size // 16, size, dtype=np.int32)
        borders[0] = 0
        borders[1 : len(inside) + 1] = inside
        borders_ = torch.from_numpy(borders).to(self.device, non_blocking=True)
        marks = torch.zeros(size + 1, dtype=torch.int64, device=self.device)
        places = torch.arange(size, device=self.device)
        marks.scatter_(0, borders_.long(), borders_.long())
        return self.tokens[low : low + size + 1].long(), borders_, places - torch.cummax(marks[:size], 0).values


def packed_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, **kwargs: object
) -> tuple[Tensor, None]:
    """Causal attention within each document of a packed row: query [1, H, N, D], key and value [1, K, N, D]."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    borders = kwargs["borders"]
    assert isinstance(borders, Tensor)
    if query.is_cuda:
        return _varlen(query, key, value, borders).unsqueeze(0), None
    places = torch.arange(query.shape[2])
    document = torch.searchsorted(borders, places, right=True, out_int32=True)
    mask = (document[:, None] == document[None, :]) & (places[:, None] >= places[None, :])
    return F.scaled_dot_product_attention(query, key, value, mask).transpose(1, 2), None


def _varlen(query: Tensor, key: Tensor, value: Tensor, borders: Tensor) -> Tensor:
    q_THD, k_THD, v_THD = (tensor[0].transpose(0, 1).to(torch.bfloat16) for tensor in (query, key, value))
    out_THD = varlen_attn(q_THD, k_THD, v_THD, borders, borders, 1024, 1024, **CAUSAL)
    assert isinstance(out_THD, Tensor)
    return out_THD


def loss_function(model: LlamaForCausalLM) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Mean negative log-likelihood of ids [N + 1] in float32; targets that begin a document are left out."""
    bos = model.config.bos_token_id

    def loss(ids: Tensor, borders: Tensor, positions: Tensor) -> Tensor:
        hidden = model.model(input_ids=ids[None, :-1], position_ids=positions[None], use_cache=False, borders=borders)
        logits = model.lm_head(hidden.last_hidden_state[0]).float()
        targets = ids[1:].masked_fill(ids[1:] == bos, -100)
        return F.cross_entropy(logits, targets, ignore_index=-100)

    return loss


def optimizers(model: nn.Module, phase: Phase, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    fused = rest[0].is_cuda
    return [
        torch.optim.Muon(
            matrices, lr=phase.learning_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(rest, lr=phase.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=fused),
    ]


def rate(step: int, phase: Phase) -> float:
    """Warm-up, plateau, linear decay to zero: the factor of the peak rate."""
    return min(1.0, (step + 1) / phase.warmup_steps, (phase.steps - step) / (phase.decay * phase.steps))


def train(folder: Path, out: Path, phases: Sequence[Phase], recipe: Recipe, start: Path | None) -> None:
    """Run the phases, from new weights or from those saved in `start`, and save the model in bf16 after each."""
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ALL_ATTENTION_FUNCTIONS.register("packed", packed_attention)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for phase in phases:
        if start is None:
            model = LlamaForCausalLM(config(tokenizer))
        else:
            model = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
        model.to(device).set_attn_implementation("packed")
        stream = Stream(folder, phase, recipe, tokenizer.bos_token_id, device)
        loop(model, stream, phase, recipe, out, tokenizer)
        save(model, tokenizer, out)
        start = out


def loop(
    model: LlamaForCausalLM,
    stream: Stream,
    phase: Phase,
    recipe: Recipe,
    out: Path,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """All steps of a phase; a copy of the model is saved every fifth of it."""
    parts = optimizers(model, phase, recipe)
    loss_of = loss_function(model)
    step_loss = torch.compile(loss_of, dynamic=False) if stream.device.type == "cuda" else loss_of
    begin = time.perf_counter()
    for step in range(phase.steps):
        for group in (group for part in parts for group in part.param_groups):
            group["lr"] = phase.learning_rate * rate(step, phase)
        with torch.autocast(stream.device.type, torch.bfloat16):
            loss = step_loss(*stream.step(step))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in parts:
            part.step()
            part.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == phase.steps - 1:
            last, seconds = loss.item(), time.perf_counter() - begin
            speed = (step + 1) * recipe.step_tokens / seconds
            print(f"step {step:5d}  loss {last:.4f}  {seconds:6.1f} s  {speed:,.0f} tokens/s", flush=True)
        if (step + 1) % max(1, phase.steps // 5) == 0 and step + 1 < phase.steps:
            save(model, tokenizer, out)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """The folder that Transformers loads: bf16 weights, generation settings, tokenizer with its template."""
    copy = LlamaForCausalLM(config(tokenizer))
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    copy.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


@torch.no_grad()
def held_out(model: LlamaForCausalLM, folder: Path) -> dict[str, float]:
    """Perplexity per token of each source's held-out part, at most 30,000 tokens of it."""
    found = {}
    bos = model.config.bos_token_id
    for name in SOURCES:
        ids = torch.from_numpy(read(folder, f"{name}-held-out")[:30_000].astype(np.int64))
        total, count = 0.0, 0
        for document in documents(ids, bos):
            row = document[None]
            logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
            total += F.cross_entropy(logits, row[0, 1:], reduction="sum").item()
            count += row.shape[1] - 1
        found[name] = round(math.exp(total / count), 3)
    return found


def documents(ids: Tensor, bos: int) -> Iterator[Tensor]:
    """The documents of a flat run of ids [N]."""
    starts = (ids == bos).nonzero()[:, 0].tolist()
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        if end - start > 1:
            yield ids[start:end]


def samples(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]
) -> list[tuple[str, str]]:
    """Greedy answers to user turns."""
    answers = []
    for prompt in prompts:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        new = model.generate(**ids, max_new_tokens=160)[0, ids["input_ids"].shape[1] :]
        ended = " [end]" if new[-1] == tokenizer.eos_token_id else " [cut]"
        answers.append((prompt, tokenizer.decode(new, skip_special_tokens=True) + ended))
    return answers
