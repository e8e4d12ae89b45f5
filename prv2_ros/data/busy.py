"""Surfaces as busy as those of real pictures: more contrast, prints and patches with hard edges, detail close by.

Real pictures hold many edges that are no edges of depth. The scenes of the mixture are painted rather plainly; here
their surfaces are painted over, and what stands where is kept.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from prv2_ros.data import textures as t
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.scene import Lighting, Material, Scene
from prv2_ros.data.shapes import FOLIAGE

LEAST_CONTRAST = (0.45, 0.95)
"""Between which the floors of busy surfaces' contrast, (light - dark) / (light + dark), lie."""

HARD = (1.5, 5.0)
"""Between which the hardness of busy surfaces lies (`Material.hard`)."""

_SOFT = (t.NOISE, t.SPECKLE)
_SIZED = (t.BRICK, t.TILES, t.WINDOWS, t.CHECKER)
"""Kinds whose repeat follows from the size of what they show."""

_THINGS = ((t.POSTER, 4), (t.TEXT, 2), (t.CELLS, 1.5), (t.STRIPES, 1.5), (t.CHECKER, 0.3), (t.WEAVE, 1), (t.GRAIN, 1))
_FURNITURE = ((t.GRAIN, 3), (t.PLANKS, 2), (t.POSTER, 2), (t.CELLS, 2), (t.STRIPES, 1), (t.TEXT, 0.7), (t.NOISE, 1))
_WALLS = ((t.CELLS, 3), (t.BRICK, 2), (t.PLANKS, 1.5), (t.POSTER, 2), (t.STRIPES, 1), (t.TILES, 1), (t.LEAVES, 1.5))
_LAND = ((t.CELLS, 1), (t.LEAVES, 3), (t.NOISE, 3))
_BY_SIZE = ((0.6, _THINGS), (2.4, _FURNITURE), (90.0, _WALLS), (math.inf, _LAND))
"""What is drawn for surfaces up to a size (m)."""

_ENDLESS_M, _LEVEL_M = 150.0, 10.0
"""What is longer than the one, or level and wider than the other, is land or a road."""

_STAINS = (t.CELLS, t.POSTER, t.LEAVES, t.NOISE)
_MIRRORING = 0.3
"""What mirrors more than this is lacquer, metal or glass, and mostly plain."""


def busier(b: SceneBuilder, scene: Scene, kind: str) -> Scene:
    """Paint over what `b` holds and freeze it again, as a scene of `kind`.

    Args:
        b: the builder that made the scene; its materials are replaced.
        scene: what it made, whose light and pose are kept.
        kind: name of the new scene.

    """
    share = b.rng.uniform(0.6, 1.0)
    painted: dict[int, Material] = {}
    sizes = _sizes_m(b)
    for m in b.materials:
        if id(m) not in painted:
            painted[id(m)] = _busier(b.rng, m, sizes[id(m)], share)
    b.materials = [painted[id(m)] for m in b.materials]
    return b.build(kind, _harder(scene.lighting, b.rng.uniform(0.4, 1.0)), scene.pose)


def busier_half(b: SceneBuilder, scene: Scene) -> Scene:
    """Paint over one scene in two, and leave the others as they are."""
    return busier(b, scene, scene.kind) if b.rng.uniform() < 0.5 else scene


def _harder(light: Lighting, fill: float) -> Lighting:
    """Take some of the light from the surroundings away, so that shadows and shaded sides are darker."""
    (r, g, b), (ground_r, ground_g, ground_b) = light.sky_rgb, light.ground_rgb
    return replace(
        light,
        sky_rgb=(fill * r, fill * g, fill * b),
        ground_rgb=(fill * ground_r, fill * ground_g, fill * ground_b),
    )


