"""The node's subscriptions: camera info for as long as it is active, images for as long as somebody wants an output."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from prv2_ros.messages.camera_info import says_rectified
from prv2_ros.ros import qos
from prv2_ros.ros.topics import moved_along

IDLE_S = 5.0
"""How long nobody must want an output before images are no longer taken in (s): a viewer that comes back soon need not
wait for publishers to be found again."""


def _type_name(kind: Any) -> str:
    """Name of a message type as ROS writes it: sensor_msgs/msg/Image."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


class Inputs:
    """Subscribes and unsubscribes; used from the executor's thread only.

    Images that nobody asked for cost 24 to 43% of a core at 3840x2160 and 10 Hz, for being received alone; left, 1%.
    """

    def __init__(
        self,
        node: Node,
        on_image: Callable[[Any], None],
        on_info: Callable[[Any], None],
        on_lost: Callable[[int], None],
        report: qos.Report,
    ) -> None:
        """Take the node and its callbacks; `report` gets a line where a publisher's QoS does not match."""
        self._node, self._report, self._on_lost = node, report, on_lost
        self._on_image, self._on_info = on_image, on_info
        self._info: Any | None = None
        self._image: Any | None = None
        self._kind: tuple[Any, str] = (Image, "image_raw")
        self._wanted_at = self._subscribed_at = 0.0

    @property
    def takes_images(self) -> bool:
        """True while images are subscribed."""
        return self._image is not None

    def start(self, image_transport: str) -> None:
        """Subscribe to both, images as `raw` or `compressed`."""
        compressed = image_transport == "compressed"
        self._kind = (CompressedImage, self._compressed_topic()) if compressed else (Image, "image_raw")
        self._info = qos.subscribe(self._node, CameraInfo, self._info_topic(), self._on_info, self._report)
        self._subscribe_images()
        self._wanted_at = time.monotonic()

    def follow(self, wanted: bool) -> bool:
        """Take images in where they are wanted, and leave them once they were not for `IDLE_S`; True where taken up."""
        if self._info is None:
            return False
        now = time.monotonic()
        if wanted:
            self._wanted_at = now
            if self._image is None:
                self._subscribe_images()
                return True
        elif self._image is not None and now - self._wanted_at > IDLE_S:
            self._node.destroy_subscription(self._image)
            self._image = None
        return False

    @property
    def awaited_s(self) -> float:
        """For how long images have been subscribed (s), 0 where they are not."""
        return time.monotonic() - self._subscribed_at if self.takes_images else 0.0

    @property
    def image_source(self) -> str:
        """The topic of the images and how many publish it, in words."""
        return self._source(self._kind[1], self._kind[0])

    @property
    def info_source(self) -> str:
        """The topic of the camera info and how many publish it, in words."""
        return self._source(self._info_topic(), CameraInfo)

    @property
    def info_topic(self) -> str:
        """The full name of the camera info's topic."""
        return str(self._node.resolve_topic_name(self._info_topic()))

    @property
    def looks_rectified(self) -> bool:
        """Whether the name of the images' topic says that they are rectified, as image_proc's `image_rect` does."""
        return says_rectified(str(self._node.resolve_topic_name(self._kind[1])))

    def stop(self) -> None:
        """Unsubscribe from both."""
        for subscription in (self._image, self._info):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._image, self._info = None, None

    def _subscribe_images(self) -> None:
        self._subscribed_at = time.monotonic()
        self._image = qos.subscribe(self._node, *self._kind, self._on_image, self._report, self._on_lost)

    def _source(self, topic: str, kind: Any) -> str:
        name = self._node.resolve_topic_name(topic)
        wanted = _type_name(kind)
        found = [info.topic_type for info in self._node.get_publishers_info_by_topic(name)]
        publishers = found.count(wanted)
        text = f"{publishers or 'no'} publisher{'s' * (publishers != 1)}"
        if not publishers:
            text += self._elsewhere(name, sorted(set(found) - {wanted}))
        return f" on {name} ({text})"

    def _elsewhere(self, name: str, others: list[str]) -> str:
        """What is published there or beside it instead, and what to do about it."""
        compressed = _type_name(CompressedImage)
        if compressed in others:
            advice = "set image_transport to compressed, without /compressed in the name"
            return f" of this type, one of {compressed}: {advice}"
        if others:
            return f" of this type, one of {others[0]}: correct the topic"
        is_image = self._kind[0] is Image and name == self._node.resolve_topic_name(self._kind[1])
        if is_image and self._node.count_publishers(f"{name}/compressed"):
            return f", but {name}/compressed has one: set image_transport to compressed"
        return ""

    def _compressed_topic(self) -> str:
        return moved_along(self._node, "image_raw/compressed", "image_raw", "{}/compressed")

    def _info_topic(self) -> str:
        return moved_along(self._node, "camera_info", "image_raw", "{beside}/camera_info")
