"""Resampling between the image and the maps of the coarse network, aligned to a fraction of a pixel.

Training and inference both resample through this module, so the refiner meets the same alignment in both.

Two coordinates are in use. *Pixel centres* lie at whole numbers (OpenCV, `CameraModel`). *Edges* put the left
edge of the image at 0 and its right edge at its width, so that a box (x, y, w, h) covers the pixels x to
x + w - 1. A map of any size covers the same area as its image, hence edge coordinates only scale, and pixel
centres follow `x_map = (x_image + 0.5) * map_width / image_width - 0.5`: `align_corners=False` everywhere.

Shapes: B batch, C channels, H and W image pixels, h and w map cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import torch
import torch.nn.functional as F
from torch import Tensor


def crop_aligned(
    map_BChw: Tensor,
    box_xywh: Tensor | Sequence[float],
    image_size_hw: tuple[int, int],
    out_hw: tuple[int, int],
) -> Tensor:
    """Sample the part of a map that lies under a box of the image, bilinearly; differentiable in the map.

    Sampling a box at one output pixel per image pixel equals `upsample_to` the whole image and cropping, at the
    cost of the box alone. It does not smooth: take a coarser map, not a larger box, where it would minify.

    Args:
        map_BChw: (B, C, h, w) floating map that covers the whole image; half precision is sampled in float32.
        box_xywh: left, top, width and height in image pixels (edges; fractions allowed): four numbers or a
            tensor (4,) for all samples, or a tensor (N, 4) for one box a sample. With B = 1 the map is shared
            by the N boxes. Parts outside the image repeat the map's border.
        image_size_hw: height and width (px) of the image that the map covers.
        out_hw: height and width of the output.

    Returns:
        (N, C, out_h, out_w) in the dtype of the map; N = B where one box was given.

    """
    boxes_N4 = torch.as_tensor(box_xywh, dtype=torch.float32, device=map_BChw.device).reshape(-1, 4)
    batch = max(map_BChw.shape[0], boxes_N4.shape[0])
    assert map_BChw.shape[0] in (1, batch), f"{map_BChw.shape[0]} maps for {boxes_N4.shape[0]} boxes"
    assert boxes_N4.shape[0] in (1, batch), f"{boxes_N4.shape[0]} boxes for {map_BChw.shape[0]} maps"
    x_NW = _sample_edges(boxes_N4[:, 0], boxes_N4[:, 2], out_hw[1]) * (2 / image_size_hw[1]) - 1
    y_NH = _sample_edges(boxes_N4[:, 1], boxes_N4[:, 3], out_hw[0]) * (2 / image_size_hw[0]) - 1
    shape = (batch, out_hw[0], out_hw[1])
    grid_NHW2 = torch.stack([x_NW[:, None, :].expand(shape), y_NH[:, :, None].expand(shape)], -1)
    # A half-precision grid would be off by a third of a cell at 640 cells, so sampling stays in float32.
    with torch.autocast(map_BChw.device.type, enabled=False):
        source = map_BChw.float().expand(batch, -1, -1, -1)
        sampled = F.grid_sample(source, grid_NHW2, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.to(map_BChw.dtype)


def _sample_edges(start_N: Tensor, length_N: Tensor, count: int) -> Tensor:
    """Edge coordinates (N, count) of `count` samples spread evenly over each interval."""
    centres = (torch.arange(count, dtype=torch.float32, device=start_N.device) + 0.5) / count
    return start_N[:, None] + centres * length_N[:, None]


def upsample_to(map_BChw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize a map bilinearly to (B, C, *size_hw), pixel areas aligned; no smoothing when it minifies."""
    return F.interpolate(map_BChw, size=size_hw, mode="bilinear", align_corners=False, antialias=False)


def prepare_network_image(image_B3HW: Tensor, network_size_hw: tuple[int, int]) -> Tensor:
    """Resample an image to the size of the coarse network, anti-aliased over the area of each output pixel.

    Args:
        image_B3HW: (B, 3, H, W) RGB, uint8 0..255 or floating 0..1. uint8 in channels-last memory is the fast
            way on a CPU (its result is rounded to 1/255).
        network_size_hw: height and width to resample to.

    Returns:
        (B, 3, h, w) RGB float32, 0..1.

    """
    is_bytes = image_B3HW.dtype == torch.uint8
    resized = image_B3HW
    if tuple(image_B3HW.shape[-2:]) != tuple(network_size_hw):
        if is_bytes and image_B3HW.device.type != "cpu":
            image_B3HW = image_B3HW.float()  # antialiased uint8 resampling exists on the CPU only
        resized = F.interpolate(
            image_B3HW, size=tuple(network_size_hw), mode="bilinear", align_corners=False, antialias=True
        )
    # Scaled when it is small: resampling is linear, and the image may be large.
    return resized.float().mul_(1 / 255) if is_bytes else resized.float()


@overload
def network_focal(
    fx_px: float, fy_px: float, image_size_hw: tuple[int, int], network_size_hw: tuple[int, int]
) -> float: ...


@overload
def network_focal(
    fx_px: Tensor, fy_px: Tensor, image_size_hw: tuple[int, int], network_size_hw: tuple[int, int]
) -> Tensor: ...


def network_focal(
    fx_px: float | Tensor,
    fy_px: float | Tensor,
    image_size_hw: tuple[int, int],
    network_size_hw: tuple[int, int],
) -> float | Tensor:
    """Focal length (px) of the resampled image: the geometric mean of fx and fy, each scaled by its side.

    Sides are rounded to the network's multiple, so the two scales differ: with the default area by up to 8% for shapes
    up to 3:1 and at 1920x400, and by up to 17% at 12:1. The mean keeps the area, and with it the apparent size, of what
    is seen; fx and fy themselves are off by half of that each.
    """
    scale = (network_size_hw[0] / image_size_hw[0]) * (network_size_hw[1] / image_size_hw[1])
    product = fx_px * fy_px * scale
    return torch.sqrt(product) if isinstance(product, Tensor) else math.sqrt(product)
