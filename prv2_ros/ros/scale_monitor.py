"""Whether the metres are right, by the one length that a robot knows of itself: how high its camera stands."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.ground import GroundFinder

PERIOD_S = 1.0
"""Least time between two looks at the ground (s); one takes 2 ms."""


class ScaleMonitor:
    """Looks for the ground in some of the depth images and tells how high the camera stands by it."""

    def __init__(self, report: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Take who is told; where no ground is seen nobody is."""
        self._report, self._clock = report, clock
        self._next = 0.0
        self._finder: tuple[CameraModel, GroundFinder] | None = None

    def watch(self, depth_m: NDArray[np.float32], camera: CameraModel) -> None:
        """Look at an (H, W) depth image, unless the last look was just now."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + PERIOD_S
        if self._finder is None or self._finder[0] != camera:
            self._finder = camera, GroundFinder(camera)
        ground = self._finder[1].find(depth_m)
        if ground is not None:
            self._report(ground.height_m)
