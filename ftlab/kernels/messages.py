"""Messages of bitsandbytes that help nobody here. Imports nothing heavy: it must run before bitsandbytes does."""

import logging


def silence_bitsandbytes() -> None:
    """Raises the level of two of bitsandbytes' loggers; call it before anything imports bitsandbytes (PEFT does).

    At import on a CPU with AVX512-BF16 it warns that the package `kernels` is missing, with which it would download
    a kernel that ftlab never calls; and each 8-bit product warns that inputs are cast to float16 inside.
    """
    for name in ("bitsandbytes.backends.cpu.ops", "bitsandbytes.autograd._functions"):
        logging.getLogger(name).setLevel(logging.ERROR)
