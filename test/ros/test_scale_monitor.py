"""The camera's height by the depth: how often it is looked for, and when nothing is told."""

from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.ros.scale_monitor import PERIOD_S, ScaleMonitor

CAMERA = CameraModel.from_fov(320, 240, 70)


def ground(height_m: float, camera: CameraModel = CAMERA) -> np.ndarray:
    rows = camera.rays()[..., 1]
    with np.errstate(divide="ignore"):
        return np.where(rows > 1e-6, height_m / rows, np.inf).astype(np.float32)


class Watched:
    def __init__(self) -> None:
        self.now, self.told = 50.0, []
        self.monitor = ScaleMonitor(self.told.append, lambda: self.now)


def test_the_height_is_told_once_a_period() -> None:
    watched = Watched()
    for step in range(31):
        watched.now = 50.0 + step * PERIOD_S / 10
        watched.monitor.watch(ground(1.5), CAMERA)
    assert watched.told == pytest.approx([1.5] * 4, rel=0.01)


def test_nothing_is_told_without_a_ground() -> None:
    watched = Watched()
    watched.monitor.watch(np.full((240, 320), 2.0, np.float32), CAMERA)
    assert watched.told == []


def test_another_camera_is_noticed() -> None:
    watched = Watched()
    wide = CameraModel.from_fov(200, 160, 100)
    for camera in (CAMERA, wide):
        watched.now += PERIOD_S
        watched.monitor.watch(ground(2.0, camera), camera)
    assert watched.told == pytest.approx([2.0, 2.0], rel=0.01)
