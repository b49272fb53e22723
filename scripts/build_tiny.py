"""Build the embedded `tiny` model: corpus and tokenizer, then pretraining.

From the repository's root, with the packages that the model card names laid out under CORPUS (see the card):

    python -m scripts.build_tiny corpus --corpus-dir CORPUS --work WORK     # two CPU cores, some minutes
    python -m scripts.build_tiny train --work WORK --out ftlab/model/tiny   # one H100, some minutes

`--documents` and the recipe's options (`--steps`, `--step_tokens` …) make both small enough for a trial on a CPU.
"""

import argparse
import json
from dataclasses import fields
from pathlib import Path

from scripts import tiny_training
from scripts.tiny_corpus import tokens


def main() -> None:
    """Read the command line and run one of the two stages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(dest="stage", required=True)
    corpus = stages.add_parser("corpus", help="train the tokenizer and write the token files")
    corpus.add_argument("--corpus-dir", type=Path, required=True)
    corpus.add_argument("--work", type=Path, required=True)
    corpus.add_argument("--seed", type=int, default=1)
    corpus.add_argument("--documents", type=int, default=tokens.GENERATED_DOCUMENTS)
    training = stages.add_parser("train", help="pretrain and save the model")
    training.add_argument("--work", type=Path, required=True)
    training.add_argument("--out", type=Path, required=True)
    for field in fields(tiny_training.Recipe):
        training.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.stage == "corpus":
        tokens.build(arguments.corpus_dir, arguments.work, seed=arguments.seed, documents=arguments.documents)
    else:
        _train(arguments)


def _train(arguments: argparse.Namespace) -> None:
    recipe = tiny_training.Recipe(**{f.name: getattr(arguments, f.name) for f in fields(tiny_training.Recipe)})
    report = tiny_training.train(arguments.work, arguments.out, recipe)
    print(json.dumps(report, indent=2))
    (arguments.out / "training.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    for prompt, answer in tiny_training.samples(arguments.out, Path(__file__).with_name("tiny_prompts.json")):
        print(f"--- {prompt}\n>>> {answer}")


if __name__ == "__main__":
    main()
