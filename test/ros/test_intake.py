"""Which images are worth inference, at which rate."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from ros_fakes import image_message, info_message

from prv2_ros.ros.intake import Intake
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Statistics, Throttle

IMAGE = image_message(np.zeros((4, 4, 3), np.uint8))


class Camera:
    """Images at times that the test chooses."""

    def __init__(self) -> None:
        self.now = 100.0
        self.statistics = Statistics(clock=lambda: self.now)
        self.reporter = Reporter(logging.getLogger("test"), Throttle(1.0, lambda: self.now))
        self.intake = Intake(self.statistics, self.reporter)

    def passes(self, *, wanted: bool = True, **parameters: Any) -> bool:
        """Send one image now; tell whether it was let through."""
        return self.intake.take_image(IMAGE, resolve(parameters), lambda: wanted) is not None

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


def test_images_that_nobody_wants_do_not_use_up_the_rate() -> None:
    camera = Camera()
    settings = {"max_rate_hz": 0.01, "camera_info_wait_s": 0.0}
    assert not camera.passes(wanted=False, **settings)
    assert camera.passes(**settings)
    assert not camera.passes(**settings)


def test_frames_wait_for_a_calibration_that_is_required() -> None:
    camera = Camera()
    required = {"camera_info_wait_s": 0.0, "require_calibration": True}
    uncalibrated = info_message(4, 4)
    uncalibrated.k = np.zeros(9)
    for info in (None, uncalibrated):
        if info is not None:
            camera.intake.take_info(info, resolve({}))
        assert not camera.passes(**required)
        assert camera.passes(camera_info_wait_s=0.0)
    camera.intake.take_info(info_message(4, 4), resolve({}))
    assert camera.passes(**required)
    assert camera.statistics.snapshot().counts.skipped == 2


def test_a_frame_keeps_the_info_of_its_stamp_that_was_there_when_it_came() -> None:
    camera = Camera()
    settings = resolve({"camera_info_wait_s": 0.0})
    first = camera.intake.take_image(IMAGE, settings, lambda: True)
    assert first is not None
    assert first.info is None
    own = info_message(4, 4)
    camera.intake.take_info(own, settings)
    second = camera.intake.take_image(IMAGE, settings, lambda: True)
    assert second is not None
    assert second.info is own


def test_the_wait_for_an_info_ends_with_the_first_one() -> None:
    camera = Camera()
    assert not camera.passes(camera_info_wait_s=5.0)
    camera.intake.take_info(info_message(4, 4), resolve({}))
    assert camera.passes(camera_info_wait_s=5.0)


def test_after_a_reset_everything_is_as_before_the_first_message() -> None:
    camera = Camera()
    camera.intake.take_info(info_message(4, 4), resolve({}))
    assert camera.passes(max_rate_hz=0.01)
    camera.intake.take_info(info_message(4, 4, d=(0.1,) * 5, model="of another maker"), resolve({}))
    camera.now += 10.0
    camera.intake.reset()
    camera.intake.reconsider(resolve({"input_rectified": True}))
    assert not camera.intake.is_calibrated, "nor by an info that was refused before"
    assert not camera.passes(max_rate_hz=0.01, camera_info_wait_s=1.0), "the first info is awaited again"
    camera.now += 1.0
    assert camera.passes(max_rate_hz=0.01, camera_info_wait_s=1.0), "the rate begins anew"


def test_only_a_usable_info_counts_and_a_zero_k_is_no_calibration(caplog: pytest.LogCaptureFixture) -> None:
    camera = Camera()
    camera.intake.take_info(info_message(4, 4), resolve({}))
    bad = info_message(4, 4)
    bad.k[0] = np.nan
    camera.intake.take_info(bad, resolve({}))
    assert camera.intake.is_calibrated
    frame = camera.intake.take_image(IMAGE, resolve({}), lambda: True)
    assert frame is not None
    assert frame.infos.newest.k[0] == 50.0, "the malformed one was not kept"
    camera.intake.take_info(info_message(4, 4, f_px=0.0), resolve({}))
    assert camera.intake.is_calibrated, "of the same size: a driver beside somebody who publishes the calibration"
    camera.intake.take_info(info_message(8, 8, f_px=0.0), resolve({}))
    assert not camera.intake.is_calibrated
    counts = camera.statistics.snapshot().counts
    assert (counts.info_received, counts.info_errors) == (4, 3)


def test_a_driver_without_calibration_beside_one_who_publishes_it(caplog: pytest.LogCaptureFixture) -> None:
    """Both on one topic, the driver's with the images' stamps: the calibration counts, and the log stays short."""
    camera = Camera()
    camera.intake.take_info(info_message(4, 4), resolve({}))
    for sec in range(100):
        driver = info_message(4, 4, f_px=0.0)
        driver.header.stamp.sec = sec
        camera.intake.take_info(driver, resolve({}))
        image = image_message(np.zeros((4, 4, 3), np.uint8), sec=sec)
        frame = camera.intake.take_image(image, resolve({}), lambda: True)
        assert frame is not None
        info = frame.info or frame.infos.of(image.header.stamp)
        assert info.k[0] == 50.0
        camera.intake.take_info(info_message(4, 4), resolve({}))
        camera.reporter.warn_once("assumed_fov", "scale is assumed")
    assert len(caplog.records) < 10


def test_what_the_raw_lens_is_does_not_matter_to_images_that_are_rectified() -> None:
    camera = Camera()
    info = info_message(4, 4, d=(0.1,) * 5, model="of another maker")
    camera.intake.take_info(info, resolve({}))
    assert camera.statistics.snapshot().counts.info_errors == 1
    camera.intake.take_info(info, resolve({"input_rectified": True}))
    assert camera.statistics.snapshot().counts.info_errors == 1
    assert camera.intake.is_calibrated


@pytest.mark.parametrize("kind", ["assumed_fov", "points", "require_calibration"])
def test_a_calibration_that_is_lost_again_is_warned_of_again(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    camera = Camera()
    for info in (info_message(4, 4, f_px=0.0), info_message(4, 4)):
        for _ in range(2):
            camera.reporter.warn_once(kind, "scale is assumed")
        camera.intake.take_info(info, resolve({}))
    camera.now += 1.0
    camera.reporter.warn_once(kind, "scale is assumed")
    assert [r.message for r in caplog.records].count("scale is assumed") == 2


@pytest.mark.parametrize("sizeless", ["calibrated", "uncalibrated"])
def test_a_size_of_zero_is_that_of_any_camera(sizeless: str) -> None:
    """camera_info_manager publishes an empty CameraInfo where there is no calibration file."""
    camera = Camera()
    infos = {"calibrated": info_message(4, 4), "uncalibrated": info_message(4, 4)}
    infos["uncalibrated"].k = np.zeros(9)
    infos[sizeless].width = infos[sizeless].height = 0
    camera.intake.take_info(infos["calibrated"], resolve({}))
    camera.intake.take_info(infos["uncalibrated"], resolve({}))
    assert camera.intake.is_calibrated


def test_an_info_that_was_refused_is_taken_once_parameters_allow_it() -> None:
    """It may have been sent only once."""
    camera = Camera()
    info = info_message(4, 4)
    info.distortion_model, info.d = "double_sphere", [0.1] * 6
    camera.intake.take_info(info, resolve({}))
    camera.intake.reconsider(resolve({}))
    assert not camera.intake.is_calibrated
    camera.intake.reconsider(resolve({"input_rectified": True}))
    assert camera.intake.is_calibrated
    counts = camera.statistics.snapshot().counts
    assert (counts.info_received, counts.info_errors) == (1, 1), "messages, not looks at them"


def test_an_info_that_was_refused_does_not_replace_a_good_one_that_came_after_it() -> None:
    camera = Camera()
    refused, good = info_message(4, 4, f_px=50.0), info_message(4, 4, f_px=77.0)
    refused.distortion_model, refused.d = "double_sphere", [0.1] * 6
    for info in (refused, good):
        camera.intake.take_info(info, resolve({}))
    camera.intake.reconsider(resolve({"input_rectified": True}))
    frame = camera.intake.take_image(IMAGE, resolve({}), lambda: True)
    assert frame is not None
    assert frame.infos.newest is good
