"""Topics that move along with another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("rclpy", reason="needs rclpy")
import rclpy
from rclpy.node import Node

from prv2_ros.ros.topics import moved_along


@contextmanager
def node(*rules: str) -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    arguments = ["--ros-args", *(word for rule in rules for word in ("-r", rule))] if rules else None
    made = Node("mover", context=context, namespace="/robot", cli_args=arguments)
    yield made
    made.destroy_node()
    context.try_shutdown()


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), "d/raw/packed"),
        (("d/raw:=/x/depth",), "/x/depth/packed"),
        (("d/raw:=depth",), "/robot/depth/packed"),
        (("d/raw:=/x/depth", "d/raw/packed:=/y/p"), "d/raw/packed"),
        (("d/raw/packed:=/y/p",), "d/raw/packed"),
    ],
)
def test_a_topic_below_another_moves_with_it(rules: tuple[str, ...], expected: str) -> None:
    with node(*rules) as made:
        assert moved_along(made, "d/raw/packed", "d/raw", "{}/packed") == expected


@pytest.mark.parametrize("rule", ["info:=info", "depth_node:info:=info", "/robot/info:=/robot/info"])
def test_a_rule_to_the_name_that_a_topic_has_anyway_is_one(rule: str) -> None:
    """What `camera_info:=camera_info` asks for; rclpy tells nothing of it."""
    with node("image:=color/image") as made:
        assert moved_along(made, "info", "image", "{beside}/info", ["depth_node", "-r", rule]) == "info"
        others = ["depth_node", "-r", "my_info:=info", "info"]
        assert moved_along(made, "info", "image", "{beside}/info", others) == "/robot/color/info"


def test_a_topic_beside_another_moves_with_it() -> None:
    for rule, expected in (("image:=/image", "/info"), ("image:=/a/b/image", "/a/b/info")):
        with node(rule) as made:
            assert moved_along(made, "info", "image", "{beside}/info") == expected
