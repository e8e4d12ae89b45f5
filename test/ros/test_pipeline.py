"""What becomes of one frame in the inference thread: inferred, dropped or an error."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from pipeline_bench import GREY, NOW_S, Bench
from ros_fakes import PlaneEngine, image_message, info_message

from prv2_ros.ros.infos import KEPT, CameraInfos
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.pipeline import LARGEST_STAMP_AGE_S, Frame
from prv2_ros.types import DepthResult


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
