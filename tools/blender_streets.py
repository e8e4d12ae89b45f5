"""Outdoor layouts for the frame renderer: streets, long roads and rough ground."""

from __future__ import annotations

import math
import random

import blender_outdoor as outdoor
import blender_vehicles as vehicles
import numpy as np
from blender_parts import Builder, colour
from scene_layout import Layout, Point

GROUND_M, PAVEMENT_M = -0.005, 0.1
"""Heights beside the road, whose surface is z = 0."""

PAVEMENT_REACH_M = 0.1
"""How far pavements reach over what is taken for their edge: so much of them lies under the kerb."""


def _markings(b: Builder, half: float, far: float) -> None:
    r = b.rng
    dash, gap, paint = r.uniform(1.5, 4), r.uniform(1.5, 7), r.choice([(0.8, 0.8, 0.78), (0.8, 0.6, 0.1)])
    lanes = (0.0, -half / 2, half / 2) if half > 6.5 else (0.0,)
    for x in (*lanes, -half + 0.25, half - 0.25) if half > 3.5 else lanes:
        y = -10.0
        while y < far:
            run = dash if x in lanes else far
            b.box(x, y + run / 2, -0.002, 0.13, run, 0.006, "mark", paint, soft=0)
            y += run + gap
    if r.random() < 0.4:
        for k in range(int(half * 2 / 1.0)):
            b.box(-half + 0.5 + k, 9, -0.002, 0.5, 3, 0.006, "mark", (0.8, 0.8, 0.8), soft=0)


def _wires(b: Builder, half: float, far: float) -> None:
    r = b.rng
    for _ in range(r.randrange(0, 5)):
        y, z, k = r.uniform(6, far * 0.6), r.uniform(5, 8), np.linspace(0, 1, 14)
        if r.random() < 0.5:
            b.tube(
                np.stack([(k - 0.5) * (2 * half + 8), y + 0 * k, z - 2 * k * (1 - k)], 1),
                0.02,
                "rubber",
                (0.02, 0.02, 0.02),
                5,
            )
        else:
            b.tube(
                np.stack([0 * k + half + 1, k * far, z - 3 * (k * 3 % 1) * (1 - k * 3 % 1)], 1),
                0.02,
                "rubber",
                (0.02, 0.02, 0.02),
                5,
            )


def _pavement(b: Builder, side: int, half: float, walk: float, far: float) -> None:
    r, y, base = b.rng, far / 2, -0.1
    b.box(side * (half + 0.08), y, base, 0.16, far * 3, 0.22, "concrete2", colour(r, 0.05, 0.3, 0.6), soft=0.02)
    x, paved = side * (half + walk / 2 + PAVEMENT_REACH_M), r.choice(["concrete", "brick2", "floor"])
    b.box(x, y, base, walk, far * 3, PAVEMENT_M - base, paved, colour(r, 0.1, 0.2, 0.6), soft=0)


def street(b: Builder) -> Layout:
    """Road along y with traffic, parked rows, pavements, houses, poles, trees and people; x = 0 is the middle."""
    r = b.rng
    # Depths as recording cars see them: 14 to 25 m in the middle.
    half, walk, far = math.exp(r.uniform(math.log(3), math.log(13))), r.uniform(1.2, 4), r.choice([120, 160, 220])
    back = r.uniform(0, 25) if r.random() < 0.4 else 0.0
    style = r.choice(["town", "suburb", "country", "town"])
    soil = r.choice(["grass", "soil"]) if style != "town" else "concrete"
    b.box(0, far / 2, GROUND_M - 0.1, 500, far * 4, 0.1, soil, colour(r, 0.3, 0.1, 0.4), soft=0)
    b.box(0, far / 2, -0.1, 2 * half, far * 3, 0.1, "asphalt", (0.12 * math.exp(r.gauss(0, 0.5)),) * 3, soft=0)
    _markings(b, half, far)
    for side in (-1, 1):
        if style != "country":
            _pavement(b, side, half, walk, far)
        _roadside(b, side, half, walk if style != "country" else 1.0, far, style, back)
    _traffic(b, half, far)
    _wires(b, half, far)

    def shot(g: random.Random) -> tuple[Point, Point]:
        y, lane = g.uniform(-2, far * 0.4), g.choice([-0.5, 0.5, 0.5, 1.2]) * half + g.gauss(0, 0.5)
        ahead = g.gauss(0, 0.12) if g.random() < 0.7 else g.uniform(-1.3, 1.3)
        z = g.uniform(1.3, 2.1)
        return (lane, y, z), (lane + 20 * math.sin(ahead), y + 20 * math.cos(ahead), z + g.gauss(-0.2, 1.0))

    return Layout(shot=shot, sky=r.uniform(0.1, 0.5), near=4.0, lens=(35, 105))


