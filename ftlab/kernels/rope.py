"""Rotary position embedding (arXiv 2104.09864) in the form of Llama: halves of a head are rotated against each other.

(a, b) → (a·cos − b·sin, b·cos + a·sin), with a and b the two halves of a head. The inverse, which backward needs, is
the same with −sin. Queries and keys are rotated, values are copied: three projections leave one stacked tensor, or
return to one, in a single pass. Shape letters: T tokens, D head width.
"""

from torch import Tensor

from ftlab.kernels.device import uses_triton


def rotate(
    sources: tuple[Tensor, Tensor, Tensor],
    targets: tuple[Tensor, Tensor, Tensor],
    cos_TD: Tensor,
    sin_TD: Tensor,
    head_width: int,
    sign: float,
) -> None:
    """Writes rotated queries and keys, and the values as they are.

    Args:
        sources: Queries, keys, values, each [T, heads · D]; lines may be apart.
        targets: Where they go, same shapes.
        cos_TD: Cosines; fewer lines than T are repeated.
        sin_TD: Sines.
        head_width: D.
        sign: 1 rotates, -1 rotates back.
    """
    if uses_triton(sources[0]):
        from ftlab.kernels.gpu.rope import rotate as kernel

        return kernel(sources, targets, cos_TD, sin_TD, head_width, sign)
    tokens = sources[0].shape[0]
    cos_T1D, sin_T1D = (table.repeat(tokens // table.shape[0], 1).unsqueeze(1) for table in (cos_TD, sin_TD))
    for source, target in zip(sources[:2], targets[:2], strict=True):
        heads_THD = source.unflatten(1, (-1, head_width))
        turned_THD = heads_THD.roll(head_width // 2, -1)
        turned_THD[..., : head_width // 2].neg_()
        target.copy_((heads_THD * cos_T1D + sign * turned_THD * sin_T1D).flatten(1))
    targets[2].copy_(sources[2])
    return None
