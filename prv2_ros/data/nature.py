"""Trees, conifers, bushes, hedges and grass of leaf clumps (sizes in metres)."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place
from prv2_ros.data.scene import Material


def bark(p: Place) -> Material:
    """Trunks and boughs."""
    base = np.array([0.1, 0.075, 0.055]) * math.exp(p.b.rng.normal(0, 0.4))
    return p.b.material(textures.GRAIN, base=base, contrast=0.4, repeat_m=0.5, specular=0.0)


def crown(p: Place, middle_z: float, radius: float, height: float, count: int, leaf: Material | None = None) -> None:
    """Clumps of leaves that fill an ellipsoid, the inner ones darker."""
    leaf = finishes.foliage(p.b, radius) if leaf is None else leaf
    for _ in range(count):
        o = p.b.rng.normal(0, 1, 3)
        o = o / np.linalg.norm(o) * p.b.rng.uniform(0.25, 0.9)
        r = radius * p.b.rng.uniform(0.22, 0.5)
        centre = p.world((o[0] * radius, o[1] * radius, middle_z + o[2] * height / 2))
        p.b.leaves(centre, (r, r * p.b.rng.uniform(0.7, 1.2), r * p.b.rng.uniform(0.6, 1.0)), leaf, o[0] * 3)


def tree(p: Place, height: float, detail: int = 22) -> None:
    """Broad-leaved tree, 3 to 20 m; one in ten is bare."""
    b, m = p.b, bark(p)
    thick, fork = 0.012 * height + 0.06, height * b.rng.uniform(0.2, 0.4)
    lean = b.rng.normal(0, 0.03, 2) * height
    top = (lean[0], lean[1], height * 0.8)
    p.rod((0, 0, 0), (lean[0] * 0.4, lean[1] * 0.4, fork), thick, m)
    p.rod((lean[0] * 0.4, lean[1] * 0.4, fork), top, thick * 0.6, m)
    bare = b.rng.uniform() < 0.1
    for _ in range(18 if bare else 5):
        a, z = b.rng.uniform(0, 6.3), b.rng.uniform(fork, height * 0.7)
        reach = height * b.rng.uniform(0.12, 0.28)
        end = (lean[0] + reach * math.cos(a), lean[1] + reach * math.sin(a), z + reach * b.rng.uniform(0.4, 1.4))
        p.rod((lean[0] * z / height, lean[1] * z / height, z), end, thick * 0.25, m)
    if not bare:
        middle = (fork * 0.9 + height) / 2
        crown(p.at(lean[0], lean[1]), middle, height * b.rng.uniform(0.18, 0.34), height - fork, detail)


def conifer(p: Place, height: float) -> None:
    """Spruce or cypress: tiers of needles around a trunk."""
    b, leaf = p.b, finishes.foliage(p.b, 1.0)
    p.upright((0, 0, 0), 0.015 * height + 0.05, height * 0.6, bark(p))
    wide, tiers = height * b.rng.uniform(0.12, 0.24), int(b.rng.integers(5, 9))
    for k in range(tiers):
        s = 1 - k / tiers
        z = height * (0.12 + 0.88 * k / tiers)
        if b.rng.uniform() < 0.5:
            b.cone(p.world((0, 0, z)), wide * s, height / tiers * 1.5, leaf)
        else:
            b.leaves(p.world((0, 0, z + height / tiers / 2)), (wide * s, wide * s, height / tiers), leaf)


def bush(p: Place, height: float, spread: float, detail: int = 7) -> None:
    """Bush on the ground."""
    crown(p, height * 0.5, spread, height, detail)
    crown_core = finishes.foliage(p.b, spread)
    p.b.leaves(p.world((0, 0, height * 0.4)), (spread * 0.8, spread * 0.8, height * 0.5), crown_core)


def hedge(p: Place, length: float, depth: float, height: float) -> None:
    """Clipped hedge along y."""
    leaf = finishes.foliage(p.b, 0.5)
    p.box((0, length / 2, 0), (depth, length, height), leaf)
    for y in np.arange(0.3, length, max(0.7, length / 25)):
        r = depth * p.b.rng.uniform(0.5, 0.7)
        p.b.leaves(p.world((0, y, height * p.b.rng.uniform(0.3, 0.9))), (r, 0.6, height * 0.35), leaf)


def tuft(p: Place, height: float) -> None:
    """Tall grass, reeds or a shrub's stems."""
    m = finishes.foliage(p.b, 0.3)
    for _ in range(int(p.b.rng.integers(5, 14))):
        x, y = p.b.rng.normal(0, 0.18, 2) * height
        p.rod((x * 0.3, y * 0.3, 0), (x * 1.6, y * 1.6, height * p.b.rng.uniform(0.5, 1)), 0.004 + 0.005 * height, m)


def plant_any(p: Place, height: float, detail: int = 22) -> None:
    """Tree or conifer."""
    if p.b.rng.uniform() < 0.8:
        tree(p, height, detail)
    else:
        conifer(p, height)


def tree_line(p: Place, length: float, height: float) -> None:
    """Edge of a wood along x, seen from afar: overlapping crowns over a dark base."""
    leaf = finishes.foliage(p.b, 4.0)
    p.box((0, 3, 0), (length, 3, height * 0.55), leaf)
    for x in np.arange(-length / 2, length / 2, max(height * 0.45, length / 30)):
        r = height * p.b.rng.uniform(0.3, 0.5)
        z = height * p.b.rng.uniform(0.45, 0.7)
        p.b.leaves(p.world((x, p.b.rng.normal(0, 2), z)), (r, r, r), leaf)
