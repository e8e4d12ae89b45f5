"""What becomes of one frame in the inference thread, seen by publishers that keep what they are given."""

from __future__ import annotations

import copy
import logging
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
import rclpy.time
from ros_fakes import PlaneEngine, image_message, info_message

from prv2_ros.messages.compressed_depth import decompress
from prv2_ros.ros.infos import KEPT, CameraInfos
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.pipeline import LARGEST_STAMP_AGE_S, Frame, FramePipeline, Publishers
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Snapshot, Statistics
from prv2_ros.types import DepthResult

GREY = np.full((48, 64, 3), 100, np.uint8)
PINCUSHION = (0.4, 0.0, 0.0, 0.0, 0.0)
"""Rectified at the same focal length, its corners show what lies beyond the raw image."""

NOW_S = 5000


class Outlet:
    """A publisher with this many subscribers."""

    def __init__(self, subscribers: int = 1) -> None:
        self.subscribers = subscribers
        self.sent: list[Any] = []

    def get_subscription_count(self) -> int:
        return self.subscribers

    def publish(self, message: Any) -> None:
        self.sent.append(copy.deepcopy(message))  # its bytes are used again


class StandingClock:
    def now(self) -> rclpy.time.Time:
        return rclpy.time.Time(seconds=NOW_S)


class Bench:
    """A pipeline with an engine and five outlets."""

    def __init__(self, engine: Any = None, *, running: bool = True, began: bool = True) -> None:
        """`running` when inference is done, `began` before it."""
        kinds = ("depth", "compressed_depth", "camera_info", "points", "confidence", "rgb")
        self.outlets = {kind: Outlet() for kind in kinds}
        self.statistics = Statistics()
        answers = iter([began])
        self.pipeline = FramePipeline(
            engine or PlaneEngine(),
            Publishers(**self.outlets),
            self.statistics,
            Reporter(logging.getLogger("pipeline")),
            StandingClock(),
            running=lambda: next(answers, running),
        )

    def process(self, info: Any = None, *, sec: int = 0, nanosec: int = 0, **parameters: Any) -> Snapshot:
        infos = CameraInfos()
        if info is not None:
            infos.add(info)
        message = image_message(GREY, sec=sec, nanosec=nanosec)
        settings = resolve({name.replace("__", "."): value for name, value in parameters.items()})
        arrival = self.statistics.image_arrived()
        self.pipeline(Frame(message=message, info=None, infos=infos, settings=settings, arrival=arrival))
        return self.statistics.snapshot()

    def sent(self, kind: str) -> Any:
        (message,) = self.outlets[kind].sent
        return message

    def floats(self, kind: str) -> np.ndarray:
        return np.frombuffer(self.sent(kind).data, "<f4").reshape(48, 64, -1)


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
    ("age_s", "age_ms"),
    [(0.25, 250.0), (0.0, 0.0), (-0.25, None), (LARGEST_STAMP_AGE_S - 1, 3599e3), (LARGEST_STAMP_AGE_S + 1, None)],
)
def test_stamps_of_another_clock_have_no_age(age_s: float, age_ms: float | None) -> None:
    sec, part = divmod(NOW_S - age_s, 1)
    snapshot = Bench().process(sec=int(sec), nanosec=int(part * 1e9))
    assert snapshot.stamp_age_p50_ms == (None if age_ms is None else pytest.approx(age_ms))
    assert snapshot.counts.published == 1


def test_time_in_the_engine_and_its_share_of_tiles_are_told() -> None:
    class Partial(PlaneEngine):
        def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> DepthResult:
            time.sleep(0.02)
            return DepthResult(depth_m=np.ones(image_rgb.shape[:2], np.float32), refined_share=0.25)

    snapshot = Bench(Partial()).process()
    assert snapshot.refined_p50 == 0.25
    assert snapshot.inference_p50_ms is not None
    assert snapshot.latency_p50_ms is not None
    assert 20 <= snapshot.inference_p50_ms <= snapshot.latency_p50_ms


