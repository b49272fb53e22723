"""ftlab turns a general language model into one that knows your business, on the hardware you have."""

__version__ = "0.1.0"
