"""Streets, squares and car parks as deep as real ones, with little close by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from prv2_ros.data import avenues, buildings, synthetic
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.raycast import Pinhole

Spot = tuple[float, float, float]

AHEAD = Pinhole(width=96, height=32, fx=48.0, fy=48.0, cx=47.5, cy=13.5)
"""Wide and low, as what a LiDAR on a car reaches."""


def _median_m(kind: str, seeds: range) -> float:
    depths = [synthetic.view(synthetic.scene_of(seed, kind)[0], AHEAD).depth_HW.flatten() for seed in seeds]
    depth = torch.cat(depths)
    return float(depth[depth.isfinite()].median())


def test_avenues_are_deeper_than_the_streets_of_the_mixture() -> None:
    seeds = range(100, 124)
    assert _median_m("avenue", seeds) > 1.25 * _median_m("driving", seeds)


def test_the_seed_decides_an_avenue() -> None:
    first, second, other = (synthetic.scene_of(seed, "avenue")[0] for seed in (7, 7, 8))
    assert torch.equal(first.primitives.centre, second.primitives.centre)
    assert first.pose == second.pose
    assert first.pose != other.pose


def test_no_vehicle_stands_inside_another_one_and_few_are_close(placed: list[Spot]) -> None:
    close = 0
    for seed in range(30):
        placed.clear()
        scene = avenues.avenue(SceneBuilder(np.random.default_rng(seed)))
        spots = np.array(placed).reshape(-1, 3)
        for k, (x, y, reach) in enumerate(spots):
            dx, dy = np.abs(spots[:k, 0] - x), np.abs(spots[:k, 1] - y)
            assert ((dx > 2.25) | (dy > reach + spots[:k, 2] - 0.01)).all(), seed
        close += int((np.hypot(spots[:, 0] - scene.pose.position[0], spots[:, 1]) < 8).sum())
    assert close < 30


@pytest.mark.parametrize("compose", [avenues._square, avenues._car_park])
def test_squares_and_car_parks_end_60_to_150_m_away(
    compose: Callable[[SceneBuilder], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    fronts: list[float] = []

    def house(p: Place, *_: float, detail: bool = True) -> None:
        if p.yaw == 0:
            fronts.append(p.y)

    monkeypatch.setattr(buildings, "house", house)
    for seed in range(10):
        compose(SceneBuilder(np.random.default_rng(seed)))
    assert min(fronts) >= 60
    assert max(fronts) <= 156
    assert max(fronts) - min(fronts) > 30


def test_the_camera_is_on_the_road() -> None:
    for seed in range(20):
        b = SceneBuilder(np.random.default_rng(seed))
        x0 = avenues._street(b)
        road = np.reshape(b.linears[1], (3, 3))[0, 0]
        assert 3.0 <= road <= 14.0
        assert abs(x0) <= 0.6 * road
