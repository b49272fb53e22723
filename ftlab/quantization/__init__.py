"""Base weights in 4 or 8 bits."""

from ftlab.kernels.messages import silence_bitsandbytes

silence_bitsandbytes()
