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

from prv2_ros.ros import inputs
from prv2_ros.ros.inputs import IDLE_S, Inputs


class Stand:
    """Inputs of a node that is not spun."""

    def __init__(self, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node, self.now = node, 1000.0
        monkeypatch.setattr(inputs, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.inputs = Inputs(node, lambda message: None, lambda message: None, lambda text: None)

    def follow(self, wanted: bool, after_s: float) -> bool:
        self.now += after_s
        self.inputs.follow(wanted)
        return self.inputs.takes_images

    def subscriptions(self) -> dict[str, Any]:
        return {each.topic_name: each for each in self.node.subscriptions}


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("stand", context=context)
    yield Stand(node, monkeypatch)
    node.destroy_node()
    context.try_shutdown()


def test_images_are_left_only_after_nobody_wanted_them_for_a_while(stand: Stand) -> None:
    stand.inputs.start("raw")
    assert stand.follow(False, IDLE_S), "counted from the start"
    assert stand.follow(True, 60.0)
    assert stand.follow(False, IDLE_S), "counted from when they were last wanted"
    assert not stand.follow(False, 0.1)
    assert set(stand.subscriptions()) == {"/camera_info"}
    assert stand.follow(True, 60.0)
    assert set(stand.subscriptions()) == {"/camera_info", "/image_raw"}
    assert stand.follow(False, IDLE_S)


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
