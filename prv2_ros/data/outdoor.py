"""Outdoor compositions along roads and between houses: street, open road and yard."""

from __future__ import annotations

import math
from dataclasses import replace

from prv2_ros.data import (
    buildings,
    daylight,
    finishes,
    nature,
    objects,
    roadside,
    things,
    vehicles,
)
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose, Scene

_ROBOT, _CAR, _HAND, _LORRY = (0.25, 0.6), (1.2, 1.75), (1.4, 1.75), (1.9, 2.6)
RIG = (1.4, 2.1)
"""Heights (m) of the cameras of recording cars, from nuScenes (1.5) and KITTI (1.65) to Waymo (2.1)."""

PAVEMENT_M = 0.125
"""Height of a pavement over its road."""

_VEHICLE_M = 2.3
"""What the middles of two vehicles side by side are apart at least: cars are 1.9 m wide at most. Two lorries, of 2.5 m,
may touch; a street of two lanes has no more room."""


def camera_height(b: SceneBuilder) -> float:
    """Camera height (m): a car's in half of the scenes, else a pedestrian's, a small robot's or a lorry's."""
    low, high = (_CAR, _HAND, _ROBOT, _LORRY)[int(b.rng.choice(4, p=[0.5, 0.2, 0.15, 0.15]))]
    return float(b.rng.uniform(low, high))


def _yaw_deg(b: SceneBuilder) -> float:
    """Along the road, or as the side cameras of a rig look."""
    pick = b.rng.uniform()
    if pick < 0.6:
        return float(b.rng.normal(0, 7))
    if pick < 0.85:
        return float(b.rng.choice([-1, 1]) * b.rng.uniform(35, 110))
    return float(b.rng.normal(180, 20))


def _pose(b: SceneBuilder, x: float, ground: float = 0.0) -> Pose:
    return Pose(
        position=(x, 0.0, ground + camera_height(b)),
        yaw_deg=_yaw_deg(b),
        pitch_deg=b.rng.normal(-1.5, 3),
        roll_deg=b.rng.normal(0, 1.2),
    )


class Road:
    """What stands on a road, so that no vehicle stands inside another one."""

    def __init__(self) -> None:
        self.taken: list[tuple[float, float, float]] = []

    def free(self, x: float, y: float, reach: float) -> bool:
        """Take the place of a vehicle that reaches `reach` m to front and back; whether it is free."""
        for other_x, other_y, other in self.taken:
            if abs(x - other_x) < _VEHICLE_M and abs(y - other_y) < reach + other:
                return False
        self.taken.append((x, y, reach))
        return True


def traffic(
    b: SceneBuilder, road: Road, half: float, x0: float, most: int, between_m: tuple[float, float] = (1.5, 70)
) -> None:
    """Vehicles in the lanes ahead of the camera and beside it, clear of where it is and of one another."""
    for _ in range(int(b.rng.integers(0, most))):
        vehicle, reach = vehicles.any_vehicle(b)
        lane = b.rng.choice([-1, 1]) * b.rng.uniform(1.4, max(1.5, half - 1.2))
        near = reach + 1.5 if abs(lane - x0) < 2.2 else -2.0
        y = near + math.exp(b.rng.uniform(math.log(between_m[0]), math.log(between_m[1])))
        yaw = b.rng.normal(0, 0.05) + math.pi * (lane < 0)
        if road.free(lane, y, reach):
            vehicle(Place(b=b, x=lane, y=y, yaw=yaw))


def parked(b: SceneBuilder, road: Road, side: int, x: float, x0: float) -> None:
    """Row of vehicles along one side, clear of the camera."""
    y, turned = b.rng.uniform(-14, 0), math.pi * b.rng.integers(2)
    for _ in range(int(b.rng.integers(1, 8))):
        vehicle, reach = vehicles.any_vehicle(b)
        y += reach
        if (abs(side * x - x0) > 2.2 or y > reach + 1.5) and road.free(side * x, y, reach):
            vehicle(Place(b=b, x=side * x, y=y, yaw=b.rng.normal(0, 0.03) + turned))
        y += reach + b.rng.uniform(0.3, 4)


