"""A closer look of the coarse network, for what is far.

What is far is small: of a hill beyond 130 m, or of the last rows of a road, the first looks see a few pixels, and most
of the metres that are wrong in a picture of the open are wrong there. The same network sees the same picture once more,
two and a half times as wide. Its answer is taken where the first looks say far, and nowhere else: what is near
overfills it then.

Shapes: H and W image pixels, h and w of a look's maps.
"""

from __future__ import annotations

import dataclasses
import math

from torch import Tensor

from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.looks import Look, network_looks, scaled_size
from prv2_ros.network.model import DepthModel
from prv2_ros.network.near_share import share_within

LEAST_SHARE = 0.002
"""Of a picture that has less that is far the closer look is left out: it would change next to nothing."""


def far_share(log_depth_B1hw: Tensor, far_m: float) -> Tensor:
    """Mean share of the maps that is far, as `share_within` of `far_m` has it; one number, on the maps' device."""
    return 1 - share_within(log_depth_B1hw.float(), far_m).mean()


def far_look(model: DepthModel, image_13HW: Tensor, fx_px: float, fy_px: float, area: float) -> Look:
    """Prepare the look.

    Args:
        model: says how large its first look is.
        image_13HW: RGB, as of `network_looks`; it may be smaller than the look.
        fx_px: focal length along x (px) at the image's size.
        fy_px: the same along y.
        area: how many times as large as the first look's area.

    """
    first = model.network_size(image_13HW.shape[-1], image_13HW.shape[-2])
    (look,) = network_looks(model, image_13HW, fx_px, fy_px, scaled_size(first, math.sqrt(area)), first_alone=True)
    return look


def with_far_look(coarse: CoarseOutput, log_depth_11hw: Tensor, far_m: float) -> CoarseOutput:
    """Coarse depth in which what is far is that of a closer look.

    Args:
        coarse: merged answer of the first looks.
        log_depth_11hw: log depth of the closer look.
        far_m: where that is taken, in part from half of it on.

    Returns:
        Log depth at the closer look's size; features and log scale as they were.

    """
    closer = log_depth_11hw.float()
    whole = upsample_to(coarse.log_depth_B1hw.float(), (closer.shape[-2], closer.shape[-1]))
    near = share_within(whole, far_m)
    return dataclasses.replace(coarse, log_depth_B1hw=closer.lerp(whole, near))
