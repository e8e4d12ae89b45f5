"""Desks and benches as a camera behind them sees them: a step away and through a wide lens (metres)."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import busy, finishes, fixtures, furniture, interior, objects, things
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose, Scene

BEHIND_M = (0.3, 1.3)
"""How far the camera is behind the edge of the desk."""

_EYE_Y = 0.3
_OVER_M = (0.2, 0.95)
"""Where the camera is in the room, and how high over the desk."""


def desk(b: SceneBuilder) -> Scene:
    """Desk with what lies on it, at a wall or with a room behind it."""
    rng = b.rng
    wide, back, top = rng.uniform(1.1, 2.4), rng.uniform(0.6, 0.95), rng.uniform(0.68, 0.92)
    near = _EYE_Y + float(rng.uniform(*BEHIND_M))
    at_wall = rng.uniform() < 0.65
    d = near + back + (0.02 if at_wall else math.exp(rng.uniform(math.log(0.4), math.log(5.0))))
    w, h = rng.uniform(2.2, 6.5), rng.uniform(2.3, 3.2)
    interior.shell(b, w, d, h)
    interior.fittings(b, w, d, h)
    interior.lights(b, w, d, h)
    middle = Place(b=b, x=rng.normal(0, 0.15), y=near + back / 2)
    _table(middle, wide, back, top)
    bench = Place(b=b, x=middle.x, y=middle.y, z=top)
    _on_it(bench, wide, back)
    _behind_it(b, bench, wide, back, at_wall)
    if rng.uniform() < 0.3:  # another desk beside it
        side, turn = float(rng.choice([-1, 1])), float(rng.choice([0.0, math.pi / 2]))
        away = wide / 2 + (0.65 if turn == 0 else 0.4)
        other = middle.at(side * away, 0.0 if turn == 0 else rng.uniform(-0.5, 0.0), 0, turn)
        _table(other, 1.2, 0.75, top)
        things.scatter(Place(b=b, x=other.x, y=other.y, z=top, yaw=other.yaw), 1.2, 0.7, int(rng.integers(0, 7)))
    if rng.uniform() < 0.35:
        seat = Place(b=b, x=middle.x + rng.normal(0, 0.4), y=near + rng.uniform(0.0, 0.2), yaw=rng.uniform(0, 6.3))
        furniture.chair(seat)
    if not at_wall:
        interior.furnish(b, w, d, h, rng.uniform(0, 0.7))
        interior.people(b, w, near + back + 0.3, max(d, near + back + 0.4), 0.12)
    return busy.busier_half(b, b.build("desk", interior.lit(b, w, d, h), _pose(b, bench, near)))


def _pose(b: SceneBuilder, bench: Place, near: float) -> Pose:
    """From behind the desk to somewhere on it or a little over it."""
    x, over = float(b.rng.normal(0, 0.25)), float(b.rng.uniform(*_OVER_M))
    target = bench.at(b.rng.normal(0, 0.2), b.rng.uniform(-0.2, 0.2), b.rng.uniform(-0.1, 0.35))
    ahead, down = target.y - _EYE_Y, bench.z + over - target.z
    return Pose(
        position=(x, _EYE_Y, bench.z + over),
        yaw_deg=math.degrees(math.atan2(x - target.x, ahead)) + b.rng.normal(0, 8),
        pitch_deg=-math.degrees(math.atan2(down, ahead)) + b.rng.normal(0, 5),
        roll_deg=b.rng.normal(0, 3),
    )


def _table(p: Place, wide: float, back: float, top: float) -> None:
    """Table top on panels, legs or drawers."""
    b = p.b
    surface = finishes.white(b) if b.rng.uniform() < 0.35 else finishes.board(b)
    p.box((0, 0, top - 0.04), (wide, back, 0.04), surface)
    legs = finishes.board(b) if b.rng.uniform() < 0.5 else finishes.metal(b)
    panels = b.rng.uniform() < 0.5
    for x in (-wide / 2 + 0.05, wide / 2 - 0.05):
        if panels:
            p.box((x, 0, 0), (0.04, back * 0.95, top - 0.04), legs)
            continue
        for y in (-back / 2 + 0.06, back / 2 - 0.06):
            p.box((x, y, 0), (0.05, 0.05, top - 0.04), legs)
    if b.rng.uniform() < 0.4:
        furniture.drawers(p.at(b.rng.choice([-1, 1]) * (wide / 2 - 0.3), 0.0), 0.42, back * 0.85, top - 0.06)


def _on_it(bench: Place, wide: float, back: float) -> None:
    """Screens, keyboards, laptops, a calibration board, small things and shapes that no list has."""
    b, rng = bench.b, bench.b.rng
    for k in range(int(rng.choice(3, p=[0.35, 0.4, 0.25]))):
        x = rng.normal(0, 0.2) if k == 0 else rng.choice([-1, 1]) * rng.uniform(0.5, 0.7)
        things.monitor(bench.at(x, back * 0.22, 0, rng.normal(0, 0.2)))
    if rng.uniform() < 0.55:
        things.keyboard(bench.at(rng.normal(0, 0.15), -back * rng.uniform(0.1, 0.3), 0, rng.normal(0, 0.1)))
    if rng.uniform() < 0.4:
        things.laptop(bench.at(rng.normal(0, 0.35), rng.uniform(-0.2, 0.1) * back, 0, rng.normal(0, 0.3)))
    if rng.uniform() < 0.12:
        things.target(bench.at(rng.normal(0, 0.2), rng.uniform(0, 0.3) * back, 0, rng.normal(0, 0.4)))
    things.scatter(bench, min(wide, 1.8), back, int(rng.integers(3, 20)))
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(-0.4, 0.4) * wide, rng.uniform(-0.4, 0.4) * back
        at = bench.world((x, y, 0))
        objects.clutter(b, at[0], at[1], at[2], math.exp(rng.uniform(math.log(0.03), math.log(0.25))))


def _behind_it(b: SceneBuilder, bench: Place, wide: float, back: float, at_wall: bool) -> None:
    """Shelf, screen, notes or pictures over the far edge of the desk."""
    rng = b.rng
    if rng.uniform() < 0.25:
        furniture.shelf(bench.at(rng.normal(0, 0.2), back / 2 - 0.13, rng.uniform(0.45, 0.6)), wide * 0.8, 0.24, 0.5)
    if not at_wall:
        if rng.uniform() < 0.35:  # a partition
            bench.box((0, back / 2 + 0.02, -bench.z), (wide, 0.03, bench.z + rng.uniform(0.3, 0.6)), finishes.fabric(b))
        return
    for _ in range(int(rng.choice([0, 0, 1, 3, 8]))):  # sheets pinned to the wall
        width = float(rng.uniform(0.1, 0.3))
        m = finishes.print_(b, width) if rng.uniform() < 0.5 else finishes.text(b, width * 1.4)
        at = (rng.uniform(-0.5, 0.5) * wide, back / 2 + 0.008, rng.uniform(0.3, 1.1))
        bench.box(at, (width, 0.004, width * float(np.exp(rng.normal(0.3, 0.2)))), m)
    if rng.uniform() < 0.3:
        fixtures.frame(bench.at(rng.normal(0, 0.4), back / 2, rng.uniform(0.4, 0.7)), rng.uniform(0.3, 1.2), 0.5)
