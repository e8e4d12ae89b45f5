"""What stands along and on roads: at the ground's height, and nothing inside of another thing."""

from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.data import objects, offroad, outdoor
from prv2_ros.data.builder import SceneBuilder

Spot = tuple[float, float, float]


def _builder(seed: int) -> SceneBuilder:
    return SceneBuilder(np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["street", "road"])
def test_no_vehicle_on_a_road_stands_inside_another_one(kind: str, placed: list[Spot]) -> None:
    count = 0
    for seed in range(40):
        placed.clear()
        getattr(outdoor, kind)(_builder(seed))
        count += len(placed)
        for k, (x, y, reach) in enumerate(placed):
            for other_x, other_y, other in placed[:k]:
                assert abs(x - other_x) >= 1.9 or abs(y - other_y) >= reach + other, f"seed {seed}"
    assert count > 60, "there is traffic"


def test_no_vehicle_in_a_yard_stands_inside_another_one(placed: list[Spot]) -> None:
    count = 0
    for seed in range(60):
        placed.clear()
        outdoor.yard(_builder(seed))
        count += len(placed)
        for k, (x, y, reach) in enumerate(placed):
            for other_x, other_y, other in placed[:k]:
                assert np.hypot(x - other_x, y - other_y) > reach + other, f"seed {seed}"
    assert count > 60


def test_who_walks_on_the_pavement_stands_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heights: dict[bool, set[float]] = {True: set(), False: set()}

    def person(b: SceneBuilder, x: float, y: float, yaw: float, z: float = 0.0) -> None:
        heights[abs(x) > half[0]].add(z)

    half = [0.0]
    monkeypatch.setattr(objects, "person", person)
    road = outdoor.roadside.road

    def noted(b: SceneBuilder, width: float, lanes: int) -> None:
        half[0] = width
        road(b, width, lanes)

    monkeypatch.setattr(outdoor.roadside, "road", noted)
    for seed in range(30):
        outdoor.street(_builder(seed))
    assert heights == {True: {outdoor.PAVEMENT_M}, False: {0.0}}


def test_a_camera_on_the_pavement_is_held_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outdoor, "camera_height", lambda b: 1.0)
    heights = {round(outdoor.street(_builder(seed)).pose.position[2], 6) for seed in range(30)}
    assert heights == {1.0, 1.0 + outdoor.PAVEMENT_M}


def test_street_furniture_stands_on_the_pavement() -> None:
    for seed in range(30):
        low, high = _builder(seed), _builder(seed)
        outdoor.roadside.street_things(low, 1, 4.0)
        outdoor.roadside.street_things(high, 1, 4.0, outdoor.PAVEMENT_M)
        below, above = (np.asarray(b.centres).reshape(-1, 3) for b in (low, high))
        np.testing.assert_allclose(above, below + [0, 0, outdoor.PAVEMENT_M])


def test_who_walks_over_a_mound_stands_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[float, float]] = []
    terrains: list[offroad._Terrain] = []

    class Terrain(offroad._Terrain):
        def __init__(self, b: SceneBuilder) -> None:
            super().__init__(b)
            terrains.append(self)

    def person(b: SceneBuilder, x: float, y: float, yaw: float, z: float = 0.0) -> None:
        found.append((z, terrains[-1].height(x, y)))

    monkeypatch.setattr(offroad, "_Terrain", Terrain)
    monkeypatch.setattr(objects, "person", person)
    for seed in range(60):
        offroad.offroad(_builder(seed))
    assert any(ground > 0.1 for _, ground in found)
    assert all(abs(z - ground) < 0.05 for z, ground in found)
