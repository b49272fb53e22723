"""The chat template for tokenizers that bring none (base models): `model.chat_template=default`.

Zephyr's layout: a role header in plain text, the message, then the tokenizer's own end-of-sequence token as the
end of turn. So no token is added, no embedding is untrained, and generation stops where it always did::

    <bos><|system|>
    You are helpful.<eos>
    <|user|>
    How are you?<eos>
    <|assistant|>
    Fine.<eos>

The role headers are ordinary text to the tokenizer; content is written as it is, without stripping.
Only text lives here: this module imports nothing.
"""

DEFAULT_CHAT_TEMPLATE = (
    "{%- if bos_token is defined and bos_token %}{{ bos_token }}{% endif %}"
    "{%- for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""Jinja source; needs a tokenizer with an `eos_token`."""
