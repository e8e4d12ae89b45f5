"""JPEG and PNG images (sensor_msgs/CompressedImage) to RGB arrays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.messages.encodings import ENCODINGS, Encoding

MAX_PIXELS = 256 * 1024 * 1024
"""Images that claim more pixels are refused before memory is taken for them."""

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
# Start-of-frame markers, which carry the size; 0xC4, 0xC8 and 0xCC in between are other segments.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS = 0xDA
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def check_compressed(message: Any) -> None:
    """Check that a CompressedImage holds one whole JPEG or PNG of a sane size; nothing is decoded.

    Raises:
        InputError: empty, neither JPEG nor PNG, cut short, or too large.

    """
    data = bytes(memoryview(message.data))
    if data.startswith(_JPEG):
        width, height = _jpeg_size(data)
    elif data.startswith(_PNG):
        width, height = _png_size(data)
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


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the first scan; require the end marker after it.

    Decoders fill what is missing with grey and report nothing, so a cut file is only seen here. A marker
    inside a thumbnail (an APP segment) does not count, since segments are stepped over.
    """
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise InputError(f"JPEG is damaged: no marker at byte {at} of {len(data)}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _SOF and at + 9 <= len(data):
            size = (int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big"))
        at += 2 + length
        if marker == _SOS:
            break
    else:
        raise InputError(f"JPEG of {len(data)} B is cut short: it ends before the image data")
    if size is None:
        raise InputError("JPEG is damaged: no frame header before the image data")
    if data.rfind(b"\xff\xd9", at) < 0:
        raise InputError(f"JPEG of {len(data)} B is cut short: no end-of-image marker")
    return size


def _png_size(data: bytes) -> tuple[int, int]:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise InputError(f"PNG of {len(data)} B is cut short: no image header")
    at = len(_PNG)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND" and at <= len(data):
            return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    raise InputError(f"PNG of {len(data)} B is cut short: no end chunk")
