"""Rough ground: mounds, a track, rocks, bushes, grass and trees."""

from __future__ import annotations

import math

from prv2_ros.data import daylight, finishes, nature, objects, roadside, vehicles
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.outdoor import camera_height
from prv2_ros.data.scene import Pose, Scene


class _Terrain:
    """Level ground with flat mounds, and how high it is."""

    def __init__(self, b: SceneBuilder) -> None:
        roadside.ground(b)
        self.mounds: list[tuple[float, float, float, float, float]] = []
        earth = finishes.soil(b)
        for _ in range(int(b.rng.integers(6, 20))):
            y = math.exp(b.rng.uniform(math.log(5), math.log(140)))
            rx = y * b.rng.uniform(0.15, 0.7)
            ry, rz = rx * b.rng.uniform(0.5, 1.5), rx * b.rng.uniform(0.03, 0.22)
            x = b.rng.normal(0, 0.7) * y
            if math.hypot(x / rx, y / ry) < 1.15:  # the camera would be inside
                continue
            self.mounds.append((x, y, rx, ry, rz))
            b.ball((x, y, 0), (rx, ry, rz), earth if b.rng.uniform() < 0.7 else finishes.soil(b))

    def height(self, x: float, y: float) -> float:
        """Height (m) of the ground at a point."""
        rise = (1 - ((x - cx) / rx) ** 2 - ((y - cy) / ry) ** 2 for cx, cy, rx, ry, _ in self.mounds)
        heights = (m[4] * math.sqrt(r) for m, r in zip(self.mounds, rise, strict=True) if r > 0)
        return max(heights, default=0.0)


def offroad(b: SceneBuilder) -> Scene:
    """Rough ground with mounds, a track, rocks, bushes, grass and trees."""
    rng, terrain = b.rng, _Terrain(b)
    if rng.uniform() < 0.4:
        track = finishes.soil(b)
        for x in (-0.8, 0.8):
            b.box((x, 0, 0.0), (0.5, 300, 0.02), track)

    def spot(near: float, far: float, spread: float) -> Place:
        y = math.exp(rng.uniform(math.log(near), math.log(far)))
        x = rng.normal(0, spread) * y
        return Place(b=b, x=x, y=y, z=terrain.height(x, y) - 0.03, yaw=rng.uniform(0, 6.3))

    for _ in range(int(rng.integers(6, 35))):
        p, s = spot(1.5, 50, 0.6), math.exp(rng.uniform(math.log(0.06), math.log(1.0)))
        p.ball((0, 0, 0), s * rng.uniform(0.4, 1.1, 3), finishes.concrete(b))
    for _ in range(int(rng.integers(0, 12))):
        nature.plant_any(spot(4, 80, 0.4), rng.uniform(2, 15), 18)
    for _ in range(int(rng.integers(0, 14))):
        nature.bush(spot(2, 40, 0.5), rng.uniform(0.2, 1.8), rng.uniform(0.3, 1.2), 5)
    for _ in range(int(rng.integers(0, 12))):
        nature.tuft(spot(1.2, 12, 0.5), rng.uniform(0.15, 0.9))
    for _ in range(int(rng.integers(0, 3))):  # fallen logs
        p, length = spot(2.5, 25, 0.5), rng.uniform(0.8, 5)
        p.rod((0, 0, 0.15), (length, 0, 0.15), rng.uniform(0.06, 0.22), nature.bark(p))
    if rng.uniform() < 0.2:
        vehicles.car(spot(6, 30, 0.3))
    if rng.uniform() < 0.25:
        p = spot(3, 20, 0.3)
        objects.person(b, p.x, p.y, p.yaw, p.z)
    if rng.uniform() < 0.3:
        objects.fence(b, rng.uniform(-8, 8), rng.uniform(3, 15), rng.uniform(-1.5, 1.5), 15, rng.uniform(0.9, 1.5))
    roadside.horizon(b, 60.0)
    pose = Pose(
        position=(0.0, 0.0, camera_height(b)),
        yaw_deg=rng.normal(0, 20),
        pitch_deg=rng.normal(-5, 7),
        roll_deg=rng.normal(0, 4),
    )
    return b.build("offroad", daylight.daylight(b), pose)
