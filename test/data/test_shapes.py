"""Every shape against what it is by definition: a set of points, tested along the ray in small steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prv2_ros.data.shapes import (
    BALL,
    CONE,
    CUBE,
    CYLINDER,
    FOLIAGE,
    NEAR_M,
    PRISM,
    TAPER,
    distance,
    leaf_noise,
    local_normals,
)


def _inside(shape: int, p: np.ndarray) -> np.ndarray:
    x, y, z = p
    level = np.abs(z) <= 1
    reach = np.maximum(np.abs(x), np.abs(y))
    return {
        CUBE: level & (reach <= 1),
        BALL: x * x + y * y + z * z <= 1,
        CYLINDER: level & (x * x + y * y <= 1),
        PRISM: level & (np.abs(y) <= 1) & (np.abs(x) <= (1 - z) / 2),
        TAPER: level & (reach <= (3 - z) / 4),
        CONE: level & (np.hypot(x, y) <= (1 - z) / 2),
    }[shape]


def _distance(shape: int, origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    rays = torch.from_numpy(directions).float()
    found = distance(
        shape, torch.from_numpy(origins).float(), [rays[:, k : k + 1] for k in range(3)], torch.arange(len(rays))
    )
    return found[:, 0].numpy()


@pytest.mark.parametrize("shape", [CUBE, BALL, CYLINDER, PRISM, TAPER, CONE])
@pytest.mark.parametrize("spread", [3.0, 0.4], ids=["from outside", "from within"])
def test_a_ray_meets_the_surface_where_it_first_enters_or_leaves(shape: int, spread: float) -> None:
    rng = np.random.default_rng(shape)
    origins = rng.normal(0, 1, (60, 3))
    origins *= (
        spread / np.linalg.norm(origins, axis=1, keepdims=True) * ([1, 1, 1] if spread > 1 else rng.uniform(0, 1))
    )
    directions = rng.normal(0, 0.4, (60, 3)) - (origins if spread > 1 else 0)
    t = np.arange(NEAR_M, 8, 1e-3)
    found = _distance(shape, origins, directions)
    wrong = 0
    for origin, direction, at in zip(origins, directions, found, strict=True):
        inside = _inside(shape, origin[:, None] + direction[:, None] * t)
        changes = np.flatnonzero(inside[1:] != inside[:-1])
        expected = t[changes[0] + 1] if len(changes) else math.inf
        wrong += not (at == expected or abs(at - expected) < 2e-3 or (at > 7.9 and expected == math.inf))
    assert wrong <= 1, "more than one ray that grazes an edge"
    assert np.isfinite(found).sum() > 20


def test_leaves_are_parts_of_the_ball_and_leave_holes() -> None:
    rng = np.random.default_rng(0)
    origins = np.tile([0.0, 0.0, -3.0], (2000, 1))
    directions = np.concatenate([rng.uniform(-0.3, 0.3, (2000, 2)), np.ones((2000, 1))], 1)
    leaves, ball = _distance(FOLIAGE, origins, directions), _distance(BALL, origins, directions)
    met = np.isfinite(leaves)
    assert (leaves[met] >= ball[met] - 1e-5).all()
    through = np.isfinite(ball) & ~met
    assert 0.03 < through.mean() < 0.4
    points = torch.from_numpy(origins[met] + leaves[met, None] * directions[met]).float()
    noise = leaf_noise(*points.T, torch.arange(2000)[met])
    torch.testing.assert_close(points.norm(dim=1), torch.ones(len(points)), rtol=0, atol=1e-4)
    assert float((noise > -0.05).float().mean()) == 1.0


@pytest.mark.parametrize(
    ("shape", "point", "normal"),
    [
        (CUBE, (0.2, -1.0, 0.4), (0.0, -1.0, 0.0)),
        (BALL, (0.6, 0.0, 0.8), (0.6, 0.0, 0.8)),
        (CYLINDER, (0.6, 0.8, 0.1), (0.6, 0.8, 0.0)),
        (CYLINDER, (0.1, 0.2, -1.0), (0.0, 0.0, -1.0)),
        (PRISM, (0.25, 0.3, 0.5), (1.0, 0.0, 0.5)),
        (PRISM, (0.1, -1.0, 0.2), (0.0, -1.0, 0.0)),
        (PRISM, (0.3, 0.2, -1.0), (0.0, 0.0, -1.0)),
        (TAPER, (-0.75, 0.2, 0.0), (-1.0, 0.0, 0.25)),
        (TAPER, (0.1, 0.75, 0.0), (0.0, 1.0, 0.25)),
        (TAPER, (0.1, 0.2, 1.0), (0.0, 0.0, 1.0)),
        (CONE, (0.3, 0.4, 0.0), (0.6, 0.8, 0.5)),
        (CONE, (0.3, 0.4, -1.0), (0.0, 0.0, -1.0)),
    ],
)
def test_normals(shape: int, point: tuple[float, ...], normal: tuple[float, ...]) -> None:
    found = local_normals(torch.tensor([shape]), torch.tensor([point]).T)
    torch.testing.assert_close(found, torch.tensor([normal]).T)
