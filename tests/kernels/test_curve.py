"""A really learning run gives the same curve with the kernels and without: 200 steps of the embedded model."""

import pytest
import torch
from peft import LoraConfig

from ftlab.data.chat import Encoder
from ftlab.data.source import read_splits
from ftlab.kernels.accelerate import accelerate_model
from ftlab.kernels.attention import packed_attention
from ftlab.method.peft import PeftMethod
from ftlab.model.load import load_model
from ftlab.model.tokenizer import load_tokenizer
from ftlab.training.loss import sum_nll
from scripts.benchmarks.workload import micro_batches

STEPS, RATE, ROWS = 200, 2e-3, 40


def curve(*, fused: bool) -> list[float]:
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    model = PeftMethod(peft_config=config, name="lora", total_steps=STEPS).apply(load_model(path=None, device="cpu"))
    packed_attention(model.train())
    if fused:
        notes = accelerate_model(model)
        assert notes
        assert not [note for note in notes if "plain path" in note]
    tokenizer, _ = load_tokenizer(path=None)
    rows = sorted(Encoder(tokenizer, train_on="answer", max_row_tokens=512).encode_all(read_splits().train), key=len)
    batches = micro_batches(rows[:ROWS], len(rows[ROWS]))  # one short row a step, for the sake of time
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE)
    losses = []
    for step in range(STEPS):
        batch = batches[step % len(batches)]
        loss = sum_nll(model, batch) / int((batch.targets != -100).sum())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.slow
def test_200_steps_give_the_same_curve_with_and_without_kernels() -> None:
    plain, fused = curve(fused=False), curve(fused=True)
    assert sum(plain[-20:]) < 0.5 * sum(plain[:20])  # it learns
    assert fused[0] == pytest.approx(plain[0], rel=1e-5)
    assert sum(fused) == pytest.approx(sum(plain), rel=2e-3)
    assert sum(fused[-20:]) == pytest.approx(sum(plain[-20:]), rel=2e-2)
