"""Depths and hits against a plain per-ray, per-primitive implementation in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prv2_ros.data.raycast import Pinhole, Primitives, cast, rays
from prv2_ros.data.shapes import BALL, CUBE, CYLINDER

CAMERA = Pinhole(width=37, height=29, fx=30.0, fy=31.0, cx=17.5, cy=14.0)


def _plain_distance(shape: int, linear: np.ndarray, centre: np.ndarray, ray: np.ndarray) -> float:
    """First hit of one ray with one primitive, by marching through the interval bounds one face at a time."""
    inverse = np.linalg.inv(linear)
    origin, direction = inverse @ -centre, inverse @ ray
    candidates = []
    for axis in range(3):
        if shape == CUBE or (shape == CYLINDER and axis == 2):
            for face in (-1.0, 1.0):
                if direction[axis] != 0:
                    candidates.append((face - origin[axis]) / direction[axis])
    if shape != CUBE:
        keep = 3 if shape == BALL else 2
        o, d = origin[:keep], direction[:keep]
        candidates += [r.real for r in np.roots([d @ d, 2 * o @ d, o @ o - 1]) if abs(r.imag) < 1e-12]
    best = np.inf
    for t in candidates:
        p = origin + t * direction
        radius = np.linalg.norm(p if shape == BALL else p[:2])
        inside = np.abs(p).max() <= 1 + 1e-9 if shape == CUBE else radius <= 1 + 1e-9 and abs(p[2]) <= 1 + 1e-9
        if t > 0.02 and inside:
            best = min(best, t)
    return best


def _random_primitives(seed: int, count: int) -> Primitives:
    rng = np.random.default_rng(seed)
    linear = rng.normal(0, 0.5, (count, 3, 3)) + np.eye(3) * rng.uniform(0.2, 1.0, (count, 1, 1))
    centre = rng.normal(0, 1.5, (count, 3)) + [0, 0, 4.0]
    return Primitives(
        shape=torch.from_numpy(rng.integers(0, 3, count)),
        linear=torch.from_numpy(linear).float(),
        centre=torch.from_numpy(centre).float(),
    )


@pytest.mark.parametrize("seed", range(4))
def test_cast_agrees_with_the_plain_implementation(seed: int) -> None:
    primitives = _random_primitives(seed, 12)
    hits = cast(primitives, CAMERA)
    directions = rays(CAMERA, torch.device("cpu")).double().numpy()
    linear, centre = primitives.linear.double().numpy(), primitives.centre.double().numpy()
    wrong = 0
    for v in range(0, CAMERA.height, 3):
        for u in range(0, CAMERA.width, 3):
            expected = [
                _plain_distance(int(s), a, c, directions[v, u])
                for s, a, c in zip(primitives.shape, linear, centre, strict=True)
            ]
            depth = float(hits.depth_HW[v, u])
            if np.isinf(min(expected)) != np.isinf(depth) or (np.isfinite(depth) and abs(depth - min(expected)) > 1e-3):
                wrong += 1
            elif np.isfinite(depth):
                assert int(hits.index_HW[v, u]) == int(np.argmin(expected))
    assert wrong <= 1, "more than one grazing ray differs between float32 and float64"


def test_a_ray_that_starts_inside_a_cube_meets_its_far_wall() -> None:
    room = Primitives(shape=torch.tensor([CUBE]), linear=5 * torch.eye(3)[None], centre=torch.tensor([[0.0, 0.0, 2.0]]))
    depth = cast(room, CAMERA).depth_HW
    assert torch.isfinite(depth).all()
    assert float(depth[14, 17]) == pytest.approx(7.0, abs=1e-4)


def test_what_lies_behind_the_camera_is_not_met() -> None:
    ball = Primitives(shape=torch.tensor([BALL]), linear=torch.eye(3)[None], centre=torch.tensor([[0.0, 0.0, -3.0]]))
    hits = cast(ball, CAMERA)
    assert torch.isinf(hits.depth_HW).all()
    assert (hits.index_HW == -1).all()


def test_depth_does_not_depend_on_the_block_grid() -> None:
    """A crop of the camera sees the same depth as that part of the whole picture."""
    primitives = _random_primitives(5, 15)
    whole = cast(primitives, CAMERA).depth_HW
    part = Pinhole(width=20, height=11, fx=30.0, fy=31.0, cx=17.5 - 9, cy=14.0 - 7)
    torch.testing.assert_close(cast(primitives, part).depth_HW, whole[7:18, 9:29], rtol=1e-5, atol=1e-5)


def test_moved_primitives_keep_their_distance_from_a_moved_camera() -> None:
    primitives = _random_primitives(6, 8)
    turn = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    origin = torch.tensor([0.3, -0.2, 0.5])
    moved = primitives.moved(turn, origin)
    torch.testing.assert_close(moved.centre @ turn + origin, primitives.centre)


def test_a_bent_lens_sees_along_bent_rays_and_misses_nothing() -> None:
    """Depth of a bent camera's pixel is that of the straight ray to the bent place, wherever blocks end."""
    primitives = _random_primitives(7, 15)
    bent = Pinhole(width=37, height=29, fx=20.0, fy=20.0, cx=17.5, cy=14.0, k1=0.05)
    directions = rays(bent, torch.device("cpu"))
    x, y = (36 - 17.5) / 20, (28 - 14.0) / 20
    factor = 1 + 0.05 * (x * x + y * y)
    torch.testing.assert_close(directions[28, 36], torch.tensor([x * factor, y * factor, 1.0]))
    depth = cast(primitives, bent).depth_HW
    for v, u in ((0, 0), (3, 33), (14, 17), (28, 36), (20, 5), (10, 30)):
        dx, dy, _ = directions[v, u].tolist()
        one = Pinhole(width=1, height=1, fx=1.0, fy=1.0, cx=-dx, cy=-dy)
        torch.testing.assert_close(depth[v, u], cast(primitives, one).depth_HW[0, 0], rtol=1e-4, atol=1e-4)
