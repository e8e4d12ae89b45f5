"""A scene under construction and the finished one: shapes, materials, lights and a camera pose.

World frame: x right, y forward, z up, metres (the floor is z = 0).
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from prv2_ros.data import textures
from prv2_ros.data.raycast import BALL, CUBE, CYLINDER, Primitives

Vector = Sequence[float] | NDArray[np.float64]
_SURFACES = (
    (textures.NOISE, 5),
    (textures.TILES, 1),
    (textures.PLANKS, 2),
    (textures.STRIPES, 1),
    (textures.CELLS, 1),
    (textures.SPECKLE, 3),
    (textures.POSTER, 2),
    (textures.CHECKER, 0.4),
    (textures.WEAVE, 1),
    (textures.BRICK, 0.5),
)


@dataclass(frozen=True, kw_only=True)
class Material:
    """Look of a surface."""

    texture: int
    """Row of the texture bank."""

    dark: tuple[float, float, float]
    """Linear RGB where the texture is 0."""

    light: tuple[float, float, float]
    """Linear RGB where the texture is 1."""

    repeat_m: float = 1.0
    """Edge of one repeat of the texture in metres."""

    specular: float = 0.0
    """Strength of the highlight and of the mirrored surroundings, 0 to 1."""

    gloss: float = 20.0
    """Exponent of the highlight."""

    emission: float = 0.0
    """Light given off, as a multiple of the surface colour."""

    grain: float = 0.0
    """Depth of large stains and wear, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Lighting:
    """Sun or main lamp, fill lamps, surroundings and air."""

    key_position: tuple[float, float, float]
    """Where the light that casts shadows is (m); far away for the sun."""

    key_target: tuple[float, float, float]
    """What it shines at (m): the middle of its shadow map."""

    key_spread_m: float
    """Radius around the target that the shadow map covers (m)."""

    key_rgb: tuple[float, float, float]
    sky_rgb: tuple[float, float, float]
    """Radiance from above, and of the sky itself."""

    ground_rgb: tuple[float, float, float]
    """Radiance from below."""

    is_sun: bool = True
    """A sun does not weaken with distance; a lamp does."""

    lamps: tuple[tuple[float, float, float, float], ...] = ()
    """Fill lamps: x, y, z (m), strength."""

    fog_m: float = math.inf
    """Distance at which the air hides 63% of a surface."""

    clouds: float = 0.5
    """Contrast of the sky, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Camera position (m) and attitude (degrees): yaw to the left, pitch up, roll clockwise."""

    position: tuple[float, float, float]
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def rotation(self) -> NDArray[np.float64]:
        """World to optical axes (rows: right, down, forward), (3, 3)."""
        yaw, pitch, roll = (math.radians(a) for a in (self.yaw_deg, self.pitch_deg, self.roll_deg))
        forward = np.array([-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), math.sin(pitch)])
        right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
        down = np.cross(forward, right)
        c, s = math.cos(roll), math.sin(roll)
        return np.stack([c * right + s * down, c * down - s * right, forward])


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a picture follows from."""

    kind: str
    primitives: Primitives
    materials: dict[str, torch.Tensor]
    """Per primitive: texture (N,), dark, light (N, 3), repeat_m, specular, gloss, emission, grain (N,)."""

    lighting: Lighting
    pose: Pose

    def at(self, pose: Pose) -> Scene:
        """Give the same scene seen from elsewhere."""
        return replace(self, pose=pose)


@dataclass
class SceneBuilder:
    """Collects shapes; `rng` decides every random choice."""

    rng: np.random.Generator
    shapes: list[int] = field(default_factory=list)
    linears: list[NDArray[np.float64]] = field(default_factory=list)
    centres: list[NDArray[np.float64]] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def add(self, shape: int, centre: Vector, linear: NDArray[np.float64], material: Material) -> None:
        """Add one unit shape under an affine map."""
        self.shapes.append(shape)
        self.centres.append(np.asarray(centre, np.float64))
        self.linears.append(linear)
        self.materials.append(material)

    def box(self, centre: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Box of full `size` (m) turned by `yaw` (rad) about the vertical."""
        self.add(CUBE, centre, turn(yaw) * (np.asarray(size, np.float64) / 2), material)

    def standing_box(self, base: Vector, size: Vector, material: Material, yaw: float = 0.0) -> None:
        """Box whose base centre is `base`."""
        self.box((base[0], base[1], base[2] + size[2] / 2), size, material, yaw)

    def ball(self, centre: Vector, radii: Vector, material: Material, yaw: float = 0.0) -> None:
        """Ellipsoid with semi-axes `radii` (m)."""
        self.add(BALL, centre, turn(yaw) * np.asarray(radii, np.float64), material)

    def rod(self, start: Vector, end: Vector, radius: float, material: Material) -> None:
        """Cylinder from `start` to `end` (m)."""
        a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
        half = (b - a) / 2
        length = max(float(np.linalg.norm(half)), 1e-4)
        axis = half / length
        side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.9 else [1.0, 0.0, 0.0])
        side /= np.linalg.norm(side)
        linear = np.stack([side * radius, np.cross(axis, side) * radius, axis * length], 1)
        self.add(CYLINDER, (a + b) / 2, linear, material)

    def upright(self, base: Vector, radius: float, height: float, material: Material) -> None:
        """Cylinder standing on `base`."""
        self.rod(base, (base[0], base[1], base[2] + height), radius, material)

    def colour(self, saturation: float = 0.3, darkest: float = 0.03, brightest: float = 0.85) -> NDArray[np.float64]:
        """Random linear RGB, mostly muted as real surfaces are."""
        hue, value = self.rng.uniform(), np.exp(self.rng.uniform(math.log(darkest), math.log(brightest)))
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
    ) -> Material:
        """Random material; what is given is kept."""
        rng = self.rng
        if kind is None:
            kinds, weights = zip(*_SURFACES, strict=True)
            kind = int(rng.choice(kinds, p=np.array(weights) / sum(weights)))
        middle = self.colour() if base is None else np.asarray(base, np.float64)
        spread = abs(rng.normal(0, 0.5)) if contrast is None else contrast
        tint = np.exp(rng.normal(0, 0.12, 3))
        glossy = rng.uniform() < 0.35
        return Material(
            texture=kind * textures.VARIANTS + int(rng.integers(textures.VARIANTS)),
            dark=_rgb(middle * math.exp(-spread)),
            light=_rgb(middle * math.exp(spread * 0.6) * tint),
            repeat_m=math.exp(rng.uniform(math.log(0.15), math.log(2.5))) if repeat_m is None else repeat_m,
            specular=(rng.uniform(0.05, 0.6) if glossy else 0.0) if specular is None else specular,
            gloss=math.exp(rng.uniform(1.5, 5.0)),
            emission=emission,
            grain=min(0.8, float(rng.exponential(0.18))),
        )

    def build(self, kind: str, lighting: Lighting, pose: Pose) -> Scene:
        """Freeze into tensors."""
        columns: dict[str, torch.Tensor] = {"texture": torch.tensor([m.texture for m in self.materials])}
        for name in ("dark", "light", "repeat_m", "specular", "gloss", "emission", "grain"):
            columns[name] = torch.tensor([getattr(m, name) for m in self.materials], dtype=torch.float32)
        primitives = Primitives(
            shape=torch.tensor(self.shapes),
            linear=torch.from_numpy(np.stack(self.linears)).float(),
            centre=torch.from_numpy(np.stack(self.centres)).float(),
        )
        return Scene(kind=kind, primitives=primitives, materials=columns, lighting=lighting, pose=pose)


def turn(yaw: float) -> NDArray[np.float64]:
    """Rotation about the vertical by `yaw` (rad)."""
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _rgb(value: NDArray[np.float64]) -> tuple[float, float, float]:
    r, g, b = np.clip(value, 0.004, 0.95)
    return float(r), float(g), float(b)
