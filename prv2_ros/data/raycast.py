"""Exact ray casting of many primitives, vectorised over pixels and primitives in plain torch.

Every primitive is a unit shape within [-1, 1]^3 under an affine map, so one ray transform serves all shapes and the
ray parameter is kept. Rays leave one origin with a z component of 1 in the camera's frame, so the ray parameter *is*
the depth along z. The image is cut into blocks. A block meets only the primitives whose projection touches it
(separating axes), nearest first, and skips those that begin behind the farthest hit it has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from prv2_ros.data.shapes import KINDS, NEAR_M, distance

_BLOCK_PX = 16
_PAIRS_AT_ONCE = 512  # pairs of block and primitive: temporaries of half a megabyte stay in the cache
_ROUNDS = (3, 6, 12, 1 << 30)
"""Pairs of one block in each round: what the near ones hide needs no look."""

_MISS = torch.iinfo(torch.int64).max
_FREE = 0x7F800000 << 32  # keys from here on stand for no hit: an infinite depth


@dataclass(frozen=True, kw_only=True)
class Primitives:
    """N shapes in one frame (metres)."""

    shape: Tensor
    """(N,) int64: CUBE, BALL, CYLINDER (axis along local z), ..."""

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
    """The camera that rays are cast through; pixel centres at whole numbers."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    k1: float = 0.0
    """Radial distortion that a rectification has left: a pixel's ray leaves at (1 + k1 r^2) times the ideal one's r."""

    def bend_px(self) -> float:
        """Bound of the distortion's shift (px) within the image."""
        if self.k1 == 0:
            return 0.0
        x = max(abs(self.cx), abs(self.width - self.cx)) / self.fx
        y = max(abs(self.cy), abs(self.height - self.cy)) / self.fy
        return 1.2 * abs(self.k1) * math.hypot(x, y) ** 3 * max(self.fx, self.fy)


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
    if camera.k1:
        bend = 1 + camera.k1 * (x * x + y * y)
        x, y = x * bend, y * bend
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
        k1=camera.k1,
    )
    directions = rays(padded, device)
    blocked = directions.view(blocks_y, _BLOCK_PX, blocks_x, _BLOCK_PX, 3).permute(0, 2, 4, 1, 3)
    blocked = blocked.reshape(blocks_y * blocks_x, 3, _BLOCK_PX**2)

    inverse = torch.linalg.inv(primitives.linear.double()).float()
    origin_local = -(inverse @ primitives.centre[..., None])[..., 0]
    best = torch.full((blocks_y * blocks_x, _BLOCK_PX**2), _MISS, dtype=torch.int64, device=device)
    block_of, prim_of, nearest_of = _pairs(primitives, camera, blocks_y, blocks_x)
    order = torch.argsort(nearest_of)
    order = order[torch.argsort(block_of[order], stable=True)]
    block_of, prim_of, nearest_of = block_of[order], prim_of[order], nearest_of[order]
    rank = torch.arange(len(order), device=device) - torch.searchsorted(block_of, block_of)
    start = 0
    for count in _ROUNDS:
        farthest = (best.amax(1) >> 32).int().view(torch.float32)[block_of]  # NaN where a ray is still free
        round_of = (rank >= start) & (rank < start + count) & ~(nearest_of > farthest)
        start += count
        for shape in range(KINDS):
            chosen = torch.nonzero(round_of & (primitives.shape[prim_of] == shape))[:, 0]
            for part in chosen.split(_PAIRS_AT_ONCE):
                block, prim = block_of[part], prim_of[part]
                t = distance(shape, origin_local[prim], torch.bmm(inverse[prim], blocked[block]), prim)
                # Positive floats order like their bits, so one integer minimum finds distance and index together.
                key = (t.view(torch.int32).long() << 32).add_(prim[:, None])
                best.scatter_reduce_(0, block[:, None].expand_as(key), key, "amin")
        if start >= len(order):
            break

    def unblock(value: Tensor) -> Tensor:
        grid = value.view(blocks_y, blocks_x, _BLOCK_PX, _BLOCK_PX).permute(0, 2, 1, 3)
        return grid.reshape(padded.height, padded.width)[: camera.height, : camera.width]

    best = unblock(best)
    hit = best < _FREE
    index = torch.where(hit, best & 0xFFFFFFFF, -1)
    depth = torch.where(hit, (best >> 32).int().view(torch.float32), torch.inf)
    safe, t = index.clamp(min=0), torch.where(hit, depth, 0.0)
    direction = directions[: camera.height, : camera.width]
    local = origin_local[safe] + t[..., None] * torch.einsum("hwij,hwj->hwi", inverse[safe], direction)
    return Hits(depth_HW=depth, index_HW=index, local_HW3=local)


