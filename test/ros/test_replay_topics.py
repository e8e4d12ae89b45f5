"""What of a bag is published beside nodes that publish the same topics, over a real DDS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from ros_fakes import logged, reliable, wait_until
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bag_samples import LATCHED, STORE, Samples

from prv2_ros.errors import InputError
from prv2_ros.messages.bags import Bag
from prv2_ros.ros.replay_topics import BagPublishers

DEPTH, IMAGE, INFO = "/front/depth/image_rect", "/front/image_raw", "/front/camera_info"


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    """The node of a replay, and one that publishes for itself."""
    context = rclpy.Context()
    rclpy.init(context=context)
    made = Node("prv2_replay", context=context), Node("driver", namespace="/robot", context=context)
    yield made
    for node in made:
        node.destroy_node()
    context.try_shutdown()


def others_publish(nodes: tuple[Node, Node], *topics: tuple[Any, str]) -> None:
    """Have the other node publish topics, and wait until the replay's node knows."""
    for kind, topic in topics:
        nodes[1].create_publisher(kind, topic, reliable())
        wait_until(lambda topic=topic: nodes[0].count_publishers(topic) == 2, what=f"publisher of {topic} found")


def publishers(nodes: tuple[Node, Node], bag: Bag, **options: Any) -> BagPublishers:
    return BagPublishers(nodes[0], bag, **({"named": (), "without": ()} | options))


def test_what_another_node_publishes_is_left_to_it_and_said_in_one_line(
    tmp_path: Path, nodes: tuple[Node, Node], capfd: pytest.CaptureFixture[str]
) -> None:
    line = (
        f"{INFO}, {DEPTH}: left out, as published by /robot/driver; to insist, name every topic that is to be published"
    )
    said = logged(capfd, line)
    with Bag(Samples(frames=1).write(tmp_path / "a")) as bag:
        made = publishers(nodes, bag)
        others_publish(nodes, (Image, DEPTH), (CameraInfo, INFO))
        assert made.start() == [IMAGE]
        assert [made.publish(topic, b"\0\1\0\0") for topic in (DEPTH, INFO)] == [False, False]
    wait_until(said, what="line in the log")
    assert [nodes[0].count_publishers(topic) for topic in (DEPTH, INFO, IMAGE)] == [1, 1, 1]


def test_a_node_that_comes_later_gets_its_topic(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    with Bag(Samples(frames=1).write(tmp_path / "a")) as bag:
        made = publishers(nodes, bag)
        (raw,) = bag.messages([DEPTH])
        assert made.start() == [INFO, DEPTH, IMAGE]
        assert made.publish(DEPTH, raw.data)
        others_publish(nodes, (Image, DEPTH))
        assert not made.publish(DEPTH, raw.data)
        assert made.start() == [INFO, IMAGE]


def test_topics_that_are_named_and_types_that_nodes_share_are_published_beside_others(
    tmp_path: Path, nodes: tuple[Node, Node]
) -> None:
    shared = (DiagnosticArray, "/diagnostics")
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        writer.add_connection("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", typestore=STORE)
        writer.add_connection("/points", "sensor_msgs/msg/PointCloud2", typestore=STORE)
    with Bag(tmp_path / "a") as bag:
        every = publishers(nodes, bag)
        others_publish(nodes, shared, (PointCloud2, "/points"))
        assert every.start() == ["/diagnostics"]
        assert publishers(nodes, bag, named=("/points",)).start() == ["/points"]


def test_two_replays_do_not_leave_everything_to_each_other(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    with Bag(Samples(frames=1).write(tmp_path / "a")) as bag:
        made = [publishers(nodes, bag) for _ in range(2)]
        assert [each.start() for each in made] == [[INFO, DEPTH, IMAGE]] * 2


def test_a_publisher_whose_node_is_not_known_yet_may_be_another_replays(
    tmp_path: Path, nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As rmw_fastrtps gives it for a tenth of a second, which no test can hold.
    unknown = SimpleNamespace(node_namespace="_NODE_NAMESPACE_UNKNOWN_", node_name="_NODE_NAME_UNKNOWN_")
    monkeypatch.setattr(nodes[0], "get_publishers_info_by_topic", lambda topic: [unknown])
    with Bag(Samples(frames=1).write(tmp_path / "a")) as bag:
        assert publishers(nodes, bag).start() == [INFO, DEPTH, IMAGE]


def test_a_bag_of_which_nothing_is_left_is_refused(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    with Bag(Samples(frames=1).write(tmp_path / "a")) as bag:
        made = publishers(nodes, bag)
        others_publish(nodes, (Image, DEPTH), (CameraInfo, INFO), (Image, IMAGE))
        with pytest.raises(
            InputError, match=r"other nodes publish every topic of bag .*: stop them, or insist with --top"
        ):
            made.start()


def test_what_was_kept_for_late_subscribers_is_kept_again(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = "sensor_msgs/msg/CameraInfo"
        for name in ("/once", "/robot/tf_static"):
            profiles = [LATCHED] if name == "/once" else []
            writer.add_connection(name, kind, typestore=STORE, offered_qos_profiles=profiles)
        writer.add_connection("/often", kind, typestore=STORE)
    with Bag(tmp_path / "a") as bag:
        assert {name: topic.latched for name, topic in bag.topics().items()} == {
            "/often": 0, "/once": 1, "/robot/tf_static": 0,
        }  # fmt: skip
        publishers(nodes, bag).start()
    kept = {}
    for name in ("/often", "/once", "/robot/tf_static"):
        (endpoint,) = nodes[0].get_publishers_info_by_topic(name)
        kept[name] = endpoint.qos_profile.durability.name
    assert kept == {"/often": "VOLATILE", "/once": "TRANSIENT_LOCAL", "/robot/tf_static": "TRANSIENT_LOCAL"}


def test_as_much_is_kept_as_the_publishers_kept_within_bounds(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    kept = {"/once": [LATCHED], "/much": [LATCHED._replace(depth=50)], "/often": []}
    always = {name: [LATCHED] for name in ("/tf_static", "/robot_description")}
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name, profiles in (kept | always).items():
            writer.add_connection(name, "sensor_msgs/msg/CameraInfo", typestore=STORE, offered_qos_profiles=profiles)
    with Bag(tmp_path / "a") as bag:
        made = publishers(nodes, bag)
        assert set(made.start()) == set(kept | always)
    profiles = {each.topic_name: each.qos_profile for each in nodes[0].publishers}
    assert {name: profiles[name].depth for name in kept} == {"/once": 1, "/much": 10, "/often": 10}
    assert [profiles[name].depth for name in always] == [100, 100], "one for each of many publishers, say"
    assert all(profile.reliability.name == "RELIABLE" for name, profile in profiles.items() if name in kept | always)
