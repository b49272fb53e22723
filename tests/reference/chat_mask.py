"""The loss mask, the slow and obvious way: walk through the tokens byte by byte beside a string marked by hand."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

_BYTE_OF = {char: byte for byte, char in bytes_to_unicode().items()}

Segments = Sequence[tuple[str, bool]]
"""A rendered conversation, cut by hand: each piece and whether the model has to write it."""


def token_bytes(tokenizer: PreTrainedTokenizerBase, token_id: int) -> bytes:
    """The bytes that a token of a byte-level BPE stands for."""
    token = tokenizer.convert_ids_to_tokens(token_id)
    if token_id in tokenizer.added_tokens_decoder:
        return token.encode()
    return bytes(_BYTE_OF[char] for char in token)


def expected_mask(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], segments: Segments) -> list[bool]:
    """For each token whether it lies in a piece that the model has to write.

    Raises:
        AssertionError: The tokens don't spell the pieces, or one token lies in two kinds of pieces.
    """
    written = [flag for text, flag in segments for _ in text.encode()]
    spelled = b"".join(token_bytes(tokenizer, token_id) for token_id in ids)
    assert spelled.decode() == "".join(text for text, _ in segments)
    mask, place = [], 0
    for token_id in ids:
        flags = set(written[place : place + len(token_bytes(tokenizer, token_id))])
        assert len(flags) == 1, f"token {token_id} at byte {place} lies across a border"
        mask.append(flags.pop())
        place += len(token_bytes(tokenizer, token_id))
    return mask
