"""Pinhole cameras with optional lens distortion.

Frame: the camera's optical frame of REP-103 (x right, y down, z forward). Pixel centres lie at whole
numbers: the centre of the top left pixel is (0, 0), as in OpenCV and sensor_msgs/CameraInfo.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

DISTORTION_LENGTHS = (0, 4, 5, 8, 12, 14)
_RAY_TOLERANCE_PX = 0.05
_INTERPOLATION_TOLERANCE_PX = 0.01
_RAY_STEP_PX = 8
_MAX_RAY = 57.0  # 89 degrees off the axis: depth along z says nothing beyond
_FOLD_STEPS = 4000
_WIDEST_DEG = 89.0
_NEAREST_RAY = 11.5  # 85 degrees off the axis: a picture that begins there is of no lens


@dataclass(frozen=True, kw_only=True)
class CameraModel:
    """Intrinsics of one camera at one resolution; immutable, so a cached one can be shared.

    Raises:
        InputError: a size below one pixel, a focal length that is not positive and finite, a principal
            point that is not finite, or a distortion whose length no known model has.

    """

    width: int
    """Image width (px)."""

    height: int
    """Image height (px)."""

    fx: float
    """Focal length along x (px)."""

    fy: float
    """Focal length along y (px)."""

    cx: float
    """Principal point x (px)."""

    cy: float
    """Principal point y (px)."""

    distortion: tuple[float, ...] = ()
    """OpenCV coefficients: `plumb_bob` (4, 5), `rational_polynomial` (8, 12, 14) or, with `fisheye`, 4."""

    fisheye: bool = False
    """True for the equidistant model (`cv2.fisheye`, ROS `equidistant`)."""

    def __post_init__(self) -> None:
        """Refuse values that no camera has."""
        object.__setattr__(self, "distortion", tuple(float(v) for v in self.distortion))
        if self.width < 1 or self.height < 1:
            raise InputError(f"camera size {self.width}x{self.height} px: both sides must be at least 1 px")
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise InputError(
                    f"camera {name} = {value}: a focal length must be positive and finite; calibrate the camera "
                    "or pass its intrinsics"
                )
        for name in ("cx", "cy"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"camera {name} = {getattr(self, name)}: the principal point must be finite")
        if len(self.distortion) not in DISTORTION_LENGTHS or (self.fisheye and len(self.distortion) not in (0, 4)):
            raise InputError(
                f"{len(self.distortion)} distortion coefficients: expected one of {DISTORTION_LENGTHS} "
                "(4 for a fisheye lens)"
            )
        if not all(math.isfinite(v) for v in self.distortion):
            raise InputError(f"distortion {self.distortion}: coefficients must be finite")

    @classmethod
    def from_fov(cls, width: int, height: int, horizontal_fov_deg: float) -> CameraModel:
        """Build an ideal camera of a horizontal field of view (degrees, 0 to 180 exclusive)."""
        if not 0 < horizontal_fov_deg < 180:
            raise InputError(f"field of view {horizontal_fov_deg} degrees: must lie between 0 and 180")
        f_px = width / 2 / math.tan(math.radians(horizontal_fov_deg) / 2)
        return cls(width=width, height=height, fx=f_px, fy=f_px, cx=(width - 1) / 2, cy=(height - 1) / 2)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Intrinsic matrix K, (3, 3), px."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    @property
    def is_distorted(self) -> bool:
        """True where any distortion coefficient differs from zero, or the lens is a fisheye."""
        return self.fisheye or any(v != 0 for v in self.distortion)

    def resized(self, width: int, height: int) -> CameraModel:
        """Intrinsics after resampling the image to another size (pixel areas kept aligned)."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=(self.cx + 0.5) * sx - 0.5,
            cy=(self.cy + 0.5) * sy - 0.5,
        )

    def cropped(self, x: int, y: int, width: int, height: int) -> CameraModel:
        """Intrinsics of the window of `width` x `height` px whose top left pixel is (x, y)."""
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > self.width or y + height > self.height:
            raise InputError(
                f"crop {width}x{height} at ({x}, {y}) does not fit in an image of {self.width}x{self.height} px"
            )
        return replace(self, width=width, height=height, cx=self.cx - x, cy=self.cy - y)

    def read_out(self, roi_xywh: tuple[int, int, int, int], binning_xy: tuple[int, int]) -> CameraModel:
        """Intrinsics of what a sensor delivers: its region of interest first, binning next (sensor_msgs/CameraInfo).

        Args:
            roi_xywh: left, top, width and height (px); all of it where width or height is 0.
            binning_xy: pixels of the sensor that become one, across and down; 0 and 1 mean none.

        """
        camera = self.cropped(*roi_xywh) if roi_xywh[2] and roi_xywh[3] else self
        across, down = (max(1, n) for n in binning_xy)
        width, height = max(1, camera.width // across), max(1, camera.height // down)
        # What is left over beside the last whole bin is not read; a side shorter than a bin is one pixel.
        kept = min(camera.width, width * across), min(camera.height, height * down)
        return camera.cropped(0, 0, *kept).resized(width, height)

    def project(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixels (..., 2) that rays (..., 2: x/z, y/z) fall on, distortion applied; they may lie outside the image."""
        return _project(rays, self)

    def rays(self) -> NDArray[np.float32]:
        """Viewing ray of each pixel, (H, W, 2) float32: x/z and y/z of the undistorted direction.

        NaN where the distortion cannot be undone, where its polynomial has turned back (such pixels show nothing that
        the lens sees), or the ray leads 89 degrees and more off the axis. Takes a
        good part of a second for a distorted camera of 1920x1080 px: keep the result.
        """
        columns, rows = np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64)
        if not self.is_distorted:
            rays = np.empty((self.height, self.width, 2), np.float32)
            rays[..., 0] = (columns - self.cx) / self.fx
            rays[..., 1] = ((rows - self.cy) / self.fy)[:, None]
            return rays
        distorted, sure = _interpolated_rays(self)
        pixels = np.stack(np.meshgrid(columns, rows), -1)[~sure]
        exact = _undistort(pixels, self)
        exact[~_hits(exact, pixels, self)] = np.nan
        distorted[~sure] = exact
        return distorted.astype(np.float32)


def check_plausible(camera: CameraModel, matrix: str = "", *, in_view: bool = False) -> None:
    """Refuse numbers that pass as finite and positive but overflow, or give depth without meaning, further on.

    Args:
        camera: intrinsics as they were given, before a region of interest is cut.
        matrix: where they stand, for the error's text.
        in_view: refuse a principal point that leaves all of the picture 85 degrees and more off the axis, too. Whoever
            rectifies sees that by what is left of the picture.

    Raises:
        InputError: a focal length or a principal point far from the picture's size.

    """
    most = 1000.0 * max(camera.width, camera.height)
    beside_x, beside_y = (min(most, _NEAREST_RAY * f_px) if in_view else most for f_px in (camera.fx, camera.fy))
    for name, value, low, high in (
        ("fx", camera.fx, 0.01 * camera.width, most),
        ("fy", camera.fy, 0.01 * camera.height, most),
        ("cx", camera.cx, -beside_x, min(most, camera.width + beside_x)),
        ("cy", camera.cy, -beside_y, min(most, camera.height + beside_y)),
    ):
        if not low <= value <= high:
            place = f" in {matrix}" if matrix else ""
            raise InputError(f"{name} = {value:g} px{place} is no lens for {camera.width}x{camera.height} px")


def widest_ray(camera: CameraModel) -> float:
    """Largest |(x/z, y/z)| up to which pixels move outwards with growing angle; 89 degrees off the axis at most."""
    angles = np.linspace(0, math.radians(_WIDEST_DEG), _FOLD_STEPS)
    if not camera.is_distorted:
        return math.tan(angles[-1])
    radii = np.tan(angles)
    k = [*camera.distortion, *([0.0] * 8)]
    if camera.fisheye:
        out = angles * (1 + sum(k[i] * angles ** (2 * i + 2) for i in range(4)))
    else:
        powers = [radii**2, radii**4, radii**6]
        above = 1 + k[0] * powers[0] + k[1] * powers[1] + k[4] * powers[2]
        below = 1 + k[5] * powers[0] + k[6] * powers[1] + k[7] * powers[2]
        with np.errstate(divide="ignore", invalid="ignore"):
            out = radii * above / below
    turns = np.flatnonzero(~(np.diff(out) > 0))
    return float(radii[turns[0]]) if turns.size else float(radii[-1])


def _interpolated_rays(camera: CameraModel) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Rays (H, W, 2) from those of every 8th pixel, with cubics between: undoing a distortion costs 2 us a pixel.

    The mask (H, W) is true where all four by four nodes around a pixel are rays of their pixels, and the cubics
    between them hold. OpenCV's iteration fails without a word in the far corners of strong lenses.
    """
    sides = (camera.width, camera.height)
    nodes = [np.arange(-1, (side - 1) // _RAY_STEP_PX + 3) * float(_RAY_STEP_PX) for side in sides]
    pixels = np.stack(np.meshgrid(*nodes), -1)
    coarse = _undistort(pixels, camera)
    hits = _hits(coarse, pixels, camera)
    coarse[~hits] = 0  # a NaN would spread over the whole product
    across, down = (_cubic_weights(side, len(n)) for side, n in zip(sides, nodes, strict=True))
    rays = np.stack([down @ coarse[..., i] @ across.T for i in range(2)], -1)
    cells = np.lib.stride_tricks.sliding_window_view(hits, (4, 4)).all((-1, -2)).copy()
    # Cubics are worst half way between nodes: where they hold there, they hold.
    half = slice(_RAY_STEP_PX // 2, None, _RAY_STEP_PX)
    columns, rows = (np.arange(side, dtype=np.float64)[half] for side in sides)
    centres = np.stack(np.meshgrid(columns, rows), -1)
    cells[: len(rows), : len(columns)] &= _hits(rays[half, half], centres, camera, _INTERPOLATION_TOLERANCE_PX)
    sure = cells.repeat(_RAY_STEP_PX, 0).repeat(_RAY_STEP_PX, 1)[: camera.height, : camera.width]
    return rays, sure


def _cubic_weights(length: int, nodes: int) -> NDArray[np.float64]:
    """Weights (length, nodes) of the Lagrange cubic through the four nodes around each pixel; node 1 is pixel 0."""
    cell, t = np.divmod(np.arange(length) / _RAY_STEP_PX, 1.0)
    values = (
        -t * (t - 1) * (t - 2) / 6,
        (t + 1) * (t - 1) * (t - 2) / 2,
        -(t + 1) * t * (t - 2) / 2,
        (t + 1) * t * (t - 1) / 6,
    )
    weights = np.zeros((length, nodes))
    for i, value in enumerate(values):
        weights[np.arange(length), cell.astype(int) + i] = value
    return weights


def _hits(
    rays: NDArray[np.float64],
    pixels: NDArray[np.float64],
    camera: CameraModel,
    tolerance_px: float = _RAY_TOLERANCE_PX,
) -> NDArray[np.bool_]:
    """Whether each ray (..., 2) leads forward, not beyond `widest_ray`, and falls on its pixel (..., 2)."""
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(_project(rays, camera) - pixels).max(-1) < tolerance_px
        ahead = (np.abs(rays).max(-1) < _MAX_RAY) & (np.hypot(rays[..., 0], rays[..., 1]) < widest_ray(camera))
        return np.asarray(near & ahead, np.bool_)


def _undistort(pixels: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Rays (..., 2) of pixels (..., 2); OpenCV's default of five iterations is off by a pixel at the corners."""
    if pixels.size == 0:
        return pixels
    points = pixels.reshape(-1, 1, 2)
    coefficients = np.asarray(camera.distortion or (0.0,) * 4)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
    if camera.fisheye:
        rays = cv2.fisheye.undistortPoints(points, camera.matrix, coefficients)
    elif hasattr(cv2, "undistortPointsIter"):  # OpenCV 4; version 5 lets the plain function take the criteria
        rays = cv2.undistortPointsIter(points, camera.matrix, coefficients, None, None, criteria)
    else:
        rays = cv2.undistortPoints(points, camera.matrix, coefficients, criteria=criteria)
    return np.asarray(rays, np.float64).reshape(pixels.shape)


def _project(rays: NDArray[np.float64], camera: CameraModel) -> NDArray[np.float64]:
    """Pixels (..., 2) that rays (..., 2) fall on."""
    if rays.size == 0:
        return rays
    points = np.concatenate([rays.reshape(-1, 1, 2), np.ones((rays.size // 2, 1, 1))], -1)
    coefficients = np.asarray(camera.distortion or (0.0,) * 4)
    still = np.zeros(3)
    project = cv2.fisheye.projectPoints if camera.fisheye else cv2.projectPoints
    pixels, _ = project(points, still, still, camera.matrix, coefficients)
    return np.asarray(pixels, np.float64).reshape(rays.shape)
