"""Counters, rate, percentiles and the log throttle, on a clock that the test turns."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from prv2_ros.ros.statistics import Statistics, Throttle, percentile


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_latency_and_age() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    assert statistics.snapshot().input_age_s is None
    for _ in range(21):
        arrival = statistics.image_arrived()
        clock.now += 0.1
        statistics.image_published(arrival, inference_ms=60.0, stamp_age_ms=None)
    clock.now += 0.5
    snapshot = statistics.snapshot()
    assert snapshot.rate_hz == pytest.approx(20 / 2.4)  # the next frame is 0.4 s late
    assert snapshot.latency_p50_ms == pytest.approx(100.0)
    assert snapshot.latency_p95_ms == pytest.approx(100.0)
    assert snapshot.inference_p50_ms == 60.0
    assert snapshot.stamp_age_p50_ms is None
    assert snapshot.input_age_s == pytest.approx(0.6)
    assert (snapshot.counts.received, snapshot.counts.published) == (21, 21)
    clock.now += 10
    assert statistics.snapshot().rate_hz == 0.0


def test_snapshot_is_a_copy() -> None:
    statistics = Statistics()
    before = statistics.snapshot()
    statistics.count("dropped")
    assert before.counts.dropped == 0
    assert statistics.snapshot().counts.dropped == 1


@pytest.mark.parametrize("count", [1, 2, 7, 100, 333])
@pytest.mark.parametrize("percent", [50, 95])
def test_percentile_is_the_nearest_rank(count: int, percent: int) -> None:
    samples = np.random.default_rng(count).normal(size=count)
    expected = np.percentile(samples, percent, method="inverted_cdf")
    assert percentile(deque(samples), percent) == pytest.approx(expected)


def test_throttle_lets_one_text_a_second_through_and_counts_the_rest() -> None:
    clock = Clock()
    throttle = Throttle(1.0, clock)
    assert throttle.pass_text("image", "bad step") == "bad step"
    assert [throttle.pass_text("image", "bad step") for _ in range(3)] == [None] * 3
    assert throttle.pass_text("camera_info", "bad K") == "bad K"
    clock.now += 1.0
    assert throttle.pass_text("image", "no data") == "no data (3 more like this since the last report)"
    clock.now += 1.0
    assert throttle.pass_text("image", "no data") == "no data"


def test_a_flood_is_reported_once_a_period_while_it_lasts() -> None:
    clock = Clock()
    throttle = Throttle(1.0, clock)
    passed = []
    for k in range(13):
        clock.now = 100.0 + 0.25 * k
        passed.append(throttle.pass_text("image", "bad step") is not None)
    assert [k for k, each in enumerate(passed) if each] == [0, 4, 8, 12]


def test_percentiles_are_each_of_their_own_times() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    for k in range(1, 101):
        clock.now += 0.5
        statistics.image_published(clock.now - k / 1e3, inference_ms=float(-k), stamp_age_ms=0.0, refined_share=k / 100)
    snapshot = statistics.snapshot()
    assert snapshot.latency_p50_ms == pytest.approx(50.0)
    assert snapshot.latency_p95_ms == pytest.approx(95.0)
    assert (snapshot.inference_p50_ms, snapshot.refined_p50) == (-51.0, 0.5)
    assert snapshot.stamp_age_p50_ms == 0.0, "an age of 0 is one"


def test_times_of_long_ago_are_left_out() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    for _ in range(300):
        statistics.image_published(clock.now - 2.0, inference_ms=2000.0, stamp_age_ms=2000.0)
    clock.now += 7200.0
    for _ in range(10):
        clock.now += 0.1
        statistics.image_published(clock.now - 0.05, inference_ms=50.0, stamp_age_ms=60.0)
    snapshot = statistics.snapshot()
    assert snapshot.latency_p95_ms == pytest.approx(50.0)
    assert (snapshot.inference_p50_ms, snapshot.stamp_age_p50_ms) == (50.0, 60.0)
    clock.now += 0.1
    statistics.image_published(clock.now, inference_ms=50.0, stamp_age_ms=None)
    assert statistics.snapshot().stamp_age_p50_ms is None, "the clocks have gone apart: no age of before is true"


def test_one_frame_alone_has_a_rate_and_a_restart_forgets_it() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    arrival = statistics.image_arrived()
    statistics.image_published(arrival, 60.0, 5.0, 0.5)
    statistics.inference_failed("RuntimeError: out of luck")
    assert statistics.snapshot().rate_hz == pytest.approx(0.2)
    statistics.restart()
    snapshot = statistics.snapshot()
    assert (snapshot.rate_hz, snapshot.failure, snapshot.input_age_s) == (0.0, "", None)
    times = (snapshot.latency_p50_ms, snapshot.stamp_age_p50_ms, snapshot.inference_p50_ms, snapshot.refined_p50)
    assert times == (None,) * 4
    counts = snapshot.counts
    assert (counts.received, counts.published, counts.errors, counts.inference_errors) == (1, 1, 1, 1)


def test_frames_that_come_slowly_have_their_rate_too_until_they_stay_away() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    for _ in range(3):
        clock.now += 20.0
        statistics.image_published(statistics.image_arrived(), inference_ms=1.0, stamp_age_ms=None)
        clock.now += 1.0
        rate = statistics.snapshot().rate_hz
    assert rate == pytest.approx(1 / 21)
    clock.now += 29.0
    assert statistics.snapshot().rate_hz == pytest.approx(1 / 30)
    clock.now += 20.0
    assert statistics.snapshot().rate_hz == 0.0


def test_the_rate_falls_as_soon_as_the_next_frame_is_late() -> None:
    now = [50.0]
    statistics = Statistics(lambda: now[0])
    for _ in range(30):
        now[0] += 0.1
        statistics.image_published(now[0], inference_ms=1.0, stamp_age_ms=None)
    now[0] += 0.1  # due by now
    assert statistics.snapshot().rate_hz == pytest.approx(10.0)
    now[0] += 1.8
    assert statistics.snapshot().rate_hz == pytest.approx(29 / 4.7)


def test_what_inference_took_under_another_limit_is_forgotten() -> None:
    statistics = Statistics()
    for _ in range(12):
        statistics.image_published(0.0, inference_ms=2000.0, stamp_age_ms=7.0)
    assert statistics.snapshot().inference_frames == 12
    statistics.forget_times()
    snapshot = statistics.snapshot()
    assert (snapshot.inference_p50_ms, snapshot.inference_frames, snapshot.refined_p50) == (None, 0, None)
    assert (snapshot.latency_p50_ms, snapshot.latency_p95_ms) == (None, None)
    assert snapshot.stamp_age_p50_ms == 7.0
    assert snapshot.counts.published == 12


def test_the_camera_stands_at_the_median_of_the_looks_since_the_start() -> None:
    statistics = Statistics()
    for height_m in (1.5, 1.4, 9.0, 1.6):
        statistics.height_seen(height_m)
    assert statistics.snapshot().height_p50_m is None, "too few"
    statistics.height_seen(0.2)
    assert statistics.snapshot().height_p50_m == 1.5
    statistics.restart()
    statistics.height_seen(3.0)
    assert statistics.snapshot().height_p50_m is None, "the camera may stand elsewhere by now"


def test_images_that_are_taken_in_anew_are_not_late() -> None:
    clock = Clock()
    statistics = Statistics(clock)
    statistics.image_arrived()
    clock.now += 60.0
    statistics.forget_input()
    assert statistics.snapshot().input_age_s is None
    assert statistics.snapshot().counts.received == 1
