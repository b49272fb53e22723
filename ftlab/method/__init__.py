"""What is trained: an adapter of any kind that PEFT knows (`peft`), all weights (`full`), or some (`freeze`)."""

from ftlab.kernels.messages import silence_bitsandbytes

silence_bitsandbytes()
