"""The coarse network's looks at a picture: as it is, and mirrored at another size; their mean is the coarse depth.

A network's answers to a picture and to its mirror image err differently, as do those at two sizes, so that the mean of
the log depths errs less than either (models/MODEL_CARD.md has figures). Only the first look's features are used.

Shapes: B pictures, H and W image pixels, h and w pixels of a look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prv2_ros.errors import InputError
from prv2_ros.network.align import network_focal, prepare_network_image, upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.model import STRIDE_PX, DepthModel


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the coarse network is shown."""

    image_B3hw: Tensor
    """RGB in 0..1, channels-last memory."""

    f_px_B: Tensor
    """Focal length (px) at this size, float32."""


def network_looks(
    model: DepthModel,
    image_B3HW: Tensor,
    fx_px: float | Tensor,
    fy_px: float | Tensor,
    size_hw: tuple[int, int] | None = None,
    second: float | None = None,
) -> list[Look]:
    """Prepare one or two looks.

    Args:
        model: says the size of the first look, and how much larger the second one is (`ModelSpec.second_look`).
        image_B3HW: RGB, uint8 0..255 or floating 0..1.
        fx_px: focal length along x (px) at the image's size; a number, or a tensor (B,).
        fy_px: the same along y.
        size_hw: height and width (px) of the first look, where it is not the model's choice.
        second: area of the second look relative to the first; 0 for none, None for the model's choice.

    Returns:
        The upright look, then the mirrored one.

    Raises:
        InputError: `size_hw` is no multiple of 32 px; the maps would lie off the picture.

    """
    if size_hw is not None and any(side % STRIDE_PX for side in size_hw):
        raise InputError(
            f"the coarse network sees pictures of multiples of {STRIDE_PX} px a side, not {size_hw[1]}x{size_hw[0]}"
        )
    image_hw = (image_B3HW.shape[-2], image_B3HW.shape[-1])
    sizes = [size_hw or model.network_size(image_hw[1], image_hw[0])]
    second = model.spec.second_look if second is None else second
    if second:
        sizes.append(scaled_size(sizes[0], math.sqrt(second)))
    fx_B = torch.as_tensor(fx_px, dtype=torch.float32, device=image_B3HW.device)
    fy_B = torch.as_tensor(fy_px, dtype=torch.float32, device=image_B3HW.device)
    looks = []
    for number, size in enumerate(sizes):
        image_B3hw = prepare_network_image(image_B3HW, size)
        looks.append(
            Look(
                image_B3hw=(image_B3hw.flip(-1) if number else image_B3hw).contiguous(
                    memory_format=torch.channels_last
                ),
                f_px_B=network_focal(fx_B, fy_B, image_hw, size).expand(len(image_B3HW)),
            )
        )
    return looks


def predict_looks(
    model: DepthModel, image_B3HW: Tensor, fx_px: float | Tensor, fy_px: float | Tensor, size_hw: tuple[int, int]
) -> CoarseOutput:
    """Merged answer of the model's coarse network to its looks; arguments as of `network_looks`."""
    looks = network_looks(model, image_B3HW, fx_px, fy_px, size_hw)
    return merge_looks([model.predict_coarse(look.image_B3hw, look.f_px_B) for look in looks])


def merge_looks(outputs: Sequence[CoarseOutput]) -> CoarseOutput:
    """Mean log depth and log scale of the looks, at the size of the first one's maps; features of the first."""
    first, *mirrored = outputs
    if not mirrored:
        return first
    return CoarseOutput(
        log_depth_B1hw=_mean(first.log_depth_B1hw, [output.log_depth_B1hw for output in mirrored]),
        features_BChw=first.features_BChw,
        log_scale_B1hw=_mean(first.log_scale_B1hw, [output.log_scale_B1hw for output in mirrored]),
    )


def _mean(first_B1hw: Tensor, mirrored: Sequence[Tensor]) -> Tensor:
    size_hw = (first_B1hw.shape[-2], first_B1hw.shape[-1])
    total = first_B1hw.float()
    for map_B1hw in mirrored:
        total = total + upsample_to(map_B1hw.float().flip(-1), size_hw)
    return total / (1 + len(mirrored))


def scaled_size(size_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    """Size (px) that is `scale` times as large, in multiples of what the network takes."""
    h, w = (max(STRIDE_PX, round(side * scale / STRIDE_PX) * STRIDE_PX) for side in size_hw)
    return h, w
