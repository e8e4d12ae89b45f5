"""What happens to messages in the executor's thread: check, count, and decide which frames are worth inference."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from prv2_ros.errors import InputError
from prv2_ros.messages.camera_info import check_info, is_uncalibrated
from prv2_ros.ros.conversions import check_image
from prv2_ros.ros.infos import CameraInfos
from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.pipeline import Frame
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Statistics


class Intake:
    """Keeps the latest camera infos and turns image messages into frames, or counts why not."""

    def __init__(self, statistics: Statistics, reporter: Reporter) -> None:
        self._statistics = statistics
        self._reporter = reporter
        self._infos = CameraInfos()
        self._refused: Any | None = None
        self._first_image: float | None = None
        self._due, self._passed = 0.0, 0.0

    def reset(self) -> None:
        """Forget camera info and timing, as before the first message."""
        self._infos.clear()
        self._refused = None
        self._first_image = None
        self._due, self._passed = 0.0, 0.0

    @property
    def is_calibrated(self) -> bool:
        """True where the latest usable camera info has intrinsics."""
        newest = self._infos.newest
        return newest is not None and not is_uncalibrated(newest)

    def take_info(self, message: Any, settings: Settings) -> None:
        """Keep a camera info unless it is malformed.

        One with zero intrinsics means uncalibrated; it is kept where there is no calibrated one of its size.
        """
        self._statistics.count("info_received")
        if is_uncalibrated(message):
            self._statistics.count("info_errors")
            if self.is_calibrated and _same_size(self._infos.newest, message):
                # A driver without a calibration, beside somebody who publishes it, or one that has lost it.
                text = "camera info: K is zero, not calibrated; the last one that was is used"
                self._reporter.warn("camera_info", text)
                return
            self._reporter.warn("camera_info", "camera info: K is zero, the camera is not calibrated; calibrate it")
        else:
            try:
                check_info(message, rectified=settings.input_rectified)
            except InputError as error:
                self._statistics.count("info_errors")
                self._reporter.warn("camera_info", f"camera info dropped: {error}")
                self._refused = message
                return
            self._calibrate(message)
            return
        self._infos.add(message)

    def reconsider(self, settings: Settings) -> None:
        """Take the camera info that was refused last, where these parameters allow it: it may be sent only once."""
        if self._refused is None:
            return
        with suppress(InputError):
            check_info(self._refused, rectified=settings.input_rectified)
            self._calibrate(self._refused)

    def _calibrate(self, info: Any) -> None:
        self._refused = None
        for kind in ("assumed_fov", "points", "require_calibration"):
            self._reporter.forget(kind)
        self._infos.add(info)

    def take_image(self, message: Any, settings: Settings, wanted: Callable[[], bool]) -> Frame | None:
        """Return the frame to process, or None after counting why there is none.

        Args:
            message: sensor_msgs/Image or CompressedImage.
            settings: current parameters.
            wanted: tells whether anyone subscribes to an output.

        """
        arrival = self._statistics.image_arrived()
        if self._first_image is None:
            self._first_image = arrival
        try:
            # Here, not in the inference thread: a bad message must not replace a good one that waits.
            check_image(message)
        except InputError as error:
            self._statistics.count("errors")
            self._reporter.warn("image", f"image dropped: {error}")
            return None
        awaits_info = self._infos.newest is None and arrival - self._first_image < settings.camera_info_wait_s
        if settings.require_calibration and not self.is_calibrated:
            awaits_info = True
            text = "images are skipped until there is a calibrated camera info (require_calibration)"
            self._reporter.warn_once("require_calibration", text)
        if not wanted() or awaits_info or not self._is_due(arrival, settings.max_rate_hz):
            self._statistics.count("skipped")
            return None
        own = self._infos.own(message.header.stamp)  # now, as by its turn newer ones may have replaced it
        return Frame(message=message, info=own, infos=self._infos, settings=settings, arrival=arrival)

    def _is_due(self, arrival: float, max_rate_hz: float) -> bool:
        if max_rate_hz <= 0:
            return True
        period = 1 / max_rate_hz
        # The rate may have been lower when the last frame passed: it was due within a period of today's.
        due = min(self._due, self._passed + period)
        if arrival < due:
            return False
        # Counted from when the frame was due, not from when it came, as jitter must not lower the rate; but after a
        # gap of a period and more no second frame is in hand.
        self._due = (due if arrival - due < period else arrival) + period
        self._passed = arrival
        return True


def _same_size(info: Any, other: Any) -> bool:
    """Whether two camera infos are of one size (px); 0 is any size, as where a driver knows nothing of its camera."""
    sizes = (info.width, info.height), (other.width, other.height)
    return sizes[0] == sizes[1] or any(0 in size for size in sizes)