def edge(b: SceneBuilder, side: int, x: float) -> None:
    """Trees, hedge, wall, fence or power line along one side, `x` m from the middle."""
    rng = b.rng
    if rng.uniform() < 0.55:
        step, tall, y = rng.uniform(5, 14), rng.uniform(4, 14), rng.uniform(-3, 8)
        for _ in range(int(rng.integers(2, 8))):
            nature.plant_any(Place(b=b, x=side * (x + rng.uniform(0, 1)), y=y), tall * rng.uniform(0.7, 1.2), 18)
            y += step * rng.uniform(0.7, 1.5)
    if rng.uniform() < 0.25:
        length = rng.uniform(8, 50)
        nature.hedge(Place(b=b, x=side * (x + 1.2), y=rng.uniform(-5, 20)), length, 0.9, rng.uniform(0.8, 2.4))
    if rng.uniform() < 0.25:
        objects.fence(b, side * (x + 1), rng.uniform(-5, 10), 0, rng.uniform(5, 25), rng.uniform(0.8, 2.0))
    if rng.uniform() < 0.2:
        length = rng.uniform(8, 50)
        size = (0.3, length, rng.uniform(0.6, 2.4))
        b.standing_box((side * (x + 1.5), length / 2 + rng.uniform(-6, 10), 0), size, finishes.stucco(b))
    for _ in range(int(rng.integers(0, 5))):
        spot = Place(b=b, x=side * (x + rng.uniform(0.3, 4)), y=rng.uniform(2, 40))
        nature.bush(spot, rng.uniform(0.4, 2.0), rng.uniform(0.4, 1.2), 4)
    if rng.uniform() < 0.2:
        roadside.power_line(b, side * (x + rng.uniform(0.5, 2)), rng.uniform(6, 9), rng.uniform(20, 40))


def street(b: SceneBuilder) -> Scene:
    """Town street from a car of a rig of cameras, a robot or a pedestrian."""
    rng, half, cars = b.rng, b.rng.uniform(2.8, 8), Road()
    roadside.ground(b)
    roadside.road(b, half, 2 if half < 5.5 else 4)
    x0 = rng.uniform(-0.5, 0.5) * half if rng.uniform() < 0.75 else rng.choice([-1, 1]) * (half + rng.uniform(0.5, 1.5))
    walk, pavement = rng.uniform(1.6, 4.5), finishes.paving(b)
    kerb, built = finishes.concrete(b), rng.uniform() < 0.7
    start = rng.uniform(15, 60)
    gap = (start, start + rng.uniform(7, 16)) if rng.uniform() < 0.35 else (0.0, 0.0)
    if gap[1]:  # a road that crosses
        b.box((0, (gap[0] + gap[1]) / 2, 0.0), (300, gap[1] - gap[0], 0.018), finishes.asphalt(b))
    for side in (-1, 1):
        for y0, y1 in ((-200.0, gap[0]), (gap[1], 250.0)):
            middle = (y0 + y1) / 2
            b.box((side * (half + walk / 2), middle, PAVEMENT_M - 0.075), (walk, y1 - y0, 0.15), pavement)
            b.box((side * (half + 0.07), middle, 0.05), (0.14, y1 - y0, 0.16), kerb)
        if built:
            buildings.row(b, side, half + walk, gap)
        roadside.street_things(b, side, half, PAVEMENT_M)
        if rng.uniform() < (0.35 if built else 0.9):
            edge(b, side, half + (0.8 if built else walk))
        if rng.uniform() < 0.5:
            parked(b, cars, side, half - 1.1, x0)
        for _ in range(int(rng.integers(0, 4))):
            y = math.exp(rng.uniform(math.log(2.5), math.log(40)))
            x, yaw = side * (half + rng.uniform(0.3, walk)), rng.choice([0, math.pi, rng.uniform(0, 6.3)])
            objects.person(b, x, y, yaw, PAVEMENT_M)
    traffic(b, cars, half, x0, 6)
    if rng.uniform() < 0.3:
        x, y, yaw = rng.uniform(-half, half), rng.uniform(4, 20), math.pi / 2 + rng.normal(0, 0.3)
        if cars.free(x, y, 1.0):
            objects.two_wheeler(b, x, y, yaw, rng.uniform() < 0.4)
    if rng.uniform() < 0.3:
        x, y, yaw = rng.uniform(-half, half), rng.uniform(6, 30), rng.choice([1.57, -1.57])
        if cars.free(x, y, 0.4):
            objects.person(b, x, y, yaw)
    for _ in range(int(rng.integers(0, 4))):
        y, z = rng.uniform(5, 60), rng.uniform(5, 9)
        objects.wire(b, (-half - 4, y, z), (half + 4, y + rng.normal(0, 3), z), rng.uniform(0.2, 0.8), 0.02)
    roadside.horizon(b, 130.0)
    return b.build("street", daylight.daylight(b), _pose(b, float(x0), PAVEMENT_M if abs(x0) > half else 0.0))


