"""Which of two models is better on the same frames: the paired difference, its interval, and a verdict in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.bootstrap import MIN_FRAMES, BootstrapConfig, mean_intervals
from prv2_ros.evaluation.names import describe, show, show_signed
from prv2_ros.evaluation.records import FrameKey, FrameRecord


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One score of a model against that of a baseline, over the frames that both have."""

    score: str

    frames: int
    """Frames for which both models have the score."""

    baseline_mean: float
    model_mean: float

    difference: float
    """Mean of model minus baseline, frame by frame."""

    low: float
    high: float
    """Ends of the interval of the difference; NaN where there are too few frames."""

    wins: float
    """Share of the frames on which the model scores better (0..1); NaN where no way is better."""

    verdict: str
    """`better`, `worse` or `cannot tell`."""


def compare(
    baseline: Sequence[FrameRecord],
    model: Sequence[FrameRecord],
    score: str,
    config: BootstrapConfig | None = None,
    *,
    range_name: str | None = None,
) -> Comparison:
    """Compare one score of two models frame by frame.

    A model is better or worse only where the whole interval lies on one side of zero. Frames of one drive resemble one
    another; the interval allows for that with blocks (`bootstrap`).

    Args:
        baseline: records of the model that is compared with.
        model: records of the other model.
        score: name of the score.
        config: how the interval is drawn.
        range_name: range of depth such as `0-5`; None takes the whole frame.

    """
    theirs = {record.key: _value(record, score, range_name) for record in baseline}
    pairs = sorted(
        (record.key, theirs[record.key], _value(record, score, range_name)) for record in model if record.key in theirs
    )
    pairs = [pair for pair in pairs if np.isfinite(pair[1]) and np.isfinite(pair[2])]
    before, after = (np.array([pair[i] for pair in pairs], np.float64) for i in (1, 2))
    difference = after - before
    low, high = mean_intervals(difference[:, None], sequence_lengths([pair[0] for pair in pairs]), config)[:, 0]
    better = describe(score).better
    return Comparison(
        score=score,
        frames=len(pairs),
        baseline_mean=_mean(before),
        model_mean=_mean(after),
        difference=_mean(difference),
        low=float(low),
        high=float(high),
        wins=_mean((better * difference > 0).astype(np.float64)) if better else float("nan"),
        verdict=_verdict(float(low), float(high), better),
    )


def sequence_lengths(keys: Sequence[FrameKey]) -> list[int]:
    """Number of frames of each camera of each bag, for keys sorted by bag, camera and stamp."""
    return [len(list(group)) for _, group in groupby(keys, key=lambda key: (key.bag, key.camera))]


def in_words(comparison: Comparison, model: str, baseline: str) -> str:
    """One sentence: verdict, means, difference and interval."""
    c, info = comparison, describe(comparison.score)
    before, after = show(c.score, c.baseline_mean), show(c.score, c.model_mean)
    if not c.frames:
        return f"{info.label}: no frame has this score for both models."
    if np.isnan(c.low):
        return (
            f"{info.label}: cannot tell whether {model} ({after}) is better than {baseline} ({before}): "
            f"{c.frames} frames, at least {MIN_FRAMES} are needed."
        )
    difference, low, high = (show_signed(c.score, value) for value in (c.difference, c.low, c.high))
    interval = f"{difference}, interval {low} to {high}"
    over = f"over {c.frames} frames"
    if c.verdict == "cannot tell":
        return f"{info.label}: cannot tell {model} ({after}) from {baseline} ({before}): {interval}, {over}."
    return (
        f"{info.label}: {model} ({after}) is {c.verdict} than {baseline} ({before}): {interval}, "
        f"better on {c.wins:.0%} of {c.frames} frames."
    )


def _verdict(low: float, high: float, better: int) -> str:
    if better and low > 0:
        return "better" if better > 0 else "worse"
    if better and high < 0:
        return "better" if better < 0 else "worse"
    return "cannot tell"


def _value(record: FrameRecord, score: str, range_name: str | None) -> float:
    scores = record.scores if range_name is None else record.by_range.get(range_name, {})
    return scores.get(score, float("nan"))


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")
