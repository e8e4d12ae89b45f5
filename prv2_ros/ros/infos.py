"""The latest camera infos, so that a frame finds the one that was taken with it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

KEPT = 8
"""Camera infos that are remembered: as many frames may be between an info and the image it came with."""


class CameraInfos:
    """Filled in the executor's thread, read in the inference thread.

    Drivers stamp image and info alike, and either may arrive first: which info is a frame's is decided when the frame
    is processed. Where none has its stamp (a calibration that is sent once, other stamps) the newest counts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Any] = deque(maxlen=KEPT)

    def add(self, info: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        with self._lock:
            self._kept.append(info)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()

    @property
    def newest(self) -> Any | None:
        """The one that arrived last, None where none did."""
        with self._lock:
            return self._kept[-1] if self._kept else None

    def of(self, stamp: Any) -> Any | None:
        """Return the info with this stamp (builtin_interfaces/Time), else the newest, None where none arrived."""
        with self._lock:
            alike = [info for info in self._kept if info.header.stamp == stamp]
            return (alike or self._kept or [None])[-1]
