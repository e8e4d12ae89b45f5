"""Charts as inline SVG: lines with bands, points, bars with whiskers.

Colours are classes (`s0`, `s1`, ..., `grid`, `reference`) set by the page's style sheet, so that a chart follows light
and dark. Sizes are units of the view box: a chart is as wide as the column it stands in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 420, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 40
_NAME_LENGTH = 50  # SVG does not wrap text; what tells two topics apart is mostly at the end
COLOURS = 8
"""Colours of the style sheet; further series use them again, dashed."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: its range, its ticks and what it shows."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def fraction(self, value: float) -> float:
        """Position of a value, 0 at `low` and 1 at `high`."""
        if self.log:
            return math.log(max(value, 1e-12) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series; a point whose y is None breaks the line."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] = ()
    """Lower ends of the intervals, as many as points; none draws no band."""

    high: Sequence[float | None] = ()
    """Upper ends."""

    colour: int = 0
    points: bool = True


def linear_axis(
    label: str,
    values: Sequence[float | None],
    *,
    low: float | None = None,
    text: Callable[[float], str] = "{:g}".format,
) -> Axis:
    """Axis with about five round ticks around the values; `low` fixes its beginning."""
    known = [value for value in values if value is not None and math.isfinite(value)] or [0.0, 1.0]
    least, most = (min(known) if low is None else low), max(known)
    if most - least < 1e-9 * max(1.0, abs(most)):
        least, most = (least if low is not None else least - 0.5), most + 0.5
    raw = (most - least) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * 0.999)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    ticks = tuple((i * step, text(round(i * step, 10))) for i in range(first, last + 1))
    return Axis(label=label, low=first * step, high=last * step, ticks=ticks)


def category_axis(label: str, names: Sequence[str]) -> Axis:
    """Axis whose ticks are names at 0, 1, 2, ..., with half a step of room at both ends."""
    return Axis(label=label, low=-0.5, high=len(names) - 0.5, ticks=tuple(enumerate(names)))


def line_chart(
    title: str, x: Axis, y: Axis, lines: Sequence[Line], *, reference: Sequence[tuple[float, float]] = ()
) -> str:
    """Chart of lines; `reference` is a dashed line through points, such as what a perfect model would give."""
    body = [_axes(x, y)]
    if reference:
        body.append(f'<path class="reference" d="{_path(x, y, reference)}"/>')
    for line in lines:
        body.append(f'<g class="s{line.colour % COLOURS}{" dashed" if line.colour >= COLOURS else ""}">')
        for run in _runs(line):
            if line.low and line.high:
                band = [(a, h) for a, _, _, h in run if h is not None]
                band += [(a, low) for a, _, low, _ in reversed(run) if low is not None]
                body.append(f'<path class="band" d="{_path(x, y, band)}Z"/>' if band else "")
            points = [(a, b) for a, b, _, _ in run]
            body.append(f'<path class="line" d="{_path(x, y, points)}"/>')
            if line.points or len(points) == 1:
                body += [_dot(x, y, point, f"{line.label}: {_tick(y, point[1])}") for point in points]
        body.append("</g>")
    return _svg(title, body, HEIGHT)


def bar_chart(title: str, x: Axis, names: Sequence[str], series: Sequence[Line]) -> str:
    """Horizontal bars with whiskers, one group of bars a name, one bar a series (`y` holds the values)."""
    thickness = 13 if len(series) == 1 else 10
    group = thickness * len(series) + 24
    height = group * len(names) + _BOTTOM + 4
    body = [_x_axis(x, height, left=8)]
    for i, name in enumerate(names):
        top = 4 + i * group
        shown = name if len(name) <= _NAME_LENGTH else "…" + name[1 - _NAME_LENGTH :]
        body.append(f'<text class="name" x="8" y="{top + 13}">{escape(shown)}<title>{escape(name)}</title></text>')
        for j, line in enumerate(series):
            value = line.y[i]
            if value is None:
                continue
            y = top + 18 + j * thickness
            start, end = _px(x, x.low, left=8), _px(x, value, left=8)
            body.append(
                f'<g class="s{line.colour % COLOURS}"><rect class="bar" x="{start:.1f}" y="{y}" '
                f'width="{max(end - start, 0.5):.1f}" height="{thickness - 3}" rx="2">'
                f"<title>{escape(f'{name}, {line.label}: {_tick(x, value)}')}</title></rect></g>"
            )
            low, high = (ends[i] if ends else None for ends in (line.low, line.high))
            if low is not None and high is not None:
                middle = y + (thickness - 3) / 2
                a, b = _px(x, low, left=8), _px(x, high, left=8)
                ends = f"M{a:.1f} {middle - 3}v6M{b:.1f} {middle - 3}v6"
                body.append(f'<path class="whisker" d="M{a:.1f} {middle}H{b:.1f}{ends}"/>')
    return _svg(title, body, height)


def _svg(title: str, body: Sequence[str], height: float) -> str:
    label = escape(title, quote=True)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}">'
        + "".join(body)
        + "</svg>"
    )


def _px(axis: Axis, value: float, left: float = _LEFT) -> float:
    return left + min(max(axis.fraction(value), 0.0), 1.0) * (WIDTH - left - _RIGHT)


def _py(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - min(max(axis.fraction(value), 0.0), 1.0) * (HEIGHT - _TOP - _BOTTOM)


def _path(x: Axis, y: Axis, points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_px(x, a):.1f} {_py(y, b):.1f}" for a, b in points)


def _dot(x: Axis, y: Axis, point: tuple[float, float], text: str) -> str:
    centre = f'cx="{_px(x, point[0]):.1f}" cy="{_py(y, point[1]):.1f}"'
    return f'<circle class="dot" {centre} r="3"><title>{escape(text)}</title></circle>'


def _tick(axis: Axis, value: float) -> str:
    """Show a value the way its axis shows ticks: as a percentage where they are percentages."""
    return f"{value:.1%}" if axis.ticks and axis.ticks[-1][1].endswith("%") else f"{value:.3g}"


def _x_axis(x: Axis, height: float, left: float = _LEFT) -> str:
    parts = []
    for value, name in x.ticks:
        at = _px(x, value, left)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP if left == _LEFT else 4}V{height - _BOTTOM}"/>')
        anchor = "end" if at > WIDTH - 24 else "start" if at < 14 else "middle"
        parts.append(f'<text x="{at:.1f}" y="{height - _BOTTOM + 15}" text-anchor="{anchor}">{escape(name)}</text>')
    middle = (left + WIDTH - _RIGHT) / 2
    parts.append(f'<text class="label" x="{middle:g}" y="{height - 6}" text-anchor="middle">{escape(x.label)}</text>')
    return "".join(parts)


def _axes(x: Axis, y: Axis) -> str:
    parts = [_x_axis(x, HEIGHT)]
    for value, name in y.ticks:
        at = _py(y, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{escape(name)}</text>')
    return "".join(parts)


_Point = tuple[float, float, float | None, float | None]


def _runs(line: Line) -> list[list[_Point]]:
    """Points without a gap between them: (x, y, low, high)."""
    none = [None] * len(line.y)
    runs: list[list[_Point]] = [[]]
    for x, y, low, high in zip(line.x, line.y, line.low or none, line.high or none, strict=True):
        if y is None or not math.isfinite(y):
            runs.append([])
        else:
            runs[-1].append((x, y, low, high))
    return [run for run in runs if run]
