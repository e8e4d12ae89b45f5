"""The ground below a camera, found in its depth: what a known mounting height can be held against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prv2_ros.geometry.camera import CameraModel

_GRID_WH = (64, 48)
_BELOW = 0.45
"""Share of the rows, from the top, in which no ground is looked for."""

_HYPOTHESES = 256
_TOLERANCE = 0.05
"""How far, in camera heights, a point of the ground may be off it. Depth that errs by 5% moves a point of the ground by
5% of the height, however far it is."""

_STEEPEST = math.cos(math.radians(35))
_FARTHEST_M = 40.0
_ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A plane below the camera: the points P (m, optical frame) with `normal` . P = `height_m`."""

    height_m: float
    """Distance of the camera from the plane."""

    normal: NDArray[np.float64]
    """(3,) unit vector towards the plane; (0, 1, 0) for a level camera."""

    share: float
    """Share of the points in the lower part of the picture that lie on it."""


class GroundFinder:
    """Looks for the ground in depth images of one camera."""

    def __init__(self, camera: CameraModel) -> None:
        """Take the camera of the depth images, distorted or not; it looks ahead, tilted by less than 35 degrees."""
        columns, rows = (min(a, b) for a, b in zip(_GRID_WH, (camera.width, camera.height), strict=True))
        # Pixel centres of a picture of that size, as indices of the whole one.
        first = int(rows * _BELOW)
        self._y = ((np.arange(first, rows) + 0.5) * camera.height / rows).astype(int)
        self._x = ((np.arange(columns) + 0.5) * camera.width / columns).astype(int)
        rays = camera.resized(columns, rows).rays()[first:].astype(np.float64)
        self._rays = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)

    def find(self, depth_m: NDArray[np.float32], *, least_share: float = 0.3) -> Ground | None:
        """Find the plane that most of the lower part of the picture lies on; the same for the same depth.

        Args:
            depth_m: (H, W) depth along z of the camera's size; what is not finite is unknown.
            least_share: of the points there that must lie on it.

        Returns:
            None where there is no such plane, or it is not below the camera (a wall, a slope of over 35 degrees).

        """
        points = (self._rays * depth_m[np.ix_(self._y, self._x)][..., None]).reshape(-1, 3)
        points = points[np.isfinite(points).all(-1) & (points[:, 2] > 0) & (points[:, 2] < _FARTHEST_M)]
        if len(points) < len(self._y) * len(self._x) * least_share:
            return None
        normals, heights = _planes(points)
        if not len(heights):
            return None
        off = np.abs(points @ normals.T - heights) < _TOLERANCE * heights
        best = int(off.sum(0).argmax())
        on = off[:, best]
        normal, height_m = normals[best], float(heights[best])
        for _ in range(_ROUNDS):
            # P . m = 1 with m = normal / height, by least squares in units of the height, near and far points alike.
            weight = 1 / np.maximum(points[on, 2], 1e-6)
            m, *_rest = np.linalg.lstsq(points[on] * weight[:, None], weight, rcond=None)
            if not m @ m > 0:
                return None
            height_m = 1 / math.sqrt(m @ m)
            normal = m * height_m
            on = np.abs(points @ normal - height_m) < _TOLERANCE * height_m
            if on.sum() < 3:
                return None
        share = float(on.sum()) / (len(self._y) * len(self._x))
        if share < least_share or normal[1] < _STEEPEST:
            return None
        return Ground(height_m=height_m, normal=normal, share=share)


def _planes(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Planes through random triples that lie below the camera: normals (K, 3) and heights (K,)."""
    triples = np.random.default_rng(0).integers(0, len(points), (_HYPOTHESES, 3))
    a, b, c = (points[triples[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=-1)
    sound = lengths > 1e-9
    normals, a = normals[sound] / lengths[sound, None], a[sound]
    normals *= np.where(normals[:, 1:2] < 0, -1.0, 1.0)
    heights = np.einsum("kc,kc->k", normals, a)
    below = (normals[:, 1] > _STEEPEST) & (heights > 0)
    return normals[below], heights[below]
