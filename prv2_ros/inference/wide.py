"""What a refiner changes over wide areas, which is the coarse network's matter.

A tile shows no more of a wall than its edges, so a refiner is no judge of how far the wall is; trained on procedural
scenes it still moves walls as far as those scenes let it learn, and on real pictures that makes depth worse.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 0.2
"""Log depth: a change by more is an edge or a thing that the coarse depth missed, and counts as this much. Without a
limit, what a pole is moved by would leave a halo around it."""


def wide_part(change_HW: Tensor, cells_hw: tuple[int, int], sigma_cells: float) -> Tensor:
    """Smooth part of a change of log depth, by a Gaussian over the cells of the coarse map.

    Args:
        change_HW: refined less coarse log depth; NaN counts as no change.
        cells_hw: height and width of the coarse map, whose cells say what is wide.
        sigma_cells: standard deviation in cells, above 0.

    Returns:
        (H, W), at most `LARGEST` from 0.

    """
    size = (change_HW.shape[-2], change_HW.shape[-1])
    # One pixel that is not a number would spoil all cells that the Gaussian reaches from it.
    bounded_HW = change_HW.clamp(-LARGEST, LARGEST).nan_to_num_(0.0)
    if size[0] % cells_hw[0] == 0:
        # Rows first: whole rows are read one after another, and the pooling has that much less to do.
        bounded_HW = bounded_HW.view(cells_hw[0], -1, size[1]).mean(1)
    cells = F.adaptive_avg_pool2d(bounded_HW[None, None], cells_hw)
    cells = _blurred(_blurred(cells, sigma_cells).mT, sigma_cells).mT
    return F.interpolate(cells, size, mode="bilinear", align_corners=False)[0, 0]


def _blurred(x_11hw: Tensor, sigma: float) -> Tensor:
    """Gaussian along x; borders repeat."""
    radius = math.ceil(3 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=x_11hw.dtype, device=x_11hw.device)
    weights = torch.softmax(-0.5 * (at / sigma) ** 2, 0)
    return F.conv2d(F.pad(x_11hw, (radius, radius, 0, 0), mode="replicate"), weights.view(1, 1, 1, -1))
