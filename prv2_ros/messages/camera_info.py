"""sensor_msgs/CameraInfo to camera models and back. Received messages are only read, never changed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, check_plausible
from prv2_ros.geometry.lens import lens

_RECTIFIED = re.compile(r"(?:^|_)rect(?:ified)?(?:_|$)")

ASPECT_TOLERANCE = 0.01
"""Largest relative difference of aspect ratio at which a camera info is taken for a resized image."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a camera info says of an image of one size."""

    camera: CameraModel
    """Raw geometry (K, D) at the image's size."""

    rectified: CameraModel
    """Rectified geometry (P) at the image's size; the raw K without distortion where P is zero."""

    rotation: NDArray[np.float64]
    """(3, 3) rectification R: raw optical frame to rectified optical frame."""

    tx: float
    """P[0, 3] at the image's size (px m): minus fx times baseline for the right camera of a stereo pair."""

    has_projection: bool
    """True where the message carries P."""


def is_uncalibrated(info: Any) -> bool:
    """Tell whether K says "uncalibrated" (K[0] = 0, as sensor_msgs/CameraInfo defines it)."""
    return float(info.k[0]) == 0.0 and float(info.k[4]) == 0.0


def info_content(info: Any) -> tuple[object, ...]:
    """Return what decides the geometry, for comparison: drivers repeat the same info with every frame."""
    roi = info.roi
    numbers = tuple(np.asarray(part, np.float64).tobytes() for part in (info.k, info.d, info.r, info.p))
    window = (roi.x_offset, roi.y_offset, roi.width, roi.height, info.binning_x, info.binning_y)
    return (info.width, info.height, info.distortion_model, *numbers, *window)


def check_info(info: Any, *, rectified: bool = False) -> None:
    """Refuse a camera info with values that no camera has, whatever the image.

    Args:
        info: sensor_msgs/CameraInfo.
        rectified: whether its images are rectified; where P says how, D is of no account then.

    Raises:
        InputError: intrinsics not finite or not positive, or a distortion no known model has.

    """
    if not is_uncalibrated(info):
        _full_size(info, int(info.width), int(info.height), rectified)


def calibration(info: Any, width: int, height: int, *, rectified: bool = False) -> Calibration | None:
    """Return the geometry of an image of width x height px under this camera info, None where uncalibrated.

    K, D, R and P of the message hold for the full sensor; its ROI is cut first, binning applied next, and a
    remaining difference in size is taken for a resize if the aspect ratio agrees.

    Args:
        info: sensor_msgs/CameraInfo.
        width: image width (px).
        height: image height (px).
        rectified: as in `check_info`; the raw camera then has no distortion where P is there.

    Raises:
        InputError: see `check_info`; an ROI outside the sensor; or an image of another aspect ratio.

    """
    if is_uncalibrated(info):
        return None
    full = _full_size(info, int(info.width) or width, int(info.height) or height, rectified)
    camera = _to_image(full.camera, info, width, height)
    straight = _to_image(full.rectified, info, width, height)
    return replace(full, camera=camera, rectified=straight, tx=full.tx * straight.fx / full.rectified.fx)


def _full_size(info: Any, width: int, height: int, is_rectified: bool) -> Calibration:
    k = [float(v) for v in info.k]
    p = [float(v) for v in info.p]
    has_projection = p[0] != 0.0
    fisheye, distortion = (False, ()) if is_rectified and has_projection else _lens(info)
    size: dict[str, Any] = {"width": max(width, 1), "height": max(height, 1)}
    camera = CameraModel(**size, fx=k[0], fy=k[4], cx=k[2], cy=k[5], distortion=distortion, fisheye=fisheye)
    if has_projection:
        rectified = CameraModel(**size, fx=p[0], fy=p[5], cx=p[2], cy=p[6])
    else:
        rectified = replace(camera, distortion=(), fisheye=False)
    if width and height:  # left at zero they are the image's, which is not known yet
        for matrix, model in (("K", camera), ("P", rectified)):
            _check_plausible(matrix, model)
    tx = p[3] if has_projection else 0.0
    if not math.isfinite(tx):
        raise InputError(f"camera info: P[3] = {tx}: must be finite")
    return Calibration(
        camera=camera, rectified=rectified, rotation=_rotation(info), tx=tx, has_projection=has_projection
    )


def _lens(info: Any) -> tuple[bool, tuple[float, ...]]:
    try:
        return lens(info.distortion_model, info.d)
    except InputError as error:
        raise InputError(f"camera info: {error}") from error


def _check_plausible(matrix: str, camera: CameraModel) -> None:
    try:
        check_plausible(camera, matrix)
    except InputError as error:
        raise InputError(f"camera info: {error}") from error


def _rotation(info: Any) -> NDArray[np.float64]:
    rotation = np.array(info.r, np.float64).reshape(3, 3)
    if not rotation.any():  # drivers of single cameras often leave R zero
        return np.eye(3)
    # Entries beyond 1 first: huge ones would overflow in the product.
    is_orthogonal = (np.abs(rotation) <= 1.001).all() and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    if not is_orthogonal or np.linalg.det(rotation) < 0:  # a mirror
        raise InputError(f"camera info: R = {rotation.ravel().tolist()} is no rotation")
    return rotation


def _to_image(camera: CameraModel, info: Any, width: int, height: int) -> CameraModel:
    roi = info.roi
    window = (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height))
    camera = camera.read_out(window, (int(info.binning_x), int(info.binning_y)))
    if not math.isclose(width / height, camera.width / camera.height, rel_tol=ASPECT_TOLERANCE):
        raise InputError(
            f"camera info for {camera.width}x{camera.height} px (after ROI and binning) does not fit an image of "
            f"{width}x{height} px: the aspect ratio differs; calibrate at this resolution"
        )
    return camera.resized(width, height)


def fill_camera_info(message: Any, camera: CameraModel | None, width: int, height: int, tx: float = 0.0) -> None:
    """Describe a published depth image in `message` (header left alone).

    K, D and P are those of `camera` at its own size, without ROI or binning; R is the identity. A distorted
    camera (rectification switched off) keeps D. Without a camera K and P are zero, which means uncalibrated.
    """
    message.width, message.height = width, height
    message.r = np.eye(3).ravel()
    if camera is None:
        message.distortion_model, message.d = "", []
        message.k, message.p = np.zeros(9), np.zeros(12)
        return
    if camera.fisheye:
        message.distortion_model = "equidistant"
    else:
        message.distortion_model = "rational_polynomial" if len(camera.distortion) > 5 else "plumb_bob"
    message.d = list(camera.distortion) or [0.0] * (4 if camera.fisheye else 5)
    message.k = camera.matrix.ravel()
    projection = np.zeros((3, 4))
    projection[:, :3] = camera.matrix
    projection[0, 3] = tx
    message.p = projection.ravel()


def says_rectified(topic: str) -> bool:
    """Whether a topic's name says that its images are rectified: image_rect, image_rect_color; not image_direct."""
    published = topic.removesuffix("/compressed").removesuffix("/compressedDepth")
    return _RECTIFIED.search(published.rpartition("/")[2]) is not None
