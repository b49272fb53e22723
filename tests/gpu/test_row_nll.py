"""Losses of rows on the GPU: equal to the CPU's, and within the budget of logits with a vocabulary of 128k."""

import pytest
import torch

from ftlab.data.pack import collate
from ftlab.data.row import EncodedRow
from ftlab.kernels.attention import packed_attention
from ftlab.training.row_nll import row_nll
from tests.training.toy import toy_model, toy_rows

pytestmark = pytest.mark.gpu


def test_losses_equal_those_of_the_cpu() -> None:
    micro, model = collate(toy_rows(6), "padded", pad_id=0), toy_model()
    expected = row_nll(model, micro, 10**9)
    found = row_nll(model.cuda(), micro.to("cuda"), 5000)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-4)


def test_128k_words_at_8k_tokens_take_less_than_a_gigabyte() -> None:
    vocabulary, tokens, budget = 128_256, 8192, 10**9
    model = toy_model(vocab_size=vocabulary, max_position_embeddings=tokens).to("cuda", torch.bfloat16)
    packed_attention(model)
    ids = torch.randint(1, vocabulary, (4, tokens // 4))
    rows = [EncodedRow(number, row, torch.ones(len(row), dtype=torch.bool)) for number, row in enumerate(ids)]
    micro = collate(rows, "packed", pad_id=0).to("cuda")
    row_nll(model, micro, budget)  # compiles and warms up
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    row_nll(model, micro, budget)
    assert torch.cuda.max_memory_allocated() - before < budget
