"""One optimizer step: loss, micro-batches, gradients, the Lightning module around them, and its state on disk."""
