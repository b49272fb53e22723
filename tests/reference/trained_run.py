"""Run folders as a training run leaves them, made without training: the adapter has random weights.

What Hydra and the run card write is written here by hand, so that a reader of it is tested against something else than
its own writer.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from ftlab.model.load import embedded_path
from ftlab.report.card import fingerprint
from tests.config.composition import composed

LORA = {"task_type": "CAUSAL_LM", "r": 4, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False}


def write_rows(file: Path, count: int = 24) -> Path:
    """Rows of which each third asks for JSON."""
    rows = [
        {
            "prompt": f"What does box {n} cost?{' Answer in JSON.' * (n % 3 == 0)}",
            "completion": f'{{"box":{n},"euros":{n * 3}}}' if n % 3 == 0 else f"Box {n} costs {n * 3} euros.",
        }
        for n in range(count)
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


def tiny() -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(embedded_path(), dtype=torch.float32)
    return model.eval()


def write_adapter(folder: Path, seed: int = 5, **changes: Any) -> Path:
    """An adapter for `tiny`."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        get_peft_model(tiny(), LoraConfig(**{**LORA, **changes})).save_pretrained(folder)
    return folder


def write_run(folder: Path, *overrides: str, status: str = "done", **card: Any) -> Path:
    """A run folder without its result."""
    hydra = folder / ".hydra"
    hydra.mkdir(parents=True)
    (hydra / "overrides.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(list(overrides))))
    place = f"  runtime:\n    cwd: {Path.cwd()}\n"
    (hydra / "hydra.yaml").write_text(f"hydra:\n  job:\n    config_name: config\n{place}")
    config = OmegaConf.to_container(composed(*overrides, f"output_dir={folder}"), resolve=True)
    model = {"base": "tiny", "base_fingerprint": fingerprint(embedded_path().glob("*.safetensors"))}
    content = {"format": 1, "status": status, "attempt": 1, "config": config, "model": model, **card}
    (folder / "run.json").write_text(json.dumps(content))
    return folder