def road(b: SceneBuilder) -> Scene:
    """Country road or motorway through fields and woods."""
    rng, half = b.rng, b.rng.uniform(2.8, 11)
    roadside.ground(b)
    roadside.road(b, half, 2 if half < 5 else 4)
    x0 = rng.uniform(-0.6, 0.6) * half
    for side in (-1, 1):
        edge(b, side, half + rng.uniform(1.0, 6))
        if rng.uniform() < 0.35:
            roadside.railing(b, side * (half + 0.6), rng.uniform(-10, 20), rng.uniform(20, 90))
        if rng.uniform() < 0.3:
            roadside.street_things(b, side, half + 0.8)
        for _ in range(int(rng.integers(0, 6))):
            spot = Place(b=b, x=side * (half + rng.uniform(4, 40)), y=rng.uniform(5, 130))
            nature.plant_any(spot, rng.uniform(4, 15), 12)
        if rng.uniform() < 0.2:
            p = Place(b=b, x=side * (half + rng.uniform(6, 25)), y=rng.uniform(10, 60), yaw=-side * math.pi / 2)
            buildings.house(p, rng.uniform(8, 20), 9, rng.uniform(3, 7))
        if rng.uniform() < 0.3:  # a field of another colour
            field, x = finishes.soil(b), side * (half + 6 + rng.uniform(0, 10) + 100)
            b.box((x, rng.uniform(0, 60), 0.0), (200, rng.uniform(30, 200), 0.02), field)
        if rng.uniform() < 0.2:  # a bank
            rise = rng.uniform(1, 5)
            size = (8 * rise, 300, rise)
            b.roof((side * (half + 2 + 4 * rise), 20, -0.05), size, finishes.soil(b))
    traffic(b, Road(), half, x0, 7)
    roadside.horizon(b)
    roadside.horizon(b)
    return b.build("road", daylight.daylight(b), _pose(b, float(x0)))


def driving(b: SceneBuilder) -> Scene:
    """Street or road as a recording car sees it, and never from as low as a robot."""
    scene = (street if b.rng.uniform() < 0.7 else road)(b)
    x, y, _ = scene.pose.position
    pose = replace(scene.pose, position=(x, y, float(b.rng.uniform(*RIG))))
    return replace(scene.at(pose), kind="driving")


def yard(b: SceneBuilder) -> Scene:
    """Yard, garden, car park or plaza: mid-range clutter outdoors without a road's layout."""
    rng = b.rng
    roadside.ground(b)
    if rng.uniform() < 0.65:
        b.box((0, 0, 0), (rng.uniform(8, 60), rng.uniform(10, 80), 0.02), finishes.paving(b))
    for _ in range(int(rng.integers(1, 5))):
        y = rng.uniform(6, 40)
        x = rng.uniform(-1, 1) * y
        place = Place(b=b, x=x, y=y, yaw=math.atan2(-x, y) + rng.normal(0, 0.5))
        buildings.house(place, rng.uniform(4, 16), rng.uniform(4, 12), rng.uniform(2.6, 9))
    for _ in range(int(rng.integers(2, 14))):
        y = math.exp(rng.uniform(math.log(1.8), math.log(20)))
        things.on_floor(Place(b=b, x=rng.normal(0, 0.5) * y, y=y, yaw=rng.uniform(0, 6.3)))
    for _ in range(int(rng.integers(0, 6))):
        y = math.exp(rng.uniform(math.log(2), math.log(30)))
        objects.clutter(b, rng.normal(0, 0.5) * y, y, 0, math.exp(rng.uniform(math.log(0.2), math.log(1.8))))
    for _ in range(int(rng.integers(0, 6))):
        nature.plant_any(Place(b=b, x=rng.normal(0, 9), y=rng.uniform(4, 40)), rng.uniform(2, 11))
    for _ in range(int(rng.integers(0, 7))):
        spot = Place(b=b, x=rng.normal(0, 6), y=rng.uniform(2.5, 25))
        nature.bush(spot, rng.uniform(0.3, 1.8), rng.uniform(0.4, 1.3))
    cars: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(0, 4))):
        vehicle, reach = vehicles.any_vehicle(b)
        y = reach + rng.uniform(2, 25)
        spot = Place(b=b, x=rng.normal(0, 0.6) * y, y=y, yaw=rng.uniform(0, 6.3))
        if all(math.hypot(spot.x - x, spot.y - y) > reach + other for x, y, other in cars):
            cars.append((spot.x, spot.y, reach))
            vehicle(spot)
    for _ in range(int(rng.integers(0, 4))):
        objects.person(b, rng.normal(0, 3), rng.uniform(2, 18), rng.uniform(0, 6.3))
    if rng.uniform() < 0.4:
        objects.two_wheeler(b, rng.normal(0, 1.5), rng.uniform(2.5, 8), rng.uniform(0, 6.3), rng.uniform() < 0.6)
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(-8, 8), rng.uniform(3, 15)
        objects.fence(b, x, y, rng.uniform(-1.5, 1.5), rng.uniform(4, 18), rng.uniform(0.7, 2))
    roadside.horizon(b, 50.0)
    pose = Pose(
        position=(0.0, 0.0, camera_height(b)),
        yaw_deg=rng.normal(0, 22),
        pitch_deg=rng.normal(-5, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("yard", daylight.daylight(b, 8.0), pose)
