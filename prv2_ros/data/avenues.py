"""Streets as deep as those that recording cars see: avenues, squares and car parks, with little close by (metres)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from prv2_ros.data import buildings, busy, daylight, finishes, nature, objects, outdoor, roadside, vehicles
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.outdoor import PAVEMENT_M, RIG, Road
from prv2_ros.data.scene import Lighting, Pose, Scene

_HALF_M = (3.0, 14.0)
_SET_BACK_M, _SET_BACK_SHARE = (0.0, 25.0), 0.4
_DEEP_M = (60.0, 150.0)
"""Half width of streets; how far houses stand from the pavement, where they do; how far squares and car parks reach."""

_MOST_PARKED = 22


def avenue(b: SceneBuilder) -> Scene:
    """Wide street, square or car park, seen from a car's height."""
    compose = (_street, _square, _car_park)[int(b.rng.choice(3, p=[0.7, 0.15, 0.15]))]
    x0 = compose(b)
    if b.rng.uniform() < 0.8:
        roadside.horizon(b, 130.0)
    pose = Pose(
        position=(x0, 0.0, b.rng.uniform(*RIG) if b.rng.uniform() < 0.8 else outdoor.camera_height(b)),
        yaw_deg=_yaw_deg(b),
        pitch_deg=b.rng.normal(-0.5, 2.2),
        roll_deg=b.rng.normal(0, 1.2),
    )
    return busy.busier_half(b, b.build("avenue", _light(b), pose))


def _yaw_deg(b: SceneBuilder) -> float:
    """Along the road, or as the side and rear cameras of a rig look."""
    pick = b.rng.uniform()
    if pick < 0.65:
        return float(b.rng.normal(0, 8))
    if pick < 0.88:
        return float(b.rng.choice([-1, 1]) * b.rng.uniform(35, 80))
    return float(b.rng.normal(180, 20))


def _light(b: SceneBuilder) -> Lighting:
    """Daylight whose shadows reach 50 m around a spot ahead."""
    return replace(daylight.daylight(b, 25.0), key_spread_m=50.0)


def _log_uniform(b: SceneBuilder, low: float, high: float) -> float:
    return math.exp(b.rng.uniform(math.log(low), math.log(high)))


def _street(b: SceneBuilder) -> float:
    """Street of any width; gives the camera's x."""
    rng, half, cars = b.rng, _log_uniform(b, *_HALF_M), Road()
    roadside.ground(b)
    roadside.road(b, half, 2 if half < 5 else 4 if half < 10 else 6)
    x0 = float(rng.uniform(-0.6, 0.6) * half)
    start, built = rng.uniform(12, 70), rng.uniform() < 0.7
    gap = (start, start + rng.uniform(8, 30)) if rng.uniform() < 0.4 else (0.0, 0.0)
    if gap[1]:
        b.box((0, (gap[0] + gap[1]) / 2, 0.0), (300, gap[1] - gap[0], 0.018), finishes.asphalt(b))
    for side in (-1, 1):
        walk = _pavement(b, side, half, gap)
        back = rng.uniform(*_SET_BACK_M) if rng.uniform() < _SET_BACK_SHARE else 0.0
        if built:
            buildings.row(b, side, half + walk + back, gap, reach=200.0)
        if back > 4 or not built:
            outdoor.edge(b, side, half + walk + rng.uniform(0, max(6.0, back - 4)))
        if rng.uniform() < 0.5:  # woods behind it all
            woods = Place(b=b, x=side * (half + walk + rng.uniform(18, 50)), y=rng.uniform(20, 110), yaw=math.pi / 2)
            nature.tree_line(woods, rng.uniform(40, 160), rng.uniform(6, 16))
        _kerb(b, side, half)
        if rng.uniform() < 0.3:
            outdoor.parked(b, cars, side, half - 1.1, x0)
    outdoor.traffic(b, cars, half, x0, 4 + int(half / 2), (9.0, 130.0))
    if rng.uniform() < 0.25:
        x, y, yaw = rng.uniform(-half, half), rng.uniform(8, 50), math.pi / 2 + rng.normal(0, 0.3)
        if cars.free(x, y, 1.0):
            objects.two_wheeler(b, x, y, yaw, rng.uniform() < 0.4)
    for _ in range(int(rng.integers(0, 3))):
        y, z = rng.uniform(10, 80), rng.uniform(5, 9)
        objects.wire(b, (-half - 4, y, z), (half + 4, y + rng.normal(0, 3), z), rng.uniform(0.2, 0.8), 0.02)
    return x0


def _pavement(b: SceneBuilder, side: int, half: float, gap: tuple[float, float]) -> float:
    """Pavement with its kerb, open within `gap` (y); gives its width."""
    walk, pavement, kerb = float(b.rng.uniform(1.6, 5)), finishes.paving(b), finishes.concrete(b)
    for y0, y1 in ((-250.0, gap[0]), (gap[1], 300.0)):
        middle = (y0 + y1) / 2
        b.box((side * (half + walk / 2), middle, PAVEMENT_M - 0.075), (walk, y1 - y0, 0.15), pavement)
        b.box((side * (half + 0.07), middle, 0.05), (0.14, y1 - y0, 0.16), kerb)
    return walk


