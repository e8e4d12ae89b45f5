"""Planar YUV images of sensor_msgs/Image to RGB arrays: nv12, nv21, nv24, i420.

An Image has one `step` for all its planes. It is read as `getHeightScaling` in image_encodings.hpp of sensor_msgs 5.8
(common_interfaces, pull request 264) and V4L2 (pixfmt-yuv-planar, pixfmt-nv24) have it: `height` is that of the
picture, `step` that of a row of its brightness plane (Y), and the colour follows at once, in rows of

- step bytes, a pair of U and V for each 2 x 2 px (nv12; V comes first in nv21),
- 2 * step bytes, a pair of U and V for each pixel (nv24),
- step / 2 bytes, all of U and then all of V for each 2 x 2 px (i420, which sensor_msgs does not name).

A message does not tell its colour matrix or range: they are BT.601, Y 16 to 235, as OpenCV has it and as in 4:2:2.
Isaac ROS keeps its nv12 and nv24 inside NITROS and sends rgb8 to other nodes (nitros_image.cpp).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# Rows give R, G, B from Y, U, V and 1: BT.601 with Kr 0.299 and Kb 0.114, Y 16 to 235, U and V 16 to 240.
_Y, _CHROMA = 255 / 219, 255 / 224
_RV, _BU = 2 * (1 - 0.299) * _CHROMA, 2 * (1 - 0.114) * _CHROMA
_GU, _GV = -_BU * 0.114 / 0.587, -_RV * 0.299 / 0.587
_BT601 = np.array(
    [
        [_Y, 0, _RV, -16 * _Y - 128 * _RV],
        [_Y, _GU, _GV, -16 * _Y - 128 * (_GU + _GV)],
        [_Y, _BU, 0, -16 * _Y - 128 * _BU],
    ]
)


@dataclass(frozen=True)
class Planar:
    """Memory layout of a brightness plane with its colour behind it, and the way from it to RGB."""

    to_rgb: Callable[[Image, int, int, int], Image]
    """From flat bytes, height (px), width (px) and step (B) to (height, width, 3)."""

    smallest: tuple[int, int]
    """(height, width) that share one colour sample; both sides are multiples of it."""

    halves: int
    """Size of all planes, in halves of the brightness plane."""

    step_multiple: int = 1
    """The step is a multiple of it, so that a colour row has whole bytes."""

    pixel_bytes: int = 1
    """Bytes of a pixel in a row of `step` bytes."""

    def bytes_needed(self, height: int, step: int) -> int:
        """Size of all planes (B)."""
        return height * step * self.halves // 2


def _pairs(code: int) -> Callable[[Image, int, int, int], Image]:
    def convert(data: Image, height: int, width: int, step: int) -> Image:
        planes = np.ndarray((height * 3 // 2, width), np.uint8, buffer=data, strides=(step, 1))
        rgb: Image = cv2.cvtColor(planes, code)
        return rgb

    return convert


def _nv24(data: Image, height: int, width: int, step: int) -> Image:
    y = np.ndarray((height, width, 1), np.uint8, buffer=data, strides=(step, 1, 1))
    uv = np.ndarray((height, width, 2), np.uint8, buffer=data, offset=height * step, strides=(2 * step, 2, 1))
    yuv = np.empty((height, width, 3), np.uint8)
    cv2.mixChannels([y, uv], [yuv], [0, 0, 1, 1, 2, 2])
    return cv2.transform(yuv, _BT601)  # type: ignore[return-value]


def _i420(data: Image, height: int, width: int, step: int) -> Image:
    if step == width:
        return cv2.cvtColor(data[: height * 3 // 2 * width].reshape(-1, width), cv2.COLOR_YUV2RGB_I420)  # type: ignore[return-value]
    # OpenCV takes two colour rows of width / 2 bytes from each row of step bytes, V4L2 pads each of them.
    y = np.ndarray((height, width), np.uint8, buffer=data, strides=(step, 1))
    half = (height // 2, width // 2)
    u, v = (
        np.ndarray(half, np.uint8, buffer=data, offset=height * step + start, strides=(step // 2, 1))
        for start in (0, half[0] * (step // 2))
    )
    rgb: Image = cv2.cvtColorTwoPlane(y, cv2.merge([u, v]), cv2.COLOR_YUV2RGB_NV12)
    return rgb


PLANAR: dict[str, Planar] = {
    "nv12": Planar(_pairs(cv2.COLOR_YUV2RGB_NV12), (2, 2), 3),
    "nv21": Planar(_pairs(cv2.COLOR_YUV2RGB_NV21), (2, 2), 3),
    "nv24": Planar(_nv24, (1, 1), 6),
    "i420": Planar(_i420, (2, 2), 3, step_multiple=2),
}
"""Every planar encoding, by its name in sensor_msgs/image_encodings, or that of its FourCC."""
