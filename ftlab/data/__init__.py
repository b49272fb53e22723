"""From the user's files to what the model reads: rows, token ids with a loss mask, micro-batches."""
