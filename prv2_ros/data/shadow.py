"""Shadows of the key light: a depth map from the light, laid over what the camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
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
    def of(cls, scene: Scene, seen_N3: Tensor) -> ShadowMap:
        """Cast the map over the seen points (m), within the light's spread around its target."""
        lighting, device = scene.lighting, seen_N3.device
        key = np.asarray(lighting.key_position, np.float64)
        forward = np.asarray(lighting.key_target, np.float64) - key
        reach = float(np.linalg.norm(forward))
        forward /= reach
        right = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        rotation = torch.from_numpy(np.stack([right, np.cross(forward, right), forward])).float().to(device)
        origin = torch.from_numpy(key).float().to(device)
        local = (seen_N3 - origin) @ rotation.T
        tangent = local[:, :2] / local[:, 2:].clamp(min=1e-3)
        limit = lighting.key_spread_m / reach
        inside = tangent[(tangent.abs().amax(1) < limit) & (local[:, 2] > 0)]
        low, high = (inside.amin(0), inside.amax(0)) if len(inside) else (tangent.new_zeros(2), tangent.new_zeros(2))
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

    def share(self, position_N3: Tensor, normal_N3: Tensor) -> Tensor:
        """Share (N,) of the key light that arrives at points (m) on surfaces with these normals."""
        depth = ((position_N3 - self.origin_3) @ self.rotation_33[2]).clamp(min=1e-3)
        texel_m = (depth / self.camera.fx)[:, None]
        # Offset along the normal by a few shadow texels, or flat surfaces would shade themselves in stripes.
        local = (position_N3 + normal_N3 * (2.0 * texel_m + 0.7 * self.softness_m) - self.origin_3) @ self.rotation_33.T
        z = local[:, 2].clamp(min=1e-3)
        middle = torch.tensor([self.camera.cx, self.camera.cy], device=z.device) + 0.5
        uv = (local[:, :2] / z[:, None] * self.camera.fx + middle) / _MAP_PX * 2 - 1
        share = torch.zeros_like(z)
        radius = (2 * self.softness_m / (texel_m * _MAP_PX)).clamp(max=0.2)
        # The taps are turned by another angle at each point: an edge becomes grain instead of stairs.
        angle = (torch.sin(position_N3 @ position_N3.new_tensor([127.1, 311.7, 74.7])) * 43758.5453) % 6.2832
        across = torch.stack([angle.cos(), angle.sin()], -1) * radius
        along = torch.stack([-angle.sin(), angle.cos()], -1) * radius
        for dx, dy in _TAPS:
            tap = (uv + dx * across + dy * along)[None, None]
            nearest = F.grid_sample(
                self.nearest_m[None, None], tap, mode="nearest", padding_mode="border", align_corners=False
            )[0, 0, 0]
            share = share + (z < nearest + 0.5 * texel_m[:, 0]) / len(_TAPS)
        outside = (uv.abs().amax(-1) > 1) | (local[:, 2] <= 0)
        return torch.where(outside, 1.0, share)
