"""The node's conversions as one would first write them; the yardstick of node_overhead.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sensor_msgs.msg import Image, PointCloud2, PointField

from prv2_ros.geometry.camera import CameraModel


def plain_array(message: Image) -> np.ndarray:
    """A bgr8 or rgb8 message as an (H, W, 3) RGB array."""
    pixels = np.array(message.data, np.uint8).reshape(message.height, message.width, 3)
    rgb = pixels[..., ::-1].copy() if message.encoding == "bgr8" else pixels
    torch.tensor(rgb)
    return rgb


def plain_depth(depth_m: np.ndarray, header: Any, min_m: float, max_m: float) -> Image:
    """A 32FC1 message with NaN out of range."""
    limited = np.where((depth_m >= min_m) & (depth_m <= max_m), depth_m, np.float32(np.nan))
    height, width = limited.shape
    return Image(header=header, height=height, width=width, encoding="32FC1", step=width * 4, data=limited.tobytes())


def plain_cloud(
    depth_m: np.ndarray, rgb: np.ndarray, camera: CameraModel, header: Any, stride: int, min_m: float, max_m: float
) -> PointCloud2:
    """An organised xyz + rgb cloud."""
    v, u = np.mgrid[0 : camera.height : stride, 0 : camera.width : stride].astype(np.float32)
    z = depth_m[::stride, ::stride]
    z = np.where((z >= min_m) & (z <= max_m), z, np.float32(np.nan))
    x, y = (u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z
    colour = rgb[::stride, ::stride].astype(np.uint32)
    packed = (colour[..., 0] << 16) | (colour[..., 1] << 8) | colour[..., 2]
    points = np.stack([x, y, z, packed.view(np.float32)], -1).astype(np.float32)
    fields = [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1) for i, n in enumerate("xyz")]
    fields.append(PointField(name="rgb", offset=12, datatype=PointField.FLOAT32, count=1))
    height, width = z.shape
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=fields,
        point_step=16,
        row_step=16 * width,
        data=points.tobytes(),
        is_dense=False,
    )
