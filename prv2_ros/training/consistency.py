"""How far overlapping patches of one picture disagree.

PatchFusion (arXiv 2312.02284) trains pairs of overlapping crops to agree, PRO (arXiv 2503.22351) groups of 2x2.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def overlap_differences(values_BPCHW: Tensor, corners_BP2: Tensor, *, stride: int = 1) -> Tensor:
    """Difference of every two patches of a picture at every cell that both show, in one flat tensor.

    Args:
        values_BPCHW: maps of P patches of each of B pictures; of log depth, or features.
        corners_BP2: x and y of each patch's top left pixel (whole numbers) in a frame that the patches of one picture
            share.
        stride: pixels a cell of the maps; corners must differ by multiples of it.

    """
    height, width = values_BPCHW.shape[-2:]
    found = [values_BPCHW.new_zeros(0)]
    for patches, corners in zip(values_BPCHW, corners_BP2.tolist(), strict=True):
        for i, j in combinations(range(len(corners)), 2):
            dx, dy = (round(b - a) for a, b in zip(corners[i], corners[j], strict=True))
            assert [dx % stride, dy % stride] == [0, 0], f"corners {dx}, {dy} px apart at stride {stride}"
            rows, columns = _shared(dy // stride, height), _shared(dx // stride, width)
            first = patches[i][:, rows[0], columns[0]]
            found.append((first - patches[j][:, rows[1], columns[1]]).flatten())
    return torch.cat(found)


def consistency_loss(
    values_BPCHW: Tensor, corners_BP2: Tensor, features_BPChw: Tensor | None = None, *, feature_stride: int = 8
) -> Tensor:
    """Mean squared disagreement of overlapping patches; features of the patches count alike where they are given."""
    total = _mean_square(overlap_differences(values_BPCHW, corners_BP2))
    if features_BPChw is not None:
        total = total + _mean_square(overlap_differences(features_BPChw, corners_BP2, stride=feature_stride))
    return total


def consistency_error(values_BPCHW: Tensor, corners_BP2: Tensor) -> Tensor:
    """Mean absolute disagreement of overlapping patches, before any blending; 0 where none overlap."""
    difference = overlap_differences(values_BPCHW, corners_BP2)
    return difference.abs().sum() / max(1, difference.numel())


def _shared(offset: int, length: int) -> tuple[slice, slice]:
    """Cells of a first and of a second axis that lie over one another, the second being `offset` cells further on."""
    shared = max(0, length - abs(offset))
    start, other = max(0, offset), max(0, -offset)
    return slice(start, start + shared), slice(other, other + shared)


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().sum() / max(1, difference.numel())
