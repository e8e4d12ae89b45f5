"""What rays that meet nothing see: gradients, clouds, haze and the sun."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prv2_ros.data import textures
from prv2_ros.data.scene import Lighting


def radiance(lighting: Lighting, unit_N3: Tensor) -> Tensor:
    """Radiance (N, 3) in directions `unit_N3`."""
    device, sky = unit_N3.device, lighting.sky
    zenith, horizon = (torch.tensor(v, device=device, dtype=torch.float32) for v in (sky.zenith_rgb, sky.horizon_rgb))
    height = unit_N3[:, 2:3].clamp(min=0.0)
    colour = torch.lerp(horizon, zenith, (1 - (1 - height.clamp(max=1)) ** sky.falloff))
    toward = np.asarray(lighting.key_position) / np.linalg.norm(lighting.key_position)
    sun = torch.from_numpy(toward).float().to(device)
    ahead = (unit_N3 @ sun).clamp(min=0)[:, None]
    if sky.cover > 0:
        colour = _clouded(lighting, colour, unit_N3, height, ahead)
    if not lighting.is_sun:
        return colour
    key = torch.tensor(lighting.key_rgb, device=device, dtype=torch.float32)
    return colour + (ahead**1500 * 60 + ahead**60 * 0.5 + ahead**8 * 0.12) * key * (1 - 0.9 * sky.cover)


def _clouded(lighting: Lighting, colour: Tensor, unit: Tensor, height: Tensor, ahead: Tensor) -> Tensor:
    """Lay clouds over the gradient: two scales of noise on a plane overhead, grey below and bright towards the sun."""
    device, sky = unit.device, lighting.sky
    plane = unit[:, :2] / (height + 0.07) * sky.cloud_scale
    shift = sky.cloud_shift
    noise = torch.zeros_like(height)
    for scale, weight in ((1.0, 0.7), (3.7, 0.3)):
        ids = torch.full_like(height[:, 0], textures.NOISE * textures.VARIANTS + sky.cloud_texture).long()
        texels = (scale * sky.cloud_scale * 0.6 / (height[:, 0] + 0.07)).clamp(max=30.0)
        u, v = plane[:, 0] * scale + shift, plane[:, 1] * scale + 2.3 * shift
        noise = noise + weight * textures.sample(ids, u, v, texels)[:, :1]
    # The noise has mean 0.5 and deviation 0.2: the threshold that leaves `cover` of it above.
    dense = ((noise - 0.5 + 0.5 * (sky.cover - 0.5)) * sky.cloud_edge + 0.5).clamp(0, 1)
    body = torch.tensor(sky.cloud_rgb, device=device, dtype=torch.float32)
    shaded = body * (1 - sky.cloud_depth * (dense * noise * 1.4).clamp(0, 1)) * (1 + 0.5 * ahead**6)
    thin = 0.35 + 0.65 * (height / 0.12).clamp(max=1)  # far clouds drown in haze
    return torch.lerp(colour, shaded, dense * thin)
