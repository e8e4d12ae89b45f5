"""JPEG and PNG images (sensor_msgs/CompressedImage) to RGB arrays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.jpeg import JPEG, jpeg_size
from prv2_ros.messages.encodings import ENCODINGS, Encoding
from prv2_ros.png import PNG, png_size

MAX_PIXELS = 256 * 1024 * 1024
"""Images that claim more pixels are refused before memory is taken for them."""


def check_compressed(message: Any) -> None:
    """Check that a CompressedImage holds one whole JPEG or PNG of a sane size; nothing is decoded.

    Raises:
        InputError: empty, neither JPEG nor PNG, cut short, or too large.

    """
    data = bytes(memoryview(message.data))
    if data.startswith(JPEG):
        width, height = jpeg_size(data)
    elif data.startswith(PNG):
        width, height = png_size(data)
    else:
        raise InputError(
            f"compressed image of {len(data)} B with format {str(message.format)[:40]!r} is neither JPEG nor PNG: "
            "set the publisher to one of them"
        )
    if not 1 <= width * height <= MAX_PIXELS:
        raise InputError(f"compressed image of {width}x{height} px: must have 1 to {MAX_PIXELS} pixels")


def compressed_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Decode a CompressedImage to (H, W, 3) uint8 RGB; an EXIF rotation is not applied (the camera info has none).

    Raises:
        InputError: see `check_compressed`; or bytes that do not decode.

    """
    check_compressed(message)
    pattern = _bayer(message.format)
    if pattern is None:
        return cv2.cvtColor(_decode(message, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
    mosaic = _decode(message, cv2.IMREAD_UNCHANGED)
    rows, columns = pattern.smallest
    if mosaic.ndim != 2 or mosaic.shape[0] % rows or mosaic.shape[1] % columns:
        raise InputError(
            f"compressed image with format {str(message.format)[:40]!r} and shape {list(mosaic.shape)}: a Bayer image "
            f"has one channel and sides that are multiples of {columns}x{rows} px; publish bgr8"
        )
    return pattern.to_rgb(mosaic)


def _bayer(text: Any) -> Encoding | None:
    """Encoding of a mosaic that was compressed as it is, as `format` tells it: `bayer_rggb8; png compressed `.

    image_transport names the encoding of the pixels that went in first, and last, where it changed them, of those that
    were compressed.
    """
    before, _, after = str(text).partition(";")
    is_colour = any(name in after for name in ("rgb", "bgr"))
    return ENCODINGS.get(before.strip()) if before.startswith("bayer_") and not is_colour else None


def _decode(message: Any, mode: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(message.data, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InputError(f"compressed image does not decode: {str(error).strip()[:200]}") from error
    if pixels is None:
        raise InputError(f"compressed image of {len(message.data)} B does not decode: it is damaged")
    return pixels
