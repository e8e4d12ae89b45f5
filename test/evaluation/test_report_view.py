"""What the page says in words and colours."""

from __future__ import annotations

import math

import pytest
from evaluation_example import evaluation, pictures

from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.report_view import heat_colour, page_content
from prv2_ros.evaluation.summary import RANGE_NAMES, summarise


@pytest.fixture(scope="module")
def content() -> dict:
    return page_content(summarise(evaluation(), BootstrapConfig(resamples=100)), pictures)


@pytest.mark.parametrize(
    ("abs_rel", "colour"),
    [
        (0.0, "rgb(92 184 178)"),
        (0.025, "rgb(92 184 178)"),
        (0.1, "rgb(246 236 205)"),
        (0.4, "rgb(232 106 74)"),
        (3.0, "rgb(232 106 74)"),
        (None, "transparent"),
    ],
)
def test_colours_run_from_good_to_bad(abs_rel: float | None, colour: str) -> None:
    assert heat_colour(abs_rel) == colour


def test_headline_names_scale_only_where_it_helps(content: dict) -> None:
    """The old model is about 20% too far everywhere, the new one hardly."""
    assert "depth is on average 24% too far; with each frame's scale put right" in content["headlines"]["old"]
    assert "Best camera /rear <wide>" in content["headlines"]["old"]
    assert "worst /left" in content["headlines"]["old"]


def test_heat_has_a_row_for_each_camera_under_that_of_all(content: dict) -> None:
    heat = content["models"][1]["heat"]
    assert [row["name"] for row in heat][:3] == ["all cameras", "/front", "/left"]
    assert all(len(row["cells"]) == 1 + len(RANGE_NAMES) for row in heat)
    assert "truth pixels" in heat[0]["cells"][0]["hint"]


def test_one_camera_is_not_shown_twice() -> None:
    from dataclasses import replace

    few = evaluation(models=("new",))
    few = replace(few, records=tuple(r for r in few.records if r.key.camera == "/front"))
    content = page_content(summarise(few, BootstrapConfig(resamples=100)), pictures)
    assert [row["name"] for row in content["models"][0]["heat"]] == ["/front"]
    assert "Best camera" not in content["headlines"]["new"]


def test_verdicts_are_split_into_all_frames_and_parts(content: dict) -> None:
    (group,) = content["comparisons"]
    assert [row["note"] for row in group["parts"][:2]] == ["0–5 m", "5–10 m"]
    first = group["main"][0]
    assert (first["score"], first["verdict"]) == ("AbsRel", "better")
    assert first["difference"].startswith("−")
    assert first["interval"].count(" pp") == 2


def test_examples_carry_time_and_scores(content: dict) -> None:
    best = content["models"][1]["examples"][0]
    assert best["title"] == "best"
    assert 0 <= float(best["seconds"]) <= 0.5
    assert best["abs_rel"].endswith("%")


@pytest.mark.parametrize(
    ("slope", "text"), [(0.0, "+0.0%"), (math.log(1.5), "+50.0%"), (math.log(0.5), "-50.0%"), (1e6, "+2202546.6%")]
)
def test_drift_is_shown_as_the_growth_in_a_minute(slope: float, text: str) -> None:
    summary = summarise(evaluation(models=("new",)), BootstrapConfig(resamples=100))
    for bags in summary["results"]["new"]["drift"].values():
        for drift in bags.values():
            assert drift["per_minute"] is None, "the example's bags last a few seconds"
    shown = page_content(summary, pictures)["models"][0]["drift"]
    assert {row["per_minute"] for row in shown} == {"\u2013"}
    for bags in summary["results"]["new"]["drift"].values():
        for drift in bags.values():
            drift["per_minute"] = slope
    shown = page_content(summary, pictures)["models"][0]["drift"]
    assert {row["per_minute"] for row in shown} == {text}
