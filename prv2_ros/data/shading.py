"""Colour of what the rays met: textures, shadow-mapped key light, fill lamps, occlusion, sky and fog.

Vectors are planar, (3, N): torch works several times faster along a long last axis than along one of three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from prv2_ros.data import sky, textures
from prv2_ros.data.occlusion import Surroundings
from prv2_ros.data.raycast import Hits, Pinhole, rays
from prv2_ros.data.scene import Lighting, Scene
from prv2_ros.data.shadow import ShadowMap
from prv2_ros.data.shapes import CUBE, CYLINDER, largest, local_normals

_PIXELS_AT_ONCE = 16_384  # temporaries of 200 kB stay in a CPU's cache
_PIXELS_AT_ONCE_GPU = 1_048_576  # a GPU waits for the launches of small ones
_SINGLE = ("repeat_m", "specular", "gloss", "emission", "grain")

_FINER = (3.3, 5.7, 9.7)
"""Repeats of fine patterns along one of the texture that they are laid over, turned by 30 degrees, so that few repeats
of the one meet those of the other."""

_FINEST_TEXELS = 64
"""Texels of the fine pattern along a pixel beyond which there is nothing of it to be seen."""

_FINE_KINDS = (textures.NOISE, textures.SPECKLE, textures.GRAIN, textures.CELLS)


def shade(scene: Scene, hits: Hits, camera: Pinhole, whole: Surroundings | None = None) -> Tensor:
    """Linear RGB (H, W, 3) of a rendered view; rays that met nothing show the sky.

    Args:
        scene: what is seen.
        hits: what the view's rays met.
        camera: of the view.
        whole: surroundings in the picture that the view is a part of; None where it is a whole picture itself.

    """
    device = hits.depth_HW.device
    rotation = torch.from_numpy(scene.pose.rotation()).float().to(device)
    direction = rotation.T @ rays(camera, device).view(-1, 3).T
    index, depth = hits.index_HW.flatten(), hits.depth_HW.flatten()
    whole = whole or Surroundings.of(hits.depth_HW, camera)
    occlusion = whole.occlusion(hits.depth_HW, camera).flatten()
    eye = sky.vector(scene.pose.position, device)
    view = _View(scene=scene, eye=eye, f_px=camera.fx, surfaces=_Surfaces.of(scene, eye))
    some = torch.nonzero(index >= 0)[::5, 0]
    shadow = ShadowMap.of(scene, eye + depth[some] * direction[:, some])
    out = torch.empty_like(direction)
    at_once = _PIXELS_AT_ONCE if device.type == "cpu" else _PIXELS_AT_ONCE_GPU
    for start in range(0, len(index), at_once):
        part = slice(start, start + at_once)
        solid = index[part] >= 0
        ray, colour = direction[:, part], out[:, part]
        if bool(solid.all()):
            colour[:] = _surface(view, shadow, index[part], ray, depth[part], occlusion[part])
            continue
        colour[:, ~solid] = sky.radiance(scene.lighting, _unit(ray[:, ~solid]))
        if bool(solid.any()):
            met = index[part][solid], ray[:, solid], depth[part][solid], occlusion[part][solid]
            colour[:, solid] = _surface(view, shadow, *met)
    return out.view(3, camera.height, camera.width).permute(1, 2, 0)


@dataclass(frozen=True, kw_only=True)
class _Surfaces:
    """What shading needs of each primitive, in one table, so that one lookup fetches it."""

    columns: Tensor
    """(26, N): inverse map (9), eye in unit coordinates (3), half size (3), dark (3), light (3), then `_SINGLE`."""

    texture: Tensor
    stains: Tensor
    shape: Tensor
    busy: Tensor | None
    """Depth of the fine pattern and hardness (2, N); None in a scene without such patterns."""

    @classmethod
    def of(cls, scene: Scene, eye: Tensor) -> _Surfaces:
        primitives, materials = scene.primitives, scene.materials
        inverse = torch.linalg.inv(primitives.linear.double())
        eye_local = (inverse @ (eye[:, 0] - primitives.centre).double()[..., None])[..., 0]
        parts = [inverse.flatten(1).float(), eye_local.float(), primitives.linear.norm(dim=1)]
        parts += [materials["dark"], materials["light"]]
        parts += [materials[name][:, None] for name in _SINGLE]
        columns = torch.cat(parts, 1).T.contiguous()
        number = torch.arange(len(primitives.shape), device=columns.device)
        soft = textures.NOISE * textures.VARIANTS + number % textures.VARIANTS
        return cls(
            columns=columns,
            texture=materials["texture"],
            stains=torch.where(materials["stains"] < 0, soft, materials["stains"]),
            shape=primitives.shape,
            busy=torch.stack([materials["fine"], materials["hard"]]) if bool(materials["fine"].any()) else None,
        )


@dataclass(frozen=True, kw_only=True)
class _View:
    """What all pixels of a picture share."""

    scene: Scene
    eye: Tensor
    """(3, 1) m."""

    f_px: float
    surfaces: _Surfaces


def _unit(vectors_3N: Tensor) -> Tensor:
    """Scale to length 1; many times faster than torch's norms, which do not like an axis of three."""
    return vectors_3N * (vectors_3N * vectors_3N).sum(0).rsqrt()


