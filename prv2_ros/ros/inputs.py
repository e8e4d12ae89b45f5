"""The node's subscriptions: camera info for as long as it is active, images for as long as somebody wants an output."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from prv2_ros.ros import qos

IDLE_S = 5.0
"""How long nobody must want an output before images are no longer taken in (s): a viewer that comes back soon need not
wait for publishers to be found again."""


class Inputs:
    """Subscribes and unsubscribes; used from the executor's thread only.

    Images that nobody asked for cost 24 to 43% of a core at 3840x2160 and 10 Hz, for being received alone; left, 1%.
    """

    def __init__(
        self, node: Node, on_image: Callable[[Any], None], on_info: Callable[[Any], None], report: qos.Report
    ) -> None:
        """Take the node and its callbacks; `report` gets a line where a publisher's QoS does not match."""
        self._node, self._report = node, report
        self._on_image, self._on_info = on_image, on_info
        self._info: Any | None = None
        self._image: Any | None = None
        self._kind: tuple[Any, str] = (Image, "image_raw")
        self._wanted_at = 0.0

    @property
    def takes_images(self) -> bool:
        """True while images are subscribed."""
        return self._image is not None

    def start(self, image_transport: str) -> None:
        """Subscribe to both, images as `raw` or `compressed`."""
        compressed = image_transport == "compressed"
        self._kind = (CompressedImage, self._compressed_topic()) if compressed else (Image, "image_raw")
        self._info = self._subscribe(CameraInfo, "camera_info", self._on_info)
        self._image = self._subscribe(*self._kind, self._on_image)
        self._wanted_at = time.monotonic()

    def follow(self, wanted: bool) -> None:
        """Take images in where they are wanted, and leave them once they were not for `IDLE_S`."""
        if self._info is None:
            return
        now = time.monotonic()
        if wanted:
            self._wanted_at = now
            if self._image is None:
                self._image = self._subscribe(*self._kind, self._on_image)
        elif self._image is not None and now - self._wanted_at > IDLE_S:
            self._node.destroy_subscription(self._image)
            self._image = None

    def stop(self) -> None:
        """Unsubscribe from both."""
        for subscription in (self._image, self._info):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image, self._info = None, None

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None]) -> Any:
        options = qos.subscription_options(self._node.resolve_topic_name(topic), self._report)
        return self._node.create_subscription(kind, topic, callback, qos.sensor_input(), **options)

    def _compressed_topic(self) -> str:
        """Where `image_raw` is remapped its compressed sibling moves along, unless it has a remapping of its own."""
        topic, resolve = "image_raw/compressed", self._node.resolve_topic_name
        if resolve(topic) != resolve(topic, only_expand=True):
            return topic
        return f"{resolve('image_raw')}/compressed"
