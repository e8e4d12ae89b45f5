"""What the node takes in over a real DDS: infos that belong to frames, remapped topics, QoS, frames of before."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from lifecycle_msgs.msg import Transition
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy
from ros_fakes import (
    PlaneEngine,
    change_state,
    compressed_message,
    image_message,
    info_message,
    live_node,
    reliable,
    wait_until,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from prv2_ros.ros import inputs
from prv2_ros.ros import node as node_module

GREY = np.full((48, 64, 3), 100, np.uint8)


def test_a_zooming_camera_gets_the_info_of_each_frame() -> None:
    with live_node(PlaneEngine(), listen=("depth/camera_info",)) as live:
        live.wait_ready()
        sent = {}
        for sec in range(1, 6):
            info = info_message(64, 48, f_px=50.0 * sec)
            info.header.stamp.sec = sec
            live.partner.infos.publish(info)
            live.partner.images.publish(image_message(GREY, sec=sec))
            sent[sec] = info.k[0]
            wait_until(lambda sec=sec: len(live.partner.received["depth/camera_info"]) == sec, what="camera info")
        got = {info.header.stamp.sec: info.k[0] for info in live.partner.received["depth/camera_info"]}
        assert got == sent


@pytest.mark.parametrize("topic", ["/cam/color/image_raw", "image_raw"])  # the launch file always remaps
def test_compressed_topic_follows_a_remapped_image_topic(topic: str) -> None:
    parameters = {"image_transport": "compressed"}
    with live_node(PlaneEngine(), parameters, remap=(f"image_raw:={topic}",)) as live:
        publisher = live.partner.node.create_publisher(CompressedImage, f"{topic}/compressed", reliable())
        wait_until(publisher.get_subscription_count, what="node subscribed")
        wait_until(lambda: live.node.count_subscribers("/depth/image_rect"), what="partner subscribed")
        jpeg = compressed_message(cv2.imencode(".jpg", GREY)[1].tobytes())

        def answered() -> bool:
            publisher.publish(jpeg)
            time.sleep(0.05)
            return bool(live.partner.depths)

        wait_until(answered, what="depth")


@pytest.mark.parametrize("settings", [{}, {"input_rectified": True}, {"rectify": False}])
def test_rectified_images_that_would_be_undistorted_again_are_told_of_once(
    settings: dict[str, bool], capfd: pytest.CaptureFixture[str]
) -> None:
    with live_node(PlaneEngine(), settings, remap=("image_raw:=/image_rect",), listen=()) as live:
        wait_until(live.partner.infos.get_subscription_count, what="camera info subscribed")
        for _ in range(2):
            live.send_info(info_message(64, 48, d=(-0.2, 0.0, 0.0, 0.0, 0.0)))
    assert capfd.readouterr().err.count("set input_rectified, or rectify to false") == (0 if settings else 1)


@pytest.mark.parametrize(
    ("depth", "info"),
    [
        ("/perception/depth", "/perception/camera_info"),
        ("/depth_image", "/depth/camera_info"),  # beside the camera's own info, which must stay its own
    ],
)
def test_camera_info_of_a_remapped_depth_moves_along(depth: str, info: str) -> None:
    with live_node(PlaneEngine(), remap=(f"depth/image_rect:={depth}",), listen=()) as live:
        wait_until(lambda: live.node._state == "active", what="active node")
        assert live.node._outputs is not None
        names = {output.topic_name for output in live.node._outputs.all()}
        assert {depth, info, f"{depth}/compressedDepth"} <= names
        assert live.node._inputs.info_topic == "/camera_info" not in names


def test_camera_infos_of_outputs_in_one_namespace_keep_apart() -> None:
    remap = ("depth/image_rect:=/seen/depth", "rgb/image_rect_color:=/seen/rgb")
    with live_node(PlaneEngine(), remap=remap, listen=()) as live:
        wait_until(lambda: live.node._state == "active", what="active node")
        assert live.node._outputs is not None
        assert live.node._outputs.camera_info.topic_name == "/seen/camera_info"
        assert live.node._outputs.rgb_info.topic_name == "/rgb/camera_info"
    with live_node(PlaneEngine(), remap=remap[1:], listen=()) as live:
        wait_until(lambda: live.node._state == "active", what="active node")
        assert live.node._outputs is not None
        assert live.node._outputs.rgb_info.topic_name == "/seen/camera_info"


def test_compressed_topic_may_be_remapped_by_itself() -> None:
    rules = ("image_raw:=/cam/color/image_raw", "image_raw/compressed:=/cam/jpeg")
    with live_node(PlaneEngine(), {"image_transport": "compressed"}, remap=rules) as live:
        wait_until(lambda: live.node.count_subscribers("/cam/jpeg"), what="node subscribed")
        assert live.node.count_subscribers("/cam/color/image_raw/compressed") == 0


def test_a_calibration_that_is_sent_once_arrives_where_durability_is_asked_for() -> None:
    latched = reliable(1)
    latched.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
    prefix = "qos_overrides./camera_info.subscription"
    parameters = {f"{prefix}.durability": "transient_local", f"{prefix}.reliability": "reliable", "autostart": False}
    with live_node(PlaneEngine(), parameters) as live:
        once = live.partner.node.create_publisher(CameraInfo, "camera_info", latched)
        once.publish(info_message(64, 48))
        assert change_state(live, Transition.TRANSITION_CONFIGURE)
        assert change_state(live, Transition.TRANSITION_ACTIVATE)
        wait_until(lambda: live.counts.info_received == 1, what="the calibration")


def test_images_are_taken_in_for_as_long_as_somebody_wants_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "IDLE_S", 0.3)
    with live_node(PlaneEngine(), listen=()) as live:
        partner = live.partner
        wait_until(partner.infos.get_subscription_count, what="camera info subscribed")
        wait_until(lambda: live.node._state == "active" and not live.node._inputs.takes_images, what="left")
        wait_until(lambda: partner.images.get_subscription_count() == 0, what="partner knows")
        wait_until(lambda: partner.received["/diagnostics"], what="diagnostics")
        wait_until(lambda: partner.received["/diagnostics"][-1].status[0].message == "idle: no subscriber", what="idle")
        listener = partner.node.create_subscription(Image, "depth/image_rect", partner.depths.append, reliable())
        wait_until(partner.images.get_subscription_count, what="taken up again")
        time.sleep(0.2)
        partner.images.publish(image_message(GREY))
        wait_until(lambda: partner.depths, what="depth")
        partner.node.destroy_subscription(listener)
        wait_until(lambda: not live.node._inputs.takes_images, what="left again")
        assert not live.errors


def test_no_second_thread_enters_the_engine_and_no_stale_frame_goes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_module, "_PATIENCE_S", 0.1)
    engine = PlaneEngine(delay_s=2.0)
    with live_node(engine, listen=("depth/image_rect",)) as live:
        live.wait_ready()
        live.partner.images.publish(image_message(GREY))
        wait_until(lambda: engine.inside, what="inference")
        assert change_state(live, Transition.TRANSITION_DEACTIVATE)
        assert change_state(live, Transition.TRANSITION_ACTIVATE)
        wait_until(lambda: live.partner.images.get_subscription_count(), what="subscribed again")
        time.sleep(0.2)
        live.partner.images.publish(image_message(GREY, sec=7))
        wait_until(lambda: live.node._worker.pending() == 1, what="the next image waits")
        assert engine.inside == 1
        assert not engine.calls
        engine.delay_s = 0.0
        wait_until(lambda: live.partner.depths, what="depth")
        assert [depth.header.stamp.sec for depth in live.partner.depths] == [7]
        assert engine.most_inside == 1


def test_quality_of_the_diagnostics_can_be_chosen_like_any_topic_s(capfd: pytest.CaptureFixture[str]) -> None:
    with live_node(PlaneEngine(), {"qos_overrides./diagnostics.publisher.durability": "transient_local"}) as live:
        live.wait_ready()
        (endpoint,) = live.node.get_publishers_info_by_topic("/diagnostics")
        assert endpoint.qos_profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    assert "no publisher or subscription of this node" not in capfd.readouterr().err


def test_a_calibration_that_was_refused_counts_once_images_are_said_to_be_rectified() -> None:
    with live_node(PlaneEngine()) as live:
        live.wait_ready()
        info = info_message(64, 48)
        info.distortion_model, info.d = "double_sphere", [0.1] * 6
        live.send_info(info)
        wait_until(lambda: live.counts.info_errors == 1, what="refused info")
        assert not live.node._intake.is_calibrated
        live.executor.create_task(live.node.set_parameters, [Parameter("input_rectified", value=True)])
        wait_until(lambda: live.node._intake.is_calibrated, what="calibration")


def test_a_failure_is_over_once_the_node_is_cleaned_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with live_node(PlaneEngine(), {"autostart": False}) as live:
        assert change_state(live, Transition.TRANSITION_CONFIGURE)
        monkeypatch.setattr(live.node, "_start", lambda: {}["no such topic"])
        assert not change_state(live, Transition.TRANSITION_ACTIVATE)
        assert live.node._failure.startswith("cannot activate")
        assert change_state(live, Transition.TRANSITION_CLEANUP)
        assert not live.node._failure
