"""The content of report.json: means with intervals, series over time, calibration, comparisons, provenance.

Deterministic: the same records give the same text, whatever the number of workers. Everything that may differ between
two runs of one evaluation (the command line, times) lies under `timing`. Means are over frames, each frame counting the
same. Numbers are rounded to six significant digits; what does not exist is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from prv2_ros.evaluation.bootstrap import MIN_FRAMES, BootstrapConfig, mean_intervals
from prv2_ros.evaluation.calibration import calibrate, merge_counts
from prv2_ros.evaluation.comparison import compare, in_words, sequence_lengths
from prv2_ros.evaluation.records import Evaluation, FrameRecord
from prv2_ros.evaluation.scoring import RANGES_M
from prv2_ros.evaluation.temporal import scale_drift

FORMAT = 1
"""Version of the layout of report.json."""

RANGE_NAMES = tuple(f"{near:g}-{far:g}" for near, far in RANGES_M)

COMPARED = (
    "abs_rel",
    "rmse_m",
    "delta1",
    "coverage",
    "silog",
    "abs_rel_median",
    "edge_abs_rel",
    "boundary_f1",
    "sparse_edge_f1",
    "flicker",
    "ause",
)
"""Scores of which models are compared, where both have them."""

SERIES = ("abs_rel", "median_scale", "flicker")
"""Scores that report.json holds frame by frame; report.csv holds all."""

RANKED_BY = "abs_rel"
"""Score that picks the best, median and worst frame."""


def summarise(evaluation: Evaluation, config: BootstrapConfig | None = None) -> dict[str, Any]:
    """Return plain JSON values; see the module for what they hold."""
    config = config or BootstrapConfig()
    models = _model_names(evaluation)
    records = {
        name: sorted((r for r in evaluation.records if r.model == name), key=lambda record: record.key)
        for name in models
    }
    content = {
        "format": FORMAT,
        "frames": {
            "scored": len({record.key for record in evaluation.records}),
            "skipped": sum(frame.stamp_ns is not None for frame in evaluation.skipped),
            "truth": sorted({record.truth_kind for record in evaluation.records}),
            "cameras": sorted({record.key.camera for record in evaluation.records}),
            "truth_offset_ms": _offsets(evaluation.records),
        },
        "results": {name: _result(records[name], config) for name in models},
        "comparisons": [
            comparison
            for name in models[1:]
            for comparison in _comparisons(models[0], records[models[0]], name, records[name], config)
        ],
        "skipped": _skipped(evaluation),
        "method": {
            "mean": "over frames, each counting the same",
            "ranges_m": [list(limits) for limits in RANGES_M],
            "interval": asdict(config) | {"kind": "circular block bootstrap", "least_frames": MIN_FRAMES},
        },
        "bags": list(evaluation.bags),
        "models": list(evaluation.models),
        "versions": evaluation.versions,
        "config": evaluation.config,
        "timing": {
            "command": evaluation.command,
            "latency_ms": {name: _latency(records[name]) for name in models},
        },
    }
    plain = _plain(content)
    assert isinstance(plain, dict)
    return plain


def _model_names(evaluation: Evaluation) -> list[str]:
    """Models in the order in which they were named, the baseline first."""
    named = [str(model["name"]) for model in evaluation.models]
    return named + sorted({record.model for record in evaluation.records} - set(named))


def _result(records: Sequence[FrameRecord], config: BootstrapConfig) -> dict[str, Any]:
    """Everything about one model."""
    cameras = sorted({record.key.camera for record in records})
    by_camera = {camera: [record for record in records if record.key.camera == camera] for camera in cameras}
    counts = [record.extra["calibration"] for record in records if "calibration" in record.extra]
    return {
        "all": _group(records, config),
        "cameras": {camera: _group(chosen, config) for camera, chosen in by_camera.items()},
        "drift": {camera: _drift(chosen) for camera, chosen in by_camera.items()},
        "over_time": _series(records),
        "calibration": calibrate(merge_counts(counts)) if counts else {},
        "examples": _examples(records),
    }


def _group(records: Sequence[FrameRecord], config: BootstrapConfig) -> dict[str, Any]:
    ranges = {}
    for name in RANGE_NAMES:
        inside = [record for record in records if name in record.by_range]
        if inside:
            ranges[name] = {
                "frames": len(inside),
                "truth_px": round(sum(record.by_range[name].get("truth_px", 0) for record in inside)),
                "scores": _means(inside, [record.by_range[name] for record in inside], config, leave_out=("truth_px",)),
            }
    return {
        "frames": len(records),
        "truth_px": sum(record.truth_px for record in records),
        "scores": _means(records, [record.scores for record in records], config),
        "by_range": ranges,
    }


def _means(
    records: Sequence[FrameRecord],
    rows: Sequence[Mapping[str, float]],
    config: BootstrapConfig,
    leave_out: Sequence[str] = (),
) -> dict[str, dict[str, float | int]]:
    """Mean, interval and number of frames of every score; a frame without a score does not count for it."""
    names = sorted({name for row in rows for name in row} - set(leave_out))
    if not names:
        return {}
    values = np.array([[row.get(name, math.nan) for name in names] for row in rows], np.float64)
    values[~np.isfinite(values)] = np.nan
    low, high = mean_intervals(values, sequence_lengths([record.key for record in records]), config)
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(len(names), np.nan), where=count > 0)
    return {
        name: {"mean": float(mean[i]), "low": float(low[i]), "high": float(high[i]), "frames": int(count[i])}
        for i, name in enumerate(names)
    }


def _drift(records: Sequence[FrameRecord]) -> dict[str, Any]:
    """Drift of scale within each bag: stamps of two bags have no common clock."""
    return {
        bag: asdict(
            scale_drift(
                [record.key.stamp_ns for record in records if record.key.bag == bag],
                [record.scores.get("median_scale", math.nan) for record in records if record.key.bag == bag],
            )
        )
        for bag in sorted({record.key.bag for record in records})
    }


def _series(records: Sequence[FrameRecord]) -> list[dict[str, Any]]:
    """Scores frame by frame, one entry for each camera of each bag."""
    series = []
    for bag, camera in sorted({(record.key.bag, record.key.camera) for record in records}):
        chosen = [record for record in records if (record.key.bag, record.key.camera) == (bag, camera)]
        series.append(
            {
                "bag": bag,
                "camera": camera,
                "stamp_ns": [record.key.stamp_ns for record in chosen],
                **{name: [record.scores.get(name) for record in chosen] for name in SERIES},
            }
        )
    return series


def _examples(records: Sequence[FrameRecord]) -> dict[str, dict[str, Any]]:
    """Best, median and worst frame; fewer where there are fewer frames."""
    ranked = [record for record in records if math.isfinite(record.scores.get(RANKED_BY, math.nan))]
    ranked.sort(key=lambda record: (record.scores[RANKED_BY], record.key))
    places = {"best": 0, "median": (len(ranked) - 1) // 2, "worst": len(ranked) - 1}
    chosen: dict[str, dict[str, Any]] = {}
    for title in ("best", "worst", "median"):  # where two places are one frame, the extreme names it
        entry = ranked[places[title]].key.to_json() if ranked else None
        if entry is not None and entry not in chosen.values():
            chosen[title] = entry
    return {title: chosen[title] for title in places if title in chosen}


def _comparisons(
    baseline: str,
    baseline_records: Sequence[FrameRecord],
    model: str,
    records: Sequence[FrameRecord],
    config: BootstrapConfig,
) -> list[dict[str, Any]]:
    """Compare every score of `COMPARED` over all frames, and AbsRel by range and by camera."""
    cases: list[tuple[str, str | None, str | None]] = [(score, None, None) for score in COMPARED]
    cases += [(RANKED_BY, name, None) for name in RANGE_NAMES]
    cameras = sorted({record.key.camera for record in records})
    cases += [(RANKED_BY, None, camera) for camera in cameras] if len(cameras) > 1 else []
    rows = []
    for score, range_name, camera in cases:
        one, other = (
            [record for record in chosen if camera in (None, record.key.camera)]
            for chosen in (baseline_records, records)
        )
        found = compare(one, other, score, config, range_name=range_name)
        if found.frames:
            where = {"baseline": baseline, "model": model, "range": range_name, "camera": camera}
            rows.append(where | asdict(found) | {"words": in_words(found, model, baseline)})
    return rows


def _skipped(evaluation: Evaluation) -> dict[str, Any]:
    frames = sorted(evaluation.skipped, key=lambda f: (f.bag, f.camera, -1 if f.stamp_ns is None else f.stamp_ns))
    alike: dict[str, list[str]] = {}
    for frame in frames:  # reasons that differ only in their numbers are one
        alike.setdefault(re.sub(r"\d+(\.\d+)?", "#", frame.reason), []).append(frame.reason)
    return {
        "reasons": [
            {"reason": reasons[0], "count": len(reasons)}
            for _, reasons in sorted(alike.items(), key=lambda item: (-len(item[1]), item[0]))
        ],
        "frames": [frame.to_json() for frame in frames],
    }


def _offsets(records: Sequence[FrameRecord]) -> dict[str, float]:
    """How far the stamps of truth and image lie apart, where the records say it (ms)."""
    apart = [abs(record.extra["truth_offset_ms"]) for record in records if "truth_offset_ms" in record.extra]
    return {"median": float(np.median(apart)), "max": float(max(apart))} if apart else {}


def _latency(records: Sequence[FrameRecord]) -> dict[str, dict[str, float]]:
    stages = dict.fromkeys(stage for record in records for stage in record.timings_ms)
    values = {
        stage: [v for record in records if math.isfinite(v := record.timings_ms.get(stage, math.nan))]
        for stage in stages
    }
    return {
        stage: {
            "median": float(np.median(times)),
            "p95": float(np.percentile(times, 95)),
            "max": max(times),
            "frames": len(times),
        }
        for stage, times in values.items()
        if times
    }


def _plain(value: Any) -> Any:
    """`value` for JSON: floats at six significant digits, None for what JSON lacks."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
