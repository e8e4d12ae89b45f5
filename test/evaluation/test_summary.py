"""What report.json holds, against means taken directly from the records."""

from __future__ import annotations

import dataclasses
import json
import math
import random

import numpy as np
import pytest
from evaluation_example import CAMERAS, evaluation

from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.records import Evaluation, FrameRecord
from prv2_ros.evaluation.summary import RANGE_NAMES, summarise

FAST = BootstrapConfig(resamples=200)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluation(bags=2)


def _values(found: Evaluation, model: str, score: str, camera: str | None = None) -> list[float]:
    chosen = [r for r in found.records if r.model == model and camera in (None, r.key.camera)]
    return [r.scores[score] for r in chosen if math.isfinite(r.scores.get(score, math.nan))]


def test_means_are_those_of_the_records(found: Evaluation) -> None:
    summary = summarise(found, FAST)
    for model in ("old", "new"):
        result = summary["results"][model]
        cell = result["all"]["scores"]["abs_rel"]
        assert cell["mean"] == pytest.approx(np.mean(_values(found, model, "abs_rel")), rel=1e-5)
        assert cell["low"] < cell["mean"] < cell["high"]
        assert cell["frames"] == 36
        for camera in CAMERAS:
            expected = np.mean(_values(found, model, "rmse_m", camera))
            assert result["cameras"][camera]["scores"]["rmse_m"]["mean"] == pytest.approx(expected, rel=1e-5)
        # A score that only dense truth has counts only the frames of that camera.
        assert result["all"]["scores"]["boundary_f1"]["frames"] == 12
    inside = [r.by_range["10-20"]["abs_rel"] for r in found.records if r.model == "new"]
    cell = summary["results"]["new"]["all"]["by_range"]["10-20"]["scores"]["abs_rel"]
    assert cell["mean"] == pytest.approx(np.mean(inside), rel=1e-5)
    assert tuple(summary["results"]["new"]["all"]["by_range"]) == RANGE_NAMES


def test_counts_and_what_was_left_out(found: Evaluation) -> None:
    summary = summarise(found, FAST)
    assert summary["frames"] == {
        "scored": 36,
        "skipped": 2,
        "truth": ["depth", "lidar"],
        "cameras": sorted(CAMERAS),
        "truth_offset_ms": {"median": 2.0, "max": 12.5},
    }
    # Two reasons that differ only in a number are one; each frame keeps its own text.
    assert [row["count"] for row in summary["skipped"]["reasons"]] == [2, 1]
    assert [row["stamp_ns"] for row in summary["skipped"]["frames"]] == [None, 4, 5]


def test_examples_are_best_median_and_worst(found: Evaluation) -> None:
    ranked = sorted((r for r in found.records if r.model == "old"), key=lambda r: (r.scores["abs_rel"], r.key))
    examples = summarise(found, FAST)["results"]["old"]["examples"]
    assert list(examples) == ["best", "median", "worst"]
    for title, place in (("best", 0), ("median", 17), ("worst", 35)):
        assert examples[title] == ranked[place].key.to_json()


@pytest.mark.parametrize(("frames", "titles"), [(1, ["best"]), (2, ["best", "worst"]), (0, [])])
def test_few_frames_have_fewer_examples(found: Evaluation, frames: int, titles: list[str]) -> None:
    records = [r for r in found.records if r.model == "old"][:frames]
    few = dataclasses.replace(found, records=tuple(records))
    assert list(summarise(few, FAST)["results"]["old"]["examples"]) == titles


def test_comparison_names_the_better_model(found: Evaluation) -> None:
    rows = summarise(found, FAST)["comparisons"]
    first = rows[0]
    assert (first["baseline"], first["model"], first["score"], first["verdict"]) == ("old", "new", "abs_rel", "better")
    assert "new (" in first["words"]
    assert {row["range"] for row in rows} == {None, *RANGE_NAMES}
    assert {row["camera"] for row in rows} == {None, *CAMERAS}
    assert not summarise(evaluation(models=("old",)), FAST)["comparisons"]


