"""Depth and disparity messages to metres."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.depth_codec import from_millimetres
from prv2_ros.messages.compressed_depth import decompress

DEPTH_ENCODINGS = ("32FC1", "16UC1")
"""Encodings of REP 118: metres, and millimetres."""

_TYPES = {"32FC1": "f4", "16UC1": "u2", "mono16": "u2"}


def depth_in_metres(message: Any) -> NDArray[np.float32]:
    """Depth of a sensor_msgs/Image of REP-118, 32FC1 in metres or 16UC1 in millimetres, or of its `compressedDepth`.

    Returns:
        (H, W) metres: NaN where there is no measurement (0 and -inf included), +inf where nothing is in range.

    Raises:
        InputError: another encoding, sizes that do not fit the data, or bytes that do not decode.

    """
    if hasattr(message, "format"):
        return decompress(bytes(memoryview(message.data)), str(message.format))
    values = _pixels(message, "depth image")
    if values.dtype.kind == "u":
        return from_millimetres(values.astype(np.uint16))
    depth_m = values.astype(np.float32)
    depth_m[~(depth_m > 0)] = np.nan
    return depth_m


def disparity_in_metres(message: Any) -> NDArray[np.float32]:
    """Depth of a stereo_msgs/DisparityImage: f T / d, with f in pixels and the baseline T in metres.

    Returns:
        (H, W) metres, NaN where the disparity is not above 0, or is below `min_disparity`, which says that there is
        none: matchers that search from 10 px on write 9.

    Raises:
        InputError: f or T not positive, an encoding other than 32FC1, or sizes that do not fit the data.

    """
    f_px, baseline_m = float(message.f), float(message.t)
    if not (f_px > 0 and baseline_m != 0 and math.isfinite(f_px) and math.isfinite(baseline_m)):
        raise InputError(f"disparity image with f = {f_px} px, T = {baseline_m} m: both must be finite, f above 0")
    disparity_px = _pixels(message.image, "disparity image").astype(np.float32)
    depth_m = np.full(disparity_px.shape, np.nan, np.float32)
    known = (disparity_px > 0) & np.isfinite(disparity_px) & ~(disparity_px < np.float32(message.min_disparity))
    depth_m[known] = np.float32(f_px * abs(baseline_m)) / disparity_px[known]
    return depth_m


def _pixels(message: Any, what: str) -> NDArray[Any]:
    height, width, step = int(message.height), int(message.width), int(message.step)
    kind = _TYPES.get(message.encoding)
    if kind is None:
        raise InputError(f"{what} of encoding {str(message.encoding)[:40]!r}: expected 32FC1 (m) or 16UC1 (mm)")
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    if height < 1 or width < 1 or step < width * dtype.itemsize or len(message.data) < height * step:
        raise InputError(
            f"{what} of {width}x{height} px, step {step} B and {len(message.data)} B of data: the sizes do not fit"
        )
    data = np.frombuffer(message.data, np.uint8)
    pixels: NDArray[Any] = np.ndarray((height, width), dtype, buffer=data, strides=(step, dtype.itemsize))
    return pixels
