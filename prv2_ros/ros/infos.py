"""The latest camera infos, so that a frame finds the one that was taken with it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

KEPT = 64
"""Camera infos that are remembered, 2 s of them at 30 Hz: for so long may a frame wait while other cameras have their
turn. One has about 1 kB."""

WAIT_S = 0.05
"""How long an image's own info is waited for (s), of a camera whose infos come with its images' stamps."""


class CameraInfos:
    """Filled in the executor's thread, read in the inference thread.

    Drivers stamp image and info alike, and either may arrive first: a frame takes the info of its stamp when it
    arrives, or else when it is processed. Where none has its stamp (a calibration that is sent once, other stamps) the
    newest counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._kept: deque[Any] = deque(maxlen=KEPT)
        self._paired = False

    def add(self, info: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        with self._lock:
            self._kept.append(info)
            self._lock.notify_all()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._paired = False

    @property
    def newest(self) -> Any | None:
        """The one that arrived last, None where none did."""
        with self._lock:
            return self._kept[-1] if self._kept else None

    def own(self, stamp: Any) -> Any | None:
        """Return the info with this stamp (builtin_interfaces/Time), None where there is none (yet)."""
        with self._lock:
            alike = [info for info in self._kept if info.header.stamp == stamp]
            self._paired |= bool(alike)
            return alike[-1] if alike else None

    def of(self, stamp: Any) -> Any | None:
        """Return the info with this stamp, else the newest, None where none arrived.

        Waits up to `WAIT_S` for it where the image before had one, as many drivers send the info after the image.
        """
        with self._lock:
            if self._paired and not self._lock.wait_for(lambda: self.own(stamp) is not None, WAIT_S):
                self._paired = False  # not a wait for each frame of a camera whose infos have stopped
            return self.own(stamp) or self.newest
