"""The blind side-by-side test: which of two answers is better, without knowing whose they are."""
