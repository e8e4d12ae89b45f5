"""Which images are worth inference, at which rate."""

from __future__ import annotations

import logging

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from ros_fakes import image_message

from prv2_ros.ros.intake import Intake
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Statistics

IMAGE = image_message(np.zeros((4, 4, 3), np.uint8))


class Camera:
    """Images at times that the test chooses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.statistics = Statistics(clock=lambda: self.now)
        self.intake = Intake(self.statistics, Reporter(logging.getLogger("test")))

    def passed(self, seconds: float, fps: float, max_rate_hz: float) -> list[float]:
        """Send images for a while; give when those came that were let through."""
        settings = resolve({"max_rate_hz": max_rate_hz, "camera_info_wait_s": 0.0})
        start, found = self.now, []
        for k in range(round(seconds * fps)):
            self.now = start + k / fps
            if self.intake.take_image(IMAGE, settings, lambda: True) is not None:
                found.append(self.now - start)
        self.now = start + seconds
        return found


def test_no_two_frames_at_once_not_even_after_a_gap() -> None:
    camera = Camera()
    assert camera.passed(4.0, 30, 1.0) == pytest.approx([0, 1, 2, 3], abs=0.04)
    camera.now += 60.0
    assert camera.passed(4.0, 30, 1.0) == pytest.approx([0, 1, 2, 3], abs=0.04)
    assert camera.statistics.snapshot().counts.skipped == 2 * (120 - 4)


def test_jitter_does_not_lower_the_rate() -> None:
    assert len(Camera().passed(10.0, 29, 10.0)) == pytest.approx(100, abs=2)


def test_a_higher_rate_holds_at_once() -> None:
    camera = Camera()
    camera.passed(1.0, 30, 0.01)
    assert camera.passed(1.0, 30, 10.0)[0] < 0.11
    assert len(camera.passed(1.0, 30, 0.0)) == 30
