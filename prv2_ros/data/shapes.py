"""The unit shapes that scenes are made of: where a ray meets them and how their surface is turned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CUBE, BALL, CYLINDER, PRISM, TAPER, CONE, FOLIAGE = range(7)
KINDS = 7
"""PRISM: gable roof, its ridge along y. TAPER: box that narrows to half its width at the top. CONE: tip at the top.
FOLIAGE: a ball's skin with holes, as the leaves of a clump."""

NEAR_M = 0.02
"""Nothing nearer than this depth is met."""


def distance(shape: int, origin_P3: Tensor, direction: Sequence[Tensor], prim_P: Tensor) -> Tensor:
    """Ray parameter (P, K) of the first hit beyond the near plane; inf for a miss.

    Args:
        shape: of all P primitives.
        origin_P3: where the rays start, in each primitive's unit coordinates.
        direction: x, y and z (P, K) of the rays in unit coordinates.
        prim_P: index of each primitive; decides where a FOLIAGE has its holes.

    """
    o, d = origin_P3[..., None].unbind(1), direction
    if shape in (BALL, FOLIAGE):
        near, far = _quadric(o, d)
    else:
        near, far = _slab(o[2], d[2])
        if shape == CYLINDER:
            near, far = _meet(near, far, *_quadric(o[:2], d[:2]))
        elif shape == CONE:
            near, far = _meet(near, far, *_cone(o, d))
        else:
            narrowing = {CUBE: (0.0, 0.0), PRISM: (0.5, 0.0), TAPER: (0.25, 0.25)}[shape]
            for axis, slope in enumerate(narrowing):
                if slope == 0:
                    near, far = _meet(near, far, *_slab(o[axis], d[axis]))
                    continue
                for side in (-1.0, 1.0):  # side * x + slope * z <= 1 - slope
                    room = 1 - slope - side * o[axis] - slope * o[2]
                    near, far = _meet(near, far, *_half_space(room, side * d[axis] + slope * d[2]))
    if shape == FOLIAGE:
        return _through_leaves(near, far, o, d, prim_P)
    met = far >= near.clamp(min=NEAR_M)  # false for NaN
    return torch.where(met, torch.where(near > NEAR_M, near, far), torch.inf)


def _meet(near_a: Tensor, far_a: Tensor, near_b: Tensor, far_b: Tensor) -> tuple[Tensor, Tensor]:
    return torch.maximum(near_a, near_b), torch.minimum(far_a, far_b)


def _slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Interval in which a coordinate lies in [-1, 1]."""
    inverse = (direction + 1e-12).reciprocal_()  # a ray along the faces must not divide by zero
    middle, half = -origin * inverse, inverse.abs()
    return middle - half, middle + half


def _half_space(room: Tensor, speed: Tensor) -> tuple[Tensor, Tensor]:
    """Interval in which t * speed <= room."""
    t = room / (speed + 1e-12)
    rising = speed > 0
    return torch.where(rising, -torch.inf, t), torch.where(rising, t, torch.inf)


def _quadric(origin: Sequence[Tensor], direction: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Interval in which the squared norm of origin + t * direction is at most 1."""
    a, b, c = direction[0] ** 2 + 1e-12, origin[0] * direction[0], origin[0] ** 2 - 1.0
    for o, d in zip(origin[1:], direction[1:], strict=True):
        a, b, c = a + d * d, b + o * d, c + o * o
    root = (b * b - a * c).sqrt()  # NaN for a miss: every comparison with it is false
    return (-b - root) / a, (root - b) / a


