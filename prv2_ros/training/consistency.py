"""How far overlapping patches of one picture disagree.

PatchFusion (arXiv 2312.02284) trains pairs of overlapping crops to agree, PRO (arXiv 2503.22351) groups of 2x2.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor


def overlap_differences(values_BPCHW: Tensor, corners_BP2: Tensor, *, stride: int = 1) -> list[Tensor]:
    """Difference of every two patches of a picture at every cell that both show; a flat tensor for each picture.

    Args:
        values_BPCHW: maps of P patches of each of B pictures; of log depth, or features.
        corners_BP2: x and y of each patch's top left pixel (whole numbers) in a frame that the patches of one picture
            share.
        stride: pixels a cell of the maps; corners must differ by multiples of it.

    """
    height, width = values_BPCHW.shape[-2:]
    found = []
    for patches, corners in zip(values_BPCHW, corners_BP2.tolist(), strict=True):
        of_picture = [values_BPCHW.new_zeros(0)]
        for i, j in combinations(range(len(corners)), 2):
            dx, dy = (round(b - a) for a, b in zip(corners[i], corners[j], strict=True))
            assert [dx % stride, dy % stride] == [0, 0], f"corners {dx}, {dy} px apart at stride {stride}"
            rows, columns = _shared(dy // stride, height), _shared(dx // stride, width)
            first = patches[i][:, rows[0], columns[0]]
            of_picture.append((first - patches[j][:, rows[1], columns[1]]).flatten())
        found.append(torch.cat(of_picture))
    return found


def consistency_loss(
    values_BPCHW: Tensor, corners_BP2: Tensor, features_BPChw: Tensor | None = None, *, feature_stride: int = 4
) -> Tensor:
    """Mean squared disagreement of overlapping patches, of their depths and, where they are given, of their features.

    Every picture weighs the same, however much its patches overlap, so that a batch may be split over processes.
    """
    total = _mean([d.square() for d in overlap_differences(values_BPCHW, corners_BP2)])
    if features_BPChw is not None:
        apart = overlap_differences(features_BPChw, corners_BP2, stride=feature_stride)
        total = total + _mean([d.square() for d in apart])
    return total


def consistency_error(values_BPCHW: Tensor, corners_BP2: Tensor) -> Tensor:
    """Mean absolute disagreement of overlapping patches, before any blending; 0 where none overlap."""
    return _mean([d.abs() for d in overlap_differences(values_BPCHW, corners_BP2)])


def _shared(offset: int, length: int) -> tuple[slice, slice]:
    """Cells of a first and of a second axis that lie over one another, the second being `offset` cells further on."""
    shared = max(0, length - abs(offset))
    start, other = max(0, offset), max(0, -offset)
    return slice(start, start + shared), slice(other, other + shared)


def _mean(of_pictures: list[Tensor]) -> Tensor:
    """Mean over the pictures of the mean over the cells that two patches share."""
    return torch.stack([values.sum() / max(1, values.numel()) for values in of_pictures]).mean()
