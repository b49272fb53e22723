"""From a name to a model and its tokenizer: `check` (no weights), `load`, `tokenizer`, and the embedded `tiny`."""
