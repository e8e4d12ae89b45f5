"""Colour of what the rays met: textures, shadow-mapped key light, fill lamps, occlusion, sky and fog."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prv2_ros.data import textures
from prv2_ros.data.raycast import CUBE, CYLINDER, Hits, Pinhole, cast, local_normals, rays
from prv2_ros.data.scene import Lighting, Scene

_SHADOW_PX = 384


def shade(scene: Scene, hits: Hits, camera: Pinhole) -> Tensor:
    """Linear RGB (H, W, 3) of a rendered view; rays that met nothing show the sky."""
    device = hits.depth_HW.device
    rotation = torch.from_numpy(scene.pose.rotation()).float().to(device)
    eye = torch.tensor(scene.pose.position, device=device)
    direction = rays(camera, device) @ rotation
    length = direction.norm(dim=-1, keepdim=True)
    unit = direction / length
    sky = _sky(scene.lighting, unit)
    solid = hits.index_HW >= 0
    if not bool(solid.any()):
        return sky
    index, local = hits.index_HW[solid], hits.local_HW3[solid]
    depth = hits.depth_HW[solid]
    position = eye + depth[:, None] * direction[solid]
    linear = scene.primitives.linear.to(device)
    normal_local = local_normals(scene.primitives.shape.to(device)[index], local)
    inverse = torch.linalg.inv(linear)
    normal = F.normalize(torch.einsum("nji,nj->ni", inverse[index], normal_local), dim=-1)
    view = unit[solid]
    normal = torch.where((normal * view).sum(-1, keepdim=True) > 0, -normal, normal)
    albedo = _albedo(scene, index, local, normal_local, depth * length[solid][:, 0] / camera.fx)
    occlusion = _occlusion(hits.depth_HW)[solid][:, None]
    light, highlight = _light(scene, index, position, normal, view, occlusion)
    emission = scene.materials["emission"].to(device)[index][:, None]
    colour = albedo * (light + emission) + highlight
    fog = torch.exp(-depth * length[solid][:, 0] / scene.lighting.fog_m)[:, None]
    out = sky.clone()
    haze = torch.tensor(scene.lighting.sky_rgb, device=device) * 0.9
    out[solid] = torch.lerp(haze.expand_as(colour), colour, fog)
    return out


def _albedo(scene: Scene, index: Tensor, local: Tensor, normal_local: Tensor, footprint_m: Tensor) -> Tensor:
    """Textured surface colour; the texture is laid on the face that the normal points out of."""
    device = index.device
    material = {name: value.to(device)[index] for name, value in scene.materials.items()}
    shape = scene.primitives.shape.to(device)[index]
    half = scene.primitives.linear.to(device).norm(dim=1)[index]
    metres = local * half
    axis = normal_local.abs().argmax(-1)
    side = torch.where(axis == 0, metres[:, 1], metres[:, 0])
    up = torch.where(axis == 2, metres[:, 1], metres[:, 2])
    around = torch.atan2(local[:, 1], local[:, 0]) * half[:, 0]
    wall = (shape == CYLINDER) & (axis != 2)
    side, up = torch.where(wall, around, side), torch.where(wall, metres[:, 2], up)
    # Each primitive shows another part of its texture, and cubes another part on each face.
    start = (index * 0.618034 + torch.where(shape == CUBE, axis, 0) * 0.37) % 1.0
    repeat = material["repeat_m"]
    value = textures.sample(
        material["texture"], side / repeat + start, up / repeat + 3 * start, footprint_m / repeat * textures.SIZE_PX
    )
    grain_id = textures.NOISE * textures.VARIANTS + index % textures.VARIANTS
    grain_repeat = repeat.clamp(min=0.5) * 3.3
    grain = textures.sample(
        grain_id, side / grain_repeat + start, up / grain_repeat, footprint_m / grain_repeat * textures.SIZE_PX
    )
    stain = 1 + material["grain"][:, None] * (2 * grain - 1)
    return torch.lerp(material["dark"], material["light"], value) * stain


def _light(
    scene: Scene, index: Tensor, position: Tensor, normal: Tensor, view: Tensor, occlusion: Tensor
) -> tuple[Tensor, Tensor]:
    """Diffuse light (N, 3) and mirrored light (N, 3)."""
    device, lighting = index.device, scene.lighting
    sky, ground = (torch.tensor(v, device=device) for v in (lighting.sky_rgb, lighting.ground_rgb))
    up = (0.5 + 0.5 * normal[:, 2:3]).clamp(0, 1)
    light = torch.lerp(ground, sky, up) * occlusion
    key = torch.tensor(lighting.key_position, device=device)
    to_key = key - position
    distance = to_key.norm(dim=-1, keepdim=True)
    to_key = to_key / distance
    lit = _shadow(scene, position, normal)[:, None]
    strength = torch.tensor(lighting.key_rgb, device=device) * lit
    if not lighting.is_sun:
        strength = strength / (distance**2 + 0.3)
    light = light + strength * (normal * to_key).sum(-1, keepdim=True).clamp(min=0)
    for x, y, z, power in lighting.lamps:
        offset = torch.tensor([x, y, z], device=device) - position
        squared = (offset**2).sum(-1, keepdim=True)
        cosine = (normal * offset).sum(-1, keepdim=True).clamp(min=0) / squared.sqrt()
        light = light + power * occlusion * cosine / (squared + 0.3)
    specular = scene.materials["specular"].to(device)[index][:, None]
    gloss = scene.materials["gloss"].to(device)[index][:, None]
    mirrored = view - 2 * (view * normal).sum(-1, keepdim=True) * normal
    blinn = (mirrored * to_key).sum(-1, keepdim=True).clamp(min=0) ** gloss
    fresnel = 0.15 + 0.85 * (1 + (view * normal).sum(-1, keepdim=True)).clamp(0, 1) ** 4
    around = torch.lerp(ground, sky, (0.5 + 0.5 * mirrored[:, 2:3]).clamp(0, 1))
    return light, specular * (strength * blinn + around * fresnel * occlusion)


def _shadow(scene: Scene, position: Tensor, normal: Tensor) -> Tensor:
    """Share (N,) of the key light that arrives: a shadow map with a soft edge."""
    lighting, device = scene.lighting, position.device
    key = np.asarray(lighting.key_position, np.float64)
    forward = np.asarray(lighting.key_target, np.float64) - key
    reach = float(np.linalg.norm(forward))
    forward /= reach
    right = np.cross(forward, [0.0, 0.0, 1.0] if abs(forward[2]) < 0.95 else [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    rotation = torch.from_numpy(np.stack([right, np.cross(forward, right), forward])).float().to(device)
    f_px = _SHADOW_PX / 2 * reach / lighting.key_spread_m
    middle = (_SHADOW_PX - 1) / 2
    camera = Pinhole(width=_SHADOW_PX, height=_SHADOW_PX, fx=f_px, fy=f_px, cx=middle, cy=middle)
    origin = torch.from_numpy(key).float().to(device)
    depth_map = cast(scene.primitives.moved(rotation, origin), camera).depth_HW
    texel_m = 2 * lighting.key_spread_m / _SHADOW_PX
    # Offset along the normal by a few shadow texels, or flat surfaces would shade themselves in stripes.
    local = (position + normal * 2.5 * texel_m - origin) @ rotation.T
    z = local[:, 2].clamp(min=1e-3)
    uv = (local[:, :2] / z[:, None] * f_px + middle + 0.5) / _SHADOW_PX * 2 - 1
    share = torch.zeros_like(z)
    blur = 2.0 / _SHADOW_PX
    near_map = torch.nan_to_num(depth_map, posinf=1e9)[None, None]
    for dx, dy in ((-0.6, -1.1), (1.1, -0.6), (0.6, 1.1), (-1.1, 0.6)):
        tap = (uv + blur * torch.tensor([dx, dy], device=device))[None, None]
        blocker = F.grid_sample(near_map, tap, mode="nearest", padding_mode="border", align_corners=False)[0, 0, 0]
        share = share + 0.25 * (z < blocker + 0.5 * texel_m)
    outside = (uv.abs().amax(-1) > 1) | (local[:, 2] <= 0)
    return torch.where(outside, 1.0, share)


def _occlusion(depth_HW: Tensor) -> Tensor:
    """Screen-space ambient occlusion: darker where the surroundings stand nearer to the camera."""
    near = torch.where(torch.isfinite(depth_HW), 1.0 / depth_HW.clamp(min=0.05), 0.0)[None, None]
    dark = torch.zeros_like(near)
    for share in (0.015, 0.05, 0.12):
        # The mean over a window, taken on a grid coarse enough that the window is a few cells wide.
        cell = max(1, round(share * depth_HW.shape[1] / 2))
        small = F.avg_pool2d(near, cell, ceil_mode=True, count_include_pad=False)
        small = F.avg_pool2d(small, 5, 1, 2, count_include_pad=False)
        around = F.interpolate(small, near.shape[-2:], mode="bilinear")
        # A much nearer neighbour is another object far in front, not a crevice: its part is bounded.
        dark = dark + ((around / near.clamp(min=1e-6) - 1) * 4).clamp(0, 0.6)
    return torch.exp(-0.7 * dark)[0, 0]


def _sky(lighting: Lighting, unit: Tensor) -> Tensor:
    """Radiance of the sky in direction `unit` (H, W, 3): brighter at the horizon, with clouds and a sun."""
    device = unit.device
    base = torch.tensor(lighting.sky_rgb, device=device)
    height = unit[..., 2:3].clamp(min=0.02)
    zenith = base * torch.tensor([0.45, 0.65, 1.0], device=device)
    sky = torch.lerp(base * 1.2, zenith, height.clamp(0, 1) ** 0.6 * (1 - 0.6 * lighting.clouds))
    plane = unit[..., :2] / (height + 0.12) * 0.15
    ids = torch.full(plane.shape[:2], textures.NOISE * textures.VARIANTS + 2, device=device).flatten()
    cover = textures.sample(ids, plane[..., 0].flatten(), plane[..., 1].flatten(), torch.full_like(ids, 2.0).float())
    cover = ((cover[:, :1].view(*plane.shape[:2], 1) - 0.45) * 3).clamp(0, 1) * lighting.clouds
    sky = torch.lerp(sky, base.mean() * 1.3 * torch.ones(3, device=device), cover)
    toward = np.asarray(lighting.key_position) / np.linalg.norm(lighting.key_position)
    if lighting.is_sun:
        sun = torch.from_numpy(toward).float().to(device)
        glow = (unit @ sun).clamp(min=0)[..., None]
        sky = sky + (glow**300 * 8 + glow**12 * 0.25) * torch.tensor(lighting.key_rgb, device=device) * (
            1 - lighting.clouds
        )
    return sky


def no_shadow_lighting(height_m: float = 50.0) -> Lighting:
    """Even light from above, for tests and previews."""
    return Lighting(
        key_position=(0.0, 0.0, height_m),
        key_target=(0.0, 0.0, 0.0),
        key_spread_m=height_m * math.tan(0.5),
        key_rgb=(0.0, 0.0, 0.0),
        sky_rgb=(0.7, 0.7, 0.7),
        ground_rgb=(0.4, 0.4, 0.4),
    )
