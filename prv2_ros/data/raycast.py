"""Exact ray casting of many convex primitives, vectorised over pixels and primitives in plain torch.

Every primitive is a unit shape (cube, ball or cylinder within [-1, 1]^3) under an affine map, so one ray transform
serves all shapes and the ray parameter is kept. Rays leave one origin with a z component of 1 in the camera's
frame, so the ray parameter *is* the depth along z. The image is cut into blocks, and a block only meets the
primitives whose projected bounds touch it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CUBE, BALL, CYLINDER = 0, 1, 2
_NEAR_M = 0.02
_BLOCK_PX = 16
_PAIRS_AT_ONCE = 2048  # pairs of block and primitive: temporaries of a few MB stay in the cache
_MISS = torch.iinfo(torch.int64).max


@dataclass(frozen=True, kw_only=True)
class Primitives:
    """N convex shapes in one frame (metres)."""

    shape: Tensor
    """(N,) int64: CUBE, BALL or CYLINDER (axis along local z)."""

    linear: Tensor
    """(N, 3, 3) local to frame: x = linear @ local + centre."""

    centre: Tensor
    """(N, 3) m."""

    def moved(self, rotation_33: Tensor, origin_3: Tensor) -> Primitives:
        """Express in a frame with axes `rotation_33` (rows, in this frame) and this origin."""
        return Primitives(
            shape=self.shape,
            linear=rotation_33 @ self.linear,
            centre=(self.centre - origin_3) @ rotation_33.T,
        )


@dataclass(frozen=True, kw_only=True)
class Pinhole:
    """The ideal camera that rays are cast through; pixel centres at whole numbers."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, kw_only=True)
class Hits:
    """What each pixel's ray meets first."""

    depth_HW: Tensor
    """Depth along z in metres, inf where nothing is met."""

    index_HW: Tensor
    """int64 index of the primitive, -1 where nothing is met."""

    local_HW3: Tensor
    """Hit point in the primitive's unit coordinates."""


def rays(camera: Pinhole, device: torch.device) -> Tensor:
    """Ray directions (H, W, 3) with z = 1."""
    u = (torch.arange(camera.width, device=device, dtype=torch.float32) - camera.cx) / camera.fx
    v = (torch.arange(camera.height, device=device, dtype=torch.float32) - camera.cy) / camera.fy
    x, y = torch.broadcast_tensors(u[None, :], v[:, None])
    return torch.stack([x, y, torch.ones_like(x)], -1)


