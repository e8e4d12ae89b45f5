"""People, plants and buildings, built at the local origin of a `Builder` (base on z = 0, metres)."""

from __future__ import annotations

import math

import numpy as np
from blender_parts import Builder, colour, vary, waves


def person(b: Builder) -> None:
    """Standing or walking figure of rounded limbs."""
    if b.model(0.75, "person"):
        return
    r, h = b.rng, b.rng.gauss(1.7, 0.12) / 1.75
    top, legs, skin, step = colour(r, 0.5), colour(r, 0.3), vary(r, (0.45, 0.28, 0.2), 0.5), r.gauss(0, 0.18)
    for i in (-1, 1):
        x = 0.09 * i * h
        b.tube([(x, i * step * h, 0.05), (x, i * step * 0.3 * h, 0.48 * h), (x, 0, 0.9 * h)], 0.075 * h, "fabric", legs)
        b.blob(x, i * step * h - 0.05, 0, 0.1, 0.27, 0.1, "rubber", colour(r, 0.2), 0, 12)
        b.tube(
            [(2.1 * x, 0, 1.42 * h), (2.7 * x, -i * step * 0.4, 1.12 * h), (2.6 * x, -i * step - 0.1, 0.85 * h)],
            0.048 * h,
            "fabric2",
            top,
        )
        b.blob(2.6 * x, -i * step - 0.1, 0.75 * h, 0.09, 0.09, 0.13, "skin", skin, 0, 12)
    b.box(0, 0, 0.85 * h, 0.38 * h, 0.24 * h, 0.65 * h, "fabric2", top, 0, 0.1)
    b.blob(0, 0, 1.52 * h, 0.17 * h, 0.2 * h, 0.25 * h, "skin", skin, 0.02, 16)
    b.blob(0, 0.02, 1.6 * h, 0.19 * h, 0.22 * h, 0.19 * h, "fabric", colour(r, 0.2, 0.01, 0.3), 0.05, 16)


def tree(b: Builder, h: float, leaves: int) -> None:
    """Broad-leaved, conifer or bare tree."""
    if b.model(0.4, "tree"):
        return
    r, green = b.rng, (0.04 + 0.14 * b.rng.random(), 0.1 + 0.2 * b.rng.random(), 0.02)
    kind, bark, s = r.choice(["broad", "broad", "cone", "bare"]), colour(r, 0.1, 0.03, 0.3), h * r.uniform(0.012, 0.03)
    b.tube([(0, 0, 0), (r.gauss(0, 0.02) * h, r.gauss(0, 0.02) * h, h * 0.5), (0, 0, h * 0.85)], s, "bark", bark)
    ends = []
    for _ in range(14 if kind != "cone" else 0):
        a, z, reach = r.uniform(0, 6.3), r.uniform(0.3, 0.7) * h, r.uniform(0.15, 0.38) * h
        end = np.array([reach * math.cos(a), reach * math.sin(a), z + r.uniform(0.05, 0.3) * h])
        b.tube([(0, 0, z), tuple(end * 0.55 + (0, 0, z * 0.4)), tuple(end)], s * 0.35, "bark", bark, 6)
        ends.append(end)
    if kind == "broad":
        pick = np.stack(ends)[b.gen.integers(0, len(ends), leaves)]
        b.leaves(pick + b.gen.normal(0, 0.09 * h, (leaves, 3)), 0.02 * h + 0.03, "leaf", green)
        for e in ends[::3]:
            b.blob(*(e - (0, 0, 0.1 * h)), 0.26 * h, 0.26 * h, 0.22 * h, "grass", vary(r, green, 0.3), 0.3)
    elif kind == "cone":
        z = b.gen.random(leaves) ** 1.5
        a, reach = b.gen.uniform(0, 6.3, leaves), 0.22 * h * (1 - z) * b.gen.random(leaves) ** 0.4
        b.leaves(
            np.stack([reach * np.cos(a), reach * np.sin(a), h * (0.12 + 0.88 * z)], 1),
            0.015 * h + 0.04,
            "leaf",
            green,
            0.3,
        )
        b.lathe([(0.16 * h, 0.14 * h), (0.09 * h, 0.5 * h), (0, 0.97 * h)], "grass", vary(r, green, 0.4))


