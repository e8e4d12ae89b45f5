"""Outdoor compositions: street, open road, yard and off-road ground."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import daylight, nature, objects, textures, vehicles
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose, Scene

_GROUND_M = 900.0


def _ground(b: SceneBuilder) -> None:
    kind = int(b.rng.choice([textures.LEAVES, textures.SPECKLE, textures.NOISE]))
    green = (b.rng.uniform(0.05, 0.2), b.rng.uniform(0.08, 0.25), b.rng.uniform(0.02, 0.1))
    ground = b.material(kind, base=green, repeat_m=b.rng.uniform(1, 6), specular=0.0)
    b.box((0, 0, -0.5), (_GROUND_M, _GROUND_M, 1.0), ground)


def _road(b: SceneBuilder, half: float) -> None:
    rng = b.rng
    grey = np.ones(3) * rng.uniform(0.04, 0.22)
    b.box(
        (0, 0, 0.0),
        (2 * half, _GROUND_M, 0.02),
        b.material(textures.SPECKLE, base=grey, contrast=0.25, repeat_m=2, specular=rng.choice([0, 0.15])),
    )
    paint = b.material(textures.SPECKLE, base=(0.7, 0.7, 0.65), contrast=0.15, specular=0.0)
    if rng.uniform() < 0.8:
        step, length = rng.uniform(3, 9), rng.uniform(1, 4)
        for k in range(-2, 14):
            b.box((0, k * step, 0.0), (0.14, length, 0.026), paint)
    if rng.uniform() < 0.6:
        for side in (-1, 1):
            b.box((side * (half - 0.3), 0, 0.0), (0.14, 300, 0.026), paint)
    for _ in range(int(rng.integers(0, 3))):
        patch = b.material(textures.SPECKLE, base=grey * rng.uniform(0.5, 1.5), contrast=0.2, specular=0.0)
        b.box(
            (rng.uniform(-half, half), rng.uniform(3, 30), 0.0),
            (*rng.uniform(0.5, 4, 2), 0.024),
            patch,
            rng.uniform(0, 1),
        )
    if rng.uniform() < 0.25:  # a crossing
        y = rng.uniform(5, 25)
        for x in np.arange(-half + 0.4, half, 1.0):
            b.box((x, y, 0.0), (0.5, 3.0, 0.028), paint)


def _facades(b: SceneBuilder, side: int, edge: float) -> None:
    rng, y = b.rng, b.rng.uniform(-12, 0)
    while y < 120:
        length, height = rng.uniform(6, 25), math.exp(rng.uniform(math.log(3), math.log(22)))
        if rng.uniform() < 0.85:
            kind = int(rng.choice([textures.WINDOWS, textures.WINDOWS, textures.BRICK, textures.NOISE]))
            m = b.material(
                kind, base=b.colour(0.25, 0.1, 0.8), repeat_m=rng.uniform(4, 7) if kind == textures.WINDOWS else 1.5
            )
            x = side * (edge + rng.uniform(0, 5) + 6)
            b.standing_box((x, y + length / 2, 0), (12, length * 0.97, height), m)
            if y < 45:
                glass = b.material(textures.NOISE, base=(0.04, 0.05, 0.06), specular=0.6)
                for floor in range(min(3, int(height / 3))):
                    for k in range(min(6, int(length / 2.6))):
                        b.box((x - side * 6, y + 1.5 + 2.6 * k, 1.7 + 3 * floor), (0.25, 1.3, 1.5), glass)
            if rng.uniform() < 0.4:
                b.standing_box((x, y + length / 2, height), (12.6, length, rng.uniform(0.3, 2.5)), b.material())
        y += length + rng.choice([0.0, 1.5, 6.0])


def _verge(b: SceneBuilder, side: int, half: float) -> None:
    """Poles, trees, signs, fences, people and parked cars along one side."""
    rng = b.rng
    step, m = rng.uniform(8, 25), b.material(contrast=0.05)
    if rng.uniform() < 0.8:
        height, x = rng.uniform(3.5, 9), side * (half + rng.uniform(0.3, 1.5))
        for k in range(6):
            b.upright((x, 4 + step * k + rng.normal(), 0), rng.uniform(0.05, 0.14), height, m)
            if rng.uniform() < 0.5:
                b.rod((x, 4 + step * k, height), (x - side * 1.5, 4 + step * k, height + 0.2), 0.04, m)
    for _ in range(int(rng.integers(0, 5))):
        nature.plant_any(Place(b=b, x=side * (half + rng.uniform(1.5, 7)), y=rng.uniform(4, 60)), rng.uniform(3, 13))
    for _ in range(int(rng.integers(0, 4))):
        x, y = side * (half + rng.uniform(0.3, 2)), rng.uniform(4, 40)
        b.upright((x, y, 0), 0.035, 2.4, m)
        b.box(
            (x, y, 2.2),
            (rng.uniform(0.4, 1.2), 0.04, rng.uniform(0.4, 0.9)),
            b.material(textures.POSTER, repeat_m=0.8),
            rng.normal(0, 0.2),
        )
    if rng.uniform() < 0.35:
        objects.fence(
            b, side * (half + rng.uniform(0.5, 3)), rng.uniform(1, 10), 0, rng.uniform(5, 25), rng.uniform(0.7, 1.8)
        )
    if rng.uniform() < 0.5:
        y = rng.uniform(0, 8)
        for _ in range(int(rng.integers(1, 7))):
            vehicles.any_vehicle(
                Place(b=b, x=side * (half - 1.1), y=y, yaw=rng.normal(0, 0.03) + math.pi * rng.integers(2))
            )
            y += rng.uniform(5.2, 8)
    if rng.uniform() < 0.3:
        b.standing_box(
            (side * (half + rng.uniform(1, 4)), 20, 0),
            (rng.uniform(0.5, 2), rng.uniform(8, 60), rng.uniform(0.5, 2.2)),
            b.material(textures.LEAVES, base=(0.05, 0.12, 0.03), repeat_m=1.0),
        )


def street(b: SceneBuilder) -> Scene:
    """Town street from a vehicle or a pedestrian."""
    rng, half = b.rng, b.rng.uniform(2.8, 8)
    _ground(b)
    _road(b, half)
    walk = b.material(
        int(rng.choice([textures.TILES, textures.SPECKLE, textures.NOISE])), base=b.colour(0.1, 0.1, 0.5), contrast=0.15
    )
    built = rng.uniform() < 0.75
    for side in (-1, 1):
        b.box((side * (half + 1.5), 0, 0.05), (3.0, 400, 0.16), walk)
        if built:
            _facades(b, side, half + 3)
        _verge(b, side, half)
    for _ in range(int(rng.integers(0, 6))):
        lane = rng.choice([-1, 1]) * rng.uniform(1.3, max(1.4, half - 1.2))
        vehicles.any_vehicle(
            Place(
                b=b,
                x=lane,
                y=math.exp(rng.uniform(math.log(5), math.log(70))),
                yaw=rng.normal(0, 0.06) + math.pi * rng.integers(2),
            )
        )
    for _ in range(int(rng.integers(0, 6))):
        objects.person(
            b, rng.uniform(-half - 3, half + 3), math.exp(rng.uniform(math.log(3), math.log(40))), rng.uniform(0, 6.3)
        )
    if rng.uniform() < 0.3:
        objects.two_wheeler(b, rng.uniform(-half, half), rng.uniform(4, 15), rng.uniform(0, 6.3), rng.uniform() < 0.5)
    for _ in range(int(rng.integers(0, 5))):
        y, z = rng.uniform(5, 60), rng.uniform(5, 9)
        objects.wire(b, (-half - 4, y, z), (half + 4, y + rng.normal(0, 3), z), rng.uniform(0.2, 0.8), 0.02)
    pose = Pose(
        position=(rng.uniform(-0.6, 0.6) * half, 0.0, float(np.clip(rng.normal(1.6, 0.35), 0.5, 3.0))),
        yaw_deg=rng.normal(0, 6) if rng.uniform() < 0.7 else rng.normal(0, 45),
        pitch_deg=rng.normal(-1.5, 3.5),
        roll_deg=rng.normal(0, 1.2),
    )
    return b.build("street", daylight.daylight(b), pose)


def road(b: SceneBuilder) -> Scene:
    """Country road or motorway through fields and woods."""
    rng, half = b.rng, b.rng.uniform(3, 11)
    _ground(b)
    _road(b, half)
    for side in (-1, 1):
        _verge(b, side, half + rng.uniform(0, 3))
        if rng.uniform() < 0.4:
            rail = b.material(textures.NOISE, base=(0.4, 0.4, 0.4), specular=0.3)
            b.box((side * (half + 0.5), 40, 0.6), (0.05, 110, 0.3), rail)
            for k in range(24):
                b.standing_box((side * (half + 0.55), 2 + 4 * k, 0), (0.08, 0.08, 0.7), rail)
        for _ in range(int(rng.integers(0, 12))):
            nature.plant_any(
                Place(b=b, x=side * (half + rng.uniform(3, 30)), y=rng.uniform(5, 120)), rng.uniform(3, 14), 14
            )
        for _ in range(int(rng.integers(0, 4))):
            radii = rng.uniform(20, 120), rng.uniform(20, 120), rng.uniform(3, 25)
            b.ball(
                (side * rng.uniform(60, 250), rng.uniform(60, 350), -2),
                radii,
                b.material(textures.LEAVES, base=(0.06, 0.1, 0.04), repeat_m=8),
            )
    for _ in range(int(rng.integers(0, 6))):
        lane = rng.choice([-1, 1]) * rng.uniform(1.5, half - 1)
        vehicles.any_vehicle(
            Place(
                b=b,
                x=lane,
                y=math.exp(rng.uniform(math.log(6), math.log(90))),
                yaw=rng.normal(0, 0.03) + math.pi * rng.integers(2),
            )
        )
    pose = Pose(
        position=(rng.uniform(-0.6, 0.6) * half, 0.0, float(np.clip(rng.normal(1.6, 0.35), 0.6, 3.2))),
        yaw_deg=rng.normal(0, 6) if rng.uniform() < 0.75 else rng.normal(0, 50),
        pitch_deg=rng.normal(-1.5, 3),
        roll_deg=rng.normal(0, 1.2),
    )
    return b.build("road", daylight.daylight(b), pose)


def yard(b: SceneBuilder) -> Scene:
    """Yard, garden or plaza: mid-range clutter outdoors without a road's layout."""
    rng = b.rng
    _ground(b)
    if rng.uniform() < 0.6:
        b.box((0, 0, 0), (rng.uniform(8, 60), rng.uniform(10, 80), 0.02), b.material())
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.choice([-1, 1]) * rng.uniform(4, 25), rng.uniform(6, 40)
        b.standing_box(
            (x, y, 0),
            (rng.uniform(3, 14), rng.uniform(3, 14), rng.uniform(2.2, 9)),
            b.material(
                int(rng.choice([textures.WINDOWS, textures.BRICK, textures.PLANKS, textures.NOISE])), repeat_m=3
            ),
            rng.uniform(0, 1.5),
        )
    for _ in range(int(rng.integers(5, 25))):
        y = math.exp(rng.uniform(math.log(2), math.log(30)))
        objects.clutter(b, rng.normal(0, 0.5) * y, y, 0, math.exp(rng.uniform(math.log(0.2), math.log(1.8))))
    for _ in range(int(rng.integers(0, 6))):
        nature.plant_any(Place(b=b, x=rng.normal(0, 9), y=rng.uniform(4, 40)), rng.uniform(2, 9))
    for _ in range(int(rng.integers(0, 8))):
        nature.bush(
            Place(b=b, x=rng.normal(0, 6), y=rng.uniform(2.5, 25)), rng.uniform(0.3, 1.8), rng.uniform(0.4, 1.3)
        )
    for _ in range(int(rng.integers(0, 3))):
        vehicles.any_vehicle(Place(b=b, x=rng.normal(0, 8), y=rng.uniform(5, 30), yaw=rng.uniform(0, 6.3)))
        objects.person(b, rng.normal(0, 4), rng.uniform(2.5, 20), rng.uniform(0, 6.3))
    if rng.uniform() < 0.5:
        objects.two_wheeler(b, rng.normal(0, 1.5), rng.uniform(2.5, 8), rng.uniform(0, 6.3), rng.uniform() < 0.6)
    objects.fence(
        b, rng.uniform(-8, 8), rng.uniform(3, 15), rng.uniform(-1.5, 1.5), rng.uniform(4, 18), rng.uniform(0.7, 2)
    )
    pose = Pose(
        position=(0.0, 0.0, float(np.clip(rng.normal(1.4, 0.4), 0.3, 3.0))),
        yaw_deg=rng.normal(0, 20),
        pitch_deg=rng.normal(-5, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("yard", daylight.daylight(b, 8.0), pose)


def offroad(b: SceneBuilder) -> Scene:
    """Rough ground with mounds, rocks, bushes and trees."""
    rng = b.rng
    _ground(b)
    earth = b.material(textures.NOISE, base=(0.2, 0.15, 0.09), repeat_m=3, specular=0.0)
    for _ in range(int(rng.integers(6, 22))):
        y = math.exp(rng.uniform(math.log(5), math.log(120)))
        spread = y * rng.uniform(0.15, 0.6)
        b.ball(
            (rng.normal(0, 0.7) * y, y, 0),
            (spread, spread * rng.uniform(0.5, 1.5), spread * rng.uniform(0.03, 0.2)),
            earth if rng.uniform() < 0.5 else b.material(textures.LEAVES, base=(0.1, 0.13, 0.05), repeat_m=2),
        )
    for _ in range(int(rng.integers(8, 45))):
        y, s = math.exp(rng.uniform(math.log(1.5), math.log(50))), math.exp(rng.uniform(math.log(0.08), math.log(1.3)))
        b.ball(
            (rng.normal(0, 0.6) * y, y, 0),
            s * rng.uniform(0.4, 1.1, 3),
            b.material(textures.NOISE, base=np.ones(3) * rng.uniform(0.08, 0.4), repeat_m=s),
            rng.uniform(0, 3),
        )
    for _ in range(int(rng.integers(0, 10))):
        nature.plant_any(
            Place(b=b, x=rng.normal(0, 12), y=math.exp(rng.uniform(math.log(4), math.log(70)))), rng.uniform(2, 14)
        )
    for _ in range(int(rng.integers(0, 14))):
        y = math.exp(rng.uniform(math.log(2), math.log(40)))
        nature.bush(Place(b=b, x=rng.normal(0, 0.6) * y, y=y), rng.uniform(0.2, 1.5), rng.uniform(0.3, 1.2), 5)
    pose = Pose(
        position=(0.0, 0.0, float(np.clip(rng.normal(1.2, 0.5), 0.3, 3.0))),
        yaw_deg=rng.normal(0, 20),
        pitch_deg=rng.normal(-5, 6),
        roll_deg=rng.normal(0, 4),
    )
    return b.build("offroad", daylight.daylight(b), pose)
