"""Roads and what stands beside them: markings, kerbs, lamps, signs, lights, poles, fences, far edges (metres)."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import buildings, finishes, nature, objects, textures
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Material

GROUND_M = 900.0
_SIGNS = ((0.6, 0.02, 0.02), (0.02, 0.08, 0.4), (0.8, 0.8, 0.8), (0.75, 0.55, 0.02), (0.02, 0.2, 0.08))


def ground(b: SceneBuilder) -> None:
    """Level ground to the horizon."""
    b.box((0, 0, -0.5), (GROUND_M, GROUND_M, 1.0), finishes.soil(b))


def road(b: SceneBuilder, half: float, lanes: int = 2) -> None:
    """Straight road along y with lines of 12 cm, dashes of 3 m, patches, rails or a crossing."""
    rng = b.rng
    b.box((0, 0, 0.0), (2 * half, GROUND_M, 0.02), finishes.asphalt(b))
    base = (0.75, 0.74, 0.7) if rng.uniform() < 0.9 else (0.7, 0.5, 0.05)
    paint = b.material(textures.SPECKLE, base=base, contrast=rng.uniform(0.05, 0.35), specular=0.0, grain=0.2)
    if rng.uniform() < 0.85:
        for x in np.linspace(-half, half, lanes + 1)[1:-1]:
            step, length, start = rng.choice([6.0, 9.0, 12.0]), rng.choice([3.0, 4.0, 6.0]), rng.uniform(0, 6)
            for k in range(-1, 9):
                b.box((x, start + k * step, 0.0), (0.12, length, 0.026), paint)
            if rng.uniform() < 0.2:
                b.box((x + 0.15, 0, 0.0), (0.12, 300, 0.026), paint)
    if rng.uniform() < 0.6:
        for side in (-1, 1):
            b.box((side * (half - 0.25), 0, 0.0), (0.12, 300, 0.026), paint)
    for _ in range(int(rng.integers(0, 4))):
        patch = finishes.asphalt(b)
        size = (*rng.uniform(0.5, 4, 2), 0.024)
        b.box((rng.uniform(-half, half), rng.uniform(3, 30), 0.0), size, patch, rng.uniform(0, 0.3))
    for _ in range(int(rng.integers(0, 4))):
        cover = (rng.uniform(-half, half), rng.uniform(3, 25), 0.0)
        b.upright(cover, 0.32, 0.014, finishes.dark(b, 0.2))
    if rng.uniform() < 0.3:
        y = rng.uniform(5, 25)
        for x in np.arange(-half + 0.4, half, 1.0):
            b.box((x, y, 0.0), (0.5, 3.0, 0.028), paint)
    if rng.uniform() < 0.08:
        rail, x = finishes.metal(b), rng.uniform(-half + 1, half - 1)
        for dx in (-0.72, 0.72):
            b.box((x + dx, 0, 0.0), (0.07, 400, 0.03), rail)


def lamp_post(p: Place, height: float, reach: float, m: Material) -> None:
    """Street lamp with its arm to local +x."""
    p.upright((0, 0, 0), 0.09, 1.0, m)
    p.upright((0, 0, 0), 0.055, height, m)
    p.rod((0, 0, height), (reach, 0, height + 0.25), 0.035, m)
    p.box((reach, 0, height + 0.2), (0.6, 0.2, 0.1), finishes.metal(p.b))


def sign(p: Place) -> None:
    """Traffic sign on a post: a disc or plate of 60 to 90 cm, its face to local -y."""
    b, post = p.b, finishes.metal(p.b)
    z, size = b.rng.uniform(2.0, 2.6), b.rng.uniform(0.6, 0.9)
    p.upright((0, 0, 0), 0.03, z + size * 0.6, post)
    base = _SIGNS[int(b.rng.integers(len(_SIGNS)))]
    face = b.material(textures.NOISE, base=base, contrast=0.05, specular=0.1, grain=0.0)
    mark = b.material(textures.NOISE, base=(0.8, 0.8, 0.8), contrast=0.02, specular=0.1, grain=0.0)
    if b.rng.uniform() < 0.5:
        p.rod((0, -0.03, z), (0, -0.045, z), size / 2, face)
        p.rod((0, -0.045, z), (0, -0.05, z), size * 0.36, mark)
    else:
        w = size * b.rng.choice([1.0, 1.0, 2.2])
        p.box((0, -0.04, z - size / 2), (w, 0.02, size), face)
        p.box((0, -0.05, z - size * 0.3), (w * 0.8, 0.02, size * 0.6), mark)


def traffic_light(p: Place, m: Material) -> None:
    """Signal of three lamps on a mast, 2.4 m over the ground."""
    b, mast = p.b, finishes.dark(p.b, 0.1)
    p.upright((0, 0, 0), 0.07, 3.4, m)
    p.box((0, -0.14, 2.4), (0.32, 0.22, 0.95), mast)
    lit = int(b.rng.integers(3))
    for k, colour in enumerate(((0.02, 0.6, 0.25), (0.8, 0.5, 0.02), (0.8, 0.02, 0.02))):
        lens = b.material(textures.NOISE, base=colour, contrast=0.0, emission=3.0 if k == lit else 0.0, grain=0.0)
        p.rod((0, -0.25, 2.57 + 0.3 * k), (0, -0.27, 2.57 + 0.3 * k), 0.1, lens)


def power_line(b: SceneBuilder, x: float, height: float, step: float) -> None:
    """Wooden or concrete poles along the road with wires between them."""
    m, y0 = nature.bark(Place(b=b, x=0, y=0)) if b.rng.uniform() < 0.6 else finishes.concrete(b), b.rng.uniform(2, 10)
    for k in range(4):
        y = y0 + k * step
        b.upright((x, y, 0), 0.13, height, m)
        b.box((x, y, height - 0.5), (1.8, 0.1, 0.12), m)
        if k < 3:
            for dx in (-0.8, 0.0, 0.8):
                start, end = (x + dx, y, height - 0.4), (x + dx, y + step, height - 0.4)
                objects.wire(b, start, end, b.rng.uniform(0.3, 0.8), 0.015)


def railing(b: SceneBuilder, x: float, y: float, length: float, base: float = 0.0) -> None:
    """Crash barrier or pedestrian railing along the road, on ground at the height `base` (m)."""
    m = finishes.metal(b)
    if b.rng.uniform() < 0.5:
        b.box((x, y + length / 2, base + 0.6), (0.05, length, 0.3), m)
        for k in range(min(30, int(length / 4))):
            b.standing_box((x + 0.06, y + 4 * k, base), (0.08, 0.08, 0.7), m)
        return
    for z in (0.15, 1.0):
        b.box((x, y + length / 2, base + z), (0.04, length, 0.04), m)
    for k in range(min(60, int(length / 0.15))):
        b.box((x, y + 0.15 * k, base + 0.57), (0.015, 0.015, 0.85), m)


def bollards(b: SceneBuilder, x: float, y: float, count: int, base: float = 0.0) -> None:
    """Posts of 90 cm along the kerb, on ground at the height `base` (m)."""
    m = finishes.dark(b, 0.2) if b.rng.uniform() < 0.5 else finishes.metal(b)
    for k in range(count):
        b.upright((x, y + 1.5 * k, base), 0.06, 0.9, m)


def street_things(b: SceneBuilder, side: int, edge: float, base: float = 0.0) -> None:
    """Lamps, signs, lights, bins, bollards and railings at `edge` m from the middle, on ground at the height `base`."""
    rng, m = b.rng, finishes.metal(b) if b.rng.uniform() < 0.6 else finishes.dark(b, 0.1)
    if rng.uniform() < 0.75:
        step, height, start = rng.uniform(12, 35), rng.uniform(4.5, 9), rng.uniform(0, 12)
        for k in range(5):
            spot = Place(b=b, x=side * (edge + 0.4), y=start + step * k, z=base, yaw=0.0 if side < 0 else math.pi)
            lamp_post(spot, height, rng.uniform(0.8, 1.0) * 1.6, m)
    for _ in range(int(rng.integers(0, 5))):
        yaw = rng.normal(0, 0.15) + (math.pi if rng.uniform() < 0.25 else 0)
        sign(Place(b=b, x=side * (edge + rng.uniform(0.3, 1.2)), y=math.exp(rng.uniform(1.4, 4)), z=base, yaw=yaw))
    if rng.uniform() < 0.3:
        traffic_light(Place(b=b, x=side * (edge + 0.4), y=rng.uniform(6, 35), z=base), m)
    if rng.uniform() < 0.15:
        bollards(b, side * (edge + 0.3), rng.uniform(3, 12), int(rng.integers(3, 10)), base)
    if rng.uniform() < 0.15:
        railing(b, side * (edge + 0.2), rng.uniform(1, 15), rng.uniform(5, 30), base)
    for _ in range(int(rng.integers(0, 3))):
        spot = Place(b=b, x=side * (edge + rng.uniform(0.5, 2)), y=rng.uniform(3, 25), z=base)
        spot.box((0, 0, 0), (0.55, 0.6, rng.uniform(0.9, 1.2)), finishes.plastic(b))


def horizon(b: SceneBuilder, near: float = 70.0) -> None:
    """What ends the view: woods, hills, blocks of flats, or nothing."""
    rng = b.rng
    for _ in range(int(rng.integers(0, 4))):
        y = rng.uniform(near, 320)
        x, yaw = rng.uniform(-1, 1) * y, rng.normal(0, 0.4)
        pick = rng.uniform()
        if pick < 0.55:
            nature.tree_line(Place(b=b, x=x, y=y, yaw=yaw), rng.uniform(30, 200), rng.uniform(6, 18))
        elif pick < 0.8:
            base = np.array([0.07, 0.1, 0.05]) * rng.uniform(0.6, 1.6)
            green = b.material(textures.LEAVES, base=base, repeat_m=9, specular=0.0)
            b.ball((1.5 * x, y + 100, -4), (rng.uniform(40, 180), rng.uniform(40, 120), rng.uniform(8, 45)), green)
        else:
            buildings.slab(Place(b=b, x=x, y=y, yaw=yaw), rng.uniform(10, 50), 15, rng.uniform(8, 50))
