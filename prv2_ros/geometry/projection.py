"""Points in space onto images: rigid transforms, projection with distortion, and removal of hidden points.

Frames: `T_a_b` is (4, 4) and takes points of frame b to frame a. Optical frames as in `camera.py`.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, widest_ray

MIN_DEPTH_M = 0.05
"""Points nearer than this to the image plane, or behind it, are not projected."""


def rigid_transform(xyz_m: tuple[float, ...], quaternion_xyzw: tuple[float, ...]) -> NDArray[np.float64]:
    """(4, 4) transform of a translation (m) and a unit quaternion, as geometry_msgs/Transform has them.

    Raises:
        InputError: not three and four finite numbers, or a quaternion whose length is not 1 (within 1%).

    """
    x, y, z, w = (float(v) for v in quaternion_xyzw)
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not (abs(length - 1) < 0.01) or not all(math.isfinite(v) for v in xyz_m):
        raise InputError(
            f"transform with translation {list(xyz_m)} m and quaternion {list(quaternion_xyzw)}: must be finite, the "
            "quaternion (x, y, z, w) of length 1"
        )
    x, y, z, w = (v / length for v in (x, y, z, w))
    transform = np.eye(4)
    transform[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    transform[:3, 3] = xyz_m
    return transform


def project_points(points_m: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Pixels of points in the camera's optical frame, (N, 3) m to (N, 2) px; NaN where a point cannot be seen.

    NaN where it is not finite, behind the image plane or nearer than `MIN_DEPTH_M`, and where it lies so far off the
    axis that the distortion polynomial has turned back: it would fall into the image from outside the lens's view.
    """
    pixels = np.full((len(points_m), 2), np.nan)
    with np.errstate(invalid="ignore"):
        ahead = np.isfinite(points_m).all(1) & (points_m[:, 2] >= MIN_DEPTH_M)
    rays = points_m[ahead, :2] / points_m[ahead, 2:]
    seen = np.hypot(rays[:, 0], rays[:, 1]) < widest_ray(camera)
    rows = np.flatnonzero(ahead)[seen]
    pixels[rows] = camera.project(rays[seen])
    return pixels


def depth_of_points(
    pixels: NDArray[np.float64], depth_m: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float32]:
    """Sparse (H, W) depth map: each point in the pixel whose centre is nearest, of several the nearest point.

    Args:
        pixels: (N, 2) from `project_points`; NaN and pixels outside the image are left out.
        depth_m: (N,) depth along z (m).
        width: image width (px).
        height: image height (px).

    Returns:
        (height, width) metres, NaN where no point falls.

    """
    sparse = np.full((height, width), np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        inside = (pixels > -0.5).all(1) & (pixels[:, 0] < width - 0.5) & (pixels[:, 1] < height - 0.5)
    u, v = np.rint(pixels[inside]).astype(np.int64).T
    order = np.argsort(-depth_m[inside], kind="stable")  # far first, so that near ones overwrite
    sparse[v[order], u[order]] = depth_m[inside][order]
    return sparse


def remove_hidden(
    depth_m: NDArray[np.float32], camera: CameraModel, *, window_deg: tuple[float, float], ratio: float
) -> NDArray[np.float32]:
    """Drop points of a sparse depth map that stand behind nearer ones: a LiDAR sees past edges that hide them here.

    A point is hidden where nearer points (by more than the factor `ratio`) lie both above and below it, in a window
    of plus or minus `window_deg` around it. Both sides are asked for because the ground, at a grazing angle, has
    nearer points just below every point but none above.

    Args:
        depth_m: (H, W) metres, NaN where no point falls.
        camera: the camera of the map; its focal lengths turn degrees into pixels.
        window_deg: half width and half height of the window (degrees); 0 switches the rule off.
        ratio: depth of the point over that of a nearer one from which the nearer one hides it, above 1.

    Returns:
        (H, W) metres with hidden points NaN.

    """
    across = round(math.tan(math.radians(window_deg[0])) * camera.fx)
    down = round(math.tan(math.radians(window_deg[1])) * camera.fy)
    if down < 1:
        return depth_m
    filled = np.where(np.isnan(depth_m), np.float32(np.inf), depth_m)
    kernel = np.ones((down + 1, 2 * across + 1), np.uint8)
    above = cv2.erode(filled, kernel, anchor=(across, down), borderType=cv2.BORDER_CONSTANT, borderValue=(np.inf,) * 4)
    below = cv2.erode(filled, kernel, anchor=(across, 0), borderType=cv2.BORDER_CONSTANT, borderValue=(np.inf,) * 4)
    limit = np.float32(1 / ratio)
    with np.errstate(invalid="ignore"):
        hidden = (above < depth_m * limit) & (below < depth_m * limit)
    return np.where(hidden, np.float32(np.nan), depth_m)