def _cone(o: Sequence[Tensor], d: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Interval of one nappe: x^2 + y^2 <= ((1 - z) / 2)^2."""
    h, s = (1 - o[2]) / 2, -d[2] / 2
    a = d[0] * d[0] + d[1] * d[1] - s * s
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    b = o[0] * d[0] + o[1] * d[1] - h * s
    c = o[0] * o[0] + o[1] * o[1] - h * h
    root = (b * b - a * c).sqrt()
    one, two = (-b - root) / a, (root - b) / a
    low, high = torch.minimum(one, two), torch.maximum(one, two)
    # A ray steeper than the cone is inside beyond one root: below the tip up to it, or from it on.
    steep = a < 0
    tip = high * 0 + (h / -torch.where(s.abs() < 1e-9, 1e-9, s))
    down = s > 0
    start = torch.where(steep, torch.where(down, torch.where(low > tip, low, high), -torch.inf), low)
    end = torch.where(steep, torch.where(down, torch.inf, torch.where(high < tip, high, low)), high)
    return start, end


def _through_leaves(near: Tensor, far: Tensor, o: Sequence[Tensor], d: Sequence[Tensor], prim: Tensor) -> Tensor:
    """First of the two skins that has a leaf where the ray meets it."""
    t = torch.full_like(near, torch.inf)
    for at in (far, near):
        x, y, z = (a + at * b for a, b in zip(o, d, strict=True))
        there = (at > NEAR_M) & (leaf_noise(x, y, z, prim[:, None]) > 0)
        t = torch.where(there, at, t)
    return t


def leaf_noise(x: Tensor, y: Tensor, z: Tensor, prim: Tensor) -> Tensor:
    """Smooth noise on a unit ball; there is a leaf where it is positive (about 60% of the skin)."""
    phase = prim * 2.399963
    clumps = torch.sin(7.3 * x + 4.1 * y + phase) + torch.sin(6.7 * y - 5.3 * z + 1.7 * phase)
    twigs = torch.sin(19.0 * x - 14.0 * z + phase) + torch.sin(17.0 * y + 12.0 * x - 2.1 * phase)
    leaves = torch.sin(41.0 * z + 23.0 * y + phase) * torch.sin(37.0 * x - 29.0 * y + 0.6 * phase)
    return 0.6 * clumps + 0.7 * twigs + 1.3 * leaves + 0.35


def largest(value_3N: Tensor) -> Tensor:
    """Index (N,) of the largest of three; torch's argmax takes 50 times as long along an axis of three."""
    x, y, z = value_3N
    return torch.where((x >= y) & (x >= z), 0, torch.where(y >= z, 1, 2))


def local_normals(shape: Tensor, local: Tensor) -> Tensor:
    """Outward normals (3, N) in unit coordinates at points `local` (3, N) on primitives of `shape` (N,)."""
    size = local.abs()
    axes = torch.arange(3, device=local.device)[:, None]
    cube = local.sign() * (largest(size) == axes)
    flat = torch.tensor([[1.0], [1.0], [0.0]], device=local.device)
    radial = local * flat
    on_cap = size[2] > torch.hypot(local[0], local[1])
    cylinder = torch.where(on_cap, local.sign() * (1 - flat), radial)
    ball = (shape == BALL) | (shape == FOLIAGE)
    plain = torch.where(shape == CUBE, cube, torch.where(ball, local, cylinder))
    odd = (shape >= PRISM) & (shape < FOLIAGE)
    if bool(odd.any()):
        plain[:, odd] = _sloped_normals(shape[odd], local[:, odd])
    return plain


def _sloped_normals(shape: Tensor, local: Tensor) -> Tensor:
    """Outward normals (3, M) on prisms, tapers and cones: of the face that the point lies nearest to."""
    x, y, z = local
    zero = torch.zeros_like(x)
    slope_x = torch.where(shape == TAPER, 0.25, 0.5)
    slope_y = torch.where(shape == TAPER, 0.25, 0.0)
    radius = torch.hypot(x, y).clamp(min=1e-6)
    is_round = shape == CONE
    gap_x = 1 - slope_x * (1 + z) - torch.where(is_round, radius, x.abs())
    gap_y = torch.where(is_round, torch.inf, 1 - slope_y * (1 + z) - y.abs())
    # The tip of a prism or a cone is no face.
    gap_z = torch.where((shape != TAPER) & (z > 0), torch.inf, 1 - z.abs())
    face = largest(-torch.stack([gap_x, gap_y, gap_z]).abs())
    side = [torch.where(is_round, x / radius, x.sign()), torch.where(is_round, y / radius, zero), slope_x]
    front, cap = torch.stack([zero, y.sign(), slope_y]), torch.stack([zero, zero, z.sign()])
    return torch.where(face == 0, torch.stack(side), torch.where(face == 1, front, cap))
