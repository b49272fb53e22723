"""How good a model is: perplexity on held-out rows, generated answers, and whether they keep the format."""
