"""Writes a random-weight checkpoint with a tokenizer of one word a token, and rows for it.

    python -m scripts.benchmarks.checkpoint FOLDER [llama3-8b]

Out: FOLDER/checkpoint, FOLDER/dense.jsonl (rows of 2048 tokens), FOLDER/lengths.jsonl (log-normal lengths, mean about
260 tokens, at most 2048, as in instruction data). The shape comes from conf/model.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from ftlab.config.folder import CONF_DIR

WORDS, LONGEST = 20_000, 2048
ROWS = {"dense": 160, "lengths": 1200}


def main(folder: Path, shape: str) -> None:
    """Writes all three."""
    torch.manual_seed(0)
    arguments = dict(OmegaConf.to_container(OmegaConf.load(CONF_DIR / "model" / f"{shape}.yaml").shape))  # type: ignore[arg-type]
    arguments |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(arguments.pop("model_type"), **arguments)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder / "checkpoint", max_shard_size="4GB")
    _tokenizer().save_pretrained(folder / "checkpoint")
    rng = np.random.default_rng(0)
    _write(folder / "dense.jsonl", np.full(ROWS["dense"], LONGEST), rng)
    _write(folder / "lengths.jsonl", np.clip(rng.lognormal(5.2, 0.9, ROWS["lengths"]).astype(int), 24, LONGEST), rng)


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3} | {f"w{i}": i for i in range(4, WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}  # none begins a text: TRL adds none
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=8192, **special)
    fast.chat_template = "{% for m in messages %}{{ m['content'] }}{{ eos_token }} {% endfor %}"
    return fast


def _write(path: Path, lengths: "Iterable[int]", rng: np.random.Generator) -> None:
    """Rows of one word less than their length: every system puts the end token behind a text."""
    with path.open("w") as file:
        for length in lengths:
            words = " ".join(f"w{i}" for i in rng.integers(4, WORDS, length - 1))
            file.write(json.dumps({"text": words}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "llama3-8b")