def test_what_comes_out_too_late_is_dropped() -> None:
    bench = Bench(running=False)
    counts = bench.process(info_message(64, 48)).counts
    assert (counts.dropped, counts.published, counts.errors) == (1, 0, 0)
    assert not any(outlet.sent for outlet in bench.outlets.values())


def test_nothing_is_inferred_for_a_node_that_was_told_to_end_before_its_turn() -> None:
    engine = PlaneEngine()
    counts = Bench(engine, running=False, began=False).process(info_message(64, 48)).counts
    assert (counts.dropped, counts.published) == (1, 0)
    assert not engine.calls


def test_no_depth_without_calibration_where_it_is_required() -> None:
    bench = Bench()
    uncalibrated = info_message(64, 48)
    uncalibrated.k = np.zeros(9)
    uncalibrated.p = np.zeros(12)
    for info in (None, uncalibrated):
        assert bench.process(info, require_calibration=True).counts.published == 0
    assert bench.process(None).counts.published == 1
    assert bench.process(info_message(64, 48), require_calibration=True).counts.published == 2


def test_the_info_that_was_there_when_the_image_came_is_the_frame_s() -> None:
    """By its turn newer infos may have pushed its own out, as with a low `max_rate_hz`."""
    engine, infos, own = PlaneEngine(), CameraInfos(), info_message(64, 48, f_px=77.0)
    message, settings = image_message(GREY, sec=5), resolve({})
    own.header.stamp.sec = 5
    infos.add(own)
    assert infos.own(message.header.stamp) is own
    for sec in range(6, 6 + KEPT):
        newer = info_message(64, 48, f_px=50.0)
        newer.header.stamp.sec = sec
        infos.add(newer)
    bench = Bench(engine)
    for info, f_px, foreign in ((own, 77.0, 0), (None, 50.0, 1)):
        bench.pipeline(Frame(message=message, info=info, infos=infos, settings=settings, arrival=0.0))
        assert engine.calls[-1][1].fx == f_px
        assert bench.statistics.snapshot().counts.info_foreign == foreign


def test_depth_is_held_against_the_camera_s_height_where_it_is_known_and_calibrated() -> None:
    rows = (np.arange(48) - 23.5) / 50.0
    with np.errstate(divide="ignore"):
        ground = np.where(rows > 0, 1.5 / rows, np.inf).astype(np.float32)
    for info, height_m, scale in (
        (info_message(64, 48), 1.0, 1.5),
        (info_message(64, 48), 0.0, None),
        (None, 1.0, None),
    ):
        bench = Bench(PlaneEngine(depth_m=ground[:, None]))  # type: ignore[arg-type]  # a value for each row
        bench.pipeline._scale._clock = iter(range(10)).__next__
        for _ in range(5):
            snapshot = bench.process(info, camera_height_m=height_m)
        assert snapshot.height_p50_m == (None if scale is None else pytest.approx(scale, rel=0.01))


@pytest.mark.parametrize("running", [True, False])
def test_a_failure_is_an_error_only_while_results_are_wanted(running: bool, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(PlaneEngine):
        def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> DepthResult:
            raise RuntimeError("out of luck")

    snapshot = Bench(Broken(), running=running).process(info_message(64, 48))
    counts = snapshot.counts
    assert (counts.errors, counts.inference_errors, counts.dropped) == ((1, 1, 0) if running else (0, 0, 1))
    assert snapshot.failure == ("RuntimeError: out of luck" if running else "")
    texts = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert texts == (["image dropped: RuntimeError: out of luck"] if running else [])


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
    kinds = ("depth", "compressed_depth", "camera_info", "points", "confidence", "rgb")
    outlets = {kind: Outlet(0) for kind in kinds}
    publishers = Publishers(**outlets)
    assert not publishers.wanted()
    outlets["points"].subscribers = 1
    assert publishers.wanted()
    assert not publishers.wanted(points=False)
    outlets["rgb"].subscribers = 1
    assert publishers.wanted(points=False)
