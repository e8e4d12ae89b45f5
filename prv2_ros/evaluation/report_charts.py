"""Which charts a report shows, drawn from the content of report.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prv2_ros.evaluation.charts import Axis, Line, bar_chart, category_axis, line_chart, linear_axis
from prv2_ros.evaluation.summary import RANGE_NAMES

MOST_BAGS = 4
"""Bags that get charts over time; report.csv holds all."""

MOST_POINTS = 60
"""Longer series are drawn as a line without a dot at every frame."""

MOST_STEPS = 400
"""Longer series are drawn as means of as many successive frames as it takes; more would not be seen."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart with what stands around it."""

    title: str
    svg: str

    caption: str
    """What to read off it."""

    legend: tuple[tuple[int, str], ...] = ()
    """Colour and name of each series, where there is more than one."""


def overview_charts(results: Mapping[str, Any]) -> list[Figure]:
    """Error over range and by camera, all models in one chart."""
    legend = tuple(enumerate(results)) if len(results) > 1 else ()
    lines = []
    for i, (model, result) in enumerate(results.items()):
        cells = [_score(result["all"]["by_range"].get(name)) for name in RANGE_NAMES]
        lines.append(_line(model, cells, i))
    x = category_axis("true depth (m)", [name.replace("-", "–") for name in RANGE_NAMES])
    figures = [
        Figure(
            title="Error over range",
            svg=line_chart("AbsRel over true depth", x, _percent_axis("AbsRel", lines), lines),
            caption="AbsRel by true depth. Band: interval of the mean.",
            legend=legend,
        )
    ]
    cameras = list(dict.fromkeys(camera for result in results.values() for camera in result["cameras"]))
    if cameras:
        bars = [
            _line(model, [_score(result["cameras"].get(camera)) for camera in cameras], i)
            for i, (model, result) in enumerate(results.items())
        ]
        x = _percent_axis("AbsRel", bars)
        figures.append(
            Figure(
                title="Error by camera",
                svg=bar_chart("AbsRel by camera", x, cameras, bars),
                caption="AbsRel by camera. Whiskers: interval of the mean, where there are frames enough.",
                legend=legend,
            )
        )
    return figures


def time_charts(series: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Error and scale over time, one pair for each of the first bags, one line for each camera."""
    bags = list(dict.fromkeys(entry["bag"] for entry in series))
    figures = []
    for bag in bags[:MOST_BAGS]:
        chosen = [entry for entry in series if entry["bag"] == bag]
        start_ns = min(entry["stamp_ns"][0] for entry in chosen)
        legend = tuple((i, entry["camera"]) for i, entry in enumerate(chosen)) if len(chosen) > 1 else ()
        where = f" in {bag}" if len(bags) > 1 else ""
        for name, title, caption in (
            ("abs_rel", "Error over time", "AbsRel frame by frame"),
            ("median_scale", "Scale over time", "Median truth / median depth frame by frame: 1 is metric"),
        ):
            lines = [_over_time(entry, name, start_ns, i) for i, entry in enumerate(chosen)]
            x = linear_axis("time (s)", [t for line in lines for t in line.x], low=0)
            metric = [(0.0, 1.0), (x.high, 1.0)] if name == "median_scale" else []
            values = [v for line in lines for v in line.y] + [b for _, b in metric]
            y = _percent_axis("AbsRel", lines) if name == "abs_rel" else linear_axis("scale", values)
            svg = line_chart(f"{title}{where}", x, y, lines, reference=metric)
            step = max(_step(len(entry["stamp_ns"])) for entry in chosen)
            note = f" A point is the mean of {step} frames." if step > 1 else ""
            figures.append(Figure(title=f"{title}{where}", svg=svg, caption=f"{caption}{where}.{note}", legend=legend))
    return figures


def calibration_charts(calibration: Mapping[str, Any]) -> list[Figure]:
    """Predicted against actual error, and error by decile of confidence; none where there is no confidence."""
    if not calibration:
        return []
    fifths, deciles = calibration["fifths"], calibration["deciles"]
    values = [row[name] for row in fifths for name in ("predicted", "actual") if row[name] > 0]
    low, high = (min(values) * 0.8, max(values) * 1.25) if values else (0.01, 1.0)
    ticks = tuple((t, f"{t:g}") for t in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0) if low <= t <= high)
    if len(ticks) < 2:
        ticks = tuple((t, f"{t:.2g}") for t in (low, math.sqrt(low * high), high))
    x, y = (
        Axis(label=label, low=low, high=high, ticks=ticks, log=True)
        for label in ("predicted mean |log error|", "actual mean |log error|")
    )
    points = sorted((row["predicted"], row["actual"]) for row in fifths if row["predicted"] > 0 < row["actual"])
    line = Line(label="fifth of the pixels", x=[p for p, _ in points], y=[a for _, a in points])
    last = len(deciles)
    bars = Line(label="decile", x=range(1, last + 1), y=[row["actual"] for row in deciles])
    names = category_axis("tenth of the pixels: 1 least confident, 10 most", [str(i + 1) for i in range(last)])
    shifted = Line(label=bars.label, x=[i - 1 for i in bars.x], y=bars.y)
    errors = linear_axis("mean |log error|", bars.y, low=0)
    off = calibration["error"]
    how = "" if off is None else f" On average they differ by a factor of {math.exp(off):.2f}."
    return [
        Figure(
            title="Calibration of confidence",
            svg=line_chart("Actual over predicted error", x, y, [line], reference=[(low, low), (high, high)]),
            caption=f"Five equal shares of the pixels, actual (upwards) over predicted error; dashed is perfect.{how}",
        ),
        Figure(
            title="Error by confidence",
            svg=line_chart("Error by decile of confidence", names, errors, [shifted]),
            caption="Mean |log error| of each tenth of the pixels. It should fall from left to right.",
        ),
    ]


def _step(frames: int) -> int:
    return -(-frames // MOST_STEPS)


def _over_time(entry: Mapping[str, Any], name: str, start_ns: int, colour: int) -> Line:
    stamps, values, step = entry["stamp_ns"], entry[name], _step(len(entry["stamp_ns"]))
    parts = [range(i, min(i + step, len(stamps))) for i in range(0, len(stamps), step)]
    known = [[values[i] for i in part if values[i] is not None] for part in parts]
    return Line(
        label=entry["camera"],
        x=[sum(stamps[i] - start_ns for i in part) / len(part) / 1e9 for part in parts],
        y=[sum(found) / len(found) if found else None for found in known],
        colour=colour,
        points=len(parts) <= MOST_POINTS,
    )


def _score(group: Mapping[str, Any] | None) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] = (group or {}).get("scores", {}).get("abs_rel", {})
    return found


def _line(model: str, cells: Sequence[Mapping[str, float | None]], colour: int) -> Line:
    mean, low, high = ([cell.get(name) for cell in cells] for name in ("mean", "low", "high"))
    return Line(label=model, x=list(range(len(cells))), y=mean, low=low, high=high, colour=colour)


def _percent_axis(label: str, lines: Sequence[Line]) -> Axis:
    values = [value for line in lines for value in (*line.y, *line.high) if value is not None]
    fine = max(values, default=1.0) < 0.04
    return linear_axis(label, values, low=0, text=lambda v: f"{v:.1%}" if fine else f"{v:.0%}")
