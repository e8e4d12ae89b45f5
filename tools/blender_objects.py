"""Indoor and workshop objects, built at the local origin of a `Builder` (base on z = 0, front towards -y, metres)."""

from __future__ import annotations

import math

import numpy as np
from blender_decor import cloth
from blender_parts import HARD, Builder, colour, vary

Tint = tuple[float, float, float]


def _cup(b: Builder, size: float, mat: str, t: Tint) -> None:
    h, w = size * 0.9, size * 0.4
    b.lathe([(0, 0), (w * b.rng.uniform(0.6, 1), 0), (w, h), (w * 0.9, h), (w * 0.75, h * 0.1), (0, h * 0.1)], mat, t)
    a = np.linspace(-1.3, 1.3, 9)
    handle = np.stack([w * 0.9 + 0.35 * h * np.cos(a), 0 * a, h * 0.5 + 0.32 * h * np.sin(a)], 1)
    b.tube(handle, size * 0.05, mat, t, 6)


def _bottle(b: Builder, size: float, mat: str, t: Tint) -> None:
    w, high = size * 0.22, size / 1.07
    outline = ((0, 0), (1, 0), (1, 0.6), (0.8, 0.7), (0.35, 0.8), (0.35, 1), (0, 1))
    b.lathe([(w * radius, high * height) for radius, height in outline], mat, t)
    b.cylinder(0, 0, high, w * 0.4, size - high, "plastic", colour(b.rng))
    b.lathe([(w * 1.01, high * 0.2), (w * 1.01, high * 0.5)], "paper", colour(b.rng))


def _vase(b: Builder, size: float, mat: str, t: Tint) -> None:
    """Turned vase or bowl."""
    knots = [(max(0.08, b.rng.uniform(0.15, 0.6)) * size, size * k / 5) for k in range(6)]
    b.lathe([(0, 0), *knots, *[(q[0] * 0.88, q[1]) for q in knots[:0:-1]]], mat, t, 24)


def _books(b: Builder, size: float, mat: str, t: Tint) -> None:
    """Pile of books or printed boxes, in colours of their own."""
    r = b.rng
    for k in range(r.randrange(1, 7)):
        w, d = size * r.uniform(0.7, 1), size * r.uniform(0.5, 0.75)
        cover, tint = r.choice(["paper", "art", "plastic"]), colour(r, 0.5)
        b.box(0, 0, k * size * 0.13, w, d, size * 0.12, cover, tint, r.gauss(0, 0.15), 0.003)


def _lump(b: Builder, size: float, mat: str, t: Tint) -> None:
    r = b.rng
    b.blob(0, 0, 0, size, size * r.uniform(0.6, 1), size * r.uniform(0.5, 1.1), mat, t, r.uniform(0.02, 0.3))


def _drum(b: Builder, size: float, mat: str, t: Tint) -> None:
    r = b.rng
    wide, high = size * r.uniform(0.2, 0.5), size * r.uniform(0.3, 1.1)
    b.cylinder(0, 0, 0, wide, high, mat, t, top=None if r.random() < 0.6 else size * r.uniform(0.1, 0.5))


def _ring(b: Builder, size: float, mat: str, t: Tint) -> None:
    a = np.linspace(0, 2 * np.pi, 13)[:-1]
    section = [(size * (0.4 + 0.12 * math.cos(q)), size * 0.12 * math.sin(q)) for q in a]
    with b.at(0, 0, size * 0.12, b.rng.uniform(0, 6), b.rng.choice([0, b.rng.uniform(0, 1.2)])):
        b.lathe(section, mat, t, 24, closed=True)


def _carton(b: Builder, size: float, mat: str, t: Tint) -> None:
    """Box with a label."""
    r = b.rng
    wide = size * r.uniform(0.5, 1)
    b.box(0, 0, 0, size, wide, size * r.uniform(0.3, 1), mat, t, 0, size * r.choice([0.02, 0.1, 0.3]))
    b.box(0, -wide / 2, size * 0.08, size * 0.6, 0.006, size * 0.18, "art", (1, 1, 1))


def _cord(b: Builder, size: float, mat: str, t: Tint) -> None:
    p = np.cumsum(b.gen.normal(0, size * 0.22, (14, 3)), 0) * (1, 1, 0.0) + (0, 0, size * 0.03)
    b.tube(p, size * 0.025, "rubber", t, 6)


