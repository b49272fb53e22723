"""Checks a data set: what is wrong with rows, tokens and masks, each finding with a documented code."""
