"""Build the embedded `tiny` model: corpus and tokenizer, then pretraining, then the figures of its card.

From the repository's root, with the packages that the model card names laid out under CORPUS (see the card):

    python -m scripts.build_tiny corpus --corpus-dir CORPUS --work WORK     # two CPU cores, some minutes
    python -m scripts.build_tiny train --work WORK --out ftlab/model/tiny   # one H100, under ten minutes
    python -m scripts.build_tiny report --work WORK --out ftlab/model/tiny  # held-out perplexity, sample answers

`corpus --documents`, `train --steps` and `train --step-tokens` make all of it small enough for a trial on a CPU.
`train --phases 2 --start FOLDER` goes on from a saved model.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from scripts import tiny_training
from scripts.tiny_corpus import tokens

PROMPTS = Path(__file__).with_name("tiny_prompts.json")


def main() -> None:
    """Read the command line and run one of the three stages."""
    arguments = _parser().parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.stage == "corpus":
        tokens.build(
            arguments.corpus_dir,
            arguments.work,
            seed=arguments.seed,
            documents=arguments.documents,
            only=arguments.only,
        )
    elif arguments.stage == "train":
        recipe = replace(tiny_training.Recipe(), step_tokens=arguments.step_tokens)
        phases = [tiny_training.PHASES[number - 1] for number in arguments.phases]
        if arguments.steps is not None:
            phases = [replace(phase, steps=arguments.steps) for phase in phases]
        tiny_training.train(arguments.work, arguments.out, phases, recipe, arguments.start)
    else:
        _report(arguments.work, arguments.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(dest="stage", required=True)
    corpus = stages.add_parser("corpus", help="train the tokenizer and write the token files")
    corpus.add_argument("--corpus-dir", type=Path, required=True)
    corpus.add_argument("--work", type=Path, required=True)
    corpus.add_argument("--seed", type=int, default=1)
    corpus.add_argument("--documents", type=int, default=tokens.GENERATED_DOCUMENTS)
    corpus.add_argument("--only", help="encode this source again with the tokenizer that is there")
    training = stages.add_parser("train", help="pretrain and save the model")
    training.add_argument("--phases", type=int, nargs="+", default=[1, 2])
    training.add_argument("--start", type=Path)
    training.add_argument("--steps", type=int, help="of each phase, for a trial")
    training.add_argument("--step-tokens", type=int, default=tiny_training.Recipe.step_tokens)
    for stage in (training, stages.add_parser("report", help="print the figures of the model card")):
        stage.add_argument("--work", type=Path, required=True)
        stage.add_argument("--out", type=Path, required=True)
    return parser


def _report(work: Path, out: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(out)
    model = LlamaForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print(json.dumps(tiny_training.held_out(model, work), indent=2))
    for prompt, answer in tiny_training.samples(model, tokenizer, json.loads(PROMPTS.read_text("utf-8"))):
        print(f"--- {prompt}\n>>> {answer}")


if __name__ == "__main__":
    main()
