"""Checks of what comes in, and the way from numpy images to tensors.

Shapes: N tiles, H and W image pixels, h and w of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import Tile

MIN_SIDE_PX = 64


def check_image(image_rgb: NDArray[np.uint8]) -> tuple[int, int]:
    """Return (height, width) of an image that the engine can use.

    Raises:
        InputError: anything but (H, W, 3) uint8 with sides of 64 px and more.

    """
    if not isinstance(image_rgb, np.ndarray):
        raise InputError(f"image is a {type(image_rgb).__name__}: pass a numpy array (H, W, 3) uint8, RGB")
    if image_rgb.dtype != np.uint8:
        raise InputError(f"image has dtype {image_rgb.dtype}: convert it to uint8, 0 to 255")
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
        raise InputError(
            f"image has shape {image_rgb.shape}: expected (H, W, 3); repeat a grey channel three times, drop alpha"
        )
    height, width = image_rgb.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise InputError(
            f"image has {width}x{height} px: both sides must have at least {MIN_SIDE_PX} px; enlarge it, and its "
            "intrinsics (fx, fy, cx, cy) by the same factor"
        )
    return height, width


def check_camera(camera: CameraModel | None, height: int, width: int, assumed_fov_deg: float) -> CameraModel:
    """Return the camera of an image, or the assumed one where there is none.

    Raises:
        InputError: a camera for another size of image.

    """
    if camera is None:
        return CameraModel.from_fov(width, height, assumed_fov_deg)
    if (camera.height, camera.width) != (height, width):
        raise InputError(
            f"camera is for {camera.width}x{camera.height} px, image has {width}x{height} px: pass "
            f"camera.resized({width}, {height}) where the image was resampled, camera.cropped where it was cut"
        )
    return camera


def image_tensor(image_rgb: NDArray[np.uint8], device: torch.device) -> Tensor:
    """View an image as (1, 3, H, W) uint8 in channels-last memory; copied only to another device.

    An image with reversed axes (BGR seen as RGB by slicing) is copied once, as torch has no negative strides.
    """
    if min(image_rgb.strides) < 0:
        image_rgb = np.ascontiguousarray(image_rgb)
    if not image_rgb.flags.writeable:
        image_rgb = np.asarray(_Writeable(image_rgb))
    return torch.from_numpy(image_rgb).to(device).permute(2, 0, 1)[None]


class _Writeable:
    """Shows a read-only array, such as a view of a message's bytes, as one that torch takes without a warning.

    Nothing in the engine writes to it.
    """

    def __init__(self, array: NDArray[np.uint8]) -> None:
        interface = array.__array_interface__
        self._array = array  # keeps the memory
        self.__array_interface__ = {**interface, "data": (interface["data"][0], False)}


def tile_images(image_13HW: Tensor, tiles: Sequence[Tile], size_hw: tuple[int, int]) -> Tensor:
    """Cut tiles from a uint8 image: (N, 3, h, w) float32 0..1, channels last.

    A tile that reaches beyond the image repeats its last row or column, as the depth sampled for it does.
    """
    height, width = image_13HW.shape[-2:]
    batch_N3hw = torch.empty(
        (len(tiles), 3, *size_hw), dtype=torch.float32, device=image_13HW.device, memory_format=torch.channels_last
    )
    for sample_3hw, tile in zip(batch_N3hw, tiles, strict=True):
        bottom, right = min(tile.y + size_hw[0], height), min(tile.x + size_hw[1], width)
        cut = image_13HW[:, :, tile.y : bottom, tile.x : right]
        below, beside = size_hw[0] - (bottom - tile.y), size_hw[1] - (right - tile.x)
        if below or beside:
            cut = F.pad(cut.float(), (0, beside, 0, below), mode="replicate")
        sample_3hw.copy_(cut[0]).mul_(1 / 255)
    return batch_N3hw
