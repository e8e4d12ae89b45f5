"""Intervals against scipy's bootstrap, and how often they hold the truth where frames resemble one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from prv2_ros.errors import ConfigError
from prv2_ros.evaluation.bootstrap import BootstrapConfig, block_length, mean_intervals


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


def _held(drives: NDArray[np.float64], lengths: list[int], block_frames: int | None) -> float:
    """Share of the columns whose interval holds the true mean, zero."""
    low, high = mean_intervals(drives, lengths, BootstrapConfig(block_frames=block_frames, resamples=400))
    return float(np.mean((low < 0) & (high > 0)))


@pytest.mark.parametrize(("memory", "gain", "least"), [(0.7, 0.015, 0.83), (0.9, 0.1, 0.72), (0.95, 0.15, 0.63)])
def test_chosen_blocks_hold_the_true_mean_more_often_than_those_of_the_cube_root(
    memory: float, gain: float, least: float
) -> None:
    """The longer the memory, the more; single frames hold it less often still."""
    drives = _drives(count=500, frames=200, memory=memory)
    chosen, cube_root = _held(drives, [200], None), _held(drives, [200], 6)
    assert chosen > max(cube_root + gain, least)
    assert _held(drives, [200], 1) < cube_root


def test_chosen_blocks_of_several_cameras_hold_it_too() -> None:
    drives = np.concatenate(np.split(_drives(count=600, frames=100, memory=0.9), 3, axis=1))
    assert _held(drives, [100] * 3, None) > _held(drives, [100] * 3, 5) + 0.1


@pytest.mark.parametrize("block_frames", [1, None])
def test_independent_frames_hold_it_as_often_as_promised(block_frames: int | None) -> None:
    assert _held(_drives(300, 100, 0.0), [50, 50], block_frames) == pytest.approx(0.95, abs=0.03)


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


@pytest.mark.parametrize("block", [1, 3, 5, 9])
def test_resamples_are_those_drawn_frame_by_frame(block: int) -> None:
    """Written out plainly: blocks go on with the first frame of their camera, round and round where it is short."""
    lengths, count = [2, 7, 18], 27
    scores = np.random.default_rng(3).normal(size=count)
    scores[[4, 20]] = math.nan
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    size = np.repeat(lengths, lengths)
    starts = np.random.default_rng(0).integers(0, count, (100, -(-count // block)))
    means = []
    for row in starts:
        drawn = [begin[s] + (s - begin[s] + i) % size[s] for s in row for i in range(block)][:count]
        means.append(np.nanmean(scores[drawn]))
    ends = mean_intervals(scores[:, None], lengths, BootstrapConfig(block_frames=block, resamples=100))[:, 0]
    assert ends == pytest.approx(np.percentile(means, (2.5, 97.5)))


@pytest.mark.parametrize("memory", [0.5, 0.7, 0.9])
def test_blocks_are_as_long_as_the_memory_asks_for(memory: float) -> None:
    """For first-order autoregressive noise G / g is 2 memory / (1 - memory^2)."""
    frames = 4000
    expected = (1.5 * (2 * memory / (1 - memory**2)) ** 2 * frames) ** (1 / 3)
    found = [block_length(drive, [frames]) for drive in _drives(count=30, frames=frames, memory=memory).T]
    assert np.median(found) == pytest.approx(expected, rel=0.15)


def test_blocks_stay_short_where_nothing_is_remembered() -> None:
    noise = _drives(count=50, frames=200, memory=0.0)
    assert np.median([block_length(drive, [200]) for drive in noise.T]) <= 2
    # Two cameras that are apart for good, and frames without a score, are no memory.
    noise[:100] += 10
    noise[::7] = math.nan
    assert np.median([block_length(drive, [100, 100]) for drive in noise.T]) <= 2
    assert block_length(np.ones(50), [50]) == 1
    assert block_length(np.full(50, math.nan), [50]) == 1


@pytest.mark.parametrize(("lengths", "most"), [([90], 29), ([400], 60), ([30] * 4, 10), ([5], 2), ([1] * 6, 1)])
def test_blocks_are_at_most_a_third_of_a_camera(lengths: list[int], most: int) -> None:
    """A walk never forgets; 3 sqrt(n) bounds it, too."""
    walks = np.concatenate([np.cumsum(np.random.default_rng(n).normal(size=n)) for n in lengths])
    assert block_length(walks, lengths) <= most


def test_an_interval_does_not_depend_on_the_other_columns() -> None:
    values = np.concatenate([_drives(2, 60, 0.9), _drives(2, 60, 0.0)], axis=1)
    values[30:, 3] = math.nan
    alone = [mean_intervals(column[:, None], [20, 40])[:, 0] for column in values.T]
    np.testing.assert_allclose(mean_intervals(values, [20, 40]).T, alone, rtol=1e-12)


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
