"""The node over a real DDS: what it publishes for what it gets, and what it refuses."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy
from ros_fakes import (
    Live,
    PlaneEngine,
    compressed_message,
    image_message,
    info_message,
    live_node,
    logged,
    reliable,
    wait_until,
)
from sensor_msgs.msg import Image

from prv2_ros.ros import inputs

GREY = np.full((48, 64, 3), 100, np.uint8)


def send(live: Live, message: Any, publisher: Any = None) -> None:
    """Publish one image and wait until the node has settled what becomes of it."""
    before = live.counts.received
    (publisher or live.partner.images).publish(message)
    wait_until(lambda: live.counts.received > before and live.settled(), what="image settled")


def set_parameter(live: Live, name: str, value: Any) -> Any:
    return live.node.set_parameters([Parameter(name, value=value)])[0]


def test_depth_info_and_points_carry_stamp_frame_and_values() -> None:
    engine = PlaneEngine(depth_m=2.0)
    with live_node(engine, {"points.stride": 2}) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48, f_px=50.0))
        send(live, image_message(GREY, "bgr8", sec=1234, nanosec=567))
        wait_until(lambda: all(live.partner.received[t] for t in live.partner.KINDS), what="all outputs")
        depth, info, points = (live.partner.received[topic][0] for topic in live.partner.KINDS)
        for message in (depth, info, points):
            assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1234, 567)
            assert message.header.frame_id == "camera_optical_frame"
        assert (depth.encoding, depth.height, depth.width, depth.step) == ("32FC1", 48, 64, 256)
        assert (np.frombuffer(depth.data, "<f4") == 2.0).all()
        assert (info.width, info.height, info.k[0], info.p[0]) == (64, 48, 50.0, 50.0)
        assert (points.height, points.width, points.point_step) == (24, 32, 16)
        xyz = np.frombuffer(points.data, "<f4").reshape(24, 32, 4)[..., :3]
        np.testing.assert_allclose(xyz[12, 16], [(32 - 31.5) / 50 * 2, (24 - 23.5) / 50 * 2, 2.0], rtol=1e-5)
        assert engine.calls[0][1].fx == 50.0
        assert not live.errors


def test_distorted_camera_is_rectified_and_said_so() -> None:
    engine = PlaneEngine()
    with live_node(engine) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48, d=(-0.2, 0.0, 0.0, 0.0, 0.0)))
        send(live, image_message(GREY))
        wait_until(lambda: live.partner.received["depth/camera_info"], what="camera info")
        assert not np.any(live.partner.received["depth/camera_info"][0].d)
        assert not engine.calls[0][1].is_distorted
        assert set_parameter(live, "rectify", False).successful
        send(live, image_message(GREY))
        wait_until(lambda: len(live.partner.received["depth/camera_info"]) == 2, what="camera info")
        assert live.partner.received["depth/camera_info"][1].d[0] == -0.2
        assert engine.calls[1][1].is_distorted


@pytest.mark.parametrize("distortion", [(), (-0.2, 0.0, 0.0, 0.0, 0.0)])
def test_the_pixels_of_the_depth_are_published_when_somebody_subscribes(distortion: tuple[float, ...]) -> None:
    engine = PlaneEngine()
    picture = np.random.default_rng(5).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with live_node(engine, listen=("rgb/image_rect_color",)) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48, d=distortion))
        send(live, image_message(picture, "rgb8", sec=12, nanosec=34))
        wait_until(lambda: live.partner.received["rgb/image_rect_color"], what="rectified picture")
        message = live.partner.received["rgb/image_rect_color"][0]
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
        assert (message.encoding, message.height, message.width, message.step) == ("rgb8", 48, 64, 192)
        pixels = np.frombuffer(message.data, np.uint8).reshape(48, 64, 3)
        np.testing.assert_array_equal(pixels, engine.calls[0][0])
        assert np.array_equal(pixels, picture) == (not distortion)


def test_confidence_is_published_when_somebody_subscribes() -> None:
    engine = PlaneEngine(confidence=0.75)
    with live_node(engine, {"max_latency_ms": 80.0, "regions": "4,8,20,30"}, listen=("confidence",)) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48, d=(-0.2, 0.0, 0.0, 0.0, 0.0)))
        send(live, image_message(GREY, sec=12, nanosec=34))
        wait_until(lambda: live.partner.received["confidence"], what="confidence")
        message = live.partner.received["confidence"][0]
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
        assert (message.encoding, message.height, message.width, message.step) == ("32FC1", 48, 64, 256)
        values = np.frombuffer(message.data, "<f4")
        assert set(values[np.isfinite(values)]) == {0.75}
        assert engine.options == {
            "coarse": False,
            "confidence": True,
            "max_latency_ms": 80.0,
            "regions": ((4, 8, 20, 30),),
        }


def test_nobody_asks_for_confidence_and_a_model_without_it_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    said = logged(capfd, "model plane gives none")
    engine = PlaneEngine()
    with live_node(engine, listen=("depth/image_rect",)) as live:
        live.wait_ready()
        send(live, image_message(GREY))
        assert engine.options["confidence"] is False
    with live_node(engine, listen=("depth/image_rect", "confidence")) as live:
        live.wait_ready()

        def warned() -> bool:
            send(live, image_message(GREY))  # again: the node may not yet know of the subscription at the first one
            return said()

        wait_until(warned, what="the warning")
        assert not live.partner.received["confidence"]
        assert live.counts.errors == 0


def test_compressed_images() -> None:
    engine = PlaneEngine()
    with live_node(engine, {"image_transport": "compressed"}) as live:
        live.wait_ready()
        jpeg = cv2.imencode(".jpg", GREY)[1].tobytes()
        send(live, compressed_message(jpeg), live.partner.compressed)
        send(live, compressed_message(jpeg[: len(jpeg) // 2]), live.partner.compressed)
        send(live, compressed_message(cv2.imencode(".png", GREY)[1].tobytes(), "png"), live.partner.compressed)
        assert (live.counts.published, live.counts.errors) == (2, 1)
        assert np.abs(engine.calls[0][0].astype(int) - 100).max() <= 1


def test_parameters_change_live_or_are_refused_with_the_reason() -> None:
    with live_node(PlaneEngine(depth_m=3.0)) as live:
        live.wait_ready()
        assert set_parameter(live, "depth_encoding", "16UC1").successful
        send(live, image_message(GREY))
        assert set_parameter(live, "max_depth_m", 2).successful  # a whole number for a double
        send(live, image_message(GREY))
        wait_until(lambda: len(live.partner.depths) == 2, what="two depths")
        first, second = live.partner.depths
        assert first.encoding == "16UC1"
        assert set(np.frombuffer(first.data, "<u2")) == {3000}
        assert set(np.frombuffer(second.data, "<u2")) == {0}
        assert "must be one of 32FC1, 16UC1" in set_parameter(live, "depth_encoding", "8UC1").reason
        assert "out of range" in set_parameter(live, "points.stride", 65).reason
        assert "must be below max_depth_m = 2.0 m" in set_parameter(live, "min_depth_m", 5.0).reason
        assert "read-only" in set_parameter(live, "model", "other").reason
        assert live.node.get_parameter("depth_encoding").value == "16UC1"


def test_no_subscriber_no_inference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "IDLE_S", 1e9)  # images that are still taken in
    engine = PlaneEngine()
    with live_node(engine, listen=()) as live:
        live.wait_ready()
        for _ in range(3):
            send(live, image_message(GREY))
        assert (live.counts.skipped, live.counts.published) == (3, 0)
        assert not engine.calls
        live.partner.node.create_subscription(Image, "depth/image_rect", lambda message: None, reliable())
        wait_until(lambda: live.node._outputs.depth.get_subscription_count(), what="subscriber seen")
        send(live, image_message(GREY))
        assert live.counts.published == 1


def test_uncalibrated_camera_gives_depth_but_no_points() -> None:
    engine = PlaneEngine()
    with live_node(engine, {"assumed_fov_deg": 90.0}) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48, f_px=0.0))
        send(live, image_message(GREY))
        send(live, image_message(GREY))
        wait_until(lambda: len(live.partner.received["depth/camera_info"]) == 2, what="camera infos")
        assert engine.calls[0][1].fx == pytest.approx(32.0)
        assert not np.any(live.partner.received["depth/camera_info"][0].k)
        assert live.counts.info_errors == 1
        live.send_info(info_message(64, 48))
        send(live, image_message(GREY))
        wait_until(lambda: live.partner.received["points"], what="points")
        assert len(live.partner.received["points"]) == 1


def test_first_camera_info_is_awaited_then_assumed() -> None:
    with live_node(PlaneEngine(), {"camera_info_wait_s": 0.5}) as live:
        live.wait_ready()
        send(live, image_message(GREY))
        assert live.counts.skipped == 1
        time.sleep(0.55)
        send(live, image_message(GREY))
        assert live.counts.published == 1


def test_info_of_another_aspect_drops_the_frame_and_the_node_lives() -> None:
    with live_node(PlaneEngine()) as live:
        live.wait_ready()
        live.send_info(info_message(64, 30))
        send(live, image_message(GREY))
        assert live.counts.errors == 1
        live.send_info(info_message(128, 96))
        send(live, image_message(GREY))
        assert live.counts.published == 1


def test_a_failing_engine_costs_its_frame_only() -> None:
    class Flaky(PlaneEngine):
        def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> Any:
            if image_rgb[0, 0, 0] == 13:
                raise RuntimeError("CUDA error: out of luck")
            return super().infer(image_rgb, camera, **options)

    with live_node(Flaky()) as live:
        live.wait_ready()
        send(live, image_message(np.full((48, 64, 3), 13, np.uint8)))
        send(live, image_message(GREY))
        assert (live.counts.errors, live.counts.published) == (1, 1)
        assert not live.errors


def test_resolution_change_in_mid_stream() -> None:
    with live_node(PlaneEngine()) as live:
        live.wait_ready()
        live.send_info(info_message(64, 48))
        for height, width in ((48, 64), (24, 32), (96, 128)):
            send(live, image_message(np.zeros((height, width, 3), np.uint8)))
        wait_until(lambda: len(live.partner.depths) == 3, what="three depths")
        assert [(d.height, d.width, len(d.data)) for d in live.partner.depths] == [
            (48, 64, 12288),
            (24, 32, 3072),
            (96, 128, 49152),
        ]


def test_max_rate_skips() -> None:
    with live_node(PlaneEngine(), {"max_rate_hz": 5.0}) as live:
        live.wait_ready()
        start, sent = time.monotonic(), 0
        while time.monotonic() - start < 2.0:
            send(live, image_message(GREY))
            sent += 1
            time.sleep(0.02)
        most = 5.0 * (time.monotonic() - start) + 2
        assert 1 < live.counts.published <= most
        assert 0 < live.counts.skipped <= sent


def test_incompatible_qos_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with live_node(PlaneEngine()) as live:
        qos = reliable()
        qos.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL
        said = logged(capfd, "a subscriber of /depth/image_rect asks for incompatible QoS (DURABILITY")
        for _ in range(4):  # DDS tells of each such subscriber once, and in one run of many not at all
            live.partner.node.create_subscription(Image, "depth/image_rect", lambda message: None, qos)
            end = time.monotonic() + 6
            while not said() and time.monotonic() < end:
                time.sleep(0.05)
            if said():
                return
        raise AssertionError("nothing was reported in 24 s")