def test_a_model_that_leaves_truth_unanswered_is_told_beside_its_smaller_error(found: Evaluation) -> None:
    """What has no prediction is in no other score, so coverage must be in the verdicts."""

    def partial(record: FrameRecord) -> FrameRecord:
        return dataclasses.replace(record, scores={**record.scores, "coverage": 0.6})

    records = tuple(partial(record) if record.model == "new" else record for record in found.records)
    rows = summarise(dataclasses.replace(found, records=records), FAST)["comparisons"]
    verdicts = {row["score"]: row["verdict"] for row in rows if row["range"] is None and row["camera"] is None}
    assert (verdicts["abs_rel"], verdicts["coverage"]) == ("better", "worse")
    (words,) = (row["words"] for row in rows if row["score"] == "coverage")
    assert words.startswith("coverage: new (60.0%) is worse than old (100.0%): −40 pp, interval −40 pp to −40 pp")


def test_a_configuration_without_a_limit_of_depth_gives_valid_json(found: Evaluation) -> None:
    unlimited = dataclasses.replace(found, config=EvaluationConfig().to_json())
    text = json.dumps(unlimited.to_json(), allow_nan=False)
    assert summarise(Evaluation.from_json(json.loads(text)), FAST)["config"]["max_depth_m"] is None


def test_series_drift_calibration_and_latency(found: Evaluation) -> None:
    summary = summarise(found, FAST)
    new = summary["results"]["new"]
    assert len(new["over_time"]) == 6
    assert new["over_time"][0]["abs_rel"] == pytest.approx(_values(found, "new", "abs_rel", CAMERAS[0])[:6], rel=1e-5)
    assert new["drift"]["/front"]["drive_0"]["scale"] == pytest.approx(1 / 1.05, rel=0.02)
    assert new["calibration"]["fifths"][0]["predicted"] == pytest.approx(0.1, rel=1e-3)
    assert summary["results"]["old"]["calibration"] == {}
    assert summary["timing"]["latency_ms"]["new"]["refine"]["median"] == 20
    assert summary["timing"]["command"].startswith("prv2 evaluate")


def test_the_same_records_in_any_order_give_the_same_text(found: Evaluation) -> None:
    records = list(found.records)
    random.Random(0).shuffle(records)
    shuffled = dataclasses.replace(found, records=tuple(records), skipped=found.skipped[::-1])
    texts = [json.dumps(summarise(one, FAST), allow_nan=False) for one in (found, shuffled)]
    assert texts[0] == texts[1]


def test_command_and_times_lie_under_timing_alone(found: Evaluation) -> None:
    def slower(record: FrameRecord) -> FrameRecord:
        return dataclasses.replace(record, timings_ms={"total": 99.0})

    other = dataclasses.replace(found, records=tuple(map(slower, found.records)), command="prv2 evaluate --workers 2")
    one, two = summarise(found, FAST), summarise(other, FAST)
    assert one.pop("timing") != two.pop("timing")
    assert one == two


def test_records_survive_json(found: Evaluation) -> None:
    """What the cache gives back summarises to the same report."""
    again = Evaluation.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert summarise(again, FAST) == summarise(found, FAST)


def test_nothing_at_all() -> None:
    nothing = Evaluation(records=(), skipped=(), bags=(), models=({"name": "m"},), versions={}, command="", config={})
    summary = summarise(nothing)
    assert summary["results"]["m"]["all"]["frames"] == 0
    assert summary["frames"]["scored"] == 0


def test_ranges_count_their_own_pixels(found: Evaluation) -> None:
    group = summarise(found, FAST)["results"]["new"]["all"]
    inside = [r.by_range["10-20"] for r in found.records if r.model == "new"]
    assert group["by_range"]["10-20"]["truth_px"] == sum(scores["truth_px"] for scores in inside) < group["truth_px"]
    assert "truth_px" not in group["by_range"]["10-20"]["scores"]


def test_a_single_camera_is_not_compared_twice(found: Evaluation) -> None:
    records = tuple(record for record in found.records if record.key.camera == "/front")
    rows = summarise(dataclasses.replace(found, records=records), FAST)["comparisons"]
    assert rows
    assert {row["camera"] for row in rows} == {None}


def test_latency_is_that_of_the_slow_frames_too(found: Evaluation) -> None:
    records = [
        dataclasses.replace(record, timings_ms={"total": float(i)})
        for i, record in enumerate(r for r in found.records if r.model == "old")
    ]
    latency = summarise(dataclasses.replace(found, records=tuple(records)), FAST)["timing"]["latency_ms"]["old"]
    assert latency == {"total": {"median": 17.5, "p95": 33.25, "max": 35.0, "frames": 36}}