def _poles(b: Builder, side: int, half: float, far: float) -> None:
    """Poles and signs along the kerb, on the local z = 0."""
    r = b.rng
    step, lean, kind = r.uniform(18, 45), colour(r, 0.2), r.choice(["metal", "concrete", "wood"])
    for k in range(int(far / step)):
        x, yy, h = side * (half + 0.5), k * step + r.uniform(0, 5), r.uniform(5, 9)
        b.cylinder(x, yy, 0, 0.09, h, kind, lean, 0.06, 12)
        if r.random() < 0.7:
            b.tube([(x, yy, h), (x - side * 0.7, yy, h + 0.3), (x - side * 1.6, yy, h + 0.35)], 0.04, kind, lean)
            b.box(x - side * 1.8, yy, h + 0.28, 0.6, 0.2, 0.1, "paint", lean, 0, 0.03)
        if r.random() < 0.5:
            b.cylinder(x, yy + 3, 0, 0.03, 2.6, "metal", (0.4, 0.4, 0.4))
            if r.random() < 0.5:
                b.box(x, yy + 2.95, 2.0, r.uniform(0.4, 0.9), 0.02, r.uniform(0.4, 0.9), "plastic", colour(r, 0.9))
            else:
                with b.at(x, yy + 2.95, 2.3, 0, math.pi / 2):
                    b.cylinder(0, 0, 0, 0.32, 0.02, "plastic", colour(r, 0.9), n=24)


def _roadside(b: Builder, side: int, half: float, walk: float, far: float, style: str, back: float = 0.0) -> None:
    """All that stands on one side of the road: on the pavement, where there is one, and on the ground beyond.

    Houses stand `back` further from the pavement than they would.
    """
    r, edge = b.rng, half + walk
    verge_m = GROUND_M if style == "country" else PAVEMENT_M
    if style != "country":
        _houses(b, side, edge, far, style == "town", back)
    with b.at(0, 0, verge_m):
        _poles(b, side, half, far)
    for _ in range(r.randrange(3, 10) if style != "country" else r.randrange(10, 22)):
        off = r.uniform(-0.3, max(2, back - 4) if style == "town" else 14 + back)
        with b.at(side * (edge + off), r.uniform(2, far), verge_m if off < PAVEMENT_REACH_M else GROUND_M):
            outdoor.tree(b, r.uniform(3, 11), 2500)
    for _ in range(r.randrange(0, 6)):
        with b.at(side * r.uniform(half + 0.4, edge), r.uniform(3, 90), verge_m, r.uniform(0, 6.3)):
            outdoor.person(b)
    for _ in range(r.randrange(0, 5)):
        with b.at(side * (half + 0.6), r.uniform(3, 90), verge_m, -side * math.pi / 2):
            if b.model(0.7, "street"):
                continue
            thick, high = r.uniform(0.08, 0.3), r.uniform(0.7, 1.1)
            b.cylinder(0, 0, 0, thick, high, r.choice(["metal", "plastic", "paint"]), colour(r, 0.5))
    if style == "country":
        _fields(b, side, half, far)


def _houses(b: Builder, side: int, edge: float, far: float, town: bool, set_back: float = 0.0) -> None:
    """Row of houses beyond the pavement's `edge`; those of a suburb have a hedge or a fence before them.

    One row in three is broken by a square, where another street comes in.
    """
    r = b.rng
    y = r.uniform(-15, 0)
    square = r.uniform(5, 60) if r.random() < 0.35 else far
    square_end = square + r.uniform(15, 60)
    while y < far:
        w, h = r.uniform(6, 20), r.uniform(4, 20) if town else r.uniform(3, 8)
        back = set_back + (r.uniform(0.1, 2) if town else r.uniform(3, 9))
        if y + w > square and y < square_end:
            y += w
            continue
        if r.random() < 0.85:
            with b.at(side * (edge + back), y + w / 2, GROUND_M, -side * math.pi / 2):
                outdoor.house(b, w, r.uniform(7, 12), h)
        if not town:
            with b.at(side * (edge + 0.5), y + w / 2, GROUND_M, math.pi / 2):
                if r.random() < 0.5:
                    outdoor.hedge(b, w * 0.8, 0.7, r.uniform(0.8, 1.9))
                else:
                    _fence(b, w)
        y += w + (0.02 if town and r.random() < 0.6 else r.uniform(1, 8))


def _fields(b: Builder, side: int, half: float, far: float) -> None:
    """Fences and hills beside a road in the country."""
    r = b.rng
    with b.at(side * (half + 1.5), far / 2, GROUND_M, math.pi / 2):
        for _ in range(2):
            if r.random() < 0.7:
                _fence(b, far)
    for k in range(6):
        x, high = side * r.uniform(60, 120), r.uniform(10, 30)
        b.blob(x, far * k / 4, -6, 90, 90, high, "grass", (0.08, 0.15, 0.04), 0.2, 40)


