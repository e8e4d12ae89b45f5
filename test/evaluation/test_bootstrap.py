"""Intervals against scipy's bootstrap, and how often they hold the truth where frames resemble one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from prv2_ros.errors import ConfigError
from prv2_ros.evaluation.bootstrap import BootstrapConfig, mean_intervals


def test_interval_equals_scipys_for_independent_frames() -> None:
    values = np.random.default_rng(0).lognormal(0, 0.5, 60)
    ours = mean_intervals(values[:, None], [60], BootstrapConfig(block_frames=1, resamples=20_000))[:, 0]
    scipys = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx([scipys.low, scipys.high], rel=0.005)


def _drives(count: int, frames: int, memory: float) -> NDArray[np.float64]:
    """Columns of first-order autoregressive noise around zero."""
    generator = np.random.default_rng(5)
    noise = generator.normal(size=(frames + 50, count))
    for i in range(1, len(noise)):
        noise[i] += memory * noise[i - 1]
    return np.asarray(noise[50:], np.float64)


def test_blocks_hold_the_true_mean_far_more_often_than_single_frames() -> None:
    drives = _drives(count=200, frames=200, memory=0.7)

    def held(block_frames: int | None) -> float:
        low, high = mean_intervals(drives, [200], BootstrapConfig(block_frames=block_frames, resamples=400))
        return float(np.mean((low < 0) & (high > 0)))

    assert held(1) < 0.72
    assert held(None) > 0.8
    assert held(20) > 0.85


def test_independent_frames_hold_it_as_often_as_promised() -> None:
    low, high = mean_intervals(_drives(300, 100, 0.0), [50, 50], BootstrapConfig(block_frames=1, resamples=400))
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.95, abs=0.03)


def test_few_frames_of_many_cameras_have_a_width() -> None:
    """Six cameras of one frame each: blocks must not pin every resample to the same frames."""
    low, high = mean_intervals(np.arange(6.0)[:, None], [1] * 6)
    assert low[0] < 1.5
    assert high[0] > 3.5


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3))
    assert np.array_equal(mean_intervals(values, [20, 20]), mean_intervals(values, [20, 20]))
    assert not np.array_equal(mean_intervals(values, [40]), mean_intervals(values, [40], BootstrapConfig(seed=1)))


def test_frames_without_a_score_do_not_count() -> None:
    values = np.full((12, 2), 3.0)
    values[:8, 0], values[:7, 1] = math.nan, math.nan
    low, high = mean_intervals(values, [12])
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (3.0, 3.0)


def test_fewer_than_five_frames_have_no_interval() -> None:
    assert np.isnan(mean_intervals(np.zeros((4, 2)), [4])).all()
    assert mean_intervals(np.zeros((0, 2)), []).shape == (2, 2)


@pytest.mark.parametrize(("frames", "block"), [(1, 1), (3, 2), (8, 2), (9, 3), (27, 3), (1000, 10), (1001, 11)])
def test_blocks_are_the_cube_root(frames: int, block: int) -> None:
    assert BootstrapConfig().block_of(frames) == block


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.0}, r"confidence 1\.0: must lie between 0 and 1"),
        ({"resamples": 10}, "resamples 10: at least 100"),
        ({"block_frames": 0}, "block_frames 0: at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BootstrapConfig(**options)  # type: ignore[arg-type]
