"""sensor_msgs/Image to RGB arrays, without cv_bridge.

The functions read message fields only, so they take any object that has them. Images are (H, W, 3) uint8,
RGB; an `rgb8` message gives a view of its bytes, every other encoding one new array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Encoding:
    """Memory layout of one pixel and the way from it to RGB."""

    channels: int
    bytes_per_channel: int
    to_rgb: Callable[[NDArray[Any]], Image]
    smallest: tuple[int, int] = (1, 1)
    """(height, width) below which the colour pattern is not complete; both sides are multiples of it."""


def _colour(code: int) -> Callable[[NDArray[Any]], Image]:
    def convert(pixels: NDArray[Any]) -> Image:
        return cv2.cvtColor(pixels, code)  # type: ignore[return-value]

    return convert


def _mosaic(code: int) -> Callable[[NDArray[Any]], Image]:
    def convert(pixels: NDArray[Any]) -> Image:
        mosaic = _high_byte(pixels) if pixels.dtype.itemsize == 2 else pixels
        # OpenCV leaves images narrower than three pixels black; mirroring by whole periods keeps the pattern.
        if min(mosaic.shape) < 4:
            height, width = mosaic.shape
            padded = np.pad(mosaic, ((2, 2), (2, 2)), mode="wrap")
            return np.ascontiguousarray(cv2.cvtColor(padded, code)[2 : 2 + height, 2 : 2 + width])
        return cv2.cvtColor(mosaic, code)  # type: ignore[return-value]

    return convert


def _high_byte(pixels: NDArray[Any]) -> Image:
    return (pixels >> 8).astype(np.uint8)


def _view(pixels: NDArray[Any]) -> Image:
    return pixels


def _grey16(pixels: NDArray[Any]) -> Image:
    return cv2.cvtColor(_high_byte(pixels), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


# OpenCV names a Bayer pattern by the second row's second and third pixel, ROS by the first row's first two:
# the pattern rggb is OpenCV's "BG".
_BAYER = {
    "rggb": cv2.COLOR_BayerBG2RGB,
    "bggr": cv2.COLOR_BayerRG2RGB,
    "gbrg": cv2.COLOR_BayerGR2RGB,
    "grbg": cv2.COLOR_BayerGB2RGB,
}
_UYVY = Encoding(2, 1, _colour(cv2.COLOR_YUV2RGB_UYVY), (1, 2))
_YUYV = Encoding(2, 1, _colour(cv2.COLOR_YUV2RGB_YUYV), (1, 2))

ENCODINGS: dict[str, Encoding] = {
    "rgb8": Encoding(3, 1, _view),
    "bgr8": Encoding(3, 1, _colour(cv2.COLOR_BGR2RGB)),
    "rgba8": Encoding(4, 1, _colour(cv2.COLOR_RGBA2RGB)),
    "bgra8": Encoding(4, 1, _colour(cv2.COLOR_BGRA2RGB)),
    "mono8": Encoding(1, 1, _colour(cv2.COLOR_GRAY2RGB)),
    "8UC1": Encoding(1, 1, _colour(cv2.COLOR_GRAY2RGB)),
    "mono16": Encoding(1, 2, _grey16),
    "16UC1": Encoding(1, 2, _grey16),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    **{f"bayer_{name}8": Encoding(1, 1, _mosaic(code), (2, 2)) for name, code in _BAYER.items()},
    **{f"bayer_{name}16": Encoding(1, 2, _mosaic(code), (2, 2)) for name, code in _BAYER.items()},
}
"""Every encoding that needs no cv_bridge, by its name in sensor_msgs/image_encodings."""


def check_layout(message: Any) -> Encoding:
    """Check size, encoding, step and data length of an Image message; cheap, no pixel is read.

    Raises:
        InputError: zero size, an encoding not in `ENCODINGS`, a size that cuts its colour pattern, a step
            below one row, or less data than height * step.

    """
    check_size(message)
    height, width, step = int(message.height), int(message.width), int(message.step)
    layout = ENCODINGS.get(message.encoding)
    if layout is None:
        raise InputError(
            f"image encoding {message.encoding[:40]!r} is not supported: publish one of {', '.join(ENCODINGS)}"
        )
    rows, columns = layout.smallest
    if height % rows or width % columns:
        raise InputError(
            f"{message.encoding} image of {width}x{height} px: sides must be multiples of {columns}x{rows} px"
        )
    row_bytes = width * layout.channels * layout.bytes_per_channel
    if step < row_bytes:
        raise InputError(f"image step {step} B is below one row: {width} px of {message.encoding} take {row_bytes} B")
    return layout


def check_size(message: Any) -> None:
    """Check what must hold whatever the encoding: some pixels, and data for every row.

    Raises:
        InputError: zero size, a step of nothing, or less data than height * step.

    """
    height, width, step = int(message.height), int(message.width), int(message.step)
    if height < 1 or width < 1:
        raise InputError(f"image of {width}x{height} px: both sides must be at least 1 px")
    if step < 1:
        raise InputError(f"image step {step} B is below one row of {width} px")
    available = len(message.data)
    if available < height * step:
        raise InputError(f"image data has {available} B: {height} rows of step {step} B take {height * step} B")


def to_rgb(message: Any) -> Image:
    """Return an Image message as (H, W, 3) uint8 RGB; `rgb8` as a view of the message's bytes.

    Row padding (`step`) and, for 16-bit pixels, `is_bigendian` are honoured. 16-bit images keep their high byte.

    Raises:
        InputError: see `check_layout`.

    """
    layout = check_layout(message)
    order = ">" if message.is_bigendian else "<"
    dtype = np.dtype(np.uint8) if layout.bytes_per_channel == 1 else np.dtype(f"{order}u2")
    shape: tuple[int, ...] = (message.height, message.width)
    strides: tuple[int, ...] = (message.step, layout.channels * dtype.itemsize)
    if layout.channels > 1:
        shape, strides = (*shape, layout.channels), (*strides, dtype.itemsize)
    data = np.frombuffer(message.data, np.uint8)
    return layout.to_rgb(np.ndarray(shape, dtype, buffer=data, strides=strides))
