"""`Document`: one piece of the corpus, and its text in the chat template's form."""

from dataclasses import dataclass

BOS, END = "<|bos|>", "<|end|>"
SPECIAL_TOKENS = ("<|pad|>", BOS, "<|system|>", "<|user|>", "<|assistant|>", END)


@dataclass(frozen=True)
class Document:
    """A conversation as (role, content) turns, or plain text as the single turn ("", text)."""

    turns: tuple[tuple[str, str], ...]

    @classmethod
    def plain(cls, text: str) -> "Document":
        """Text that is nobody's turn."""
        return cls((("", text),))

    @classmethod
    def chat(cls, *contents: str, system: str = "") -> "Document":
        """User and assistant by turns, after an optional system message."""
        roles = [("user", "assistant")[i % 2] for i in range(len(contents))]
        turns = tuple(zip(roles, contents, strict=True))
        return cls((("system", system), *turns) if system else turns)

    def render(self) -> str:
        """The text that the tokenizer sees; for a conversation exactly what the chat template writes."""
        if self.turns[0][0] == "":
            return f"{BOS}{self.turns[0][1]}{END}\n"
        return BOS + "".join(f"<|{role}|>\n{content}{END}\n" for role, content in self.turns)
