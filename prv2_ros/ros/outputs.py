"""Depth arrays to outgoing messages: sensor_msgs/Image and PointCloud2, in reused buffers."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image, PointCloud2, PointField

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import set_nan, to_millimetres
from prv2_ros.geometry.pointcloud import depth_to_points
from prv2_ros.ros.buffers import MessageBuffer

POINT_STEP = 16
"""Bytes of one point: x, y, z and rgb as float32."""

_BAND_ROWS = 32


class DepthWriter:
    """Fills one Image message with depth; the message and its bytes are used again for the next frame."""

    def __init__(self) -> None:
        self._message = Image()
        self._buffer = MessageBuffer(self._message)
        self._metres: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def write(
        self, depth_m: NDArray[np.float32], header: Any, *, encoding: str, min_m: float, max_m: float, far_value: str
    ) -> Image:
        """Encode (H, W) depth in metres.

        Args:
            depth_m: depth along z (m); NaN invalid, +inf nothing in range.
            header: std_msgs/Header of the input image, copied into the message.
            encoding: `32FC1` (metres) or `16UC1` (millimetres, 0 invalid, beyond 65.535 m invalid).
            min_m: less than this is invalid.
            max_m: more than this becomes `far_value`.
            far_value: `nan`, `inf` or `max`.

        """
        height, width = depth_m.shape
        message = self._message
        message.header = header
        message.height, message.width = height, width
        message.encoding, message.is_bigendian = encoding, 0
        far = {"nan": math.nan, "inf": math.inf, "max": max_m}[far_value]
        if encoding == "16UC1":
            if self._metres.shape != depth_m.shape:
                self._metres = np.empty((height, width), np.float32)
            limit_range(depth_m, min_m, max_m, far, self._metres)
            to_millimetres(self._metres, out=self._buffer.view((height, width), np.uint16))
        else:
            limit_range(depth_m, min_m, max_m, far, self._buffer.view((height, width), np.float32))
        message.step = width * (2 if encoding == "16UC1" else 4)
        return message


def limit_range(depth_m: NDArray[np.float32], min_m: float, max_m: float, far: float, out: NDArray[np.float32]) -> None:
    """Copy (H, W) depth to `out` with NaN below `min_m` and `far` above `max_m`; NaN stays NaN."""
    low, high = np.float32(min_m), np.float32(max_m)
    # Bands of rows keep the intermediates in the cache; most bands have nothing out of range.
    for band in range(0, len(depth_m), _BAND_ROWS):
        values, kept = depth_m[band : band + _BAND_ROWS], out[band : band + _BAND_ROWS]
        np.copyto(kept, values)
        beyond, below = values > high, values < low
        if beyond.any():
            if math.isnan(far):
                set_nan(kept, beyond)
            else:
                kept[beyond] = far
        if below.any():
            set_nan(kept, below)


class CloudWriter:
    """Fills one PointCloud2 message; the message and its bytes are used again for the next frame."""

    def __init__(self) -> None:
        message = PointCloud2()
        message.fields = [
            PointField(name=name, offset=offset, datatype=PointField.FLOAT32, count=1)
            for name, offset in (("x", 0), ("y", 4), ("z", 8), ("rgb", 12))
        ]
        message.point_step = POINT_STEP
        message.is_bigendian = False
        message.is_dense = False
        self._message = message
        self._buffer = MessageBuffer(message)

    def write(
        self,
        depth_m: NDArray[np.float32],
        image_rgb: NDArray[np.uint8],
        camera: CameraModel,
        header: Any,
        *,
        rays: NDArray[np.float32],
        stride: int,
        min_m: float,
        max_m: float,
    ) -> PointCloud2:
        """Build an organised cloud: row by row as the image, NaN where invalid or out of range.

        Args:
            depth_m: (H, W) depth along z (m).
            image_rgb: (H, W, 3) uint8 RGB of the same pixels.
            camera: the camera of both.
            header: std_msgs/Header of the input image, copied into the message.
            rays: `camera.rays()[::stride, ::stride]`.
            stride: pixels from one point to the next, both ways.
            min_m: nearest depth that becomes a point.
            max_m: farthest depth that becomes a point.

        """
        rows, columns = rays.shape[:2]
        points = self._buffer.view((rows, columns, 4), np.float32)
        depth_to_points(depth_m, camera, stride=stride, min_m=min_m, max_m=max_m, rays=rays, out=points[..., :3])
        write_rgb(image_rgb, stride, points.view(np.uint32)[..., 3])
        message = self._message
        message.header = header
        message.height, message.width = rows, columns
        message.row_step = POINT_STEP * columns
        return message


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
