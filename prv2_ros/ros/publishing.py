"""Publishing a frame: depth, camera info, cloud, picture and confidence, to those who subscribe."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from prv2_ros.geometry.depth_codec import LARGEST_M, set_nan
from prv2_ros.messages.camera_info import fill_camera_info
from prv2_ros.messages.view import View
from prv2_ros.ros.outputs import CloudWriter, CompressedDepthWriter, DepthWriter, PixelWriter
from prv2_ros.ros.parameter_table import INPUT_FRAME
from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.worker import InferenceThread, NewestFrameWorker
from prv2_ros.types import DepthResult

KINDS = {
    "depth": Image,
    "compressed_depth": CompressedImage,
    "camera_info": CameraInfo,
    "points": PointCloud2,
    "confidence": Image,
    "rgb_info": CameraInfo,
    "rgb": Image,
}
"""Types of the outputs, by the field of `Publishers`."""


@dataclass(frozen=True, kw_only=True)
class Publishers:
    """The node's output publishers (rclpy)."""

    depth: Any
    compressed_depth: Any
    camera_info: Any
    points: Any
    confidence: Any
    rgb_info: Any
    """The same camera info as the depth's, where viewers look for that of `rgb`."""
    rgb: Any
    """The pixels that the depth belongs to: rectified, with its stamp, which by then have long left the camera."""

    def all(self) -> tuple[Any, ...]:
        """Give every publisher."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def wanted(self, *, points: bool = True) -> bool:
        """Tell whether anyone subscribes to any of them; to `points` only where points can be made."""
        outputs = (p for p in self.all() if points or p is not self.points)
        return any(p.get_subscription_count() > 0 for p in outputs)


@dataclass(frozen=True, kw_only=True)
class _Compression:
    """Depth that waits to be compressed."""

    depth_m: NDArray[np.float32]
    header: Any
    settings: Settings


class FramePublisher:
    """Writes the results of frames into messages that are used again, and sends them.

    Compressed depth is made in a thread of its own, of the newest frame: on a GPU its PNG takes as long as the
    inference, and would halve the rate of everything else.
    """

    def __init__(self, publishers: Publishers, reporter: Reporter, model_name: str) -> None:
        """Take the publishers, where log lines go, and the name of the model for them."""
        self._publishers = publishers
        self._reporter = reporter
        self._model_name = model_name
        self._depth = DepthWriter()
        self._compressed_depth = CompressedDepthWriter()
        self._compressing: NewestFrameWorker[_Compression] | None = None
        self._cloud = CloudWriter()
        self._confidence = PixelWriter("32FC1", np.float32)
        self._rgb = PixelWriter("rgb8", np.uint8)
        self._info = CameraInfo()

    def wants_confidence(self, settings: Settings) -> bool:
        """Whether the next frame's confidence is of use."""
        return settings.min_confidence > 0 or _has_subscribers(self._publishers.confidence)

    def publish(
        self, header: Any, settings: Settings, view: View, image: NDArray[np.uint8], result: DepthResult
    ) -> NDArray[np.float32]:
        """Send a frame's results.

        Args:
            header: std_msgs/Header of the input image.
            settings: parameters that were current when it arrived.
            view: the picture that depth was made of, and its camera.
            image: that picture, (H, W, 3) RGB.
            result: what the engine says of it.

        Returns:
            Depth (m) of what can be trusted, (H, W): NaN outside the picture and below `min_confidence`. It is not to
            be written to, as it may still be compressed.

        """
        if settings.output_frame_id != INPUT_FRAME:
            header = Header(stamp=header.stamp, frame_id=settings.output_frame_id)
        depth_m = view.mask_outside(result.depth_m)
        if settings.min_confidence > 0:
            depth_m = self._sure(depth_m, result, settings)
        publishers = self._publishers
        self._publish_info(header, view)
        if _has_subscribers(publishers.rgb):
            publishers.rgb.publish(self._rgb.write(image, header))
        self._publish_depth(publishers.depth, self._depth, depth_m, header, settings)
        if view.is_calibrated and _has_subscribers(publishers.points):
            publishers.points.publish(self._points(depth_m, image, view, header, settings))
        if _has_subscribers(publishers.confidence):
            self._publish_confidence(view, result, header)
        if _has_subscribers(publishers.compressed_depth):
            if self._compressing is None:
                self._compressing = NewestFrameWorker(self._compress, InferenceThread(name="compression"))
            self._compressing.submit(_Compression(depth_m=depth_m, header=header, settings=settings))
        return depth_m

    def stop(self, timeout_s: float) -> None:
        """Let the compression under way end, and begin no other one."""
        if self._compressing is not None:
            self._compressing.stop(timeout_s)

    def _compress(self, item: _Compression) -> None:
        """Publish compressed depth; no error leaves this function."""
        publisher = self._publishers.compressed_depth
        try:
            self._publish_depth(publisher, self._compressed_depth, item.depth_m, item.header, item.settings)
        except Exception as error:  # the next frame may work
            self._reporter.failure("compression", f"depth not compressed: {type(error).__name__}: {error}", error)

    def _publish_info(self, header: Any, view: View) -> None:
        self._info.header = header
        camera = view.camera if view.is_calibrated else None
        fill_camera_info(self._info, camera, view.width, view.height, view.tx)
        self._publishers.camera_info.publish(self._info)
        if _has_subscribers(self._publishers.rgb_info):
            self._publishers.rgb_info.publish(self._info)

    def _publish_depth(
        self,
        publisher: Any,
        writer: DepthWriter | CompressedDepthWriter,
        depth_m: NDArray[np.float32],
        header: Any,
        settings: Settings,
    ) -> None:
        if not _has_subscribers(publisher):
            return
        self._warn_of_millimetres(settings)
        message = writer.write(
            depth_m,
            header,
            encoding=settings.depth_encoding,
            min_m=settings.min_depth_m,
            max_m=settings.max_depth_m,
            far_value=settings.far_value,
        )
        publisher.publish(message)

    def _points(
        self, depth_m: NDArray[np.float32], image: NDArray[np.uint8], view: View, header: Any, settings: Settings
    ) -> Any:
        return self._cloud.write(
            depth_m,
            image,
            view.camera,
            header,
            rays=view.rays(settings.points_stride),
            stride=settings.points_stride,
            min_m=settings.points_min_m,
            max_m=settings.points_max_m,
            far_value=settings.points_far_value,
        )

    def _sure(self, depth_m: NDArray[np.float32], result: DepthResult, settings: Settings) -> NDArray[np.float32]:
        """Depth with NaN where it is less sure than asked for; as it is where the model does not say."""
        if result.confidence is None:
            text = f"min_confidence does nothing: model {self._model_name} gives no confidence"
            self._reporter.warn_once("min_confidence", text)
            return depth_m
        # In place: nobody else has this result.
        set_nan(depth_m, result.confidence < np.float32(settings.min_confidence))
        return depth_m

    def _publish_confidence(self, view: View, result: DepthResult, header: Any) -> None:
        if result.confidence is None:
            text = f"no confidence is published: model {self._model_name} gives none"
            self._reporter.warn_once("confidence", text)
            return
        confidence = self._confidence.write(view.mask_outside(result.confidence), header)
        self._publishers.confidence.publish(confidence)

    def _warn_of_millimetres(self, settings: Settings) -> None:
        if settings.depth_encoding == "16UC1" and settings.far_value != "max" and settings.max_depth_m > LARGEST_M:
            self._reporter.warn_once(
                "16UC1",
                f"depth beyond {LARGEST_M:g} m is invalid (0) in 16UC1, and max_depth_m is {settings.max_depth_m:g}: "
                "outdoors use depth_encoding 32FC1 or far_value max",
            )


def _has_subscribers(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count() > 0)
