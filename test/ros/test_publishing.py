"""What is published of one frame, to whom and in which order, seen by publishers that keep it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from pipeline_bench import PINCUSHION, Bench, Outlet
from ros_fakes import PlaneEngine, info_message

from prv2_ros.messages.compressed_depth import decompress
from prv2_ros.ros.publishing import Publishers
from prv2_ros.types import DepthResult


def test_what_the_lens_did_not_see_is_nan_in_every_output() -> None:
    bench = Bench(PlaneEngine(depth_m=2.0, confidence=0.75))
    bench.process(info_message(64, 48, d=PINCUSHION), points__stride=1)
    for kind, value in (("depth", 2.0), ("confidence", 0.75)):
        values = bench.floats(kind)[..., 0]
        assert np.isnan(values[[0, 0, -1, -1], [0, -1, 0, -1]]).all(), kind
        assert values[24, 32] == value, kind
    np.testing.assert_array_equal(np.isnan(bench.floats("points")[..., 2]), np.isnan(bench.floats("depth")[..., 0]))


def test_depth_and_points_each_have_their_range() -> None:
    metres = np.linspace(0.5, 8.5, 64).astype(np.float32)
    bench = Bench(PlaneEngine(depth_m=metres))  # type: ignore[arg-type]  # a value for each column
    limits = {"min_depth_m": 1.0, "max_depth_m": 7.0, "points__min_m": 2.0, "points__max_m": 5.0}
    bench.process(info_message(64, 48), points__stride=1, far_value="inf", **limits)
    expected = np.where(metres < 1.0, np.nan, np.where(metres > 7.0, np.inf, metres))
    np.testing.assert_array_equal(bench.floats("depth")[10, :, 0], expected)
    expected = np.where((metres >= 2.0) & (metres <= 5.0), metres, np.nan)
    np.testing.assert_array_equal(bench.floats("points")[10, :, 2], expected)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_compressed_depth_is_the_depth_image_s(encoding: str) -> None:
    metres = np.linspace(0.5, 70.0, 64).astype(np.float32)
    bench = Bench(PlaneEngine(depth_m=metres))  # type: ignore[arg-type]  # a value for each column
    bench.process(info_message(64, 48), depth_encoding=encoding, max_depth_m=60.0, sec=7)
    message = bench.sent("compressed_depth")
    assert message.format == f"{encoding}; compressedDepth png"
    assert message.header.stamp.sec == 7
    found = decompress(bytes(message.data), message.format)
    np.testing.assert_array_equal(np.isnan(found[10]), metres > 60.0)
    np.testing.assert_allclose(found[10][metres <= 60.0], metres[metres <= 60.0], rtol=5e-3)


@pytest.mark.parametrize("d", [(), PINCUSHION])
def test_the_baseline_of_a_right_camera_is_passed_on(d: tuple[float, ...]) -> None:
    info = info_message(64, 48, d=d)
    info.p[3] = -6.0
    bench = Bench()
    bench.process(info)
    assert bench.sent("camera_info").p[3] == -6.0


@pytest.mark.parametrize(
    ("parameters", "warned"),
    [
        ({"depth_encoding": "16UC1"}, True),
        ({"depth_encoding": "16UC1", "far_value": "max"}, False),
        ({"depth_encoding": "16UC1", "max_depth_m": 65.0}, False),
        ({}, False),
    ],
)
def test_depth_that_millimetres_cannot_say_is_warned_of_once(
    parameters: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    for _ in range(2):
        bench.process(info_message(64, 48), **parameters)
    texts = [record.message for record in caplog.records if "16UC1" in record.message]
    assert len(texts) == int(warned)
    assert all(text.startswith("depth beyond 65.535 m is invalid (0) in 16UC1") for text in texts)


def test_points_that_cannot_be_made_are_not_wanted() -> None:
    kinds = ("depth", "compressed_depth", "camera_info", "points", "confidence", "rgb_info", "rgb")
    outlets = {kind: Outlet(0) for kind in kinds}
    publishers = Publishers(**outlets)
    assert not publishers.wanted()
    outlets["points"].subscribers = 1
    assert publishers.wanted()
    assert not publishers.wanted(points=False)
    outlets["rgb"].subscribers = 1
    assert publishers.wanted(points=False)


def test_what_takes_longest_goes_out_last() -> None:
    """PNG takes a tenth of a second; a costmap waits for the points."""
    bench = Bench(PlaneEngine(confidence=0.5))
    order: list[str] = []
    for kind, outlet in bench.outlets.items():
        outlet.publish = lambda message, kind=kind: order.append(kind)  # type: ignore[method-assign]
    bench.process(info_message(64, 48))
    assert order == ["camera_info", "rgb_info", "rgb", "depth", "points", "confidence", "compressed_depth"]


def test_every_output_is_in_the_frame_that_was_chosen() -> None:
    for parameters, frame in (({}, "camera_optical_frame"), ({"output_frame_id": "mast_optical"}, "mast_optical")):
        bench = Bench(PlaneEngine(confidence=0.5))
        bench.process(info_message(64, 48), sec=7, **parameters)
        headers = [bench.sent(kind).header for kind in bench.outlets]
        assert {(header.frame_id, header.stamp.sec) for header in headers} == {(frame, 7)}


class HalfSure(PlaneEngine):
    """Sure of the left half alone."""

    def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> DepthResult:
        result = super().infer(image_rgb, camera, **options)
        if options["confidence"]:
            result.confidence[:, 32:] = 0.25
        return result


def test_depth_that_is_not_sure_enough_is_invalid_in_every_output() -> None:
    bench = Bench(HalfSure(confidence=0.75))
    for outlet in ("confidence", "compressed_depth", "rgb"):
        bench.outlets[outlet].subscribers = 0
    bench.process(info_message(64, 48), min_confidence=0.5, points__stride=1)
    for values in (bench.floats("depth")[..., 0], bench.floats("points")[..., 2]):
        assert (values[:, :32] == 2.0).all()
        assert np.isnan(values[:, 32:]).all()
    assert not bench.outlets["confidence"].sent
    all_of_it = Bench(HalfSure(confidence=0.75))
    all_of_it.process(info_message(64, 48))
    assert (all_of_it.floats("depth") == 2.0).all()


def test_a_model_that_is_never_sure_of_anything_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(PlaneEngine())
    for _ in range(2):
        bench.process(info_message(64, 48), min_confidence=0.5)
    assert (np.frombuffer(bench.outlets["depth"].sent[0].data, "<f4") == 2.0).all()
    texts = [record.message for record in caplog.records if "min_confidence" in record.message]
    assert texts == ["min_confidence does nothing: model plane gives no confidence"]


def test_points_beyond_their_range_can_say_that_the_way_is_free() -> None:
    metres = np.linspace(0.5, 64.0, 64).astype(np.float32)
    metres[60:] = np.inf, np.nan, np.inf, np.nan
    bench = Bench(PlaneEngine(depth_m=metres))  # type: ignore[arg-type]  # a value for each column
    far = {"points__max_m": 20.0, "points__far_value": "max"}
    bench.process(info_message(64, 48), points__stride=1, points__min_m=1.0, **far)
    expected = np.where(metres < 1.0, np.nan, np.minimum(metres, 20.0))
    np.testing.assert_array_equal(bench.floats("points")[10, :, 2], expected)