def _pairs(primitives: Primitives, camera: Pinhole, blocks_y: int, blocks_x: int) -> tuple[Tensor, Tensor, Tensor]:
    """List (block, primitive) pairs whose projections may overlap, and the primitives' least depth (m)."""
    device = primitives.centre.device
    sign = torch.tensor([-1.0, 1.0], device=device)
    corners = torch.cartesian_prod(sign, sign, sign)
    points = torch.einsum("nij,cj->nci", primitives.linear, corners) + primitives.centre[:, None]
    z = points[..., 2]
    ahead = z > NEAR_M
    scale = z.clamp(min=NEAR_M)
    u = points[..., 0] / scale * camera.fx + camera.cx
    v = points[..., 1] / scale * camera.fy + camera.cy
    crosses = ~ahead.all(1)  # partly behind the camera: its projection is unbounded
    margin_px = 1.0 + camera.bend_px()
    low_x, high_x = _span(u, crosses, blocks_x, margin_px)
    low_y, high_y = _span(v, crosses, blocks_y, margin_px)
    bx = torch.arange(blocks_x, device=device)
    by = torch.arange(blocks_y, device=device)
    in_x = (bx >= low_x[:, None]) & (bx <= high_x[:, None]) & ahead.any(1)[:, None]
    in_y = (by >= low_y[:, None]) & (by <= high_y[:, None])
    prim, row, column = torch.nonzero(in_y[:, :, None] & in_x[:, None, :], as_tuple=True)
    apart = _separated(u, v, prim, (row + 0.5) * _BLOCK_PX, (column + 0.5) * _BLOCK_PX, margin_px)
    keep = crosses[prim] | ~apart
    prim, row, column = prim[keep], row[keep], column[keep]
    return row * blocks_x + column, prim, z.amin(1)[prim] * (1 - 1e-5)


def _separated(u: Tensor, v: Tensor, prim: Tensor, middle_v: Tensor, middle_u: Tensor, margin_px: float) -> Tensor:
    """Tell which blocks a line parallel to a projected edge keeps apart from the corners' hull."""
    apart = torch.zeros_like(prim, dtype=torch.bool)
    for other in (4, 2, 1):  # the corners that differ from corner 0 in one coordinate
        normal_u, normal_v = v[:, 0] - v[:, other], u[:, other] - u[:, 0]
        length = (normal_u.abs() + normal_v.abs()).clamp(min=1e-6)
        normal_u, normal_v = normal_u / length, normal_v / length
        along = u * normal_u[:, None] + v * normal_v[:, None]
        middle = middle_u * normal_u[prim] + middle_v * normal_v[prim]
        reach = _BLOCK_PX / 2 + margin_px  # of a square over a direction of unit 1-norm
        apart |= (middle + reach < along.amin(1)[prim]) | (middle - reach > along.amax(1)[prim])
    return apart


def _span(pixels: Tensor, crosses: Tensor, blocks: int, margin_px: float) -> tuple[Tensor, Tensor]:
    """First and last block that the projected corners (N, 8) reach; all blocks where `crosses`."""
    low = torch.where(crosses, 0.0, ((pixels.amin(1) - margin_px) / _BLOCK_PX).floor())
    high = torch.where(crosses, float(blocks), ((pixels.amax(1) + margin_px) / _BLOCK_PX).floor())
    return low, high
