"""Work places: warehouse and garage."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import finishes, fixtures, furniture, interior, objects, textures, things, vehicles
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose, Scene

_DECK_M = 0.122
"""Height of an empty pallet."""

_BEAM_M = 0.12
"""Height of a rack's beams; half of it lies over the level, half under it."""


def pallet(p: Place, free_m: float = 1.6) -> None:
    """Pallet of 1.2 x 0.8 m with a load of cartons, or one wrapped block, in all lower than `free_m`."""
    b, boards = p.b, finishes.wood(p.b)
    for x in (-0.55, 0.0, 0.55):
        p.box((x, 0, 0), (0.1, 0.8, 0.1), boards)
    for y in (-0.35, -0.12, 0.12, 0.35):
        p.box((0, y, 0.1), (1.2, 0.12, 0.022), boards)
    room = free_m - _DECK_M
    height = min(b.rng.uniform(0.3, 1.3), room)
    if b.rng.uniform() < 0.4:
        p.box((0, 0, _DECK_M), (1.15, 0.77, height), finishes.carton(b))
        return
    carton = min(0.35, room)  # under a low level the cartons are flatter
    rows, step = min(round(height / carton), int(room / carton)), b.rng.choice([0.3, 0.4, 0.6])
    m = finishes.carton(b) if b.rng.uniform() < 0.7 else finishes.plastic(b)
    for k in range(rows):
        for x in np.arange(-0.6 + step / 2, 0.6, step):
            for y in (-0.2, 0.2):
                if k + 1 < rows or b.rng.uniform() < 0.7:
                    p.box((x, y, _DECK_M + carton * k), (step * 0.97, 0.38, carton - 0.005), m)


def _rack(b: SceneBuilder, x: float, bays: int, levels: int, height: float) -> None:
    """Pallet rack of 2.7 m bays along y: blue or grey posts, orange beams, loads on the boards."""
    rng = b.rng
    post = b.material(textures.NOISE, base=b.rng.choice([(0.03, 0.1, 0.35), (0.3, 0.3, 0.32)]), contrast=0.05)
    beam = b.material(textures.NOISE, base=(0.7, 0.22, 0.03), contrast=0.05) if rng.uniform() < 0.7 else post
    for k in range(bays + 1):
        for dx in (-0.5, 0.5):
            b.standing_box((x + dx, 2 + 2.7 * k, 0), (0.09, 0.1, height), post)
        for z in np.arange(0.3, height - 0.8, 1.2):
            b.rod((x - 0.5, 2 + 2.7 * k, z), (x + 0.5, 2 + 2.7 * k, z + 0.8), 0.02, post)
    free = height / levels - _BEAM_M
    for level in range(levels):
        z = height * level / levels
        if level:
            for dx in (-0.5, 0.5):
                b.box((x + dx, 2 + 1.35 * bays, z), (0.05, 2.7 * bays, _BEAM_M), beam)
        for k in range(bays):
            if rng.uniform() > 0.8:
                continue
            near = 2 + 2.7 * k < 9
            for y in (0.75, 1.95) if rng.uniform() < 0.7 else (1.35,):
                spot = Place(b=b, x=x, y=2 + 2.7 * k + y, z=z + _BEAM_M / 2 * (level > 0), yaw=math.pi / 2)
                if near and rng.uniform() < 0.5 and len(b.shapes) < 900:
                    pallet(spot, free)
                else:
                    load = finishes.carton(b) if rng.uniform() < 0.55 else finishes.plastic(b, 0.1)
                    spot.box((0, 0, 0), (1.1, 0.9, min(free, rng.uniform(0.3, 0.85) * height / levels)), load)


