"""What rays that meet nothing see: gradients, clouds, haze and the sun."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prv2_ros.data import textures
from prv2_ros.data.scene import Lighting, Sky


def radiance(lighting: Lighting, unit_3N: Tensor) -> Tensor:
    """Radiance (3, N) in directions `unit_3N`."""
    sky = lighting.sky
    height = unit_3N[2].clamp(0, 1)
    horizon, zenith = vector(sky.horizon_rgb, unit_3N.device), vector(sky.zenith_rgb, unit_3N.device)
    colour = torch.lerp(horizon, zenith, 1 - (1 - height) ** sky.falloff)
    toward = np.asarray(lighting.key_position) / np.linalg.norm(lighting.key_position)
    ahead = (unit_3N * vector(tuple(toward), unit_3N.device)).sum(0).clamp(min=0)
    if sky.cover > 0:
        colour = _clouded(sky, colour, unit_3N, height, ahead)
    if not lighting.is_sun:
        return colour
    glow = (ahead**1500 * 60 + ahead**60 * 0.5 + ahead**8 * 0.12) * (1 - 0.9 * sky.cover)
    return colour + glow * vector(lighting.key_rgb, unit_3N.device)


def vector(value: tuple[float, ...], device: torch.device) -> Tensor:
    """Three numbers as a (3, 1) float tensor."""
    return torch.tensor(value, device=device, dtype=torch.float32)[:, None]


def _clouded(sky: Sky, colour: Tensor, unit: Tensor, height: Tensor, ahead: Tensor) -> Tensor:
    """Lay clouds over the gradient: two scales of noise on a plane overhead, grey below and bright towards the sun."""
    u, v = unit[:2] / (height + 0.07) * sky.cloud_scale
    ids = torch.full_like(height, textures.NOISE * textures.VARIANTS + sky.cloud_texture, dtype=torch.int64)
    noise = torch.zeros_like(height)
    for scale, weight in ((1.0, 0.7), (3.7, 0.3)):
        texels = (scale * sky.cloud_scale * 0.6 / (height + 0.07)).clamp(max=30.0)
        at_u, at_v = u * scale + sky.cloud_shift, v * scale + 2.3 * sky.cloud_shift
        noise += weight * textures.sample(ids, at_u, at_v, texels, channels=1)[0]
    # The noise has mean 0.5 and deviation 0.2: the threshold that leaves `cover` of it above.
    dense = ((noise - 0.5 + 0.5 * (sky.cover - 0.5)) * sky.cloud_edge + 0.5).clamp(0, 1)
    body = vector(sky.cloud_rgb, unit.device)
    shaded = body * (1 - sky.cloud_depth * (dense * noise * 1.4).clamp(0, 1)) * (1 + 0.5 * ahead**6)
    thin = 0.35 + 0.65 * (height / 0.12).clamp(max=1)  # far clouds drown in haze
    return torch.lerp(colour, shaded, dense * thin)
