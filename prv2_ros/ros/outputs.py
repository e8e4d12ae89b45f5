"""Depth arrays to outgoing messages: sensor_msgs/Image and PointCloud2, in reused buffers."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import LARGEST_M, limit_range, to_millimetres
from prv2_ros.geometry.pointcloud import depth_to_points, write_rgb
from prv2_ros.messages.compressed_depth import NEAREST_M, compress_metres, compress_millimetres, compressed_format
from prv2_ros.ros.buffers import MessageBuffer

POINT_STEP = 16
"""Bytes of one point: x, y, z and rgb as float32."""


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
        if encoding == "16UC1" and far_value == "max":
            max_m = min(max_m, LARGEST_M)  # what a millimetre image can say at most
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


class CompressedDepthWriter:
    """Fills one CompressedImage with depth as image_transport's `compressedDepth` has it."""

    def __init__(self) -> None:
        self._message = CompressedImage()
        self._metres: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def write(
        self, depth_m: NDArray[np.float32], header: Any, *, encoding: str, min_m: float, max_m: float, far_value: str
    ) -> CompressedImage:
        """Compress (H, W) depth in metres; arguments as of `DepthWriter.write`. Infinity is no depth in this format."""
        if self._metres.shape != depth_m.shape:
            self._metres = np.empty(depth_m.shape, np.float32)
        farthest_m = min(max_m, LARGEST_M) if encoding == "16UC1" else max_m
        far = farthest_m if far_value == "max" else math.nan
        limit_range(depth_m, min_m, farthest_m, far, self._metres)
        if encoding == "16UC1":
            data = compress_millimetres(to_millimetres(self._metres))
        else:
            data = compress_metres(self._metres, max(farthest_m, 2 * NEAREST_M))
        message = self._message
        message.header, message.format = header, compressed_format(encoding)
        message.data = array.array("B", data)
        return message


class PixelWriter:
    """Fills one Image message with pixels as they are; the message and its bytes are used again."""

    def __init__(self, encoding: str, dtype: type[np.generic]) -> None:
        """Write images of this encoding from arrays of this type, such as `32FC1` and float32."""
        self._dtype = dtype
        self._message = Image()
        self._message.encoding, self._message.is_bigendian = encoding, 0
        self._buffer = MessageBuffer(self._message)

    def write(self, pixels: NDArray[Any], header: Any) -> Image:
        """Copy (H, W) or (H, W, C) pixels; `header` is the input image's."""
        message = self._message
        message.header = header
        message.height, message.width = pixels.shape[:2]
        message.step = pixels.itemsize * int(np.prod(pixels.shape[1:]))
        np.copyto(self._buffer.view(pixels.shape, self._dtype), pixels, casting="no")
        return message


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
        far_value: str,
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
            far_value: what is farther becomes `nan`, or `max` a point at `max_m`.

        """
        rows, columns = rays.shape[:2]
        points = self._buffer.view((rows, columns, 4), np.float32)
        clip = far_value == "max"
        xyz = points[..., :3]
        depth_to_points(depth_m, camera, stride=stride, min_m=min_m, max_m=max_m, clip=clip, rays=rays, out=xyz)
        write_rgb(image_rgb, stride, points.view(np.uint32)[..., 3])
        message = self._message
        message.header = header
        message.height, message.width = rows, columns
        message.row_step = POINT_STEP * columns
        return message
