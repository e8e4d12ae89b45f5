"""Workshop, table top, corridor and warehouse layouts for the frame renderer."""

from __future__ import annotations

import math
import random

import blender_decor as decor
import blender_objects as indoor
import blender_outdoor as outdoor
import blender_vehicles as vehicles
import numpy as np
from blender_materials import add_lamp
from blender_parts import Builder, colour
from blender_scenes import around, ceiling_lamps, furnish, hull, openings, spread, wall_slots
from scene_layout import Layout, Point


def _bay(b: Builder) -> None:
    """One stretch of workshop wall (its back on y = 0): bench, shelf, ladder, crates, cabinet or tyres."""
    r = b.rng
    pick = r.randrange(7)
    if pick <= 1:
        with b.at(0, -0.4):
            indoor.desk(b, r.uniform(1.2, 2), 0.65, 0.9, r.randrange(5, 20))
        with b.at(0, 0, 1.1):
            decor.tool_wall(b, r.uniform(1, 1.8), r.uniform(0.7, 1.1))
    elif pick == 2:
        with b.at(0, -0.3):
            indoor.shelf(b, r.uniform(1, 1.8), 0.45, r.uniform(1.2, 2.2), False)
    elif pick == 3:
        with b.at(0, -0.25 * 2.4):
            decor.ladder(b, 2.3)
    elif pick == 4:
        indoor.pile(b, r.randrange(3, 9))
    elif pick == 5:
        with b.at(0, -0.35):
            indoor.cabinet(b, r.uniform(0.6, 1), 0.5, r.uniform(0.8, 1.9), r.randrange(3, 7))
    else:
        for _ in range(4):
            with b.at(r.uniform(-0.6, 0.6), -0.5, r.uniform(0.33, 0.36), r.uniform(0, 3), 0, r.choice([0, 0.3])):
                vehicles.wheel(b, 0.32, 0.2, 0, (0.4, 0.4, 0.4))


def garage(b: Builder) -> Layout:
    """Workshop with motorcycles, benches, tools and clutter."""
    r = b.rng
    w, d, h = r.uniform(4, 8), r.uniform(5, 9), r.uniform(2.4, 4)
    hull(
        b,
        w,
        d,
        h,
        r.choice(["none", "window"]),
        (r.choice(["brick", "concrete", "wall"]), r.choice(["concrete", "asphalt"]), r.choice(["concrete", "wood"])),
    )
    spots: list[Point] = []
    if r.random() < 0.6:
        t = colour(r, 0.4, 0.2)
        for k in range(8):
            b.box(0, d - 0.03, 0.28 * k, 2.6, 0.06, 0.265, "metal", t, soft=0.02)
    for x, y, yaw in wall_slots(b, w, d):
        with b.at(x, y, 0, yaw + r.gauss(0, 0.03)):
            _bay(b)
            spots.append(tuple(b.where(0, -0.5, 0.9)))
    for k in range(r.randrange(1, 4)):
        with b.at(r.uniform(-w / 4, w / 4), d * (0.4 + 0.18 * k), 0, r.choice([1.57, -1.57, r.uniform(0, 6.3)])):
            with b.at(0, 0, 0, 0, 0, r.choice([0.16, 0])):
                (vehicles.motorcycle if r.random() < 0.75 else vehicles.bicycle)(b)
            spots += [tuple(b.where(0, 0, 0.6))] * 5
    with b.at(0, d / 2):
        indoor.scatter(b, w * 0.85, d * 0.8, 0, r.randrange(8, 28), 0.08, 0.6)
        spread(b, w * 0.8, d * 0.8, ("floor", "floor", "street", "cycle", "small"), 6)
    openings(b, w, d)
    for _ in range(r.randrange(1, 6)):
        p = np.cumsum(b.gen.normal(0, 0.25, (25, 3)), 0) * (1, 1, 0) + (r.uniform(-w / 4, w / 4), d / 2, 0.015)
        b.tube(np.clip(p, (-w / 2, 0.1, 0), (w / 2, d, 1)), 0.012, "rubber", colour(r, 0.6), 6)
    for k in range(r.randrange(0, 5)):
        b.tube(
            [(-w / 2, 0.8 + 1.5 * k, h - 0.2), (w / 2, 0.8 + 1.5 * k, h - 0.2)],
            0.05,
            r.choice(["metal", "rust", "wood"]),
            colour(r, 0.3),
        )
    lamps = ceiling_lamps(b, w, d, h, r.choice([30, 90, 150]))
    return Layout(shot=around(spots, w, d, 0.5, 1.75, (1.6, 6)), sky=r.choice([0.1, 0.5]), lamps=lamps)


