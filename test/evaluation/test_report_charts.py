"""The charts of a report follow its summary."""

from __future__ import annotations

import re

import pytest
from evaluation_example import CAMERAS, evaluation

from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.report_charts import MOST_BAGS, calibration_charts, overview_charts, time_charts
from prv2_ros.evaluation.summary import summarise


@pytest.fixture(scope="module")
def results() -> dict:
    return summarise(evaluation(), BootstrapConfig(resamples=100))["results"]


def test_overview_has_every_range_camera_and_model(results: dict) -> None:
    over_range, by_camera = overview_charts(results)
    assert over_range.legend == ((0, "old"), (1, "new"))
    assert "20–40" in over_range.svg
    assert over_range.svg.count('class="dot"') == 10
    assert over_range.svg.count('class="band"') == 2
    assert "/left" in by_camera.svg
    assert by_camera.svg.count('class="bar"') == 6


def test_one_model_needs_no_legend(results: dict) -> None:
    assert overview_charts({"new": results["new"]})[0].legend == ()


def test_time_has_a_line_for_each_camera(results: dict) -> None:
    error, scale = time_charts(results["new"]["over_time"])
    assert [name for _, name in error.legend] == sorted(CAMERAS)
    assert error.svg.count('class="line"') == 3
    assert "reference" in scale.svg  # the line of a metric scale
    assert "0.6</text>" in error.svg  # six frames, 0.1 s apart


def test_bags_beyond_the_first_have_no_charts_over_time(results: dict) -> None:
    series = [dict(entry, bag=f"bag{i}") for i in range(MOST_BAGS + 2) for entry in results["new"]["over_time"]]
    figures = time_charts(series)
    assert len(figures) == 2 * MOST_BAGS
    assert figures[0].title == "Error over time in bag0"


def test_long_drives_are_drawn_as_means() -> None:
    """1000 frames, three to a point: one outlier stays visible at a third of its height, and a gap stays a gap."""
    values = [0.1] * 1000
    values[500] = 3.1
    values[900:903] = [None] * 3
    entry = {
        "bag": "b",
        "camera": "/a",
        "stamp_ns": [i * 10**8 for i in range(1000)],
        "abs_rel": values,
        "median_scale": values,
    }
    error, _ = time_charts([entry])
    assert error.caption == "AbsRel frame by frame. A point is the mean of 3 frames."
    (first, second) = re.findall(r'class="line" d="([^"]+)"', error.svg)
    assert first.count("L") + second.count("L") + 2 == 334 - 1
    heights = sorted({float(point.split()[1]) for point in first[1:].split("L")})
    assert len(heights) == 2  # one point stands out: (3.1 + 0.1 + 0.1) / 3 = 1.1
    assert (210 - heights[0]) / (210 - heights[1]) == pytest.approx(11, rel=0.02)
    assert "circle" not in error.svg


def test_calibration_draws_fifths_and_deciles(results: dict) -> None:
    fifths, deciles = calibration_charts(results["new"]["calibration"])
    assert fifths.svg.count('class="dot"') == 5
    assert deciles.svg.count('class="dot"') == 10
    factor = re.search(r"a factor of (\d\.\d\d)", fifths.caption)
    assert factor is not None
    assert float(factor[1]) > 1
    assert calibration_charts({}) == []
