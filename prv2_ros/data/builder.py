"""A scene under construction: shapes and materials are collected and frozen into tensors at the end."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from prv2_ros.data import textures
from prv2_ros.data.raycast import Primitives
from prv2_ros.data.scene import Lighting, Material, Pose, Scene
from prv2_ros.data.shapes import BALL, CONE, CUBE, CYLINDER, FOLIAGE, PRISM, TAPER

Vector = Sequence[float] | NDArray[np.float64]
Axes = tuple[float, float, float, float, float, float, float, float, float]
"""Rows of a 3x3 matrix."""

_KINDS: tuple[int, ...] = (
    textures.NOISE,
    textures.TILES,
    textures.PLANKS,
    textures.STRIPES,
    textures.CELLS,
    textures.SPECKLE,
)
_KINDS += (textures.POSTER, textures.CHECKER, textures.WEAVE, textures.BRICK)
_WEIGHTS = np.cumsum([8, 1, 2, 1, 1, 3, 2, 0.4, 1, 0.5])


@dataclass
class SceneBuilder:
    """Collects shapes; `rng` decides every random choice."""

    rng: np.random.Generator
    shapes: list[int] = field(default_factory=list)
    linears: list[Axes] = field(default_factory=list)
    centres: list[tuple[float, float, float]] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def add(self, shape: int, centre: Vector, linear: Axes, material: Material) -> None:
        """Add one unit shape under an affine map."""
        self.shapes.append(shape)
        self.centres.append((float(centre[0]), float(centre[1]), float(centre[2])))
        self.linears.append(linear)
        self.materials.append(material)

    def box(self, centre: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Box of full `size` (m) turned by `yaw` (rad) about the vertical."""
        self.add(CUBE, centre, upright_axes(yaw, size[0] / 2, size[1] / 2, size[2] / 2), material)

    def standing_box(self, base: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Box whose base centre is `base`."""
        self.box((base[0], base[1], base[2] + size[2] / 2), size, material, yaw)

    def ball(self, centre: Vector, radii: Vector, material: Material, yaw: float = 0.0) -> None:
        """Ellipsoid with semi-axes `radii` (m)."""
        self.add(BALL, centre, upright_axes(yaw, radii[0], radii[1], radii[2]), material)

    def leaves(self, centre: Vector, radii: Vector, material: Material, yaw: float = 0.0) -> None:
        """Clump of leaves: the skin of an ellipsoid, with holes."""
        self.add(FOLIAGE, centre, upright_axes(yaw, radii[0], radii[1], radii[2]), material)

    def roof(self, base: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Gable roof of full `size` over `base`; the ridge runs along its second side."""
        centre = (base[0], base[1], base[2] + size[2] / 2)
        self.add(PRISM, centre, upright_axes(yaw, size[0] / 2, size[1] / 2, size[2] / 2), material)

    def taper(self, base: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Box of full `size` over `base` that narrows to half its width and depth; a negative height widens upwards."""
        centre = (base[0], base[1], base[2] + abs(size[2]) / 2)
        self.add(TAPER, centre, upright_axes(yaw, size[0] / 2, size[1] / 2, size[2] / 2), material)

    def cone(self, base: Vector, radius: float, height: float, material: Material) -> None:
        """Cone that stands on `base`."""
        centre = (base[0], base[1], base[2] + height / 2)
        self.add(CONE, centre, upright_axes(0.0, radius, radius, height / 2), material)

    def rod(self, start: Vector, end: Vector, radius: float, material: Material) -> None:
        """Cylinder from `start` to `end` (m)."""
        hx, hy, hz = (end[0] - start[0]) / 2, (end[1] - start[1]) / 2, (end[2] - start[2]) / 2
        length = max(math.sqrt(hx * hx + hy * hy + hz * hz), 1e-4)
        ax, ay, az = hx / length, hy / length, hz / length
        flat = math.hypot(ax, ay)
        # A level side axis, unless the rod itself is upright.
        sx, sy = (ay / flat, -ax / flat) if flat > 1e-6 else (1.0, 0.0)
        tx, ty, tz = -az * sy, az * sx, ax * sy - ay * sx
        r = radius
        linear = (sx * r, tx * r, hx, sy * r, ty * r, hy, 0.0, tz * r, hz if flat > 1e-6 or hz else length)
        centre = (start[0] + hx, start[1] + hy, start[2] + hz)
        self.add(CYLINDER, centre, linear, material)

    def upright(self, base: Vector, radius: float, height: float, material: Material) -> None:
        """Cylinder standing on `base`."""
        self.rod(base, (base[0], base[1], base[2] + height), radius, material)

    def colour(self, saturation: float = 0.3, darkest: float = 0.03, brightest: float = 0.85) -> NDArray[np.float64]:
        """Random linear RGB, mostly muted as real surfaces are."""
        hue, value = self.rng.uniform(), math.exp(self.rng.uniform(math.log(darkest), math.log(brightest)))
        return np.array(colorsys.hsv_to_rgb(hue, min(0.95, abs(self.rng.normal(0, saturation))), value))

    def material(
        self,
        kind: int | None = None,
        *,
        repeat_m: float | None = None,
        base: Vector | None = None,
        contrast: float | None = None,
        specular: float | None = None,
        emission: float = 0.0,
        grain: float | None = None,
    ) -> Material:
        """Random material; what is given is kept."""
        rng = self.rng
        if kind is None:
            kind = _KINDS[int(np.searchsorted(_WEIGHTS, rng.uniform(0, _WEIGHTS[-1])))]
        middle = self.colour() if base is None else base
        spread = abs(rng.normal(0, 0.5)) if contrast is None else contrast
        tint = rng.normal(0, 0.12 if spread > 0.08 else 0.02, 3)
        low, high = math.exp(-spread), math.exp(spread * 0.6)
        u = rng.uniform(0, 1, 4)
        return Material(
            texture=kind * textures.VARIANTS + int(u[0] * textures.VARIANTS),
            dark=_rgb(middle[0] * low, middle[1] * low, middle[2] * low),
            light=_rgb(*(middle[k] * high * math.exp(tint[k]) for k in range(3))),
            repeat_m=0.15 * math.exp(2.8 * u[1]) if repeat_m is None else repeat_m,
            specular=(max(0.0, u[2] - 0.65) * 1.7) if specular is None else specular,
            gloss=math.exp(1.5 + 3.5 * u[3]),
            emission=emission,
            grain=min(0.8, float(rng.exponential(0.13))) if grain is None else grain,
        )

    def build(self, kind: str, lighting: Lighting, pose: Pose) -> Scene:
        """Freeze into tensors."""
        columns = {name: torch.tensor([getattr(m, name) for m in self.materials]) for name in ("texture", "stains")}
        for name in ("dark", "light", "repeat_m", "specular", "gloss", "emission", "grain", "fine", "hard"):
            columns[name] = torch.tensor([getattr(m, name) for m in self.materials], dtype=torch.float32)
        primitives = Primitives(
            shape=torch.tensor(self.shapes),
            linear=torch.tensor(self.linears, dtype=torch.float32).view(-1, 3, 3),
            centre=torch.tensor(self.centres, dtype=torch.float32),
        )
        return Scene(kind=kind, primitives=primitives, materials=columns, lighting=lighting, pose=pose)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A spot on a surface with an orientation: things are composed in its axes (x right, y back, z up; metres)."""

    b: SceneBuilder
    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0

    def world(self, p: Vector) -> tuple[float, float, float]:
        """World coordinates of a local point."""
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        return self.x + c * p[0] - s * p[1], self.y + s * p[0] + c * p[1], self.z + p[2]

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> Place:
        """Spot at local coordinates, turned by `yaw` (rad)."""
        wx, wy, wz = self.world((x, y, z))
        return Place(b=self.b, x=wx, y=wy, z=wz, yaw=self.yaw + yaw)

    def box(self, base: Vector, size: Vector, m: Material, yaw: float = 0.0) -> None:
        """Box that stands on `base`."""
        self.b.standing_box(self.world(base), size, m, self.yaw + yaw)

    def taper(self, base: Vector, size: Vector, m: Material) -> None:
        """Narrowing box that stands on `base`; a negative height widens upwards."""
        self.b.taper(self.world(base), size, m, self.yaw)

    def ball(self, centre: Vector, radii: Vector, m: Material) -> None:
        """Ellipsoid."""
        self.b.ball(self.world(centre), radii, m, self.yaw)

    def rod(self, start: Vector, end: Vector, radius: float, m: Material) -> None:
        """Cylinder between two local points."""
        self.b.rod(self.world(start), self.world(end), radius, m)

    def upright(self, base: Vector, radius: float, height: float, m: Material) -> None:
        """Cylinder that stands on `base`."""
        self.b.upright(self.world(base), radius, height, m)

    def tilted(self, centre: Vector, size: Vector, tilt: float, m: Material) -> None:
        """Box of full `size` whose top leans back by `tilt` (rad)."""
        c, s = math.cos(tilt), math.sin(tilt)
        cy, sy = math.cos(self.yaw), math.sin(self.yaw)
        w, d, h = size[0] / 2, size[1] / 2, size[2] / 2
        # Columns: right, back (tilted down), up (tilted back).
        linear = (cy * w, -sy * c * d, -sy * s * h, sy * w, cy * c * d, cy * s * h, 0.0, -s * d, c * h)
        self.b.add(CUBE, self.world(centre), linear, m)


def upright_axes(yaw: float, x: float, y: float, z: float) -> Axes:
    """Semi-axes `x`, `y`, `z` turned by `yaw` (rad) about the vertical."""
    c, s = math.cos(yaw), math.sin(yaw)
    return (float(c * x), float(-s * y), 0.0, float(s * x), float(c * y), 0.0, 0.0, 0.0, float(z))


def _rgb(r: float, g: float, b: float) -> tuple[float, float, float]:
    return min(max(r, 0.004), 0.95), min(max(g, 0.004), 0.95), min(max(b, 0.004), 0.95)