def tabletop(b: Builder) -> Layout:
    """Close view of a desk or workbench."""
    r = b.rng
    hull(b, 4.5, 4.5, 2.6, r.choice(["none", "window"]))
    spots: list[Point] = []
    with b.at(r.gauss(0, 0.3), 2.6, 0, r.gauss(0, 0.15)):
        w = r.uniform(1.2, 2.6)
        indoor.desk(b, w, r.uniform(0.7, 1.2), 0.75, r.randrange(10, 45))
        if r.random() < 0.4:
            with b.at(w * 0.3, 0.2, 0.75):
                decor.lamp(b, r.uniform(0.35, 0.6))
        if r.random() < 0.4:
            with b.at(-w * 0.3, 0.1, 0.75):
                decor.plant(b, r.uniform(0.2, 0.6))
        spots += [tuple(b.where(u * w, 0, 0.85)) for u in (-0.3, 0, 0.3)]
    for thing, x in (("books", -1.4), (r.choice(["art", "mixed"]), 0.2), ("ward", 1.7)):
        with b.at(x, 4.5):
            if b.models is None or r.random() < 0.5:  # else a bare wall behind the table
                furnish(b, thing)
    lamps = ceiling_lamps(b, 4.5, 4.5, 2.6, r.choice([20, 60]))

    def shot(g: random.Random) -> tuple[Point, Point]:
        t = g.choice(spots)
        a, reach, up = g.gauss(-1.57, 0.6), math.exp(g.uniform(math.log(0.45), math.log(2.2))), g.uniform(0.1, 0.9)
        eye = (
            t[0] + reach * math.cos(a) * math.cos(up),
            t[1] + reach * math.sin(a) * math.cos(up),
            t[2] + reach * math.sin(up),
        )
        return eye, (t[0] + g.gauss(0, 0.1), t[1] + g.gauss(0, 0.1), t[2] + g.gauss(0, 0.06))

    return Layout(shot=shot, sky=r.choice([0.1, 0.5]), near=0.3, lens=(30, 100), lamps=lamps)


def _racks(b: Builder, w: float, d: float, h: float) -> None:
    r = b.rng
    steel, beam = colour(r, 0.7), colour(r, 0.7)
    for x in np.arange(-w / 2 + 0.8, w / 2, r.uniform(2.8, 4.2)):
        for k in range(int((d - 3) / 2.7)):
            for level in range(int(h / 1.6)):
                y, z = 3 + 2.7 * k, 1.6 * level
                for i in (-0.5, 0.5):
                    b.box(x + i, y - 1.35, z, 0.09, 0.09, 1.6, "paint", steel, soft=0)
                    b.box(x + i, y, z, 0.05, 2.7, 0.1, "paint", beam, soft=0)
                for j in (-0.65, 0.65):
                    if r.random() < 0.75:
                        b.box(
                            x,
                            y + j,
                            z + 0.1,
                            r.uniform(0.6, 1.05),
                            r.uniform(0.6, 1.2),
                            r.uniform(0.3, 1.3),
                            r.choice(["paper", "wood", "plastic", "fabric"]),
                            colour(r, 0.35),
                            r.gauss(0, 0.04),
                            0.012,
                        )


def hall(b: Builder) -> Layout:
    """Corridor or warehouse aisle."""
    r = b.rng
    big = r.random() < 0.5
    w, d, h = (
        (r.uniform(8, 18), r.uniform(15, 40), r.uniform(4, 8))
        if big
        else (r.uniform(1.6, 3.5), r.uniform(8, 30), r.uniform(2.3, 3.3))
    )
    hull(b, w, d, h, "none", ("concrete" if big else "wall", "concrete" if big else "floor", "wall2"))
    lamps = [
        add_lamp("AREA", (x, 2 + k * 4, h - 0.2), r.uniform(40, 250) if big else r.uniform(10, 60), 1.0)
        for k in range(int(d / 4))
        for x in ((-w / 4, w / 4) if big else (0,))
    ]
    for lamp in lamps:
        b.box(lamp.location[0], lamp.location[1], h - 0.08, 1.0, 0.3, 0.06, "glow", (1, 1, 1))
    if big:
        _racks(b, w, d, h)
    else:
        for k in range(int(d / 2)):
            for side in (-1, 1):
                with b.at(side * w / 2, 1.2 + 2 * k, 0, -side * math.pi / 2):
                    pick = r.random()
                    if pick < 0.35:
                        b.box(0, -0.02, 0, 0.95, 0.07, 2.1, "wood2", colour(r, 0.4))
                        b.box(0.35, -0.08, 1, 0.12, 0.03, 0.03, "metal", (0.6, 0.6, 0.6))
                    elif pick < 0.75:
                        furnish(b, r.choice(["art", "art", "books", "plant"]))
    with b.at(0, d / 2):
        indoor.scatter(b, w * 0.8, d * 0.9, 0, r.randrange(2, 16), 0.2, 1.2)
        spread(b, w * 0.7, d * 0.8, ("floor", "back", "person", "chair", "table"), 8)
    for _ in range(r.randrange(0, 4)):
        with b.at(r.uniform(-0.5, 0.5), r.uniform(3, d - 1), 0, r.uniform(0, 6)):
            r.choice([outdoor.person, indoor.chair, vehicles.bicycle])(b)

    def shot(g: random.Random) -> tuple[Point, Point]:
        y = g.uniform(0.4, d * 0.6)
        return (g.uniform(-0.3, 0.3) * min(w, 5), y, g.uniform(0.4, 2)), (
            g.gauss(0, w / 4),
            y + g.uniform(4, 12) * g.choice([1, 1, 1, -0.5]),
            g.uniform(0.4, 1.8),
        )

    return Layout(shot=shot, sky=0.1, lamps=lamps)
