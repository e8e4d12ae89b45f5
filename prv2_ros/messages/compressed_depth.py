"""Depth images as `compressed_depth_image_transport` sends them: a header of 12 bytes and a PNG of 16 bits.

Metres are stored as inverse depth, so that near ones are told finely and far ones coarsely: value = A / depth + B, with
A and B in the header, and 0 where there is no depth. Millimetres are stored as they are.
Source: ros-perception/image_transport_plugins, codec.cpp and compression_common.h (branches humble and rolling).
"""

from __future__ import annotations

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.depth_codec import from_millimetres, set_nan
from prv2_ros.png import png_size

NEAREST_M = 0.1
"""The nearest depth that inverse depth tells; what is nearer reads as this."""

_HEADER = struct.Struct("<iff")
_INVERSE_DEPTH = 0  # of the enum compressionFormat
_LARGEST = 65535
_BAND_ROWS = 64


def depth_encoding(kind: str) -> str:
    """Encoding of the depth that a CompressedImage of this `format` holds; empty for one that is a picture."""
    return kind.split(";")[0].strip() if "compressedDepth" in kind else ""


def compressed_size(data: bytes) -> tuple[int, int]:
    """Width and height (px) of compressed depth.

    Raises:
        InputError: cut short, or not a PNG.

    """
    return png_size(data[_HEADER.size :])


def compressed_format(encoding: str) -> str:
    """The `format` of a CompressedImage for depth of an encoding, `32FC1` or `16UC1`."""
    return f"{encoding}; compressedDepth png"


def compress_metres(depth_m: NDArray[np.float32], farthest_m: float) -> bytes:
    """Compress (H, W) depth in metres.

    Args:
        depth_m: what is not finite, not positive or beyond `farthest_m` becomes 0, no depth.
        farthest_m: the farthest depth that is told, more than 0.1 m. With 250 m a step is 0.15% at 10 m, 1.5% at 100 m.

    """
    a = (_LARGEST - 1) / (1 / NEAREST_M - 1 / farthest_m)
    b = 1 - a / farthest_m
    values = np.empty(depth_m.shape, np.uint16)
    for band in range(0, len(depth_m), _BAND_ROWS):  # intermediates stay in the cache
        rows = depth_m[band : band + _BAND_ROWS]
        known = (rows > 0) & (rows <= np.float32(farthest_m))
        inverse = np.float32(a) / np.where(known, np.maximum(rows, np.float32(NEAREST_M)), np.float32(farthest_m))
        inverse += np.float32(b + 0.5)  # truncation then rounds to the nearest
        np.multiply(np.clip(inverse, 1, _LARGEST).astype(np.uint16), known, out=values[band : band + _BAND_ROWS])
    return _HEADER.pack(_INVERSE_DEPTH, a, b) + _png(values)


def compress_millimetres(depth_mm: NDArray[np.uint16]) -> bytes:
    """Compress (H, W) depth in millimetres, 0 where there is none."""
    return _HEADER.pack(_INVERSE_DEPTH, 0.0, 0.0) + _png(depth_mm)


def decompress(data: bytes, kind: str) -> NDArray[np.float32]:
    """Decode what either function gave, or the plugin.

    Args:
        data: of the CompressedImage.
        kind: its `format`.

    Returns:
        (H, W) metres, NaN where there is no depth.

    Raises:
        InputError: another format, or bytes that are none.

    """
    encoding = depth_encoding(kind)
    if "rvl" in kind or encoding not in ("32FC1", "16UC1"):
        raise InputError(f"format {kind!r}: expected 32FC1 or 16UC1, then `; compressedDepth png`")
    values = None
    if len(data) > _HEADER.size:
        values = cv2.imdecode(np.frombuffer(data, np.uint8)[_HEADER.size :], cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(f"{len(data)} bytes of {kind!r} hold no header and 16-bit PNG")
    codes: NDArray[np.uint16] = np.asarray(values, np.uint16)
    if encoding == "16UC1":
        return from_millimetres(codes)
    _, a, b = _HEADER.unpack(data[: _HEADER.size])
    depth_m: NDArray[np.float32] = codes.astype(np.float32)
    depth_m -= np.float32(b)
    with np.errstate(divide="ignore"):
        np.divide(np.float32(a), depth_m, out=depth_m)
    set_nan(depth_m, codes == 0)
    return depth_m


def _png(values: NDArray[np.uint16]) -> bytes:
    done, png = cv2.imencode(".png", values)
    assert done
    return png.tobytes()
