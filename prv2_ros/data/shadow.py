"""Shadows of the key light: a depth map from the light, laid over what the camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prv2_ros.data.raycast import Pinhole, cast
from prv2_ros.data.scene import Scene

_MAP_PX = 320
_TAPS = ((-0.4, -0.9), (0.9, -0.4), (0.5, 0.4), (-0.3, 0.3))


@dataclass(frozen=True, kw_only=True)
class ShadowMap:
    """Depth of the first surface from the light."""

    nearest_m: Tensor
    """(S, S) depth (m) along the light's axis; 1e9 where nothing is met."""

    camera: Pinhole
    rotation_33: Tensor
    """World to the light's axes (rows)."""

    origin_3: Tensor
    """The light (m)."""

    softness_m: float
    """Radius of the soft edge, at the target."""

    @classmethod
    def of(cls, scene: Scene, seen_3N: Tensor) -> ShadowMap:
        """Cast the map over the seen points (m), within the light's spread around its target."""
        lighting, device = scene.lighting, seen_3N.device
        key = np.asarray(lighting.key_position, np.float64)
        forward = np.asarray(lighting.key_target, np.float64) - key
        reach = float(np.linalg.norm(forward))
        forward /= reach
        right = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = torch.from_numpy(np.stack([right, np.cross(forward, right), forward])).float().to(device)
        origin = torch.from_numpy(key).float().to(device)
        local = rotation @ (seen_3N - origin[:, None])
        tangent = local[:2] / local[2].clamp(min=1e-3)
        limit = lighting.key_spread_m / reach
        inside = tangent[:, (tangent.abs().amax(0) < limit) & (local[2] > 0)]
        low, high = (inside.amin(1), inside.amax(1)) if inside.numel() else tangent.new_zeros(2, 2)
        extent = max(float((high - low).max()) * 1.02, 0.02 * limit)
        f_px = _MAP_PX / extent
        cx, cy = ((_MAP_PX - 1) / 2 - (low + high) / 2 * f_px).tolist()
        camera = Pinhole(width=_MAP_PX, height=_MAP_PX, fx=f_px, fy=f_px, cx=cx, cy=cy)
        depth = cast(scene.primitives.moved(rotation, origin), camera).depth_HW
        return cls(
            nearest_m=torch.nan_to_num(depth, posinf=1e9),
            camera=camera,
            rotation_33=rotation,
            origin_3=origin,
            softness_m=max(lighting.softness_m, 1.5 * extent * reach / _MAP_PX),
        )

    def share(self, position_3N: Tensor, normal_3N: Tensor) -> Tensor:
        """Share (N,) of the key light that arrives at points (m) on surfaces with these normals."""
        origin = self.origin_3[:, None]
        texel_m = (self.rotation_33[2] @ (position_3N - origin)).clamp(min=1e-3) / self.camera.fx
        # Offset along the normal by a few shadow texels, or flat surfaces would shade themselves in stripes.
        lifted = position_3N + normal_3N * (2.0 * texel_m + 0.7 * self.softness_m)
        x, y, depth = self.rotation_33 @ (lifted - origin)
        z = depth.clamp(min=1e-3)
        u, v = x / z * self.camera.fx + self.camera.cx + 0.5, y / z * self.camera.fx + self.camera.cy + 0.5
        radius = (self.softness_m / texel_m).clamp(max=0.1 * _MAP_PX)
        # The taps are turned by another angle at each point: an edge becomes grain instead of stairs.
        hashed = (position_3N * position_3N.new_tensor([[127.1], [311.7], [74.7]])).sum(0)
        angle = (torch.sin(hashed) * 43758.5453) % 6.2832
        cos, sin = angle.cos() * radius, angle.sin() * radius
        flat, last = self.nearest_m.view(-1), _MAP_PX - 1
        share = torch.zeros_like(z)
        bound = z - 0.5 * texel_m
        for dx, dy in _TAPS:
            column = (u + dx * cos - dy * sin).int().clamp(0, last)
            row = (v + dx * sin + dy * cos).int().clamp(0, last)
            share += (bound < flat.index_select(0, row * _MAP_PX + column)).float()
        outside = (u < 0) | (v < 0) | (u > _MAP_PX) | (v > _MAP_PX) | (depth <= 0)
        return torch.where(outside, 1.0, share / len(_TAPS))