CLUTTER = (
    (_cup, 0.08, 0.12),
    (_bottle, 0.2, 0.33),
    (_vase, 0.08, 0.5),
    (_books, 0.17, 0.3),
    *((shape, 0.0, math.inf) for shape in (_lump, _drum, _ring, _carton, _cord)),
)
"""What lies about, with the least and most size (m): a network learns metric scale from what has a name."""


def clutter(b: Builder, size: float) -> None:
    """One small thing of about `size` metres, or its true size where that is known."""
    if b.model(0.65, "small", "", (size / 1.6, size * 1.6)):
        return
    r, t = b.rng, colour(b.rng, 0.55)
    mat = r.choice(["plastic", "plastic2", "metal", "paint", "paper", "wood", "fabric", "glass", "art"])
    make, least, most = r.choice(CLUTTER)
    make(b, min(max(size, least), most), mat, t)


def pile(b: Builder, count: int) -> None:
    """Boxes and crates before a wall: four on the floor, each further one on the lowest stack."""
    r = b.rng
    stacks: list[list[float]] = []  # x, y, height
    for _ in range(count):
        s, x, y = r.uniform(0.25, 0.6), r.uniform(-0.7, 0.7), -r.uniform(0.3, 0.9)
        if len(stacks) < 4:
            stacks.append([x, y, 0.0])
        stack, high = min(stacks, key=lambda stack: stack[2]), s * r.uniform(0.5, 1)
        mat, tint = r.choice(["wood", "paper", "plastic", "metal"]), colour(r, 0.4)
        b.box(*stack, s, s, high, mat, tint, r.gauss(0, 0.3), 0.01)
        stack[2] += high


def scatter(b: Builder, w: float, d: float, z: float, count: int, small: float, large: float) -> None:
    """Things over a w x d rectangle at height z."""
    r = b.rng
    for _ in range(count):
        with b.at(r.uniform(-w / 2, w / 2), r.uniform(-d / 2, d / 2), z, r.uniform(0, 6.3)):
            clutter(b, math.exp(r.uniform(math.log(small), math.log(large))))


def desk(b: Builder, w: float, d: float, h: float, things: int) -> None:
    """Table with legs or drawers; a screen now and then."""
    table = b.model(0.55, "table", "", (w / 1.4, w * 1.4))
    if table:
        wide, deep, high = table.size
        scatter(b, wide * 0.8, deep * 0.75, high, things, 0.05, 0.4)
        return
    r, t, mat = b.rng, colour(b.rng, 0.15), b.rng.choice(HARD)
    b.box(0, 0, h - 0.035, w, d, 0.035, mat, t)
    legs = r.choice(["metal", mat])
    tl = vary(r, t, 0.5)
    for i in (-1, 1):
        for j in (-1, 1):
            b.box(i * (w / 2 - 0.05), j * (d / 2 - 0.05), 0, 0.045, 0.045, h - 0.035, legs, tl)
    if r.random() < 0.4:
        with b.at(w / 2 - 0.28, 0):
            cabinet(b, 0.4, d * 0.85, h - 0.05, 3)
    if r.random() < 0.5:
        with b.at(r.uniform(-0.2, 0.2) * w, d * 0.2, h, r.gauss(0, 0.3)):
            screen(b, r.uniform(0.35, 0.75))
        b.box(r.uniform(-0.1, 0.1), -d * 0.2, h, 0.42, 0.14, 0.018, "plastic", colour(r, 0.1), r.gauss(0, 0.1))
    scatter(b, w * 0.85, d * 0.8, h, things, 0.05, 0.3)


def screen(b: Builder, w: float) -> None:
    """Monitor on a foot."""
    dark = (0.02, 0.02, 0.02)
    b.box(0, 0, 0, w * 0.4, 0.18, 0.012, "plastic", dark)
    b.box(0, 0.03, 0, 0.05, 0.03, 0.25, "plastic", dark)
    b.box(0, 0, 0.1, w, 0.035, w * 0.58, "plastic", dark)
    b.box(0, -0.019, 0.115, w * 0.96, 0.004, w * 0.54, b.rng.choice(["art", "glow", "glass"]), colour(b.rng, 0.4))


