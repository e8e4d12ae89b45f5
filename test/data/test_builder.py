from __future__ import annotations

import math

import numpy as np
import pytest

from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose
from prv2_ros.data.shading import no_shadow_lighting


@pytest.mark.parametrize(
    ("start", "end"), [((0, 0, 1), (1, 2, 4)), ((1, 1, 0), (1, 1, 2)), ((1, 1, 2), (1, 1, 0)), ((0, 0, 0), (-3, 0, 0))]
)
def test_rod_reaches_from_start_to_end(start: tuple[float, ...], end: tuple[float, ...]) -> None:
    b = SceneBuilder(np.random.default_rng(0))
    b.rod(start, end, 0.1, b.material())
    centre, linear = np.array(b.centres[0]), np.reshape(b.linears[0], (3, 3))
    np.testing.assert_allclose(centre + linear @ [0, 0, 1], end, atol=1e-12)
    np.testing.assert_allclose(centre - linear @ [0, 0, 1], start, atol=1e-12)
    length = np.linalg.norm(np.subtract(end, start)) / 2
    np.testing.assert_allclose(linear.T @ linear, np.diag([0.01, 0.01, length**2]), atol=1e-12)


def test_build_keeps_one_row_per_shape() -> None:
    b = SceneBuilder(np.random.default_rng(0))
    b.box((0, 5, 0), (1, 2, 3), b.material(emission=2.0))
    b.ball((0, 5, 2), (1, 1, 1), b.material())
    scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 0)))
    assert scene.primitives.linear.shape == (2, 3, 3)
    assert scene.materials["dark"].shape == (2, 3)
    assert scene.materials["emission"].tolist() == [2.0, 0.0]
    assert (scene.materials["dark"] >= 0).all()


def test_place_turns_and_moves_what_it_holds() -> None:
    """A quarter turn to the left sends the spot's x to the world's y, and a spot on a spot adds its own turn."""
    b = SceneBuilder(np.random.default_rng(0))
    place = Place(b=b, x=1, y=2, z=3, yaw=math.pi / 2)
    assert place.world((1, 0, 0)) == pytest.approx((1, 3, 3))
    assert place.at(0, 1, 0.5, math.pi / 2).world((1, 0, 0)) == pytest.approx((-1, 2, 3.5))
    place.box((0, 0, 0), (4, 2, 1), b.material())
    assert b.centres[0] == pytest.approx((1, 2, 3.5))
    np.testing.assert_allclose(np.reshape(b.linears[0], (3, 3)), [[0, -1, 0], [2, 0, 0], [0, 0, 0.5]], atol=1e-12)


def test_a_tilted_box_leans_back() -> None:
    b = SceneBuilder(np.random.default_rng(0))
    Place(b=b, x=0, y=0).tilted((0, 0, 1), (1, 0.1, 2), 0.3, b.material())
    top = np.array(b.centres[0]) + np.reshape(b.linears[0], (3, 3)) @ [0, 0, 1]
    np.testing.assert_allclose(top, [0, math.sin(0.3), 1 + math.cos(0.3)], atol=1e-12)