def hedge(b: Builder, w: float, d: float, h: float) -> None:
    """Clipped or wild bush of w x d x h metres."""
    green, n = (0.05 + 0.1 * b.rng.random(), 0.12 + 0.15 * b.rng.random(), 0.02), int(min(6000, 500 * w * d + 400))
    b.box(0, 0, 0, w * 0.9, d * 0.9, h * 0.95, "grass", green, 0, 0.3 * min(w, d, h))
    p = b.gen.uniform(-0.5, 0.5, (n, 3))
    p[np.arange(n), b.gen.integers(0, 3, n)] = b.gen.choice([-0.5, 0.5], n)
    b.leaves(p * (w, d, h) + (0, 0, h / 2) + b.gen.normal(0, 0.03, (n, 3)), 0.06, "leaf", green)


def rock(b: Builder, s: float) -> None:
    """Boulder of about s metres."""
    b.blob(
        0,
        0,
        -0.2 * s,
        s,
        s * b.rng.uniform(0.6, 1.2),
        s * b.rng.uniform(0.5, 1),
        "rock",
        colour(b.rng, 0.1, 0.1, 0.5),
        0.35,
        24,
    )


def ground(b: Builder, x0: float, x1: float, y0: float, y1: float, height: float, mat: str, n: int = 110) -> np.ndarray:
    """Uneven ground; returns its (n, n, 3) world grid."""
    g = np.stack(np.meshgrid(np.linspace(x0, x1, n), np.linspace(y0, y1, n)), 2)
    z = height * waves(b.gen, g.reshape(-1, 2) / 9, 1.0).reshape(n, n) + 0.03 * waves(
        b.gen, g.reshape(-1, 2), 1.5
    ).reshape(n, n)
    grid = np.concatenate([g, z[..., None]], 2)
    b.sheet(grid, mat, colour(b.rng, 0.3, 0.1, 0.5))
    return grid


def house(b: Builder, w: float, d: float, h: float) -> None:
    """Building whose front is the y = 0 plane and which extends to y = d; windows, doors, ledges, roof."""
    r, t, mat = b.rng, colour(b.rng, 0.45, 0.15), b.rng.choice(["brick", "wall", "concrete", "brick2"])
    b.box(0, d / 2, 0, w, d, h, mat, t, soft=0)
    storey, pitch, ww, wh = r.uniform(2.7, 3.6), r.uniform(1.6, 3.2), r.uniform(0.7, 1.6), r.uniform(1.1, 1.9)
    frame, n = colour(r, 0.2), max(1, int(w / pitch))
    for f in range(int(h / storey)):
        for k in range(n):
            x, z = -w / 2 + w / n * (k + 0.5), storey * f + 0.9
            if f == 0 and r.random() < 0.25:
                b.box(x, -0.03, 0, 1.1, 0.1, 2.1, "wood", colour(r, 0.5))
                continue
            b.box(x, -0.01, z, ww, 0.05, wh, "glass", colour(r, 0.2, 0.01, 0.25), soft=0)
            b.box(x, -0.05, z - 0.08, ww + 0.2, 0.2, 0.08, "concrete", frame, soft=0)
            for u in (-ww / 2, 0, ww / 2):
                b.box(x + u, -0.03, z, 0.06, 0.09, wh, "paint", frame, soft=0)
            b.box(x, -0.03, z + wh, ww + 0.1, 0.1, 0.08, "paint", frame, soft=0)
            if r.random() < 0.06 and f:
                b.box(x, -0.5, z - 0.9, ww + 0.8, 1.0, 0.12, "concrete", t, soft=0)
                b.box(x, -0.98, z - 0.8, ww + 0.8, 0.04, 0.9, "metal", frame, soft=0)
    b.box(0, d / 2 - 0.1, h, w + 0.3, d + 0.5, 0.25, "concrete", vary(r, t, 0.4), soft=0)
    if h < 9 and r.random() < 0.7:
        rise = r.uniform(1, 3)
        v = np.array(
            [
                [-w / 2 - 0.3, -0.5, h],
                [w / 2 + 0.3, -0.5, h],
                [w / 2 + 0.3, d + 0.5, h],
                [-w / 2 - 0.3, d + 0.5, h],
                [-w / 2, d / 2, h + rise],
                [w / 2, d / 2, h + rise],
            ]
        )
        b.add(
            v,
            [np.array([[0, 1, 5, 4], [2, 3, 4, 5]]), np.array([[1, 2, 5], [3, 0, 4]])],
            "brick3",
            colour(r, 0.4, 0.05, 0.4),
        )
