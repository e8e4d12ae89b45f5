"""Bags played over a real DDS."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_fakes import PlaneEngine, live_node, logged, reliable, wait_until
from rosbags.rosbag2 import StoragePlugin, Writer
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bag_samples import FIRST_NS, PERIOD_NS, STORE, Samples, picture, true_depth
from mcap_checksums import add_checksums

from prv2_ros.cli import main
from prv2_ros.errors import InputError
from prv2_ros.messages.bags import Bag
from prv2_ros.ros import replay as replay_module
from prv2_ros.ros.replay import ReplayOptions, replay


class Listener:
    """Keeps what is published; answers images with their stamp where asked to."""

    def __init__(self, context: Any, *, answers: bool = False) -> None:
        self.node = Node("listener", context=context)
        self.images: list[Image] = []
        self.clocks: list[int] = []
        self.node.create_subscription(Image, "/front/image_raw", self._take, reliable())
        self.node.create_subscription(
            Clock, "/clock", lambda m: self.clocks.append(m.clock.sec * 10**9 + m.clock.nanosec), reliable(1000)
        )
        self._answers = self.node.create_publisher(CameraInfo, "/answer", reliable()) if answers else None

    def _take(self, message: Image) -> None:
        self.images.append(message)
        if self._answers is not None:
            self._answers.publish(CameraInfo(header=message.header))


@pytest.fixture
def context() -> Any:
    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    made.try_shutdown()


def play(context: Any, listener: Listener, **options: Any) -> Any:
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener.node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        # Listener and replay are in one process, and find each other at once.
        played = replay(ReplayOptions(**({"delay_s": 1.0} | options)), context)
        end = time.monotonic() + 5
        while len(listener.images) < played.images and time.monotonic() < end:
            time.sleep(0.02)
        return played
    finally:
        executor.shutdown()
        thread.join(10)
        listener.node.destroy_node()


@pytest.mark.parametrize("storage", ["mcap", "ros1"])
def test_messages_arrive_as_recorded_in_time_and_the_clock_moves(tmp_path: Path, context: Any, storage: str) -> None:
    path = Samples(frames=4, storage=storage).write(tmp_path / ("a.bag" if storage == "ros1" else "a"))
    listener = Listener(context)
    start = time.monotonic()
    played = play(context, listener, bag=str(path), rate=0.5, delay_s=1.0)
    took_s = time.monotonic() - start
    assert (played.messages, played.images) == (12, 8), "colour and depth images"
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in listener.images]
    assert stamps == [FIRST_NS + i * PERIOD_NS for i in range(4)]
    assert [bytes(m.data) for m in listener.images] == [picture(i).tobytes() for i in range(4)]
    assert took_s > 1.6, "0.3 s at half the speed, after a delay of 1 s"
    assert listener.clocks == sorted(listener.clocks)
    assert listener.clocks[0] == FIRST_NS
    assert listener.clocks[-1] == FIRST_NS + 3 * PERIOD_NS
    assert len(listener.clocks) > 8


def test_as_fast_as_the_node_takes_it(tmp_path: Path, context: Any) -> None:
    path = Samples(frames=6).write(tmp_path / "a")
    listener = Listener(context, answers=True)
    topics = ("/front/image_raw", "/front/camera_info")
    played = play(context, listener, bag=str(path), follow="/answer", topics=topics)
    assert (played.messages, played.images, played.asked, played.answered) == (12, 6, 6, 6)


def test_depth_images_are_not_waited_for(tmp_path: Path, context: Any) -> None:
    path = Samples(frames=3).write(tmp_path / "a")
    played = play(context, Listener(context, answers=True), bag=str(path), follow="/answer")
    assert (played.images, played.asked, played.answered) == (6, 3, 3)


@pytest.mark.parametrize(("topic", "asked"), [("/ir/image_raw", 1), ("/ir/depth/image_raw", 0)])
def test_brightness_of_16_bits_is_waited_for_as_any_picture(
    tmp_path: Path, context: Any, topic: str, asked: int
) -> None:
    kind = "sensor_msgs/msg/Image"
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(topic, kind, typestore=STORE)
        message = Samples().image(np.zeros((8, 8), np.uint16), "16UC1", "ir", FIRST_NS)
        writer.write(connection, FIRST_NS, STORE.serialize_cdr(message, kind))
    played = play(context, Listener(context), bag=str(tmp_path / "a"), follow="/answer", follow_timeout_s=0.1)
    assert (played.images, played.asked) == (1, asked)


def test_compressed_pictures_are_waited_for_and_compressed_depth_is_not(tmp_path: Path, context: Any) -> None:
    path = Samples(frames=2, compressed_images=True, truth="compressed").write(tmp_path / "a")
    played = replay(ReplayOptions(bag=str(path), follow="/answer", follow_timeout_s=0.05, delay_s=0.0), context)
    assert (played.images, played.asked, played.answered) == (4, 2, 0)


def test_a_recorded_clock_is_left_out_and_so_is_a_followed_topic_without_its_slash(
    tmp_path: Path, context: Any
) -> None:
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {"/clock": "rosgraph_msgs/msg/Clock", "/answer": "sensor_msgs/msg/CameraInfo"}
        time_of_day = STORE.types["builtin_interfaces/msg/Time"](sec=1, nanosec=0)
        messages = (STORE.types[kinds["/clock"]](clock=time_of_day), Samples().info("front", FIRST_NS))
        for (topic, kind), message in zip(kinds.items(), messages, strict=True):
            connection = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connection, FIRST_NS, STORE.serialize_cdr(message, kind))
    options = ReplayOptions(bag=str(tmp_path / "a"), delay_s=0.0)
    assert replay(options, context).messages == 1, "what is not followed"
    with pytest.raises(InputError, match=r"bag .* has no topic"):
        replay(replace(options, follow="answer"), context)


def test_the_followed_topic_in_the_bag_is_no_answer(tmp_path: Path, context: Any) -> None:
    path = Samples(frames=2).write(tmp_path / "a")
    played = play(context, Listener(context), bag=str(path), follow="/front/camera_info", follow_timeout_s=0.2)
    assert (played.messages, played.asked, played.answered) == (4, 2, 0), "colour and depth images only"


@pytest.mark.parametrize("parts", [("message",), ("message", "stamp_ns")])
def test_a_damaged_image_is_published_as_it_is(
    tmp_path: Path, context: Any, monkeypatch: pytest.MonkeyPatch, parts: tuple[str, ...]
) -> None:
    def unreadable(bag: Bag, raw: Any) -> Any:
        raise InputError("damaged")

    for part in parts:
        monkeypatch.setattr(Bag, part, unreadable)
    path = Samples(frames=2).write(tmp_path / "a")
    played = play(
        context, Listener(context), bag=str(path), follow="/answer", follow_timeout_s=0.1, topics=("/front/image_raw",)
    )
    assert (played.images, played.asked, played.answered) == (2, 2, 0)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_messages_that_a_damaged_bag_lacks_are_told_of(
    tmp_path: Path, context: Any, capfd: pytest.CaptureFixture[str], is_damaged: bool
) -> None:
    path = Samples(truth="lidar", frames=5, chunk_per_frame=True).write(tmp_path / "a")
    if is_damaged:
        add_checksums(path / "a.mcap")
        data = bytearray((path / "a.mcap").read_bytes())
        data[data.index(picture(2).tobytes()[:400])] ^= 1
        (path / "a.mcap").write_bytes(data)
    topics = ("/front/image_raw", "/front/camera_info", "/lidar/points")
    played = play(context, Listener(context), bag=str(path), rate=float("inf"), topics=topics)
    assert (played.messages, played.images) == ((12, 4) if is_damaged else (15, 5))
    told = "12 of the 15 messages that the bag says it has on the published topics could be read: it is cut short"
    assert (told in capfd.readouterr().err) == is_damaged


def test_an_answer_that_does_not_come_is_waited_for_only_so_long(tmp_path: Path, context: Any) -> None:
    path = Samples(frames=1).write(tmp_path / "a")
    played = play(
        context,
        Listener(context),
        bag=str(path),
        follow="/answer",
        follow_timeout_s=0.2,
        topics=("/front/image_raw",),
    )
    assert (played.images, played.answered) == (1, 0)


@pytest.mark.parametrize(
    ("follow", "topics"),
    [
        ("", ()),
        ("/front/depth/camera_info", ()),
        ("", ("/front/image_raw", "/front/camera_info", "/front/depth/image_rect")),
    ],
)
def test_the_truth_is_not_mixed_with_the_depth_of_a_node_unless_it_is_named(
    tmp_path: Path, context: Any, capfd: pytest.CaptureFixture[str], follow: str, topics: tuple[str, ...]
) -> None:
    path = Samples(frames=3).write(tmp_path / "a")
    said = logged(capfd, "/front/depth/image_rect: left out, as published by /front/depth_node; to insist, name every")
    with live_node(PlaneEngine(depth_m=2.0), namespace="/front", listen=()) as live:
        depths: list[Image] = []
        live.partner.node.create_subscription(Image, "/front/depth/image_rect", depths.append, reliable())
        wait_until(lambda: live.node._inputs.takes_images, what="node listens")
        played = play(context, Listener(context), bag=str(path), follow=follow, topics=topics)
        if not topics:
            wait_until(said, what="line in the log")
        assert played.messages == (9 if topics else 6)
        assert (played.asked, played.answered) == ((3, 3) if follow else (0, 0))
        wait_until(lambda: len(depths) >= (4 if topics else 1), what="depth")
        made = [np.frombuffer(depth.data, "<f4").max() for depth in depths]
        assert set(made) - {2.0} == ({true_depth(frame).max() for frame in range(3)} if topics else set())
        assert not live.errors


def test_options_and_topics_that_cannot_be_used_are_named(tmp_path: Path, context: Any) -> None:
    with pytest.raises(InputError, match=r"--rate 0: must be above 0"):
        ReplayOptions(bag="x", rate=0)
    path = Samples(frames=1).write(tmp_path / "a")
    with pytest.raises(InputError, match=r"--topic /rear is not in bag .*; it has /front/camera_info, "):
        replay(ReplayOptions(bag=str(path), topics=("/rear",)), context)


def test_the_command_says_what_is_wrong_in_one_line() -> None:
    program = "import sys; from prv2_ros.cli.main import main; sys.exit(main(['replay', 'nowhere']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "prv2: error: bag nowhere: no such file or folder\n"


def test_the_command_refuses_a_speed_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["replay", "nowhere", "--rate", "nan"]) == 1
    assert capsys.readouterr().err == "prv2: error: --rate nan: must be above 0\n"
    for value in ("0", "nan"):
        assert main.main(["replay", "nowhere", "--follow-timeout", value]) == 1
        assert capsys.readouterr().err == f"prv2: error: --follow-timeout {float(value)}: must be above 0\n"


@pytest.mark.parametrize("is_ended", [True, False])
def test_ros_that_is_taken_away_in_the_middle_is_no_error(is_ended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: ReplayOptions) -> Any:
        if is_ended:
            rclpy.shutdown()
        raise RuntimeError("publisher's context is invalid")

    monkeypatch.setattr(replay_module, "replay", interrupted)
    monkeypatch.setattr(sys, "argv", ["replay", '{"bag": "a"}'])
    if is_ended:
        assert replay_module.main() == 130
        return
    with pytest.raises(RuntimeError, match="context is invalid"):
        replay_module.main()
