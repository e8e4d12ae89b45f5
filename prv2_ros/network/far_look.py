"""A closer look, for what is far.

What is far is small: of a hill beyond 130 m, or of the last rows of a road, the first looks see a few pixels, and most
of the metres that are wrong in a picture of the open are wrong there. So the picture is looked at once more, larger,
and its mirror image, larger still; as at first, the mean of two errs less than either. The coarse network does so, or
better one of its kind that was trained for it (`DepthModel.predict_far`). Their answer is taken where the first looks
say far, and nowhere else: what is near overfills a closer look, and the network for it has learnt nothing of it.

Shapes: H and W image pixels, h and w of a look's maps.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor

from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.looks import Look, network_looks, scaled_size
from prv2_ros.network.model import DepthModel
from prv2_ros.network.near_share import share_within

LEAST_SHARE = 0.002
"""Of a picture that has less that is far the closer look is left out: it would change next to nothing."""

_MIRRORED = 2.0
"""Area of the mirrored half relative to the upright one."""


def has_closer(model: DepthModel, width: int, height: int) -> bool:
    """Whether a picture (px) has more pixels than the first look shows of it; if not, a closer one finds nothing."""
    first = model.network_size(width, height)
    return width * height > first[0] * first[1]


def far_share(log_depth_B1hw: Tensor, far_m: float) -> Tensor:
    """Mean share of the maps that is far, as `share_within` of `far_m` has it; one number, on the maps' device."""
    return 1 - share_within(log_depth_B1hw.float(), far_m).mean()


def far_looks(model: DepthModel, image_13HW: Tensor, fx_px: float, fy_px: float, area: float) -> list[Look]:
    """Prepare the two halves of the look: upright, and mirrored at twice the area.

    Args:
        model: says how large its first look is.
        image_13HW: RGB, as of `network_looks`; it may be smaller than the look.
        fx_px: focal length along x (px) at the image's size.
        fy_px: the same along y.
        area: of both halves together, relative to the first look's; so is their work.

    """
    first = model.network_size(image_13HW.shape[-1], image_13HW.shape[-2])
    size = scaled_size(first, math.sqrt(area / (1 + _MIRRORED)))
    return network_looks(model, image_13HW, fx_px, fy_px, size, second=_MIRRORED)


def with_far_looks(coarse: CoarseOutput, log_depths_11hw: Sequence[Tensor], far_m: float) -> CoarseOutput:
    """Coarse depth in which what is far is that of a closer look.

    Args:
        coarse: merged answer of the first looks.
        log_depths_11hw: log depth of the upright half and of the mirrored one, which is the larger.
        far_m: where their mean is taken, in part from half of it on.

    Returns:
        Log depth at the larger half's size; features and log scale as they were.

    """
    upright, mirrored = (log_depth.float() for log_depth in log_depths_11hw)
    size_hw = (mirrored.shape[-2], mirrored.shape[-1])
    closer = upsample_to(upright, size_hw).add_(mirrored.flip(-1)).div_(2)
    whole = upsample_to(coarse.log_depth_B1hw.float(), size_hw)
    near = share_within(whole, far_m)
    return dataclasses.replace(coarse, log_depth_B1hw=closer.lerp(whole, near))