def _surface(view: _View, shadow: ShadowMap, index: Tensor, ray: Tensor, depth_m: Tensor, occlusion: Tensor) -> Tensor:
    """Radiance (3, N) of what rays (3, N) from the eye met: the primitives `index` (N,) at `depth_m` (N,)."""
    lighting, surfaces = view.scene.lighting, view.surfaces
    inverse, eye_local, half, dark, light, single = surfaces.columns.index_select(1, index).split(
        [9, 3, 3, 3, 3, len(_SINGLE)]
    )
    repeat, specular, gloss, emission, grain = single
    inverse = inverse.unflatten(0, (3, 3))
    local = eye_local + depth_m * (inverse * ray).sum(1)
    length = (ray * ray).sum(0).sqrt()
    unit, position = ray / length, view.eye + depth_m * ray
    shape = surfaces.shape.index_select(0, index)
    normal_local = local_normals(shape, local)
    normal = _unit((inverse * normal_local[:, None]).sum(0))
    normal = torch.where((normal * unit).sum(0) > 0, -normal, normal)
    u, v, start = _unfolded(index, shape, local, half, normal_local)
    texels = depth_m * length / view.f_px * textures.SIZE_PX
    at_u, at_v, crisp = u / repeat + start, v / repeat + 3 * start, surfaces.busy is not None
    pattern = textures.sample(surfaces.texture.index_select(0, index), at_u, at_v, texels / repeat, crisp=crisp)
    wide = repeat.clamp(min=0.5) * 3.3
    stains = surfaces.stains.index_select(0, index)
    stain = textures.sample(stains, u / wide + start, v / wide, texels / wide, channels=1, crisp=crisp)
    if surfaces.busy is not None:
        fine, hard = surfaces.busy.index_select(1, index)
        pattern, stain = _hardened(pattern, hard), _hardened(stain, hard)
    albedo = torch.lerp(dark, light, pattern) * (1 + grain * (2 * stain - 1))
    if surfaces.busy is not None:
        albedo *= 1 + fine * (2 * _hardened(_finer(index, fine, at_u, at_v, texels / repeat), hard) - 1)
    strength, to_key = _key(lighting, position, shadow.share(position, normal))
    diffuse = _diffuse(lighting, position, normal, occlusion, strength, to_key)
    mirrored = _mirrored(lighting, normal, unit, occlusion, strength, to_key, gloss)
    colour = albedo * (diffuse + emission) + specular * mirrored
    haze = sky.vector(lighting.sky_rgb, ray.device) * 0.9
    return torch.lerp(haze, colour, torch.exp(-depth_m * length / lighting.fog_m))


def _hardened(pattern: Tensor, hard: Tensor) -> Tensor:
    """Spread values about 0.5 within 0 to 1."""
    return (0.5 + hard * (pattern - 0.5)).clamp_(0, 1)


