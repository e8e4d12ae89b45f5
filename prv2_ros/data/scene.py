"""What a picture follows from: shapes, materials, lights and a camera pose.

World frame: x right, y forward, z up, metres (the floor is z = 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from prv2_ros.data.raycast import Primitives


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

    stains: int = -1
    """Row of the texture bank that the stains follow; -1 for soft noise."""

    fine: float = 0.0
    """Depth of a finer pattern over the texture, for cameras close by, 0 to 1."""

    hard: float = 1.0
    """How many times the texture, the stains and the finer pattern are spread about their middles: above 2, soft noise
    becomes patches with edges."""


@dataclass(frozen=True, kw_only=True)
class Sky:
    """What is seen of the sky; what it lights is `Lighting.sky_rgb`."""

    zenith_rgb: tuple[float, float, float] = (0.25, 0.42, 0.8)
    horizon_rgb: tuple[float, float, float] = (0.8, 0.9, 1.0)
    falloff: float = 3.0
    """How quickly the horizon's colour gives way to the zenith's."""

    cover: float = 0.0
    """Share of the sky that clouds hide, 0 to 1."""

    cloud_rgb: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cloud_depth: float = 0.4
    """How much darker the thick middle of a cloud is, 0 to 1."""

    cloud_edge: float = 4.0
    """Sharpness of the edges."""

    cloud_scale: float = 0.15
    cloud_shift: float = 0.0
    cloud_texture: int = 0


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
    """Radiance from above."""

    ground_rgb: tuple[float, float, float]
    """Radiance from below."""

    is_sun: bool = True
    """A sun does not weaken with distance; a lamp does."""

    lamps: tuple[tuple[float, float, float, float], ...] = ()
    """Fill lamps: x, y, z (m), strength."""

    fog_m: float = math.inf
    """Distance at which the air hides 63% of a surface."""

    softness_m: float = 0.0
    """Radius of the shadows' soft edge (m); at least a texel of the shadow map."""

    sky: Sky = Sky()


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
    """Per primitive: texture, stains (N,), dark, light (N, 3), and (N,) of the others that `Material` names."""

    lighting: Lighting
    pose: Pose
    lens_k1: float = 0.0
    """Radial distortion that the camera's rectification has left."""

    def at(self, pose: Pose) -> Scene:
        """Give the same scene seen from elsewhere."""
        return replace(self, pose=pose)
