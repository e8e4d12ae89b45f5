"""What happens to one frame in the inference thread: message in; depth, camera info, cloud and picture out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.inference.regions import Region, parse_regions
from prv2_ros.messages.view import ViewCache
from prv2_ros.ros.conversions import image_to_rgb
from prv2_ros.ros.infos import CameraInfos
from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.publishing import FramePublisher, Publishers
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.scale_monitor import ScaleMonitor
from prv2_ros.ros.statistics import Statistics
from prv2_ros.types import DepthResult

LARGEST_STAMP_AGE_S = 3600.0
"""Header stamps further from the node's clock are of another clock (a bag played without `use_sim_time`)."""


class Engine(Protocol):
    """What the node needs of `prv2_ros.inference.engine.DepthEngine`."""

    @property
    def device(self) -> Any:
        """Compute device (torch.device, or anything that prints as its name)."""

    @property
    def model_name(self) -> str:
        """Name of the loaded model."""

    def infer(
        self,
        image_rgb: NDArray[np.uint8],
        camera: CameraModel | None,
        *,
        coarse: bool = True,
        confidence: bool = False,
        max_latency_ms: float | None = None,
        regions: Sequence[Region] | None = None,
    ) -> DepthResult:
        """Return the depth of an (H, W, 3) uint8 RGB image."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An image message with the parameters that were current when it arrived."""

    message: Any
    """sensor_msgs/Image or CompressedImage."""
    info: Any | None
    """Its own sensor_msgs/CameraInfo, where that was there before it."""
    infos: CameraInfos
    """Camera infos, among them the frame's own, which may arrive just after it."""
    settings: Settings
    arrival: float
    """Time of arrival (s, monotonic)."""


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What is told of a published frame."""

    inference_ms: float
    refined_share: float


class FramePipeline:
    """Processes frames one at a time; called from the inference thread only."""

    def __init__(
        self,
        engine: Engine,
        publishers: Publishers,
        statistics: Statistics,
        reporter: Reporter,
        clock: Any,
        *,
        running: Callable[[], bool],
        info_topic: str = "camera_info",
    ) -> None:
        """Take the parts.

        Args:
            engine: what infers.
            publishers: where results go.
            statistics: what became of frames.
            reporter: log lines.
            clock: the node's (rclpy).
            running: whether ROS is up, so that results may still go out.
            info_topic: name of the camera info's topic, for messages.

        """
        self._engine = engine
        self._statistics = statistics
        self._reporter = reporter
        self._clock = clock
        self._ros_runs, self._stopped = running, False
        self._info_topic = info_topic
        self._had_own = False
        self._scale = ScaleMonitor(statistics.height_seen)
        self._views = ViewCache()
        self._out = FramePublisher(publishers, reporter, engine.model_name)

    def stop(self, timeout_s: float) -> None:
        """Publish nothing more, not even what is still under way; waits for what is being compressed."""
        self._stopped = True
        self._out.stop(timeout_s)

    def _running(self) -> bool:
        return not self._stopped and self._ros_runs()

    def __call__(self, frame: Frame) -> None:
        """Process a frame and count what became of it; no error leaves this function."""
        try:
            done = self._process(frame)
        except InputError as error:
            self._statistics.count("errors")
            self._reporter.warn("image", f"image dropped: {error}")
        except Exception as error:  # a failing device must not end the thread: the next frame may work
            if not self._running():  # told to end (Ctrl-C) while the frame was under way: nothing is wrong
                self._statistics.count("dropped")
                return
            reason = f"{type(error).__name__}: {error}"
            self._statistics.inference_failed(reason)
            self._reporter.failure("inference", f"image dropped: {reason}", error)
        else:
            if done is None:
                self._statistics.count("dropped")
                return
            age_ms = self._stamp_age_ms(frame.message.header)
            self._statistics.image_published(frame.arrival, done.inference_ms, age_ms, done.refined_share)

    def _process(self, frame: Frame) -> _Done | None:
        """Infer and publish; None where nothing may be published any more."""
        if not self._running():  # another camera had its turn meanwhile
            return None
        image = image_to_rgb(frame.message)
        height, width = image.shape[:2]
        view = self._views.get(self._info_of(frame), width, height, frame.settings)
        if not view.is_calibrated:
            if frame.settings.require_calibration:
                return None
            self._reporter.warn_once(
                "assumed_fov",
                f"no calibrated camera info on {self._info_topic}: depth assumes a field of view of "
                f"{frame.settings.assumed_fov_deg:g} degrees (assumed_fov_deg), its scale may be wrong and no points "
                "are published",
            )
        image = np.ascontiguousarray(view.rectified(image))
        start = time.perf_counter()
        result = self._engine.infer(
            image,
            view.camera,
            coarse=False,  # nobody gets it, and writing it out takes as long as the depth
            confidence=self._out.wants_confidence(frame.settings),
            max_latency_ms=frame.settings.max_latency_ms,
            regions=parse_regions(frame.settings.regions),
        )
        inference_ms = (time.perf_counter() - start) * 1e3
        if not self._running():
            return None
        depth_m = self._out.publish(frame.message.header, frame.settings, view, image, result)
        if view.is_calibrated and frame.settings.camera_height_m > 0:
            self._scale.watch(depth_m, view.camera)
        return _Done(inference_ms=inference_ms, refined_share=result.refined_share)

    def _info_of(self, frame: Frame) -> Any | None:
        """The camera info of a frame; asked after the image was decoded, as it may come later."""
        stamp = frame.message.header.stamp
        info = frame.info or frame.infos.of(stamp)
        if info is not None and info.header.stamp == stamp:
            self._had_own = True
        elif self._had_own and info is not None:
            self._statistics.count("info_foreign")
        return info

    def _stamp_age_ms(self, header: Any) -> float | None:
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        age_s = (self._clock.now().nanoseconds - stamp_ns) / 1e9
        return age_s * 1e3 if 0.0 <= age_s < LARGEST_STAMP_AGE_S else None