def chair(b: Builder) -> None:
    """Wooden, shell or office chair."""
    if b.model(0.7, "chair"):
        return
    r, t, mat = b.rng, colour(b.rng, 0.3), b.rng.choice([*HARD, "fabric"])
    h = r.uniform(0.4, 0.5)
    b.box(0, 0, h, 0.44, 0.44, r.uniform(0.03, 0.09), mat, t, 0, 0.035)
    if r.random() < 0.35:  # five-star foot on castors
        b.cylinder(0, 0, 0.08, 0.03, h - 0.08, "metal", (0.3, 0.3, 0.3))
        for k in range(5):
            a = k * 1.257
            b.tube([(0, 0, 0.12), (0.28 * math.cos(a), 0.28 * math.sin(a), 0.07)], 0.02, "plastic", (0.03, 0.03, 0.03))
            b.blob(0.28 * math.cos(a), 0.28 * math.sin(a), 0, 0.06, 0.06, 0.06, "plastic", (0.02, 0.02, 0.02), 0, 8)
        with b.at(0, 0.21, h + 0.1, 0, -0.12):
            b.box(0, 0, 0, 0.42, 0.06, 0.5, mat, t, 0, 0.03)
        return
    for i in (-0.19, 0.19):
        for j in (-0.19, 0.19):
            b.tube([(i * 1.1, j * 1.1, 0), (i, j, h)], 0.018, r.choice(["wood", "metal"]), t)
        b.tube([(i, 0.2, h), (i, 0.25, h + 0.45)], 0.018, mat, t)
    for k in range(r.randrange(1, 4)):
        b.box(0, 0.24, h + 0.15 + 0.13 * k, 0.4, 0.02, 0.1, mat, t)


def cabinet(b: Builder, w: float, d: float, h: float, rows: int, cols: int = 1) -> None:
    """Box with door or drawer fronts and handles."""
    r, t, mat = b.rng, colour(b.rng, 0.2), b.rng.choice(HARD)
    b.box(0, 0, 0, w, d, h, mat, t)
    cw, rh, grip = w / cols, (h - 0.06) / rows, r.choice(["metal", "plastic", "wood"])
    for i in range(cols):
        for j in range(rows):
            x, z = -w / 2 + cw * (i + 0.5), 0.05 + rh * j
            b.box(x, -d / 2 - 0.008, z, cw - 0.012, 0.018, rh - 0.012, mat, vary(r, t, 0.05))
            if rh > cw:
                b.box(x + cw * 0.38, -d / 2 - 0.03, z + rh * 0.5, 0.014, 0.02, 0.14, grip, (0.5, 0.5, 0.5))
            else:
                b.box(x, -d / 2 - 0.03, z + rh * 0.6, min(0.14, cw * 0.5), 0.02, 0.014, grip, (0.5, 0.5, 0.5))


def kitchen(b: Builder, w: float) -> None:
    """Counter with wall cabinets, sink, hob, hood and things."""
    r, n = b.rng, max(2, int(w / 0.6))
    cabinet(b, w, 0.6, 0.87, 1, n)
    b.box(0, -0.01, 0.87, w, 0.64, 0.04, r.choice(["concrete", "wood", "metal", "plastic"]), colour(r, 0.1))
    b.box(0, 0.3, 0.9, w, 0.01, 0.6, "brick", colour(r, 0.3, 0.3))
    with b.at(0, 0.13, 1.45):
        cabinet(b, w * r.uniform(0.4, 1), 0.33, r.uniform(0.5, 0.8), 1, n)
    x = r.uniform(-w / 3, w / 3)
    b.box(x, 0, 0.909, 0.56, 0.5, 0.006, "glass", (0.01, 0.01, 0.01))
    for i in (-0.13, 0.13):
        b.cylinder(x + i, r.uniform(-0.12, 0.12), 0.915, 0.1, r.uniform(0.06, 0.2), "metal", colour(r, 0.2))
    a = np.linspace(0, 3, 9)
    b.tube(
        np.stack([0 * a - x, 0.1 - 0.1 * (1 - np.cos(a)), 0.91 + 0.25 * np.sin(a / 2 + 0.1)], 1),
        0.013,
        "metal",
        (0.8, 0.8, 0.8),
    )
    scatter(b, w * 0.95, 0.45, 0.91, r.randrange(4, 12), 0.06, 0.35)
    if r.random() < 0.7:
        with b.at(w / 2 + 0.36, 0):
            cabinet(b, 0.65, 0.65, r.uniform(1.5, 2), 2)


