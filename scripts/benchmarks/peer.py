"""Trains rows with TRL or Unsloth as their documentation says, and prints one line: RESULT {json}. See `peers`."""

import argparse
import json
import os
import time
from typing import Any

os.environ |= {
    "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "WANDB_DISABLED": "true", "UNSLOTH_DISABLE_STATISTICS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}  # fmt: skip

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK = 16


def main() -> None:
    """Trains for as many steps as the command line says."""
    options = _options()
    if options.system == "unsloth":
        import unsloth  # noqa: F401  (it wants to be first)
    import torch
    import trl
    from datasets import load_dataset

    rows = load_dataset("json", data_files=options.rows, split="train")
    meter = _meter(options)
    make = _unsloth if options.system == "unsloth" else _trl
    trainer = make(options, rows, trl.SFTConfig(**_settings(options)), meter)
    step = trainer.training_step

    def counted(model: Any, inputs: Any, *more: Any, **others: Any) -> Any:
        mask = inputs.get("attention_mask")
        given = mask is not None and mask.dim() == 2
        meter.tokens += int(mask.sum()) if given else int(inputs["input_ids"].numel())
        return step(model, inputs, *more, **others)

    trainer.training_step = counted
    torch.cuda.reset_peak_memory_stats()
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    result = {
        "tokens": meter.tokens, "seconds": meter.seconds, "peak_bytes": torch.cuda.max_memory_allocated(),
        "reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2), "first_loss": losses[0],
        "last_loss": losses[-1], "device": torch.cuda.get_device_name(), "versions": _versions(),
    }  # fmt: skip
    print("RESULT " + json.dumps(result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=("trl", "unsloth"), required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--rows", required=True)
    parser.add_argument("--method", choices=("qlora", "lora"), default="qlora")
    for name in ("batch-rows", "warm-up", "steps", "recompute", "packing"):
        parser.add_argument(f"--{name}", type=int, default=0)
    return parser.parse_args()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "output_dir": "/tmp/peer", "per_device_train_batch_size": options.batch_rows, "gradient_accumulation_steps": 1,
        "max_steps": options.warm_up + options.steps, "learning_rate": 2e-4, "logging_steps": 1, "bf16": True,
        "optim": "adamw_torch_fused", "max_length": 2048, "packing": bool(options.packing),
        "dataset_text_field": "text", "report_to": "none", "save_strategy": "no", "seed": 0, "warmup_steps": 2,
        "gradient_checkpointing": bool(options.recompute), "dataset_num_proc": 1,
    }  # fmt: skip


def _meter(options: argparse.Namespace) -> Any:
    import torch
    from transformers import TrainerCallback

    class Meter(TrainerCallback):
        """Counts the tokens and the seconds of the steps behind the warm-up."""

        tokens = 0
        seconds = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Starts the clock behind the warm-up."""
            if state.global_step == options.warm_up:
                torch.cuda.synchronize()
                self.tokens, self._begin_s = 0, time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Stops it at the end."""
            if state.global_step == options.warm_up + options.steps:
                torch.cuda.synchronize()
                self.seconds = time.perf_counter() - self._begin_s

    return Meter()


def _unsloth(options: argparse.Namespace, rows: Any, settings: Any, meter: Any) -> Any:
    import torch
    from trl import SFTTrainer
    from unsloth import FastLanguageModel

    model, tokenizer = FastLanguageModel.from_pretrained(
        options.checkpoint, max_seq_length=2048, dtype=torch.bfloat16, load_in_4bit=options.method == "qlora",
        local_files_only=True,
    )  # fmt: skip
    model = FastLanguageModel.get_peft_model(
        model, r=RANK, lora_alpha=2 * RANK, lora_dropout=0, target_modules=TARGETS, bias="none", random_state=0,
        use_gradient_checkpointing="unsloth" if options.recompute else False,
    )  # fmt: skip
    return SFTTrainer(model=model, processing_class=tokenizer, train_dataset=rows, args=settings, callbacks=[meter])


def _trl(options: argparse.Namespace, rows: Any, settings: Any, meter: Any) -> Any:
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import SFTTrainer

    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_use_double_quant=True, bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(
        options.checkpoint, quantization_config=four_bits if options.method == "qlora" else None, dtype=torch.bfloat16,
        device_map={"": 0},
    )  # fmt: skip
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM")
    tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)
    return SFTTrainer(
        model=model, processing_class=tokenizer, train_dataset=rows, args=settings, callbacks=[meter], peft_config=lora
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "transformers", "peft", "bitsandbytes", "trl", "unsloth"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