def _kerb(b: SceneBuilder, side: int, half: float) -> None:
    """Lamps, signs, a signal, trees and people along a kerb: few, and hardly any within 8 m."""
    rng, m = b.rng, finishes.metal(b) if b.rng.uniform() < 0.6 else finishes.dark(b, 0.1)
    x, yaw = side * (half + 0.4), 0.0 if side < 0 else math.pi
    if rng.uniform() < 0.65:
        step, height, start = rng.uniform(20, 45), rng.uniform(5, 10), rng.uniform(4, 25)
        for k in range(5):
            roadside.lamp_post(Place(b=b, x=x, y=start + step * k, z=PAVEMENT_M, yaw=yaw), height, 1.6, m)
    for _ in range(int(rng.integers(0, 3))):
        roadside.sign(Place(b=b, x=x + side * 0.3, y=_log_uniform(b, 8, 80), z=PAVEMENT_M, yaw=rng.normal(0, 0.15)))
    if rng.uniform() < 0.25:
        roadside.traffic_light(Place(b=b, x=x, y=rng.uniform(10, 50), z=PAVEMENT_M), m)
    if rng.uniform() < 0.1:
        roadside.railing(b, x, rng.uniform(8, 25), rng.uniform(10, 40), PAVEMENT_M)
    if rng.uniform() < 0.35:
        step, tall, y = rng.uniform(8, 20), rng.uniform(4, 12), rng.uniform(6, 20)
        for k in range(int(rng.integers(2, 7))):
            tree = Place(b=b, x=x + side * rng.uniform(0.3, 1), y=y + k * step, z=PAVEMENT_M)
            nature.plant_any(tree, tall * rng.uniform(0.8, 1.2), 18)
    for _ in range(int(rng.integers(0, 3))):
        objects.person(b, x + side * rng.uniform(0.2, 1.2), _log_uniform(b, 6, 60), rng.uniform(0, 6.3), PAVEMENT_M)


def _square(b: SceneBuilder) -> float:
    """Crossing or town square: paved ground and far houses around it; gives the camera's x."""
    rng, deep, half, cars = b.rng, b.rng.uniform(*_DEEP_M), _log_uniform(b, 4, _HALF_M[1]), Road()
    wide, x0 = half + rng.uniform(9, 60), float(rng.uniform(-0.6, 0.6) * half)
    roadside.ground(b)
    roadside.road(b, half, 4)
    paved = finishes.asphalt(b) if rng.uniform() < 0.5 else finishes.paving(b)
    b.box((0, deep / 2, 0.0), (2 * wide, deep + 40, 0.017), paved)
    for side in (-1, 1):
        buildings.row(b, side, wide, (0.0, 0.0), reach=deep)
        for _ in range(int(rng.integers(0, 3))):  # islands with a signal, a lamp or a tree
            spot = Place(b=b, x=side * (half + rng.uniform(1, 6)), y=rng.uniform(9, 0.8 * deep))
            spot.box((0, 0, 0), (rng.uniform(1, 3), rng.uniform(2, 8), PAVEMENT_M), finishes.concrete(b))
            if rng.uniform() < 0.5:
                roadside.traffic_light(spot, finishes.metal(b))
            else:
                nature.plant_any(spot, rng.uniform(4, 10), 18)
    _far_side(b, wide, deep, half)
    _lamps(b, wide, deep)
    outdoor.traffic(b, cars, half, x0, 7, (9.0, deep))
    for _ in range(int(rng.integers(0, 7))):
        y = _log_uniform(b, 7, deep)
        objects.person(b, rng.uniform(-0.7, 0.7) * min(y, wide), y, rng.uniform(0, 6.3))
    return x0


def _car_park(b: SceneBuilder) -> float:
    """Car park before a shop or hall: rows of cars, bays, lamps; gives the camera's x."""
    rng, deep, wide = b.rng, b.rng.uniform(*_DEEP_M), b.rng.uniform(20, 60)
    roadside.ground(b)
    b.box((0, deep / 2, 0.0), (2 * wide, deep + 40, 0.02), finishes.asphalt(b))
    paint = finishes.white(b, 0.0)
    first, pitch, full = rng.uniform(9, 25), rng.uniform(14, 18), rng.uniform(0.1, 0.7)
    parked = 0
    for y in np.arange(first, min(deep, first + 5 * pitch), pitch):
        for x in np.arange(-0.8 * min(y, wide), 0.8 * min(y, wide), 2.6):
            b.box((x - 1.3, y, 0.0), (0.1, 4.8, 0.026), paint)
            if parked < _MOST_PARKED and rng.uniform() < full:
                vehicles.car(Place(b=b, x=x, y=y, yaw=math.pi * rng.integers(2) + rng.normal(0, 0.03)))
                parked += 1
    for side in (-1, 1):
        if rng.uniform() < 0.6:
            outdoor.edge(b, side, wide)
    _far_side(b, wide, deep, 0.0)
    _lamps(b, wide, deep)
    for _ in range(int(rng.integers(0, 5))):
        y = _log_uniform(b, 6, deep)
        objects.person(b, rng.normal(0, 0.4) * y, y, rng.uniform(0, 6.3))
    return 0.0


def _far_side(b: SceneBuilder, wide: float, deep: float, half: float) -> None:
    """Houses or a hall that end the place, with a road of 2 x `half` through them."""
    x = -wide
    while x < wide:
        length = float(b.rng.uniform(9, 45))
        middle = x + length / 2
        if b.rng.uniform() < 0.85 and abs(middle) > half + length / 2:
            place = Place(b=b, x=middle, y=deep + b.rng.uniform(0, 6))
            buildings.house(place, length, b.rng.uniform(8, 20), b.rng.uniform(4, 18), detail=len(b.shapes) < 900)
        x += length + b.rng.choice([0.0, 2.0, 8.0])


def _lamps(b: SceneBuilder, wide: float, deep: float) -> None:
    """Tall lamps over the place."""
    m, height = finishes.metal(b), b.rng.uniform(6, 12)
    for _ in range(int(b.rng.integers(0, 7))):
        spot = Place(b=b, x=b.rng.uniform(-wide, wide), y=b.rng.uniform(8, deep), yaw=b.rng.uniform(0, 6.3))
        roadside.lamp_post(spot, height, 1.8, m)