def shelf(b: Builder, w: float, d: float, h: float, books: bool) -> None:
    """Open shelf, filled with books or mixed things."""
    r, t, mat = b.rng, colour(b.rng, 0.2), b.rng.choice(HARD)
    n = max(2, int(h / r.uniform(0.28, 0.5)))
    for i in range(n + 1):
        z = h * i / n
        b.box(0, 0, z, w, d, 0.022, mat, t)
        u = -w / 2 + 0.03
        while i < n and u < w / 2 - 0.05 and books:
            s = r.uniform(0.015, 0.07)
            b.box(
                u + s / 2,
                r.uniform(-0.1, 0.05) * d,
                z + 0.022,
                s * 0.96,
                d * r.uniform(0.55, 0.8),
                h / n * r.uniform(0.5, 0.88),
                r.choice(["paper", "paper", "art", "plastic"]),
                colour(r, 0.6),
                soft=0,
            )
            u += s + (r.uniform(0, 0.3) if r.random() < 0.1 else 0)
        if i < n and not books:
            scatter(b, w * 0.8, d * 0.4, z + 0.022, r.randrange(1, 7), 0.08, 0.8 * h / n)
    for i in (-1, 1):
        b.box(i * w / 2, 0, 0, 0.022, d, h, mat, t)
    if r.random() < 0.6:
        b.box(0, d / 2, 0, w, 0.012, h, mat, vary(r, t))


def bed(b: Builder) -> None:
    """Bed with a head board, cover and pillows."""
    r, w = b.rng, b.rng.uniform(0.9, 1.9)
    b.box(0, 0, 0.08, w, 2.05, 0.24, "wood", colour(r, 0.2))
    b.box(0, 0, 0.3, w * 0.98, 2.0, 0.2, "fabric", colour(r, 0.1, 0.5), 0, 0.07)
    b.box(
        0, 1.04, 0, w + 0.1, 0.07, r.uniform(0.7, 1.2), r.choice(["wood", "fabric", "paint"]), colour(r, 0.3), 0, 0.03
    )
    with b.at(0, -0.25):
        cloth(b, w * 1.1, 1.6, 0.5, r.uniform(0.1, 0.35), "fabric2")
    for i in range(r.randrange(1, 5)):
        with b.at(r.uniform(-w / 4, w / 4), 0.55 + 0.1 * i, 0.5 + 0.05 * i, r.gauss(0, 0.3), r.uniform(0, 0.8)):
            b.box(0, 0, 0, 0.6, 0.4, 0.15, r.choice(["fabric", "fabric3"]), colour(r, 0.3, 0.2), 0, 0.07)


def sofa(b: Builder) -> None:
    """Upholstered sofa or armchair with cushions."""
    r, t = b.rng, colour(b.rng, 0.4)
    w, mat = b.rng.choice([0.9, 1.6, 2.2]), b.rng.choice(["fabric", "fabric2", "rubber"])
    b.box(0, 0, 0.1, w, 0.85, 0.25, mat, t, 0, 0.06)
    b.box(0, 0.34, 0.1, w, 0.24, 0.75, mat, t, 0, 0.09)
    for i in (-1, 1):
        b.box(i * (w / 2), 0, 0.05, 0.2, 0.88, 0.55, mat, t, 0, 0.08)
    n = max(1, int(w / 0.7))
    for k in range(n):
        b.box(-w / 2 + w / n * (k + 0.5), -0.08, 0.33, w / n * 0.96, 0.65, 0.16, mat, vary(r, t, 0.1), 0, 0.06)
        if r.random() < 0.6:
            with b.at(-w / 2 + w / n * (k + 0.5), 0.1, 0.47, r.gauss(0, 0.3), -0.4):
                b.box(0, 0, 0, 0.42, 0.14, 0.4, "fabric3", colour(r, 0.6), 0, 0.06)
