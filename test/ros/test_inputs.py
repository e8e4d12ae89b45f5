"""Subscriptions that come and go, on a real node and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy
from ros_fakes import wait_until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from prv2_ros.ros import inputs
from prv2_ros.ros.inputs import IDLE_S, Inputs


class Stand:
    """Inputs of a node that is not spun."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node, self.now = node, 1000.0
        monkeypatch.setattr(inputs, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.lost: list[int] = []
        self.inputs = Inputs(node, lambda message: None, lambda message: None, self.lost.append, lambda text: None)

    def follow(self, wanted: bool, after_s: float) -> bool:
        self.now += after_s
        before = self.inputs.takes_images
        assert self.inputs.follow(wanted) == (self.inputs.takes_images and not before)
        return self.inputs.takes_images

    def subscriptions(self) -> dict[str, Any]:
        return {each.topic_name: each for each in self.node.subscriptions}


@pytest.fixture
def stand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Parametrised indirectly by remapping rules."""
    context = rclpy.Context()
    rclpy.init(context=context)
    rules = [word for rule in getattr(request, "param", ()) for word in ("-r", rule)]
    node = Node("stand", context=context, cli_args=["--ros-args", *rules] if rules else None)
    yield Stand(node, monkeypatch)
    node.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ("stand", "image", "info"),
    [
        (("image_raw:=/cam/color/image",), "/cam/color/image", "/cam/color/camera_info"),
        (("image_raw:=/cam/image", "camera_info:=/other/info"), "/cam/image", "/other/info"),
        (("camera_info:=/other/info",), "/image_raw", "/other/info"),
        (("image_raw:=/image",), "/image", "/camera_info"),
        (("__ns:=/robot",), "/robot/image_raw", "/robot/camera_info"),
    ],
    indirect=["stand"],
)
def test_camera_info_stands_beside_a_remapped_image_unless_it_is_remapped_too(
    stand: Stand, image: str, info: str
) -> None:
    stand.inputs.start("raw")
    assert set(stand.subscriptions()) == {image, info}
    assert stand.inputs.info_topic == info
    assert stand.inputs.image_source == f" on {image} (no publishers)"
    stand.node.create_publisher(CameraInfo, info, 1)
    assert stand.inputs.info_source == f" on {info} (1 publisher)"


def test_images_that_are_published_otherwise_are_told_of(stand: Stand) -> None:
    stand.inputs.start("raw")
    assert stand.inputs.image_source == " on /image_raw (no publishers)"
    context = rclpy.Context()
    rclpy.init(context=context)
    other = Node("camera", context=context)  # a process has one type to a topic
    advice = "set image_transport to compressed"
    jpeg = other.create_publisher(CompressedImage, "image_raw/compressed", 1)
    found = f" on /image_raw (no publishers, but /image_raw/compressed has one: {advice})"
    wait_until(lambda: stand.inputs.image_source == found, what=found)
    other.destroy_publisher(jpeg)
    other.create_publisher(CompressedImage, "image_raw", 1)
    kind = "no publishers of this type, one of sensor_msgs/msg"
    found = f" on /image_raw ({kind}/CompressedImage: {advice}, without /compressed in the name)"
    wait_until(lambda: stand.inputs.image_source == found, what=found)
    other.create_publisher(Image, "camera_info", 1)
    found = f" on /camera_info ({kind}/Image: correct the topic)"
    wait_until(lambda: stand.inputs.info_source == found, what=found)
    other.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ("stand", "transport", "expected"),
    [
        (("image_raw:=/cam/image_rect_color",), "raw", True),
        (("image_raw:=/cam/image_rect",), "compressed", True),
        (("image_raw:=/rectified/image_raw",), "raw", False),
        (("image_raw:=/cam/image_direct",), "raw", False),
        ((), "raw", False),
    ],
    indirect=["stand"],
)
def test_names_that_say_rectified(stand: Stand, transport: str, expected: bool) -> None:
    stand.inputs.start(transport)
    assert stand.inputs.looks_rectified is expected


def test_what_is_lost_on_the_way_is_told(stand: Stand) -> None:
    stand.inputs.start("raw")
    handlers = stand.subscriptions()["/image_raw"].event_handlers
    [lost] = [each for each in handlers if "lambda" in getattr(each.callback, "__qualname__", "")]
    lost.callback(SimpleNamespace(total_count=7, total_count_change=3))
    assert stand.lost == [3]
    assert len(stand.subscriptions()["/camera_info"].event_handlers) == len(handlers) - 1


def test_images_are_left_only_after_nobody_wanted_them_for_a_while(stand: Stand) -> None:
    stand.inputs.start("raw")
    assert stand.follow(False, IDLE_S), "counted from the start"
    assert stand.inputs.awaited_s == IDLE_S
    assert stand.follow(True, 60.0)
    assert stand.follow(False, IDLE_S), "counted from when they were last wanted"
    assert not stand.follow(False, 0.1)
    assert set(stand.subscriptions()) == {"/camera_info"}
    assert stand.inputs.awaited_s == 0.0
    assert stand.follow(True, 60.0)
    assert set(stand.subscriptions()) == {"/camera_info", "/image_raw"}
    assert stand.follow(False, IDLE_S)
    assert stand.inputs.awaited_s == IDLE_S, "since they were taken up again"


def test_what_is_stopped_stays_so_until_it_is_started(stand: Stand) -> None:
    assert not stand.follow(True, 0.0)
    for transport, topic in (("raw", "/image_raw"), ("compressed", "/image_raw/compressed")):
        stand.inputs.start(transport)
        assert set(stand.subscriptions()) == {"/camera_info", topic}
        stand.inputs.stop()
        assert not stand.follow(True, 0.0)
        assert not stand.subscriptions()
    stand.inputs.stop()


def test_every_publisher_matches(stand: Stand) -> None:
    stand.inputs.start("raw")
    for subscription in stand.subscriptions().values():
        profile = subscription.qos_profile
        assert profile.reliability == QoSReliabilityPolicy.BEST_EFFORT
        assert profile.durability == QoSDurabilityPolicy.VOLATILE
