"""A pipeline whose publishers keep what they are given."""

from __future__ import annotations

import copy
import logging
import time
from typing import Any

import numpy as np
import rclpy.time
from ros_fakes import PlaneEngine, image_message

from prv2_ros.ros.infos import CameraInfos
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.pipeline import Frame, FramePipeline
from prv2_ros.ros.publishing import Publishers
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Snapshot, Statistics

GREY = np.full((48, 64, 3), 100, np.uint8)
PINCUSHION = (0.4, 0.0, 0.0, 0.0, 0.0)
"""Rectified at the same focal length, its corners show what lies beyond the raw image."""

NOW_S = 5000


class Outlet:
    """A publisher with this many subscribers."""

    def __init__(self, subscribers: int = 1) -> None:
        self.subscribers = subscribers
        self.sent: list[Any] = []

    def get_subscription_count(self) -> int:
        return self.subscribers

    def publish(self, message: Any) -> None:
        self.sent.append(copy.deepcopy(message))  # its bytes are used again


class StandingClock:
    def now(self) -> rclpy.time.Time:
        return rclpy.time.Time(seconds=NOW_S)


class Bench:
    """A pipeline with an engine and five outlets."""

    def __init__(self, engine: Any = None, *, running: bool = True, began: bool = True) -> None:
        """`running` when inference is done, `began` before it."""
        kinds = ("depth", "compressed_depth", "camera_info", "points", "confidence", "rgb_info", "rgb")
        self.outlets = {kind: Outlet() for kind in kinds}
        self.statistics = Statistics()
        answers = iter([began])
        self.pipeline = FramePipeline(
            engine or PlaneEngine(),
            Publishers(**self.outlets),
            self.statistics,
            Reporter(logging.getLogger("pipeline")),
            StandingClock(),
            running=lambda: next(answers, running),
        )

    def process(self, info: Any = None, *, sec: int = 0, nanosec: int = 0, **parameters: Any) -> Snapshot:
        infos = CameraInfos()
        if info is not None:
            infos.add(info)
        message = image_message(GREY, sec=sec, nanosec=nanosec)
        settings = resolve({name.replace("__", "."): value for name, value in parameters.items()})
        arrival = self.statistics.image_arrived()
        self.pipeline(Frame(message=message, info=None, infos=infos, settings=settings, arrival=arrival))
        compressing = self.pipeline._out._compressing
        while compressing is not None and compressing.pending():
            time.sleep(0.001)
        return self.statistics.snapshot()

    def sent(self, kind: str) -> Any:
        (message,) = self.outlets[kind].sent
        return message

    def floats(self, kind: str) -> np.ndarray:
        return np.frombuffer(self.sent(kind).data, "<f4").reshape(48, 64, -1)
