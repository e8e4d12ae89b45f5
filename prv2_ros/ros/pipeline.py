"""What happens to one frame in the inference thread: message in; depth, camera info, cloud and picture out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import LARGEST_M
from prv2_ros.inference.regions import Region, parse_regions
from prv2_ros.messages.camera_info import fill_camera_info
from prv2_ros.messages.view import View, ViewCache
from prv2_ros.ros.conversions import image_to_rgb
from prv2_ros.ros.infos import CameraInfos
from prv2_ros.ros.outputs import CloudWriter, CompressedDepthWriter, DepthWriter, PixelWriter
from prv2_ros.ros.parameters import Settings
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
class Publishers:
    """The node's output publishers (rclpy)."""

    depth: Any
    compressed_depth: Any
    camera_info: Any
    points: Any
    confidence: Any
    rgb: Any
    """The pixels that the depth belongs to: rectified, with its stamp, which by then have long left the camera."""

    def all(self) -> tuple[Any, ...]:
        """Give every publisher."""
        return self.depth, self.compressed_depth, self.camera_info, self.points, self.confidence, self.rgb

    def wanted(self, *, points: bool = True) -> bool:
        """Tell whether anyone subscribes to any of them; to `points` only where points can be made."""
        outputs = (p for p in self.all() if points or p is not self.points)
        return any(p.get_subscription_count() > 0 for p in outputs)


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
            running: whether results may still go out: ROS is up, and nobody gave up on them.
            info_topic: name of the camera info's topic, for messages.

        """
        self._engine = engine
        self._publishers = publishers
        self._statistics = statistics
        self._reporter = reporter
        self._clock = clock
        self._running = running
        self._info_topic = info_topic
        self._had_own = False
        self._scale = ScaleMonitor(statistics.height_seen)
        self._views = ViewCache()
        self._depth = DepthWriter()
        self._compressed_depth = CompressedDepthWriter()
        self._cloud = CloudWriter()
        self._confidence = PixelWriter("32FC1", np.float32)
        self._rgb = PixelWriter("rgb8", np.uint8)
        self._info = CameraInfo()

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
        wanted = self._publishers.confidence.get_subscription_count() > 0
        result = self._engine.infer(
            image,
            view.camera,
            coarse=False,  # nobody gets it, and writing it out takes as long as the depth
            confidence=wanted,
            max_latency_ms=frame.settings.max_latency_ms,
            regions=parse_regions(frame.settings.regions),
        )
        inference_ms = (time.perf_counter() - start) * 1e3
        if not self._running():
            return None
        depth_m = view.mask_outside(result.depth_m)
        self._publish(frame, view, image, depth_m)
        if wanted:
            self._publish_confidence(frame, view, result)
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

    def _publish(self, frame: Frame, view: View, image: NDArray[np.uint8], depth_m: NDArray[np.float32]) -> None:
        header, settings, publishers = frame.message.header, frame.settings, self._publishers
        self._info.header = header
        camera = view.camera if view.is_calibrated else None
        fill_camera_info(self._info, camera, view.width, view.height, view.tx)
        publishers.camera_info.publish(self._info)
        if publishers.rgb.get_subscription_count() > 0:
            publishers.rgb.publish(self._rgb.write(image, header))
        for publisher, writer in (
            (publishers.depth, self._depth),
            (publishers.compressed_depth, self._compressed_depth),
        ):
            if publisher.get_subscription_count() > 0:
                self._warn_of_millimetres(settings)
                depth = writer.write(
                    depth_m,
                    header,
                    encoding=settings.depth_encoding,
                    min_m=settings.min_depth_m,
                    max_m=settings.max_depth_m,
                    far_value=settings.far_value,
                )
                publisher.publish(depth)
        if view.is_calibrated and publishers.points.get_subscription_count() > 0:
            cloud = self._cloud.write(
                depth_m,
                image,
                view.camera,
                header,
                rays=view.rays(settings.points_stride),
                stride=settings.points_stride,
                min_m=settings.points_min_m,
                max_m=settings.points_max_m,
            )
            publishers.points.publish(cloud)

    def _warn_of_millimetres(self, settings: Settings) -> None:
        if settings.depth_encoding == "16UC1" and settings.far_value != "max" and settings.max_depth_m > LARGEST_M:
            self._reporter.warn_once(
                "16UC1",
                f"depth beyond {LARGEST_M:g} m is invalid (0) in 16UC1, and max_depth_m is {settings.max_depth_m:g}: "
                "outdoors use depth_encoding 32FC1 or far_value max",
            )

    def _publish_confidence(self, frame: Frame, view: View, result: DepthResult) -> None:
        if result.confidence is None:
            self._reporter.warn_once(
                "confidence", f"no confidence is published: model {self._engine.model_name} gives none"
            )
            return
        confidence = self._confidence.write(view.mask_outside(result.confidence), frame.message.header)
        self._publishers.confidence.publish(confidence)

    def _stamp_age_ms(self, header: Any) -> float | None:
        stamp_ns = header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
        age_s = (self._clock.now().nanoseconds - stamp_ns) / 1e9
        return age_s * 1e3 if 0.0 <= age_s < LARGEST_STAMP_AGE_S else None
