"""Frames of distorted lenses as an ideal pinhole camera sees them.

Rectifying turns no axis here, so that depth along z stays what it is and is only moved to other pixels.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame


def rectify(frame: Frame) -> Frame:
    """Undo the distortion of a frame; the size and the matrix of the camera stay.

    The image is interpolated, depth takes the nearest pixel (a mean over an edge is on neither side). Pixels that
    the lens did not see are black, and their depth is NaN.
    """
    camera = frame.camera
    if not camera.is_distorted:
        return frame if not camera.distortion else replace(frame, camera=replace(camera, distortion=()))
    size, k = (camera.width, camera.height), camera.matrix
    coefficients = np.asarray(camera.distortion or (0.0,) * 4)
    if camera.fisheye:
        x, y = cv2.fisheye.initUndistortRectifyMap(k, coefficients, np.eye(3), k, size, cv2.CV_32FC1)
    else:
        x, y = cv2.initUndistortRectifyMap(k, coefficients, np.eye(3), k, size, cv2.CV_32FC1)
    image = cv2.remap(frame.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return replace(
        frame,
        image=np.ascontiguousarray(image, np.uint8),
        depth_m=remap_depth(frame.depth_m, np.asarray(x, np.float32), np.asarray(y, np.float32)),
        camera=replace(camera, distortion=(), fisheye=False),
    )


def remap_depth(depth_m: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth of the nearest pixel to (x, y) px, each (H, W) and finite; NaN outside of the map."""
    found = cv2.remap(depth_m, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=np.nan)
    return np.asarray(found, np.float32)
