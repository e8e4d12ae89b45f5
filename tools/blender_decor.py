"""Lamps, plants, pictures, cloth and hung tools, built at the origin of a `Builder` (metres, front towards -y)."""

from __future__ import annotations

import math

import numpy as np
from blender_parts import HARD, Builder, colour, waves


def cloth(b: Builder, w: float, d: float, z: float, drop: float, mat: str) -> None:
    n = 36
    g = np.stack(np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n)), 2)
    edge = np.maximum(np.abs(g).max(2) - 0.8, 0) / 0.2
    fold = waves(b.gen, g.reshape(-1, 2), 3.0).reshape(n, n)
    height = z + 0.02 * fold + 0.03 - drop * edge**2
    b.sheet(
        np.concatenate([g * (w / 2, d / 2) * (1 + 0.03 * fold[..., None] * edge[..., None]), height[..., None]], 2),
        mat,
        colour(b.rng, 0.5),
    )


def lamp(b: Builder, h: float) -> None:
    """Standing or table lamp."""
    r, s = b.rng, min(0.22, h * 0.3)
    b.cylinder(0, 0, 0, s * 0.6, 0.02, "metal", (0.3, 0.3, 0.3))
    b.tube([(0, 0, 0), (0, 0, h)], 0.012, "metal", colour(r, 0.1))
    b.lathe([(s, h - s), (s * r.uniform(0.4, 1), h)], r.choice(["glow", "fabric", "paint"]), (0.9, 0.75, 0.5), 24)


def plant(b: Builder, h: float) -> None:
    """Potted plant with arching stems."""
    if b.model(0.6, "plant", "", (h / 1.5, h * 1.5)):
        return
    r, p, green = b.rng, h * 0.25, (0.05 + 0.1 * b.rng.random(), 0.15 + 0.2 * b.rng.random(), 0.03)
    b.lathe(
        [(0, 0), (p * 0.45, 0), (p * 0.6, p), (p * 0.52, p), (p * 0.5, p * 0.8), (0, p * 0.8)],
        r.choice(["paint", "concrete", "plastic"]),
        colour(r),
    )
    tips = []
    for _ in range(r.randrange(8, 25)):
        a, reach, q = r.uniform(0, 6.3), r.uniform(0.1, 0.45) * h, np.linspace(0, 1, 6)
        stem = np.stack(
            [
                reach * q**1.5 * math.cos(a),
                reach * q**1.5 * math.sin(a),
                p * 0.8 + (h - p) * r.uniform(0.5, 1) * np.sin(q * 1.8),
            ],
            1,
        )
        b.tube(stem, 0.006 * h + 0.002, "bark", (0.1, 0.2, 0.05), 5)
        tips.append(stem[2:])
    spots = np.concatenate(tips)
    b.leaves(
        np.repeat(spots, 5, 0) + b.gen.normal(0, 0.05 * h, (len(spots) * 5, 3)),
        h * r.uniform(0.03, 0.09),
        "leaf",
        green,
    )


def picture(b: Builder, w: float, h: float) -> None:
    """Framed picture; its back on the y = 0 plane."""
    if b.model(0.25, "small", "frame|clock|calendar", wall=True):
        return
    b.box(0, -0.015, 0, w, 0.03, h, b.rng.choice(HARD), colour(b.rng, 0.2))
    b.box(0, -0.029, 0.03, w - 0.06, 0.006, h - 0.06, b.rng.choice(["art", "art2", "art3"]), colour(b.rng, 0.5, 0.3))


def curtain(b: Builder, w: float, h: float) -> None:
    """Hanging folds."""
    x = np.linspace(-w / 2, w / 2, 70)
    z = np.linspace(0.03, h, 6)
    fold = (
        0.05 * np.sin(x * b.rng.uniform(25, 60))[None] * (1 - 0.4 * z[:, None] / h) + 0.02 * np.sin(3 * z + 1)[:, None]
    )
    b.sheet(
        np.stack([np.broadcast_to(x, fold.shape), fold, np.broadcast_to(z[:, None], fold.shape)], 2),
        "fabric",
        colour(b.rng, 0.4, 0.1),
    )


def ladder(b: Builder, h: float) -> None:
    """Leaning ladder; its top touches y = 0.25 h."""
    t, mat = colour(b.rng, 0.4), b.rng.choice(["metal", "wood", "paint"])
    for i in (-0.2, 0.2):
        b.tube([(i, 0, 0), (i, h * 0.25, h)], 0.025, mat, t)
    for k in range(1, int(h / 0.28)):
        b.tube([(-0.2, 0.07 * k, 0.28 * k), (0.2, 0.07 * k, 0.28 * k)], 0.015, mat, t)


def tool_wall(b: Builder, w: float, h: float) -> None:
    """Board with hanging tools and hoses; its back on the y = 0 plane."""
    r = b.rng
    b.box(0, -0.01, 0, w, 0.02, h, r.choice(["wood", "paint", "metal"]), colour(r, 0.3))
    for _ in range(int(w * h * r.uniform(8, 25))):
        x, z, s = r.uniform(-w / 2.2, w / 2.2), r.uniform(0.25 * h, 0.95 * h), r.uniform(0.1, 0.4)
        with b.at(x, -0.05, z, 0, 0, math.pi + r.gauss(0, 0.2)):
            b.tube(
                [(0, 0, 0), (0, 0, s * 0.6)],
                r.uniform(0.006, 0.016),
                r.choice(["wood", "plastic", "rubber"]),
                colour(r, 0.6),
            )
            b.box(
                0,
                0,
                s * 0.6,
                s * r.uniform(0.1, 0.5),
                r.uniform(0.01, 0.05),
                s * r.uniform(0.1, 0.4),
                r.choice(["metal", "rust"]),
                colour(r, 0.1, 0.2),
            )
    for _ in range(r.randrange(0, 3)):
        a, x, z = np.linspace(0, 12.5, 40), r.uniform(-w / 2.5, w / 2.5), r.uniform(0.4, 0.8) * h
        b.tube(
            np.stack([x + 0.17 * np.cos(a), -0.06 - 0.004 * a, z + 0.17 * np.sin(a)], 1),
            0.009,
            "rubber",
            colour(r, 0.6),
            6,
        )