def _sizes_m(b: SceneBuilder) -> dict[int, float]:
    """Size (m) of the largest surface of each material, by its id: 0 for leaves, infinite for land.

    The size of a surface is the second largest extent of its shape.
    """
    sizes: dict[int, float] = {}
    for m, linear, shape in zip(b.materials, b.linears, b.shapes, strict=True):
        thin, size, length = np.sort(2 * np.linalg.norm(np.reshape(linear, (3, 3)), axis=0))
        level = thin < 0.3 and size > _LEVEL_M and abs(linear[8]) < 0.15
        size = math.inf if level or length > _ENDLESS_M else 0.0 if shape == FOLIAGE else float(size)
        sizes[id(m)] = max(sizes.get(id(m), 0.0), size)
    return sizes


def _busier(rng: np.random.Generator, m: Material, size_m: float, share: float) -> Material:
    """Paint over one material, whose largest surface has this size (m)."""
    if m.emission > 0:
        return m
    fine = rng.uniform(0.15, 0.8) if rng.uniform() < 0.75 else 0.0
    if m.texture // t.VARIANTS in t.PRINTED:
        return replace(m, fine=0.3 * fine)
    plain = m.specular > _MIRRORING and rng.uniform() < 0.8
    if plain:
        return m
    if rng.uniform() > share:
        return _with_contrast(replace(m, fine=fine), rng.uniform(0, LEAST_CONTRAST[0]))
    m = replace(_patterned(rng, m, size_m), fine=fine, hard=math.exp(rng.uniform(*np.log(HARD))))
    if rng.uniform() < 0.6:
        stains = int(rng.choice(_STAINS)) * t.VARIANTS + int(rng.integers(t.VARIANTS))
        m = replace(m, grain=max(m.grain, rng.uniform(0.2, 0.8)), stains=stains)
    return _with_contrast(m, rng.uniform(*LEAST_CONTRAST))


def _patterned(rng: np.random.Generator, m: Material, size_m: float) -> Material:
    """Give a surface of this size (m) a pattern where it has none of its own, and a scale that fits."""
    kind = m.texture // t.VARIANTS
    if size_m == 0 or rng.uniform() > (0.7 if kind in _SOFT else 0.2):
        fits = kind in _SIZED or size_m == 0
        return m if fits else replace(m, repeat_m=m.repeat_m * math.exp(rng.uniform(-1.6, 0.0)))
    choice = next(kinds for largest, kinds in _BY_SIZE if size_m <= largest)
    weights = np.array([weight for _, weight in choice])
    kind = int(rng.choice([kind for kind, _ in choice], p=weights / weights.sum()))
    if kind == t.BRICK:
        repeat_m = 0.225 * t.BRICKS[1]
    elif kind in (t.TILES, t.CHECKER):
        repeat_m = float(rng.choice([0.1, 0.15, 0.2, 0.3, 0.6])) * t.TILE_COUNT
    else:
        repeat_m = min(3.0, size_m) * math.exp(rng.uniform(-2.0, 0.0))
    return replace(m, texture=kind * t.VARIANTS + int(rng.integers(t.VARIANTS)), repeat_m=repeat_m)


def contrast(m: Material) -> float:
    """Relative contrast of a material's texture, 0 to 1."""
    dark, light = np.mean(m.dark), np.mean(m.light)
    return float(abs(light - dark) / (light + dark))


def _with_contrast(m: Material, least: float) -> Material:
    """Spread the two colours of a material to a contrast of `least`, about the same mean."""
    now = contrast(m)
    if now >= least:
        return m
    mean = (np.array(m.dark) + np.array(m.light)) / 2
    # A bright mean is lowered, so that neither colour leaves what surfaces reflect.
    mean *= min(1.0, 0.9 / (float(mean.max()) * (1 + least)))
    # What the two colours differ in by hue stays.
    hue = np.array(m.light) / np.maximum(np.array(m.dark), 1e-4)
    hue = (hue / hue.mean()) ** 0.5
    dark, light = mean * (1 - least) / hue, mean * (1 + least) * hue
    return replace(m, dark=_rgb(dark), light=_rgb(light))


def _rgb(value: np.ndarray) -> tuple[float, float, float]:
    r, g, bl = np.clip(value, 0.004, 0.95)
    return float(r), float(g), float(bl)