def _fence(b: Builder, w: float) -> None:
    """Fence along the local x axis: boards, rails or guard rail."""
    r, t, h = b.rng, colour(b.rng, 0.3), b.rng.uniform(0.8, 1.8)
    if r.random() < 0.5 and w < 40:
        for k in range(int(w / 0.2)):
            b.box(-w / 2 + 0.2 * k, 0, 0, r.choice([0.03, 0.16]), 0.025, h, "wood", t, soft=0)
    else:
        for k in range(int(w / 2)):
            b.box(-w / 2 + 2 * k, 0, 0, 0.09, 0.09, h, "wood", t, soft=0)
    for z in (0.35, 0.8):
        b.box(0, 0, h * z, w, 0.04, 0.1, "wood", t, soft=0)


def _traffic(b: Builder, half: float, far: float) -> None:
    r = b.rng
    parked = [s for s in (-1, 1) if r.random() < 0.4]
    for side in parked:
        y, taken = r.uniform(-8, 4), r.uniform(0.2, 0.85)
        while y < min(far, 90):
            if r.random() < taken:
                with b.at(side * (half - 1.0), y, 0, r.choice([0, math.pi]) + r.gauss(0, 0.03)):
                    vehicles.car(b, r.choice(["hatch", "sedan", "suv", "hatch", "van"]))
            y += r.uniform(5.2, 8)
    for side in (-1, 1):
        y = r.uniform(-6, 15)
        while y < far:
            x = side * (half - 2.9 if side in parked else half * 0.5)
            if r.random() < 0.7 and abs(x) > 0.9:
                with b.at(x + r.gauss(0, 0.2), y, 0, (math.pi if side > 0 else 0) + r.gauss(0, 0.03)):
                    pick = r.random()
                    if pick < 0.82:
                        vehicles.car(b)
                    else:
                        (vehicles.motorcycle if pick < 0.92 else vehicles.bicycle)(b)
            y += math.exp(r.uniform(math.log(10), math.log(80)))


def yard(b: Builder) -> Layout:
    """Rough ground with rocks, bushes, trees, things and perhaps a house or a track."""
    r = b.rng
    grid = outdoor.ground(b, -45, 45, -20, 80, r.uniform(0.1, 1.3), r.choice(["soil", "grass", "rock"]), 160)

    def height(x: float, y: float) -> float:
        i, j = np.abs(grid[:, 0, 1] - y).argmin(), np.abs(grid[0, :, 0] - x).argmin()
        return float(grid[i, j, 2])

    spots: list[Point] = []
    makers = [
        lambda: outdoor.rock(b, math.exp(r.uniform(-1.8, 1.1))),
        lambda: outdoor.tree(b, r.uniform(2, 10), 2500),
        lambda: outdoor.hedge(b, r.uniform(0.6, 3), r.uniform(0.6, 2), r.uniform(0.4, 1.8)),
        lambda: b.model(1, "street") or outdoor.person(b),
        lambda: vehicles.car(b),
        lambda: vehicles.motorcycle(b),
        lambda: vehicles.bicycle(b),
        lambda: _fence(b, 8),
        lambda: b.box(0, 0, 0, r.uniform(0.4, 1.5), r.uniform(0.4, 1.5), r.uniform(0.3, 1.2), "wood", colour(r)),
    ]
    for _ in range(r.randrange(50, 110)):
        x, y = r.gauss(0, 11), r.uniform(-5, 45)
        with b.at(x, y, height(x, y), r.uniform(0, 6.3)):
            r.choices(makers, (40, 14, 16, 3, 2, 2, 2, 3, 4))[0]()
        spots.append((x, y, height(x, y) + 0.6))
    n = 6000
    tuft = np.stack([b.gen.normal(0, 8, n), b.gen.uniform(-5, 30, n), np.zeros(n)], 1)
    tuft[:, 2] = [height(x, y) + 0.05 for x, y in tuft[:, :2]]
    b.leaves(tuft, r.uniform(0.04, 0.13), "leaf", (0.1, 0.18, 0.03), 0.15)
    if r.random() < 0.5:
        with b.at(r.uniform(-8, 8), 28, -0.8, r.gauss(0, 0.3)):
            outdoor.house(b, r.uniform(7, 14), 8, r.uniform(3.5, 8))

    def shot(g: random.Random) -> tuple[Point, Point]:
        t = g.choice(spots)
        a, reach = g.uniform(0, 6.3), g.uniform(2, 14)
        x, y = max(-30.0, min(30.0, t[0] + reach * math.cos(a))), max(-15.0, min(60.0, t[1] + reach * math.sin(a)))
        return (x, y, height(x, y) + g.uniform(0.3, 1.9)), (t[0], t[1], t[2] + g.gauss(0.2, 0.5))

    return Layout(shot=shot, sky=r.uniform(0.15, 0.5), near=1.6)
