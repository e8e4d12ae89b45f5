"""Sizes of what scenes are made of: a network learns metric scale from them."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest

from prv2_ros.data import buildings, fixtures, furniture, halls, nature, objects, roadside, things, vehicles
from prv2_ros.data.builder import Place, SceneBuilder

Maker = Callable[[Place], object]


def person(p: Place) -> None:
    objects.person(p.b, p.x, p.y, p.yaw)


SIZES: dict[str, tuple[Maker, float, float, float, float]] = {
    # least and most height, least and most of the larger horizontal extent (m)
    "mug": (things.mug, 0.07, 0.12, 0.07, 0.16),
    "bottle": (things.bottle, 0.19, 0.36, 0.05, 0.1),
    "paper": (things.paper, 0.001, 0.01, 0.2, 0.75),
    "keyboard": (things.keyboard, 0.01, 0.05, 0.36, 0.65),
    "monitor": (things.monitor, 0.35, 0.62, 0.4, 0.75),
    "laptop": (things.laptop, 0.15, 0.3, 0.28, 0.55),
    "crate": (things.crate, 0.2, 1.2, 0.55, 0.65),
    "bag": (things.bag, 0.2, 0.55, 0.2, 0.6),
    "chair": (furniture.chair, 0.75, 1.15, 0.4, 0.75),
    "sofa": (functools.partial(furniture.sofa, w=2.0), 0.7, 1.0, 1.9, 2.2),
    "bed": (functools.partial(furniture.bed, w=1.4), 0.5, 1.2, 1.9, 2.4),
    "washer": (furniture.washer, 0.84, 0.86, 0.55, 0.75),
    "door": (fixtures.door, 2.0, 2.25, 0.9, 1.2),
    "radiator": (fixtures.radiator, 0.6, 0.7, 0.8, 1.1),
    "car": (vehicles.car, 1.35, 1.85, 3.6, 5.1),
    "van": (vehicles.van, 1.9, 2.75, 4.7, 6.2),
    "lorry": (vehicles.lorry, 2.5, 4.0, 5.9, 12.3),
    "forklift": (vehicles.forklift, 2.0, 2.4, 2.2, 3.0),
    "pallet": (halls.pallet, 0.4, 1.7, 1.15, 1.3),
    "person": (person, 0.9, 2.05, 0.3, 1.2),
    "sign": (roadside.sign, 2.2, 3.2, 0.5, 2.1),
    "tree": (functools.partial(nature.tree, height=8.0), 6.0, 10.0, 1.5, 8.0),
    "house": (functools.partial(buildings.house, length=12.0, depth=9.0, height=6.0), 6.0, 12.0, 11.9, 14.0),
}


@pytest.mark.parametrize("name", list(SIZES))
@pytest.mark.parametrize("seed", range(5))
def test_things_have_their_usual_size_and_stand_where_they_are_put(name: str, seed: int) -> None:
    make, *sizes = SIZES[name]
    b = SceneBuilder(np.random.default_rng(seed))
    make(Place(b=b, x=5.0, y=-3.0))
    centres, linears = np.array(b.centres), np.reshape(b.linears, (-1, 3, 3))
    reach = np.linalg.norm(linears, axis=2)  # of a ball; a box within its bound reaches no further than its rows' sum
    boxes = np.abs(linears).sum(2)
    low, high = (centres - reach).min(0), (centres + np.minimum(boxes, 1.4 * reach)).max(0)
    assert sizes[0] <= high[2] <= sizes[1], "height"
    assert sizes[2] <= (high - low)[:2].max() <= sizes[3] * 1.1, "width"
    assert low[2] > -0.06, "it sinks into the ground"
    assert np.abs((low + high)[:2] / 2 - [5, -3]).max() < max(1.0, sizes[3]), "it stands elsewhere"


def test_a_calibration_board_has_squares_of_a_known_size() -> None:
    b = SceneBuilder(np.random.default_rng(1))
    things.target(Place(b=b, x=0, y=0))
    squares = np.linalg.norm(np.reshape(b.linears[1], (3, 3)), axis=0)[[0, 2]] * 2 / (b.materials[1].repeat_m / 8)
    np.testing.assert_allclose(squares, np.rint(squares), atol=1e-6)
    assert (squares >= 3).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_raised_calibration_board_stands_on_the_floor(seed: int) -> None:
    b = SceneBuilder(np.random.default_rng(seed))
    things.target(Place(b=b, x=1, y=2, z=0.5, yaw=0.7), 0.8)
    board, _, rod, foot = (
        (np.array(c), np.reshape(axes, (3, 3))) for c, axes in zip(b.centres, b.linears, strict=True)
    )
    assert board[0][2] - np.abs(board[1][2]).sum() > 1.2, "it hangs free"
    for centre, axes in (rod, foot):
        assert centre[2] - abs(axes[2, 2]) == pytest.approx(0.5), "the stand begins on the floor"
    back = board[1] / np.linalg.norm(board[1], axis=0)
    end = back.T @ (rod[0] + rod[1][:, 2] - board[0])
    assert abs(end[0]) < 0.01
    assert 0 < end[1] < 0.02, "the rod ends on the board's back"
    start = back.T @ (foot[0] - board[0])
    assert start[1] > 0, "and stands behind it"
