"""Charts are well-formed SVG, and their points lie where the values say."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.evaluation.charts import HEIGHT, WIDTH, Axis, Line, bar_chart, category_axis, line_chart, linear_axis


def _dots(svg: str) -> list[tuple[float, float]]:
    root = ET.fromstring(svg)
    return [(float(dot.get("cx", "nan")), float(dot.get("cy", "nan"))) for dot in root.iter("circle")]


def _ticks(svg: str) -> dict[str, tuple[float, float]]:
    """Text of each label and where it stands."""
    return {
        text.text or "": (float(text.get("x", "nan")), float(text.get("y", "nan")))
        for text in ET.fromstring(svg).iter("text")
    }


def test_a_point_lies_at_its_ticks() -> None:
    x, y = linear_axis("time (s)", [0, 10]), linear_axis("error", [0, 1], low=0)
    svg = line_chart("title", x, y, [Line(label="a", x=[5], y=[0.5])])
    ticks = _ticks(svg)
    ((cx, cy),) = _dots(svg)
    assert cx == pytest.approx(ticks["5"][0], abs=0.1)
    assert cy == pytest.approx(ticks["0.5"][1] - 4, abs=0.1)  # a label stands 4 units lower than its line


def test_log_axes_keep_ratios() -> None:
    axis = Axis(label="", low=0.01, high=1, ticks=((0.01, "0.01"), (1, "1")), log=True)
    assert axis.fraction(0.1) == pytest.approx(0.5)
    assert axis.fraction(1) == 1


@settings(max_examples=200, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_ticks_hold_the_values_and_are_few(values: list[float]) -> None:
    axis = linear_axis("x", values)
    rounding = 1e-6 * (axis.high - axis.low)
    assert axis.low <= min(values) + rounding
    assert axis.high >= max(values) - rounding
    assert axis.high > axis.low
    assert 2 <= len(axis.ticks) <= 7
    assert len({text for _, text in axis.ticks}) >= 2 or axis.high - axis.low < 1e-4 * abs(axis.high)


def test_axis_of_nothing() -> None:
    assert linear_axis("x", [None, math.nan]).ticks[0] == (0, "0")


def test_a_gap_breaks_the_line_and_its_band() -> None:
    x, y = category_axis("range", list("abcd")), linear_axis("y", [0, 4])
    line = Line(label="l", x=range(4), y=[1, 2, None, 3], low=[0, None, None, 2], high=[2, None, None, 4])
    svg = line_chart("t", x, y, [line])
    assert len(_dots(svg)) == 3
    assert svg.count('class="line"') == 2
    assert svg.count('class="band"') == 2


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_chart(
        "t",
        linear_axis("AbsRel", [0.4], low=0, text="{:.0%}".format),
        ["/a", "/b"],
        [Line(label="m", x=[0, 1], y=[0.1, 0.4], low=[0.05, None], high=[0.2, None])],
    )
    widths = [float(bar.get("width", "nan")) for bar in ET.fromstring(svg).iter("rect")]
    assert widths[1] == pytest.approx(4 * widths[0], abs=0.3)
    assert svg.count('class="whisker"') == 1
    assert "/b, m: 40.0%" in svg


def test_a_long_name_is_cut_at_its_beginning() -> None:
    name = "/a_very_long_prefix_that_all_cameras_of_this_vehicle_share/front"
    svg = bar_chart("t", linear_axis("x", [1], low=0), [name], [Line(label="m", x=[0], y=[1])])
    ((text, title),) = [(t.text or "", t[0].text) for t in ET.fromstring(svg).iter("text") if t.get("class") == "name"]
    assert text.startswith("…")
    assert text.endswith("share/front")
    assert len(text) == 50
    assert title == name


def test_names_from_outside_are_escaped() -> None:
    nasty = '</svg><script>&"'
    line = Line(label=nasty, x=[0], y=[1.0])
    for svg in (
        line_chart(nasty, category_axis(nasty, [nasty]), linear_axis(nasty, [1]), [line]),
        bar_chart(nasty, linear_axis(nasty, [1], low=0), [nasty], [line]),
    ):
        ET.fromstring(svg)
        assert "<script" not in svg


@settings(max_examples=50, deadline=None)
@given(ys=st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_everything_stays_inside_the_picture(ys: list[float | None]) -> None:
    line = Line(label="l", x=range(len(ys)), y=ys)
    svg = line_chart("t", linear_axis("x", list(range(len(ys)))), linear_axis("y", [0, 1]), [line])
    for cx, cy in _dots(svg):
        assert 0 <= cx <= WIDTH
        assert 0 <= cy <= HEIGHT
    assert not re.search(r"\b(nan|inf)\b", svg)
