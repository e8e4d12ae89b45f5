"""Colour of what the rays met: textures, shadow-mapped key light, fill lamps, occlusion, sky and fog."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from prv2_ros.data import sky, textures
from prv2_ros.data.raycast import Hits, Pinhole, rays
from prv2_ros.data.scene import Lighting, Scene
from prv2_ros.data.shadow import ShadowMap
from prv2_ros.data.shapes import CUBE, CYLINDER, local_normals

_PIXELS_AT_ONCE = 16384  # temporaries of 200 kB stay in the cache


def shade(scene: Scene, hits: Hits, camera: Pinhole) -> Tensor:
    """Linear RGB (H, W, 3) of a rendered view; rays that met nothing show the sky."""
    device = hits.depth_HW.device
    rotation = torch.from_numpy(scene.pose.rotation()).float().to(device)
    direction = (rays(camera, device) @ rotation).view(-1, 3)
    index = hits.index_HW.flatten()
    local, depth = hits.local_HW3.view(-1, 3), hits.depth_HW.flatten()
    eye = torch.tensor(scene.pose.position, device=device, dtype=torch.float32)
    occlusion = _occlusion(hits.depth_HW).flatten()
    inverse = torch.linalg.inv(scene.primitives.linear)
    solid = torch.nonzero(index >= 0)[:, 0]
    free = torch.nonzero(index < 0)[:, 0]
    out = torch.empty_like(direction)
    for part in free.split(_PIXELS_AT_ONCE):
        out[part] = sky.radiance(scene.lighting, F.normalize(direction[part], dim=-1))
    if not len(solid):  # a tile of nothing but sky
        return out.view(camera.height, camera.width, 3)
    shadow = ShadowMap.of(scene, eye + depth[solid, None] * direction[solid])
    for part in solid.split(_PIXELS_AT_ONCE):
        prim, at, ray, depth_m = index[part], local[part], direction[part], depth[part]
        length = ray.norm(dim=-1)
        view, position = ray / length[:, None], eye + depth_m[:, None] * ray
        normal_local = local_normals(scene.primitives.shape[prim], at)
        normal = F.normalize(torch.bmm(normal_local[:, None], inverse[prim])[:, 0], dim=-1)
        normal = torch.where((normal * view).sum(-1, keepdim=True) > 0, -normal, normal)
        material = {name: value[prim] for name, value in scene.materials.items()}
        albedo = _albedo(scene, prim, material, at, normal_local, depth_m * length / camera.fx)
        lit = shadow.share(position, normal)
        light, highlight = _light(scene.lighting, material, position, normal, view, occlusion[part, None], lit)
        colour = albedo * (light + material["emission"][:, None]) + highlight
        air = torch.exp(-depth_m * length / scene.lighting.fog_m)[:, None]
        haze = torch.tensor(scene.lighting.sky_rgb, device=device, dtype=torch.float32) * 0.9
        out[part] = torch.lerp(haze.expand_as(colour), colour, air)
    return out.view(camera.height, camera.width, 3)


def _albedo(
    scene: Scene,
    index: Tensor,
    material: dict[str, Tensor],
    local: Tensor,
    normal_local: Tensor,
    footprint_m: Tensor,
) -> Tensor:
    """Textured surface colour; the texture is laid on the face that the normal points out of."""
    shape = scene.primitives.shape[index]
    half = scene.primitives.linear.norm(dim=1)[index]
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
    lighting: Lighting,
    material: dict[str, Tensor],
    position: Tensor,
    normal: Tensor,
    view: Tensor,
    occlusion: Tensor,
    lit: Tensor,
) -> tuple[Tensor, Tensor]:
    """Diffuse light (N, 3) and mirrored light (N, 3); `lit` (N,) is the share of the key light that arrives."""
    device = position.device
    above, below = (
        torch.tensor(v, device=device, dtype=torch.float32) for v in (lighting.sky_rgb, lighting.ground_rgb)
    )
    up = (0.5 + 0.5 * normal[:, 2:3]).clamp(0, 1)
    light = torch.lerp(below, above, up) * occlusion
    key = torch.tensor(lighting.key_position, device=device, dtype=torch.float32)
    to_key = key - position
    distance = to_key.norm(dim=-1, keepdim=True)
    to_key = to_key / distance
    strength = torch.tensor(lighting.key_rgb, device=device, dtype=torch.float32) * lit[:, None]
    if not lighting.is_sun:
        strength = strength / (distance**2 + 0.3)
    light = light + strength * (normal * to_key).sum(-1, keepdim=True).clamp(min=0)
    for x, y, z, power in lighting.lamps:
        offset = torch.tensor([x, y, z], device=device, dtype=torch.float32) - position
        squared = (offset**2).sum(-1, keepdim=True)
        cosine = (normal * offset).sum(-1, keepdim=True).clamp(min=0) / squared.sqrt()
        light = light + power * occlusion * cosine / (squared + 0.3)
    specular, gloss = material["specular"][:, None], material["gloss"][:, None]
    mirrored = view - 2 * (view * normal).sum(-1, keepdim=True) * normal
    blinn = (mirrored * to_key).sum(-1, keepdim=True).clamp(min=0) ** gloss
    fresnel = 0.15 + 0.85 * (1 + (view * normal).sum(-1, keepdim=True)).clamp(0, 1) ** 4
    around = torch.lerp(below, above, (0.5 + 0.5 * mirrored[:, 2:3]).clamp(0, 1))
    return light, specular * (strength * blinn + around * fresnel * occlusion)


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