def warehouse(b: SceneBuilder) -> Scene:
    """Racks of pallets on both sides of an aisle, from a truck, a robot or a hand."""
    rng = b.rng
    w, d, h = rng.uniform(6, 24), rng.uniform(12, 60), rng.uniform(3.5, 10)
    interior.shell(b, w, d, h, rough=0.5)
    aisle = rng.uniform(1.3, 2.4)
    levels, bays = int(rng.integers(2, 5)), int(min(9, (d - 3) / 2.7))
    for side in (-1, 1):
        for k in range(2):
            x = side * (aisle + 0.6 + (2 * aisle + 1.2) * k)
            if abs(x) < w / 2 - 0.6 and rng.uniform() < 0.9:
                _rack(b, x, bays, levels, h * rng.uniform(0.6, 0.85))
    glow = b.material(textures.NOISE, base=(0.9, 0.9, 0.9), contrast=0.0, emission=rng.uniform(2, 6))
    for k in range(int(d / 5)):
        b.box((0, 2 + 5 * k, h - 0.1), (0.3, 1.5, 0.1), glow)
    line = b.material(textures.SPECKLE, base=(0.75, 0.55, 0.03), contrast=0.1, specular=0.0)
    for side in (-1, 1):
        b.box((side * (aisle - 0.15), d / 2, 0.01), (0.1, d, 0.012), line)
    for _ in range(int(rng.integers(0, 4))):
        pallet(Place(b=b, x=rng.uniform(-1, 1) * aisle, y=rng.uniform(2.0, d * 0.6), yaw=rng.choice([0, 1.57, 0.3])))
    for _ in range(int(rng.integers(0, 6))):
        things.on_floor(Place(b=b, x=rng.uniform(-1, 1) * aisle, y=rng.uniform(1.5, d * 0.5), yaw=rng.uniform(0, 6.3)))
    if rng.uniform() < 0.3:
        vehicles.forklift(Place(b=b, x=rng.uniform(-0.6, 0.6), y=rng.uniform(3.5, 15), yaw=rng.uniform(0, 6.3)))
    interior.people(b, 2 * aisle, 2.5, 15, 0.35)
    pose = Pose(
        position=(rng.uniform(-0.5, 0.5) * aisle, 0.4, interior.eye_height(b, h)),
        yaw_deg=rng.normal(0, 18),
        pitch_deg=rng.normal(-3, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("warehouse", interior.lit(b, w / 2, d / 2, min(h, 5), 2.5), pose)


def _pegboard(b: SceneBuilder, w: float, d: float) -> None:
    """Tools that hang on the far wall."""
    for _ in range(int(b.rng.integers(3, 18))):
        x, z = b.rng.uniform(-w / 2.2, w / 2.2), b.rng.uniform(0.9, 2.2)
        size = (b.rng.uniform(0.03, 0.3), 0.05, b.rng.uniform(0.1, 0.6))
        m = finishes.metal(b) if b.rng.uniform() < 0.5 else finishes.plastic(b)
        if b.rng.uniform() < 0.6:
            b.box((x, d - 0.04, z), size, m)
        else:
            b.rod((x, d - 0.04, z), (x, d - 0.04, z + size[2]), 0.012, m)


def garage(b: SceneBuilder) -> Scene:
    """Garage, cellar or workshop through a normal or long lens: vehicles and machines amid clutter, 1 to 7 m away."""
    rng = b.rng
    w, d, h = rng.uniform(3.2, 9), rng.uniform(3.2, 8), rng.uniform(2.2, 4)
    interior.shell(b, w, d, h, rough=0.55)
    if rng.uniform() < 0.5:
        interior.fittings(b, w, d, h)
    interior.furnish(b, w, d, h, rng.uniform(0.2, 0.7))
    interior.lights(b, w, d, h)
    _pegboard(b, w, d)
    middle = d * rng.uniform(0.4, 0.75)
    for k in range(int(rng.integers(0, 3))):
        yaw = rng.uniform(-0.7, 0.7) + math.pi * rng.integers(2)
        y = middle + rng.normal(0, 0.6)
        objects.two_wheeler(b, rng.uniform(-1.5, 1.5), y, yaw, k == 0 or rng.uniform() < 0.5)
    if w > 4.5 and rng.uniform() < 0.15:
        vehicles.car(Place(b=b, x=rng.normal(0, 1), y=d * 0.6, yaw=rng.uniform(-0.4, 0.4) + math.pi * rng.integers(2)))
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(-w / 2.5, w / 2.5)
        furniture.shelf(Place(b=b, x=x, y=d - 0.3), rng.uniform(0.8, 2.2), 0.4, rng.uniform(1, 2.1))
    for _ in range(int(rng.integers(3, 16))):
        x, y = rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.35, 0.98) * d
        if rng.uniform() < 0.6:
            things.on_floor(Place(b=b, x=x, y=y, yaw=rng.uniform(0, 6.3)))
        else:
            objects.clutter(b, x, y, 0, math.exp(rng.uniform(math.log(0.1), math.log(0.8))))
    if rng.uniform() < 0.4:
        fixtures.ladder(Place(b=b, x=rng.uniform(-w / 2.5, w / 2.5), y=d - 0.05))
    for _ in range(int(rng.integers(0, 6))):
        x, y, m = rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.6, 1) * d, finishes.board(b)
        b.rod((x, y, 0), (x + rng.normal(0, 0.3), y + 0.2, rng.uniform(1, 2.2)), rng.uniform(0.008, 0.04), m)
    for _ in range(int(rng.integers(0, 4))):  # pipes, ducts and posts
        z, m, r = h - rng.uniform(0.08, 0.5), finishes.metal(b), math.exp(rng.uniform(math.log(0.01), math.log(0.15)))
        if rng.uniform() < 0.6:
            y = rng.uniform(0.5, 1) * d
            b.rod((-w / 2, y, z), (w / 2, y, z), r, m)
        else:
            b.upright((rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.4, 0.95) * d, 0), min(r, 0.06), h, m)
    for _ in range(int(rng.integers(0, 4))):
        ends = rng.uniform(-w / 2, w / 2, 2)
        start, end = (ends[0], middle, rng.uniform(0.5, h)), (ends[1], d, rng.uniform(0.5, h))
        objects.wire(b, start, end, rng.uniform(0.1, 0.6), 0.008)
    if rng.uniform() < 0.08:
        things.target(Place(b=b, x=rng.normal(0, 0.6), y=rng.uniform(1.0, 2.5)), rng.uniform(0.2, 1.0))
    interior.people(b, w, 1.5, d, 0.15)
    pose = Pose(
        position=(rng.uniform(-w / 4, w / 4), 0.1, min(interior.eye_height(b, h), 1.9)),
        yaw_deg=rng.normal(0, 12),
        pitch_deg=rng.normal(-7, 7),
        roll_deg=rng.normal(0, 2.5),
    )
    return b.build("garage", interior.lit(b, w, d, h, math.exp(rng.normal(-0.2, 0.3))), pose)
