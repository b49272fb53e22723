"""Prepares a file with TRL's SFTTrainer and prints how long that took; run by `prepare`, in TRL's own environment.

    <python of an environment with trl> scripts/benchmarks/prepare_peer.py rows.jsonl <model folder> <processes>

Nothing of ftlab is imported. The trainer's chat template marks answers with Transformers' `generation` keyword, which
TRL needs for its masks; it renders the same string as the model's own.
"""

import json
import os
import sys
import tempfile
import time
from importlib import metadata

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{{ '\\n' }}{% else %}{{ message['content'] + '<|end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


def cpu_s() -> float:
    """Processor time of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def main(path: str, model: str, processes: int) -> None:
    """Prepares the file once, with a cold cache, and prints the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(HF_DATASETS_CACHE=folder, HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")
        from datasets import load_dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

        tokenizer = AutoTokenizer.from_pretrained(model)
        tokenizer.chat_template = TEMPLATE
        network = AutoModelForCausalLM.from_pretrained(model)
        config = SFTConfig(
            output_dir=folder, packing=True, max_length=4096, assistant_only_loss=True, dataset_num_proc=processes,
            use_cpu=True, bf16=False, report_to=[], eos_token=None,
        )  # fmt: skip
        began, began_cpu_s = time.perf_counter(), cpu_s()
        rows = load_dataset("json", data_files=path, split="train")
        read_s = time.perf_counter() - began
        prepared: list[float] = []
        prepare = SFTTrainer._prepare_dataset

        def timed(*given: object, **settings: object) -> object:
            began = time.perf_counter()
            result = prepare(*given, **settings)
            prepared.append(time.perf_counter() - began)
            return result

        SFTTrainer._prepare_dataset = timed
        trainer = SFTTrainer(network, config, train_dataset=rows, processing_class=tokenizer)
        used_cpu_s = cpu_s() - began_cpu_s
        packed = trainer.train_dataset
        tokens = supervised = 0
        for batch in packed.with_format("numpy").iter(1000):
            tokens += sum(len(ids) for ids in batch["input_ids"])
            supervised += sum(int((labels != -100).sum()) for labels in batch["labels"])
    versions = {name: metadata.version(name) for name in ("trl", "transformers", "datasets", "tokenizers", "torch")}
    figures = {
        "read_s": read_s,
        "prepare_s": sum(prepared),
        "cpu_s": used_cpu_s,
        "rows": len(rows),
        "sequences": len(packed),
    }
    print(json.dumps({**figures, "tokens": tokens, "supervised_tokens": supervised, "versions": versions}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
