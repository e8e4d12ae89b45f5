"""Geometry of one camera stream: which camera the depth is in, and how images get there.

A `View` holds what is costly to make (undistortion maps, viewing rays) and is made anew only when the camera
info, the image size or a parameter that matters changes.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, widest_ray
from prv2_ros.messages.camera_info import Calibration, calibration, info_content


class ViewSettings(Protocol):
    """What decides the geometry beside the camera info; the node's parameters and the evaluation's config have it."""

    @property
    def input_rectified(self) -> bool:
        """Whether images arrive rectified, so that P describes them."""

    @property
    def rectify(self) -> bool:
        """Whether raw images are rectified."""

    @property
    def assumed_fov_deg(self) -> float:
        """Horizontal field of view taken where there is no calibration (degrees)."""


class View:
    """Rectification, camera and rays for images of one size under one camera info."""

    def __init__(self, info: Any | None, width: int, height: int, settings: ViewSettings) -> None:
        """Choose the camera of the depth image.

        Args:
            info: sensor_msgs/CameraInfo, None where none arrived.
            width: image width (px).
            height: image height (px).
            settings: `input_rectified`, `rectify` and `assumed_fov_deg` are read.

        Raises:
            InputError: the camera info is malformed or does not fit the image.

        """
        known = None if info is None else calibration(info, width, height, rectified=settings.input_rectified)
        self.width, self.height = width, height
        self.is_calibrated = known is not None
        """False where the camera is only assumed; no cloud may be made then."""
        self.tx = 0.0
        """P[0, 3] of the depth image (px m)."""
        self.rotation: NDArray[np.float64] = np.eye(3)
        """(3, 3) from the raw optical frame to the frame of `camera`; the identity where images stay raw."""
        self._maps: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._outside: NDArray[np.bool_] | None = None
        self._rays: tuple[int, NDArray[np.float32]] | None = None
        if known is None:
            self.camera = CameraModel.from_fov(width, height, settings.assumed_fov_deg)
        elif settings.input_rectified:
            if not known.has_projection and known.camera.is_distorted:
                raise InputError(
                    "camera info: P is zero and D is not, so the rectified intrinsics are unknown; fill in P or set "
                    "input_rectified to false"
                )
            self.camera, self.tx, self.rotation = known.rectified, known.tx, known.rotation
        elif settings.rectify and _needs_rectification(known):
            self.camera, self.tx, self.rotation = known.rectified, known.tx, known.rotation
            self._make_maps(known)
        else:
            self.camera = known.camera
            if np.allclose(known.camera.matrix, known.rectified.matrix):  # raw and rectified are one
                self.tx = known.tx

    @property
    def resamples(self) -> bool:
        """True where `rectified` moves pixels."""
        return self._maps is not None

    def rectified(self, image_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring an (H, W, 3) image into the depth camera's geometry; the image itself where it is there already."""
        if self._maps is None:
            return image_rgb
        return cv2.remap(image_rgb, *self._maps, cv2.INTER_LINEAR)  # type: ignore[return-value]

    def mask_outside(self, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Set NaN where rectification found no source pixel; the array itself where there are none."""
        if self._outside is None:
            return depth_m
        masked: NDArray[np.float32] = depth_m.copy()
        masked[self._outside] = np.nan
        return masked

    def rays(self, stride: int) -> NDArray[np.float32]:
        """Viewing rays of every `stride`-th pixel, (ceil(H / stride), ceil(W / stride), 2) float32; cached."""
        if self._rays is None or self._rays[0] != stride:
            planes = np.ascontiguousarray(np.moveaxis(self.camera.rays()[::stride, ::stride], -1, 0))
            self._rays = (stride, np.moveaxis(planes, 0, -1))
        return self._rays[1]

    def _make_maps(self, known: Calibration) -> None:
        size = (self.width, self.height)
        raw, new = known.camera, known.rectified.matrix
        coefficients = np.asarray(raw.distortion, np.float64)
        make = cv2.fisheye.initUndistortRectifyMap if raw.fisheye else cv2.initUndistortRectifyMap
        map_x, map_y = make(raw.matrix, coefficients, known.rotation, new, size, cv2.CV_32FC1)
        inside = (map_x >= 0) & (map_x <= self.width - 1) & (map_y >= 0) & (map_y <= self.height - 1)
        inside &= _before_the_fold(known)
        if not inside.any():
            raise InputError(
                "camera info: rectification with its K, D, R and P shows no part of the image; recalibrate, or set "
                "rectify to false"
            )
        # Fixed-point maps are faster to apply, but wrap where a source lies far outside.
        map_x, map_y = np.where(inside, map_x, -2.0), np.where(inside, map_y, -2.0)
        self._maps = cv2.convertMaps(map_x.astype(np.float32), map_y.astype(np.float32), cv2.CV_16SC2)
        self._outside = None if inside.all() else ~inside


def _before_the_fold(known: Calibration) -> NDArray[np.bool_]:
    """Pixels of the rectified image, (H, W), whose rays the lens still maps outwards with growing angle.

    Beyond, the distortion's polynomial leads back into the image: a mirrored second picture of what is there.
    """
    rays = known.rectified.rays().astype(np.float64)
    x, y, z = np.moveaxis(np.concatenate([rays, np.ones_like(rays[..., :1])], -1) @ known.rotation, -1, 0)
    before: NDArray[np.bool_] = (z > 0) & (np.hypot(x, y) < widest_ray(known.camera) * z)
    return before


def _needs_rectification(known: Calibration) -> bool:
    turned = not np.allclose(known.rotation, np.eye(3), atol=1e-9)
    return known.camera.is_distorted or turned


class ViewCache:
    """The last `View`, kept while nothing that it depends on changes."""

    def __init__(self) -> None:
        self._key: object = None
        self._view: View | None = None

    def get(self, info: Any | None, width: int, height: int, settings: ViewSettings) -> View:
        """Return the view for this camera info (by content), size and settings; see `View` for errors."""
        content = None if info is None else info_content(info)
        key = (content, width, height, settings.input_rectified, settings.rectify, settings.assumed_fov_deg)
        if self._view is None or self._key != key:
            self._view = View(info, width, height, settings)
            self._key = key
        return self._view