def cast(primitives: Primitives, camera: Pinhole) -> Hits:
    """Meet every pixel's ray with the nearest primitive (in the camera's optical frame).

    A ray that starts inside a shape meets it from within, which is how a room is one cube.
    """
    device = primitives.centre.device
    blocks_y = -(-camera.height // _BLOCK_PX)
    blocks_x = -(-camera.width // _BLOCK_PX)
    padded = Pinhole(
        width=blocks_x * _BLOCK_PX,
        height=blocks_y * _BLOCK_PX,
        fx=camera.fx,
        fy=camera.fy,
        cx=camera.cx,
        cy=camera.cy,
    )
    directions = rays(padded, device)
    blocked = directions.view(blocks_y, _BLOCK_PX, blocks_x, _BLOCK_PX, 3).permute(0, 2, 4, 1, 3)
    blocked = blocked.reshape(blocks_y * blocks_x, 3, _BLOCK_PX**2)

    inverse = torch.linalg.inv(primitives.linear.double()).float()
    origin_local = -(inverse @ primitives.centre[..., None])[..., 0]
    best = torch.full((blocks_y * blocks_x, _BLOCK_PX**2), _MISS, dtype=torch.int64, device=device)
    block_of, prim_of = _pairs(primitives, camera, blocks_y, blocks_x)
    for shape in (CUBE, BALL, CYLINDER):
        chosen = torch.nonzero(primitives.shape[prim_of] == shape)[:, 0]
        for part in chosen.split(_PAIRS_AT_ONCE):
            block, prim = block_of[part], prim_of[part]
            t = _distance(shape, origin_local[prim], inverse[prim] @ blocked[block])
            # Positive floats order like their bits, so one integer minimum finds distance and index together.
            key = (t.view(torch.int32).long() << 32) | prim[:, None]
            key = torch.where(torch.isfinite(t), key, _MISS)
            best.scatter_reduce_(0, block[:, None].expand_as(key), key, "amin")

    def unblock(value: Tensor) -> Tensor:
        grid = value.view(blocks_y, blocks_x, _BLOCK_PX, _BLOCK_PX).permute(0, 2, 1, 3)
        return grid.reshape(padded.height, padded.width)[: camera.height, : camera.width]

    best = unblock(best)
    hit = best != _MISS
    index = torch.where(hit, best & 0xFFFFFFFF, -1)
    depth = torch.where(hit, (best >> 32).int().view(torch.float32), torch.inf)
    safe, t = index.clamp(min=0), torch.where(hit, depth, 0.0)
    direction = directions[: camera.height, : camera.width]
    local = origin_local[safe] + t[..., None] * torch.einsum("hwij,hwj->hwi", inverse[safe], direction)
    return Hits(depth_HW=depth, index_HW=index, local_HW3=local)


def _pairs(primitives: Primitives, camera: Pinhole, blocks_y: int, blocks_x: int) -> tuple[Tensor, Tensor]:
    """List (block, primitive) pairs whose projected bounds overlap."""
    device = primitives.centre.device
    sign = torch.tensor([-1.0, 1.0], device=device)
    corners = torch.cartesian_prod(sign, sign, sign)
    points = torch.einsum("nij,cj->nci", primitives.linear, corners) + primitives.centre[:, None]
    z = points[..., 2]
    ahead = z > _NEAR_M
    scale = z.clamp(min=_NEAR_M)
    u = points[..., 0] / scale * camera.fx + camera.cx
    v = points[..., 1] / scale * camera.fy + camera.cy
    crosses = ~ahead.all(1)  # partly behind the camera: its projection is unbounded
    low_x, high_x = _span(u, crosses, blocks_x)
    low_y, high_y = _span(v, crosses, blocks_y)
    bx = torch.arange(blocks_x, device=device)
    by = torch.arange(blocks_y, device=device)
    in_x = (bx >= low_x[:, None]) & (bx <= high_x[:, None]) & ahead.any(1)[:, None]
    in_y = (by >= low_y[:, None]) & (by <= high_y[:, None])
    prim, row, column = torch.nonzero(in_y[:, :, None] & in_x[:, None, :], as_tuple=True)
    return row * blocks_x + column, prim


def _span(pixels: Tensor, crosses: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
    """First and last block that the projected corners (N, 8) reach; all blocks where `crosses`."""
    low = torch.where(crosses, 0.0, ((pixels.amin(1) - 1) / _BLOCK_PX).floor())
    high = torch.where(crosses, float(blocks), ((pixels.amax(1) + 1) / _BLOCK_PX).floor())
    return low, high


def _distance(shape: int, origin_P3: Tensor, direction_P3K: Tensor) -> Tensor:
    """Ray parameter (P, K) of the first hit beyond the near plane; inf for a miss."""
    o = origin_P3[..., None]
    if shape == CUBE:
        near, far = _slab(o, direction_P3K)
        near, far = near.amax(1), far.amin(1)
    elif shape == BALL:
        near, far = _quadric(o, direction_P3K)
    else:
        near, far = _quadric(o[:, :2], direction_P3K[:, :2])
        near_z, far_z = _slab(o[:, 2], direction_P3K[:, 2])
        near, far = torch.maximum(near, near_z), torch.minimum(far, far_z)
    t = torch.where(near > _NEAR_M, near, far)
    return torch.where((near <= far) & (t > _NEAR_M), t, torch.inf)


def _slab(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Interval in which each coordinate lies in [-1, 1]."""
    inverse = 1.0 / torch.where(direction.abs() < 1e-9, 1e-9, direction)
    middle, half = -origin * inverse, inverse.abs()
    return middle - half, middle + half


def _quadric(origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Interval in which the squared norm of origin + t * direction over dim 1 is at most 1."""
    a = (direction * direction).sum(1).clamp(min=1e-12)
    b = (origin * direction).sum(1)
    c = (origin * origin).sum(1) - 1.0
    root = (b * b - a * c).sqrt()  # NaN for a miss: every comparison with it is false
    return (-b - root) / a, (-b + root) / a


def local_normals(shape: Tensor, local: Tensor) -> Tensor:
    """Outward normal in unit coordinates at points `local` (..., 3) on primitives of `shape` (...)."""
    size = local.abs()
    cube = torch.nn.functional.one_hot(size.argmax(-1), 3).to(local.dtype) * local.sign()
    flat = torch.tensor([1.0, 1.0, 0.0], device=local.device)
    radial = local * flat
    on_cap = (size[..., 2] > radial.norm(dim=-1)).unsqueeze(-1)
    cylinder = torch.where(on_cap, (local - radial).sign(), radial)
    kind = shape.unsqueeze(-1)
    return torch.where(kind == CUBE, cube, torch.where(kind == BALL, local, cylinder))