def _finer(index: Tensor, fine: Tensor, u: Tensor, v: Tensor, texels_per_px: Tensor) -> Tensor:
    """Values (N,) of a pattern finer than the texture; 0.5 where there is none or a pixel is too coarse to show it."""
    finer = torch.full_like(fine, 0.5)
    repeats = torch.tensor(_FINER, device=u.device)[index % len(_FINER)]
    texels = texels_per_px * repeats
    near = torch.nonzero((texels < _FINEST_TEXELS) & (fine > 0))[:, 0]
    if len(near):
        number, u, v = index[near], u[near] * repeats[near], v[near] * repeats[near]
        ids = torch.tensor(_FINE_KINDS, device=u.device)[number % len(_FINE_KINDS)] * textures.VARIANTS
        ids += number // len(_FINE_KINDS) % textures.VARIANTS
        finer[near] = textures.sample(ids, 0.866 * u - 0.5 * v, 0.5 * u + 0.866 * v, texels[near], channels=1)[0]
    return finer


def _unfolded(
    index: Tensor, shape: Tensor, local: Tensor, half: Tensor, normal_local: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates u, v (N,) in metres on the face that the normal points out of, and the texture's start there."""
    x, y, z = local * half
    axis = largest(normal_local.abs())
    side = torch.where(axis == 0, y, x)
    up = torch.where(axis == 2, y, z)
    around = torch.atan2(local[1], local[0]) * half[0]
    wall = (shape == CYLINDER) & (axis != 2)
    # Each primitive shows another part of its texture, and cubes another part on each face.
    start = (index * 0.618034 + torch.where(shape == CUBE, axis, 0) * 0.37) % 1.0
    return torch.where(wall, around, side), torch.where(wall, z, up), start


def _key(lighting: Lighting, position: Tensor, lit: Tensor) -> tuple[Tensor, Tensor]:
    """Strength (3, N) of the key light where the share `lit` (N,) of it arrives, and the direction (3, N) to it."""
    to_key = sky.vector(lighting.key_position, position.device) - position
    squared = (to_key * to_key).sum(0)
    strength = sky.vector(lighting.key_rgb, position.device) * (lit if lighting.is_sun else lit / (squared + 0.3))
    return strength, to_key * squared.rsqrt()


def _diffuse(
    lighting: Lighting, position: Tensor, normal: Tensor, occlusion: Tensor, strength: Tensor, to_key: Tensor
) -> Tensor:
    """Light (3, N) that a matt white surface would send back."""
    device = position.device
    above, below = sky.vector(lighting.sky_rgb, device), sky.vector(lighting.ground_rgb, device)
    light = torch.lerp(below, above, (0.5 + 0.5 * normal[2]).clamp(0, 1)) * occlusion
    light += strength * (normal * to_key).sum(0).clamp(min=0)
    for x, y, z, power in lighting.lamps:
        offset = sky.vector((x, y, z), device) - position
        squared = (offset * offset).sum(0)
        cosine = (normal * offset).sum(0).clamp(min=0) * squared.rsqrt()
        light += power * occlusion * cosine / (squared + 0.3)
    return light


def _mirrored(
    lighting: Lighting,
    normal: Tensor,
    unit: Tensor,
    occlusion: Tensor,
    strength: Tensor,
    to_key: Tensor,
    gloss: Tensor,
) -> Tensor:
    """Light (3, N) that a polished surface would mirror: the key light's highlight and the surroundings."""
    device = unit.device
    above, below = sky.vector(lighting.sky_rgb, device), sky.vector(lighting.ground_rgb, device)
    cosine = (unit * normal).sum(0)
    mirrored = unit - 2 * cosine * normal
    highlight = (mirrored * to_key).sum(0).clamp(min=0) ** gloss
    fresnel = 0.15 + 0.85 * (1 + cosine).clamp(0, 1) ** 4
    around = torch.lerp(below, above, (0.5 + 0.5 * mirrored[2]).clamp(0, 1))
    return strength * highlight + around * (fresnel * occlusion)


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
