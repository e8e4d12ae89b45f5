"""Scene layouts for the frame renderer. Each fills a `Builder` and returns where cameras may stand and look."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import blender_decor as decor
import blender_objects as indoor
import blender_outdoor as outdoor
from blender_materials import add_lamp
from blender_parts import Builder, colour, vary
from scene_layout import Layout, Point

# Ready-made models for a thing at a wall: their group, and a pattern of names
MODELS = {
    "bed": ("back", r"\bbed|futon"),
    "sofa": ("back", "sofa|couch|armchair"),
    "desk": ("table", ""),
    "table": ("table", ""),
    "kitchen": ("back", "cabinet|sink|stove|oven|cooker|freezer|machine|island"),
    "books": ("back", "book|shel"),
    "mixed": ("back", ""),
    "ward": ("back", "wardrobe|cabinet|cupboard|fridge"),
    "fridge": ("back", "fridge|refrigerator"),
    "chest": ("back", "chest|dresser|drawer|box|vanity|piano"),
    "tv": ("back", "tv|television|living"),
    "plant": ("plant", ""),
    "art": ("hung", ""),
}


def hull(
    b: Builder, w: float, d: float, h: float, opening: str, mats: tuple[str, str, str] = ("wall", "floor", "wall2")
) -> None:
    """Room over x in -w/2..w/2, y in 0..d, with a door now and then in the y = 0 and y = d walls.

    `opening`: "window" for a wide window in the x = w/2 wall and a tree before it, "none" for a plain wall.
    """
    r, t = b.rng, colour(b.rng, 0.45, 0.3, 0.9)
    if b.models and r.random() < 0.45:  # bright and bare, as most walls are; what a network may take for the sky
        mats, t = ("plain", mats[1], "plain"), (r.uniform(0.55, 0.9),) * 3
    b.box(0, d / 2, -0.1, w + 0.4, d + 0.4, 0.1, mats[1], colour(r, 0.5, 0.1, 0.7), soft=0)
    b.box(0, d / 2, h, w + 0.4, d + 0.4, 0.1, mats[2], colour(r, 0.05, 0.5, 0.9), soft=0)
    b.box(0, -0.1, 0, w + 0.4, 0.2, h, mats[0], t, soft=0)
    b.box(0, d + 0.1, 0, w + 0.4, 0.2, h, mats[0], vary(r, t), soft=0)
    b.box(-w / 2 - 0.1, d / 2, 0, 0.2, d, h, mats[0], t, soft=0)
    x, sill, head = w / 2 + 0.1, r.uniform(0.3, 1.0), min(h - 0.1, r.uniform(1.9, 2.3))
    y0, y1 = sorted((r.uniform(0.1, 0.45) * d, r.uniform(0.55, 0.9) * d))
    if opening == "none":
        b.box(x, d / 2, 0, 0.2, d, h, mats[0], t, soft=0)
    else:
        for y, dy, z, dz in (
            (y0 / 2, y0, 0, h),
            ((y1 + d) / 2, d - y1, 0, h),
            ((y0 + y1) / 2, y1 - y0, 0, sill),
            ((y0 + y1) / 2, y1 - y0, head, h - head),
        ):
            b.box(x, y, z, 0.2, dy, dz, mats[0], t, soft=0)
        n = max(2, int((y1 - y0) / 0.9))
        for k in range(n + 1):
            b.box(x, y0 + (y1 - y0) * k / n, sill, 0.06, 0.06, head - sill, "paint", (0.8, 0.8, 0.8))
        b.box(x, (y0 + y1) / 2, (sill + head) / 2, 0.05, y1 - y0, 0.05, "paint", (0.8, 0.8, 0.8))
        b.box(x - 0.12, (y0 + y1) / 2, sill - 0.03, 0.3, y1 - y0 + 0.1, 0.03, "paint", (0.8, 0.8, 0.8))
        for y in (y0, y1):
            if r.random() < 0.6:
                with b.at(w / 2 - 0.12, y, 0, math.pi / 2):
                    decor.curtain(b, r.uniform(0.4, 0.9), head + 0.15)
        if r.random() < 0.35:
            for k in range(int((head - sill) / 0.05)):
                b.box(
                    w / 2 - 0.04,
                    (y0 + y1) / 2,
                    sill + 0.05 * k,
                    0.03,
                    y1 - y0,
                    0.005,
                    "plastic",
                    (0.8, 0.8, 0.75),
                    soft=0,
                )
        with b.at(w / 2 + 6, d / 2, 0, -math.pi / 2):
            outdoor.tree(b, 5, 1500)
    for y, yaw in ((d - 0.005, 0.0), (0.005, math.pi)):
        b.box(0, y, 0, w, 0.02, 0.09, "paint", (0.8, 0.8, 0.8))
        with b.at(r.uniform(-w / 4, w / 4), y, 0, yaw):
            if r.random() < 0.6:
                b.box(0, -0.02, 0, 0.95, 0.05, 2.08, "paint", (0.7, 0.7, 0.7))
                b.box(0, -0.045, 0.02, 0.82, 0.04, 2.0, "wood2", colour(r, 0.3))
                b.box(0.33, -0.09, 1.0, 0.12, 0.03, 0.03, "metal", (0.6, 0.6, 0.6))


def ceiling_lamps(b: Builder, w: float, d: float, h: float, power: float) -> list:
    r = b.rng
    warm = r.uniform(-0.4, 1)
    out = []
    for _ in range(r.randrange(1, 4)):
        x, y, s = r.uniform(-w / 3, w / 3), r.uniform(0.2, 0.8) * d, r.uniform(0.15, 1.2)
        b.box(x, y, h - 0.05, s, s, 0.05, "glow", (1, 0.95, 0.85))
        out.append(add_lamp("AREA", (x, y, h - 0.08), power * r.uniform(0.4, 1.6), s, warm=warm))
    return out


def around(
    spots: list[Point], w: float, d: float, low: float, high: float, reach: tuple[float, float]
) -> Callable[[random.Random], tuple[Point, Point]]:
    """Cameras inside the room that look at one of the spots from a distance within `reach` where possible."""

    def shot(r: random.Random) -> tuple[Point, Point]:
        t = r.choice(spots)
        for _ in range(30):
            eye = (r.uniform(-w / 2 + 0.2, w / 2 - 0.2), r.uniform(0.2, d - 0.2), r.uniform(low, high))
            if reach[0] < math.dist(eye, t) < reach[1]:
                break
        return eye, (t[0] + r.gauss(0, 0.4), t[1] + r.gauss(0, 0.4), t[2] + r.gauss(0, 0.25))

    return shot


def wall_slots(b: Builder, w: float, d: float) -> list[tuple[float, float, float]]:
    """Shuffled (x, y, yaw) places at the walls, backs to the wall."""
    slots = []
    for k in range(max(2, int(w / 1.9))):
        x = -w / 2 + 1 + k * 1.9
        slots += [(x, d, 0.0), (x, 0.0, math.pi)]
    for k in range(max(1, int((d - 1.6) / 1.9))):
        y = 1.5 + k * 1.9
        slots += [(-w / 2, y, math.pi / 2), (w / 2, y, -math.pi / 2)]
    b.rng.shuffle(slots)
    return slots


def room(b: Builder) -> Layout:
    """Bedroom, living room, kitchen, dining room or office."""
    r = b.rng
    style = r.choice(["bed", "living", "kitchen", "office", "office", "living"])
    w, d, h = r.uniform(2.8, 6), r.uniform(3.2, 7.5), r.uniform(2.3, 3.1)
    hull(b, w, d, h, r.choice(["none", "window", "window"]))
    spots: list[Point] = []
    pool = {
        "bed": ["bed", "ward", "desk", "books", "chest", "art"],
        "living": ["sofa", "sofa", "books", "tv", "plant", "art", "chest"],
        "kitchen": ["kitchen", "kitchen", "table", "mixed", "art", "fridge"],
        "office": ["desk", "desk", "desk", "books", "ward", "art", "mixed"],
    }[style]
    slots = wall_slots(b, w, d)
    things = [*pool, *r.choices(pool[1:], k=len(slots))][: int(len(slots) * r.uniform(0.6, 1))]
    for (x, y, yaw), thing in zip(slots, things, strict=False):
        with b.at(x, y, 0, yaw):
            spots.append(furnish(b, thing))
    for _ in range(r.randrange(1, 4)):
        with b.at(r.uniform(-w / 4, w / 4), r.uniform(0.35, 0.65) * d, 0, r.uniform(0, 6.3)):
            if r.random() < 0.5:
                indoor.desk(b, r.uniform(0.7, 1.8), r.uniform(0.6, 1), r.uniform(0.4, 0.78), r.randrange(2, 9))
            for k in range(r.randrange(0, 4)):
                with b.at(1.0 * math.cos(1.6 * k), 0.75 * math.sin(1.6 * k), 0, 1.6 * k + 1.6 + r.gauss(0, 0.4)):
                    indoor.chair(b)
            spots.append(tuple(b.where(0, 0, 0.6)))
    if r.random() < 0.5:
        b.box(0, d / 2, 0, w * 0.6, d * 0.45, 0.012, "rug", colour(r, 0.6))
    with b.at(0, d / 2):
        indoor.scatter(b, w * 0.8, d * 0.7, 0, r.randrange(0, 12), 0.08, 0.5)
        spread(b, w * 0.7, d * 0.7, ("floor", "floor", "back", "person"), 3)
    openings(b, w, d)
    lamps = ceiling_lamps(b, w, d, h, r.choice([15, 60, 90]))
    return Layout(
        shot=around(spots, w, d, 0.5, 1.75, (1.3, 9)),
        sky=r.choice([0.05, 0.4, 0.8]),
        lamps=lamps,
        skip_bare=0.6 if b.models else 0.9,
    )


def spread(b: Builder, w: float, d: float, groups: tuple[str, ...], most: int) -> None:
    """Up to `most` ready-made things over a w x d rectangle, where there are any."""
    for _ in range(b.rng.randrange(most + 1) if b.models else 0):
        with b.at(b.rng.uniform(-w / 2, w / 2), b.rng.uniform(-d / 2, d / 2), 0, b.rng.uniform(0, 6.3)):
            b.model(1, b.rng.choice(groups))


def openings(b: Builder, w: float, d: float) -> None:
    """Ready-made doors and windows on the walls of a room over x in -w/2..w/2, y in 0..d, where there are any."""
    for x, y, yaw in wall_slots(b, w, d)[:2] if b.models else ():
        with b.at(x, y, 0, yaw):
            b.model(0.6, "opening", wall=True)


def furnish(b: Builder, thing: str) -> Point:
    """One piece with its back on the wall y = 0 of the local frame; returns where to look."""
    r = b.rng
    chosen = b.model(0.7, *MODELS[thing], wall=True)
    if chosen:
        _, deep, high = chosen.size
        if chosen.group == "table":
            with b.at(0, -deep / 2):
                indoor.scatter(b, chosen.size[0] * 0.8, deep * 0.7, high, r.randrange(2, 12), 0.06, 0.4)
            with b.at(0, -deep - 0.2, 0, math.pi + r.gauss(0, 0.4)):
                indoor.chair(b)
        return tuple(b.where(0, -deep, chosen.elevation + high * 0.6))
    depth, z = {"bed": (1.08, 0.5), "sofa": (0.5, 0.5), "desk": (0.4, 0.8), "kitchen": (0.34, 1.0)}.get(
        thing, (0.25, 1.0)
    )
    with b.at(0, -depth):
        if thing in ("bed", "sofa"):
            (indoor.bed if thing == "bed" else indoor.sofa)(b)
        elif thing in ("desk", "table"):
            indoor.desk(b, r.uniform(1, 1.7), 0.7, 0.74, r.randrange(4, 14))
            with b.at(0, -0.65, 0, math.pi + r.gauss(0, 0.4)):
                indoor.chair(b)
        elif thing == "kitchen":
            indoor.kitchen(b, r.uniform(1.6, 2.6))
        elif thing in ("books", "mixed"):
            indoor.shelf(b, r.uniform(0.7, 1.8), 0.3, r.uniform(0.8, 2.1), thing == "books")
        elif thing in ("ward", "fridge"):
            indoor.cabinet(b, r.uniform(0.6, 1.6), 0.5, r.uniform(1.6, 2.1), r.randrange(1, 3), r.randrange(1, 4))
        elif thing in ("chest", "tv"):
            hh = r.uniform(0.45, 1)
            indoor.cabinet(b, 1.2, 0.45, hh, r.randrange(2, 5), 2)
            if thing == "tv":
                with b.at(0, 0, hh):
                    indoor.screen(b, r.uniform(0.7, 1.2))
            indoor.scatter(b, 1.1, 0.35, hh, r.randrange(2, 8), 0.07, 0.35)
        elif thing == "plant":
            decor.plant(b, r.uniform(0.6, 1.8))
            with b.at(0.6, 0):
                decor.lamp(b, r.uniform(1.3, 1.8))
        else:
            for k in range(r.randrange(1, 4)):
                with b.at(-0.7 + 0.7 * k, depth, r.uniform(1.1, 1.6)):
                    decor.picture(b, r.uniform(0.3, 0.65), r.uniform(0.3, 0.8))
    return tuple(b.where(0, -depth, z))
