"""Verdicts where the difference is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.comparison import compare, in_words, sequence_lengths
from prv2_ros.evaluation.records import FrameKey, FrameRecord


def _records(model: str, values: Sequence[float], score: str = "abs_rel", camera: str = "/front") -> list[FrameRecord]:
    return [
        FrameRecord(
            key=FrameKey(bag="drive", camera=camera, stamp_ns=i),
            model=model,
            image_size=(4, 3),
            truth_kind="lidar",
            truth_px=5,
            scores={score: value},
            by_range={"0-5": {score: value / 2}} if i % 2 else {},
        )
        for i, value in enumerate(values)
    ]


BASE = (0.2 + 0.05 * np.random.default_rng(0).normal(size=30)).tolist()


def test_a_small_steady_gain_is_seen_under_a_large_spread() -> None:
    """The pairing takes out what frames have in common: the spread is ten times the gain."""
    noise = np.random.default_rng(1).normal(size=30) * 0.002
    model = (np.array(BASE) - 0.005 + noise).tolist()
    found = compare(_records("a", BASE), _records("b", model), "abs_rel")
    assert found.verdict == "better"
    assert found.difference == pytest.approx(np.mean(model) - np.mean(BASE))
    assert found.low < -0.005 < found.high < 0
    assert found.wins == pytest.approx(np.mean(np.array(model) < np.array(BASE)))
    assert compare(_records("b", model), _records("a", BASE), "abs_rel").verdict == "worse"


def test_interval_equals_scipys_paired_bootstrap() -> None:
    model = (np.array(BASE) + np.random.default_rng(2).normal(size=30) * 0.02).tolist()
    config = BootstrapConfig(block_frames=1, resamples=20_000)
    found = compare(_records("a", BASE), _records("b", model), "abs_rel", config)
    scipys = stats.bootstrap(
        (np.array(model), np.array(BASE)),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((scipys.low, scipys.high), abs=3e-4)


def test_noise_is_no_verdict() -> None:
    model = (np.array(BASE) + 0.02 * np.random.default_rng(1).choice([-1, 1], 30)).tolist()
    assert compare(_records("a", BASE), _records("b", model), "abs_rel").verdict == "cannot tell"
    same = compare(_records("a", BASE), _records("b", BASE), "abs_rel")
    assert (same.verdict, same.difference, same.wins) == ("cannot tell", 0, 0)


def test_more_is_better_for_delta_and_nothing_is_for_scale() -> None:
    more = [value + 0.1 for value in BASE]
    for score, verdict in (("delta1", "better"), ("delta1_median", "better"), ("median_scale", "cannot tell")):
        found = compare(_records("a", BASE, score), _records("b", more, score), score)
        assert found.verdict == verdict
        assert found.wins == 1 or (verdict == "cannot tell" and math.isnan(found.wins))


def test_only_frames_of_both_models_count() -> None:
    model = [*BASE[:20], math.nan]
    found = compare(_records("a", BASE), _records("b", model), "abs_rel")
    assert found.frames == 20
    assert found.baseline_mean == pytest.approx(np.mean(BASE[:20]))
    assert compare(_records("b", model), _records("a", BASE), "abs_rel").frames == 20
    none = compare(_records("a", BASE), _records("b", BASE, camera="/rear"), "abs_rel")
    assert (none.frames, none.verdict) == (0, "cannot tell")
    assert in_words(none, "b", "a") == "AbsRel: no frame has this score for both models."


def test_one_range() -> None:
    found = compare(_records("a", BASE), _records("b", BASE), "abs_rel", range_name="0-5")
    assert found.frames == 15
    assert found.baseline_mean == pytest.approx(np.mean(BASE[1::2]) / 2)


def test_words() -> None:
    better = compare(_records("a", [0.2] * 9), _records("b", [0.15] * 9), "abs_rel")
    assert in_words(better, "b", "a") == (
        "AbsRel: b (15.0%) is better than a (20.0%): −5.0 pp, interval −5.0 pp to −5.0 pp, better on 100% of 9 frames."
    )
    unsure = compare(_records("a", [2.0, 4.0] * 5, "rmse_m"), _records("b", [4.0, 2.0] * 5, "rmse_m"), "rmse_m")
    assert in_words(unsure, "b", "a").startswith("RMSE: cannot tell b (3.000 m) from a (3.000 m): 0 m, interval ")
    few = compare(_records("a", BASE[:4]), _records("b", BASE[:4]), "abs_rel")
    assert in_words(few, "b", "a").endswith(": 4 frames, at least 5 are needed.")


def test_sequences_are_counted_by_bag_and_camera() -> None:
    keys = [
        FrameKey(bag=b, camera=c, stamp_ns=i)
        for b, c, n in (("x", "/a", 2), ("x", "/b", 1), ("y", "/a", 3))
        for i in range(n)
    ]
    assert sequence_lengths(keys) == [2, 1, 3]
    assert sequence_lengths([]) == []
    assert sequence_lengths([FrameKey(bag=bag, camera="/a", stamp_ns=0) for bag in "xxy"]) == [2, 1]


def test_less_is_worse_for_delta() -> None:
    less = [value - 0.1 for value in BASE]
    found = compare(_records("a", BASE, "delta1"), _records("b", less, "delta1"), "delta1")
    assert (found.verdict, found.wins) == ("worse", 0)
