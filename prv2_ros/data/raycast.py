"""Exact ray casting of many primitives, vectorised over pixels and primitives in plain torch.

Every primitive is a unit shape within [-1, 1]^3 under an affine map, so one ray transform serves all shapes and the
ray parameter is kept. Rays leave one origin with a z component of 1 in the camera's frame, so the ray parameter *is*
the depth along z. The image is cut into blocks, and a block meets only the primitives whose projection touches it
(separating axes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prv2_ros.data.shapes import KINDS, NEAR_M, distance

_BLOCK_PX = 16
_PAIRS_AT_ONCE = 512  # pairs of block and primitive: temporaries of half a megabyte stay in a CPU's cache
_PAIRS_AT_ONCE_GPU = 16_384  # a GPU waits for the launches of small ones
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


def rays(camera: Pinhole, device: torch.device) -> Tensor:
    """Ray directions (H, W, 3) with z = 1."""
    x, y, bend = _slopes(camera, device)
    x, y = torch.broadcast_tensors(x[None, :] * bend, y[:, None] * bend)
    return torch.stack([x, y, torch.ones_like(x)], -1)


def _slopes(camera: Pinhole, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Slopes x (W,) and y (H,) of an ideal camera's rays, and the factor (H, W), or 1, by which the lens bends them."""
    x = (torch.arange(camera.width, device=device, dtype=torch.float32) - camera.cx) / camera.fx
    y = (torch.arange(camera.height, device=device, dtype=torch.float32) - camera.cy) / camera.fy
    if camera.k1 == 0:
        return x, y, torch.ones(1, 1, device=device)
    return x, y, 1 + camera.k1 * (x[None, :] ** 2 + y[:, None] ** 2)


def cast(primitives: Primitives, camera: Pinhole) -> Hits:
    """Meet every pixel's ray with the nearest primitive (in the camera's optical frame).

    A ray that starts inside a shape meets it from within, which is how a room is one cube.
    """
    device = primitives.centre.device
    rows, columns = -(-camera.height // _BLOCK_PX), -(-camera.width // _BLOCK_PX)
    padded = replace(camera, width=columns * _BLOCK_PX, height=rows * _BLOCK_PX)
    x, y, bend = _slopes(padded, device)
    x, y = x.view(columns, 1, _BLOCK_PX), y.view(rows, _BLOCK_PX, 1)
    bent = camera.k1 != 0
    if bent:
        bend = bend.view(rows, _BLOCK_PX, columns, _BLOCK_PX).transpose(1, 2)

    inverse = torch.linalg.inv(primitives.linear.double())
    origin_local = -(inverse @ primitives.centre[..., None].double())[..., 0].float()
    inverse = inverse.float()
    best = torch.full((rows * columns, _BLOCK_PX**2), _MISS, dtype=torch.int64, device=device)
    row_of, column_of, prim_of = _pairs(primitives, camera, rows, columns)
    at_once = _PAIRS_AT_ONCE if device.type == "cpu" else _PAIRS_AT_ONCE_GPU
    for shape in range(KINDS):
        chosen = torch.nonzero(primitives.shape[prim_of] == shape)[:, 0]
        for part in chosen.split(at_once):
            row, column, prim = row_of[part], column_of[part], prim_of[part]
            to_local = inverse[prim][..., None, None]
            x_part, y_part = x[column], y[row]
            direction = []
            for axis in range(3):
                flat = to_local[:, axis, 0] * x_part + to_local[:, axis, 1] * y_part
                if bent:
                    flat *= bend[row, column]
                direction.append((flat + to_local[:, axis, 2]).flatten(1))
            t = distance(shape, origin_local[prim], direction, prim)
            # Positive floats order like their bits, so one integer minimum finds distance and index together.
            key = (t.view(torch.int32).long() << 32).add_(prim[:, None])
            best.scatter_reduce_(0, (row * columns + column)[:, None].expand_as(key), key, "amin")

    grid = best.view(rows, columns, _BLOCK_PX, _BLOCK_PX).permute(0, 2, 1, 3)
    best = grid.reshape(padded.height, padded.width)[: camera.height, : camera.width]
    hit = best < _FREE
    index = torch.where(hit, best & 0xFFFFFFFF, -1)
    depth = torch.where(hit, (best >> 32).int().view(torch.float32), torch.inf)
    return Hits(depth_HW=depth, index_HW=index)


def _pairs(primitives: Primitives, camera: Pinhole, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """List row and column of the block and the primitive of each pair whose projections may overlap."""
    device = primitives.centre.device
    sign = torch.tensor([-1.0, 1.0], device=device)
    corners = torch.cartesian_prod(sign, sign, sign)
    points = torch.einsum("nij,cj->nci", primitives.linear, corners) + primitives.centre[:, None]
    z = points[..., 2]
    ahead = z > NEAR_M
    margin_px = 1.0 + camera.bend_px()
    in_x = _in_strips(points[..., 0], z, columns, camera.cx, camera.fx, margin_px) & ahead.any(1)[:, None]
    in_y = _in_strips(points[..., 1], z, rows, camera.cy, camera.fy, margin_px)
    prim, row, column = torch.nonzero(in_y[:, :, None] & in_x[:, None, :], as_tuple=True)
    scale = z.clamp(min=NEAR_M)
    u = points[..., 0] / scale * camera.fx + camera.cx
    v = points[..., 1] / scale * camera.fy + camera.cy
    apart = _separated(u, v, prim, (row + 0.5) * _BLOCK_PX, (column + 0.5) * _BLOCK_PX, margin_px)
    keep = ~ahead.all(1)[prim] | ~apart  # what is partly behind the camera has no bounded projection
    return row[keep], column[keep], prim[keep]


def _in_strips(across: Tensor, z: Tensor, blocks: int, centre_px: float, f_px: float, margin_px: float) -> Tensor:
    """Tell (N, blocks) which corners (N, 8) do not all lie beyond one of the two planes that bound a row or column."""
    edges = torch.arange(blocks + 1, device=z.device) * _BLOCK_PX - 0.5 - centre_px
    low = ((edges[:-1] - margin_px) / f_px)[:, None]
    high = ((edges[1:] + margin_px) / f_px)[:, None]
    across, z = across[:, None], z[:, None]
    return (across > low * z).any(-1) & (across < high * z).any(-1)


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
