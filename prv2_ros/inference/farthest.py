"""How far the coarse depth reaches around each pixel, beyond which a refiner finds nothing.

A refiner sharpens: what it says of a pixel stands somewhere near it in the coarse depth already, but for what is
nearer and too small for the coarse network to see. Where it says farther than that, it takes a bright wall for the sky
or a car for the road behind; a wrong metre costs without bound on that side.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from prv2_ros.network.align import upsample_to


def farthest_around(log_depth_11hw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Farthest log depth within the cell around each pixel, as an (H, W) map without steps between the cells.

    Args:
        log_depth_11hw: coarse log depth; between the middles of its cells it is bilinear.
        size_hw: H and W, the image's size (px).

    """
    # A bilinear map is largest at a cell's middle, the middle of a side or a corner, which are means of cells.
    # Sums and maxima of shifted maps: as pooling with windows of two they would take a CPU many times as long.
    padded = F.pad(log_depth_11hw, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, :-1] + padded[..., 1:-1, 1:]) / 2
    down = (padded[..., :-1, :] + padded[..., 1:, :]) / 2
    corners = (down[..., :-1] + down[..., 1:]) / 2
    beside = down[..., 1:-1]
    corners = corners[..., :-1, :].maximum(corners[..., 1:, :])
    most = log_depth_11hw.maximum(across[..., :-1]).maximum(across[..., 1:])
    most = most.maximum(beside[..., :-1, :]).maximum(beside[..., 1:, :])
    most = most.maximum(corners[..., :-1]).maximum(corners[..., 1:])
    return upsample_to(most, size_hw)[0, 0]
