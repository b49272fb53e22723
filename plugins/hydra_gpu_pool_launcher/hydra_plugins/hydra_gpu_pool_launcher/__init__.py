"""Runs the jobs of a multirun in processes of their own, one for each GPU or CPU slot; see the README beside it."""

__version__ = "0.1.0"
