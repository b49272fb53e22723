"""Triton kernels. Each module here has a plain PyTorch counterpart one folder up, which says what is computed.

Only imported where a tensor is on a GPU: Triton is not installed everywhere.
"""
