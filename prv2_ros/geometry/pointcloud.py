"""Point clouds from depth images, in the camera's optical frame (x right, y down, z forward; metres)."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import set_nan

_BAND_ROWS = 32


def depth_to_points(
    depth_m: NDArray[np.float32],
    camera: CameraModel,
    *,
    stride: int = 1,
    min_m: float = 0.0,
    max_m: float = math.inf,
    clip: bool = False,
    rays: NDArray[np.float32] | None = None,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Turn a depth image into an organised cloud: one point for every `stride`-th pixel of every `stride`-th row.

    Args:
        depth_m: (H, W) depth along z in metres; not finite or not positive means invalid, but for +inf with `clip`.
        camera: the camera of that image, H x W px; lens distortion is undone.
        stride: step between the pixels that become points.
        min_m: least depth of a point (inclusive).
        max_m: greatest depth of a point (inclusive).
        clip: whether what is farther (+inf, too) becomes a point at `max_m`, which must be finite then.
        rays: `camera.rays()`, or its `[::stride, ::stride]`, to save making them again for every image. Rays
            stored as two planes (`np.moveaxis` of a (2, H, W) array) are read fastest.
        out: (H', W', 3) float32 array to fill, for instance the first three fields of a message's buffer.

    Returns:
        (H', W', 3) float32 x, y, z in metres with H' = ceil(H / stride), W' = ceil(W / stride); all three NaN
        where the depth is invalid or out of range. `out` itself where it was given.

    Raises:
        InputError: sizes that do not fit together, a stride below 1, or an empty range.

    """
    height, width = _check(depth_m, camera, stride, min_m, max_m)
    if clip and math.isinf(max_m):
        raise InputError("clip without a max_m: there is no depth to bring points to")
    shape = (-(-height // stride), -(-width // stride))
    if rays is None:
        rays = camera.rays()
    if rays.shape[:2] == (height, width):
        rays = rays[::stride, ::stride]
    if rays.shape != (*shape, 2):
        raise InputError(f"rays of shape {rays.shape}: expected {(height, width, 2)} or {(*shape, 2)}")
    points = np.empty((*shape, 3), np.float32) if out is None else out
    if points.shape != (*shape, 3) or points.dtype != np.float32:
        raise InputError(f"out is {points.dtype} {points.shape}: expected float32 {(*shape, 3)}")
    depth_m = depth_m[::stride, ::stride]
    lowest = np.nextafter(np.float32(0), np.float32(1)) if min_m <= 0 else np.float32(min_m)
    highest = np.finfo(np.float32).max if max_m == math.inf else np.float32(max_m)
    # Bands of rows keep the intermediates in the cache: half the time at 1920x1080.
    for band in range(0, shape[0], _BAND_ROWS):
        rows = slice(band, band + _BAND_ROWS)
        kept = np.minimum(depth_m[rows], highest) if clip else depth_m[rows].copy()  # NaN stays NaN
        set_nan(kept, (kept < lowest) | (kept > highest))
        np.multiply(rays[rows, :, 0], kept, out=points[rows, :, 0])
        np.multiply(rays[rows, :, 1], kept, out=points[rows, :, 1])
        points[rows, :, 2] = kept
    # An undistortion that did not converge leaves a ray, hence x or y, that is not finite: no half points.
    if camera.is_distorted:
        points[~np.isfinite(points).all(-1)] = np.nan
    return points


def write_rgb(image_rgb: NDArray[np.uint8], stride: int, out: NDArray[np.uint32]) -> None:
    """Write every `stride`-th pixel as 0x00RRGGBB, the bits that RViz and PCL read from a float32 field `rgb`.

    The top byte stays zero: with an alpha of 255 the bits would be those of a NaN, which filters drop.

    Args:
        image_rgb: (H, W, 3) uint8 RGB.
        stride: step between pixels, both ways.
        out: (ceil(H / stride), ceil(W / stride)) uint32 to fill.

    """
    # Whole rows to four bytes a pixel first: picking single numbers is fast, picking groups of three bytes is not.
    for band in range(0, len(out), _BAND_ROWS):
        rows = image_rgb[band * stride : (band + _BAND_ROWS) * stride : stride]
        pixels = cv2.cvtColor(rows, cv2.COLOR_RGB2BGRA).view("<u4")[..., 0]
        np.bitwise_and(pixels[:, ::stride], np.uint32(0x00FFFFFF), out=out[band : band + _BAND_ROWS])


def _check(
    depth_m: NDArray[np.float32], camera: CameraModel, stride: int, min_m: float, max_m: float
) -> tuple[int, int]:
    if depth_m.ndim != 2 or depth_m.dtype != np.float32:
        raise InputError(f"depth is {depth_m.dtype} of shape {depth_m.shape}: expected float32 (H, W) in metres")
    height, width = depth_m.shape
    if (camera.height, camera.width) != (height, width):
        raise InputError(
            f"camera is for {camera.width}x{camera.height} px, depth has {width}x{height} px: "
            f"pass camera.resized({width}, {height}) where the same view was resampled"
        )
    if stride < 1:
        raise InputError(f"stride = {stride}: must be at least 1")
    if not min_m <= max_m:
        raise InputError(f"range {min_m} to {max_m} m is empty: min_m must not exceed max_m")
    return height, width
