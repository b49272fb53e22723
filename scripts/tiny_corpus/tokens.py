"""From documents to token ids: the tokenizer is trained here, and every source is encoded and split."""

import itertools
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from scripts.tiny_corpus import mix
from scripts.tiny_corpus.document import BOS, END, SPECIAL_TOKENS, Document

VOCABULARY = 4096
CONTEXT_TOKENS = 1024
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
GENERATED_DOCUMENTS = 640_000
SAMPLED_DOCUMENTS = 40_000
"""Generated documents that the tokenizer is trained on; of the packages' text it sees everything."""
BLOCK = 100
"""Of each source's documents, taken in blocks of so many, every so manyth block is held out.

Blocks, because the conversations about one WordNet sense follow each other: no sense is on both sides (but for one at
the border of a block).
"""


def sources(folder: Path, seed: int, documents: int) -> dict[str, Iterable[Document]]:
    """The four sources by name: generated text, WordNet conversations, passages of books, broad conversations."""
    return {
        "generated": mix.generated(seed, documents),
        "definitions": mix.definitions(folder, seed),
        "passages": mix.passages(folder, seed),
        "broad": mix.broad(folder, seed, documents // 3),
    }


def train_tokenizer(texts: Iterator[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: digits alone, every byte a token, the chat template's markers special."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=SPECIAL_TOKENS[0],
        additional_special_tokens=list(SPECIAL_TOKENS[2:5]),
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def build(folder: Path, out: Path, *, seed: int, documents: int, only: str | None) -> None:
    """Train the tokenizer and write `<source>.npy.xz` and `<source>-held-out.npy.xz` of token ids, uint16, flat.

    A document that does not fit the context is left out, so that every document is whole and begins with `<|bos|>`.
    `only` names the one source to encode again, with the tokenizer that is there.
    """
    parts = sources(folder, seed, documents)
    if only is None:
        sample = itertools.islice(mix.generated(seed + 1, SAMPLED_DOCUMENTS), min(documents, SAMPLED_DOCUMENTS))
        rest = itertools.chain(mix.definitions(folder, seed), mix.passages(folder, seed))
        tokenizer = train_tokenizer(document.render() for document in itertools.chain(sample, rest))
        tokenizer.save_pretrained(out)
    else:
        parts = {only: parts[only]}
        tokenizer = PreTrainedTokenizerFast.from_pretrained(out)
    for name, found in parts.items():
        kept, held_out = encode(tokenizer, found)
        for suffix, ids in (("", kept), ("-held-out", held_out)):
            with lzma.open(out / f"{name}{suffix}.npy.xz", "wb", preset=2) as file:
                np.save(file, ids)
            print(f"{name}{suffix}: {len(ids):,} tokens", flush=True)


def encode(tokenizer: PreTrainedTokenizerFast, documents: Iterable[Document]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of the training part and of the held-out part, uint16.

    A text that occurs more than once goes to one part only: which one its first occurrence decides.
    """
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    held_out: set[str] = set()
    seen: set[str] = set()
    fast = tokenizer.backend_tokenizer
    numbered = enumerate(documents)
    while batch := list(itertools.islice(numbered, 10_000)):
        texts = [document.render() for _, document in batch]
        for (i, _), text, encoding in zip(batch, texts, fast.encode_batch_fast(texts), strict=True):
            if i // BLOCK % BLOCK == 0 and text not in seen:
                held_out.add(text)
            seen.add(text)
            if len(encoding) <= CONTEXT_TOKENS:
                parts[text in held_out].append(np.asarray(encoding.ids, dtype=np.uint16))
    return np.concatenate(parts[0]), np.concatenate(parts[1])
