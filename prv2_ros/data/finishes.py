"""What things are made of: named materials with the colours and the shine of real ones."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import textures
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.scene import Material

_WOODS = ((0.45, 0.28, 0.14), (0.3, 0.16, 0.07), (0.12, 0.06, 0.03), (0.6, 0.45, 0.28), (0.35, 0.24, 0.15))


def bright(b: SceneBuilder) -> np.ndarray:
    """White, cream, pale grey or a pastel: what walls, ceilings, paper and appliances are painted with."""
    value = b.rng.uniform(0.62, 0.92)
    tint = b.rng.normal(0, 0.05 if b.rng.uniform() < 0.75 else 0.15) * np.array([1.0, 0.25, -1.0])
    return np.asarray(np.clip(value * (1 + tint), 0.3, 0.95))


def paint(b: SceneBuilder, plain: float = 0.75) -> Material:
    """Wall paint: bright with probability `plain`, else any colour; nearly without texture."""
    base = bright(b) if b.rng.uniform() < plain else b.colour(0.4, 0.12, 0.7)
    contrast = b.rng.uniform(0, 0.06)
    grain = 0.0 if b.rng.uniform() < 0.7 else b.rng.uniform(0, 0.2)
    kind = textures.NOISE if b.rng.uniform() < 0.7 else textures.SPECKLE
    specular = 0.0 if b.rng.uniform() < 0.7 else 0.08
    return b.material(kind, base=base, contrast=contrast, grain=grain, specular=specular, repeat_m=0.8)


def white(b: SceneBuilder, specular: float | None = None) -> Material:
    """Enamel, melamine or ceramic: bright and plain."""
    shine = b.rng.uniform(0.0, 0.3) if specular is None else specular
    return b.material(textures.NOISE, base=bright(b), contrast=0.02, grain=0.0, specular=shine)


def wood(b: SceneBuilder, repeat_m: float = 0.6) -> Material:
    """Boards or veneer."""
    base = np.multiply(_WOODS[int(b.rng.integers(len(_WOODS)))], math.exp(b.rng.normal(0, 0.25)))
    kind = textures.GRAIN if b.rng.uniform() < 0.7 else textures.PLANKS
    specular = b.rng.choice([0.0, 0.1, 0.25])
    return b.material(kind, base=base, contrast=b.rng.uniform(0.1, 0.45), specular=specular, repeat_m=repeat_m)


def board(b: SceneBuilder) -> Material:
    """Furniture surface: wood, white, grey or painted."""
    pick = b.rng.uniform()
    if pick < 0.45:
        return wood(b)
    if pick < 0.78:
        return white(b)
    return plastic(b, 0.1)


def fabric(b: SceneBuilder) -> Material:
    """Cloth: woven, plain or striped."""
    kind = (textures.WEAVE, textures.NOISE, textures.SPECKLE, textures.STRIPES)[int(b.rng.choice(4, p=_CLOTH))]
    base = b.colour(0.35, 0.02, 0.75)
    contrast = b.rng.uniform(0.03, 0.25) if kind != textures.STRIPES else b.rng.uniform(0.1, 0.8)
    return b.material(kind, base=base, contrast=contrast, specular=0.0, repeat_m=b.rng.uniform(0.05, 0.4))


_CLOTH = (0.35, 0.35, 0.2, 0.1)


def plastic(b: SceneBuilder, specular: float = 0.25) -> Material:
    """Plain colour, matt to glossy."""
    saturation = 0.25 if b.rng.uniform() < 0.6 else 0.8
    base = b.colour(saturation, 0.02, 0.8)
    return b.material(textures.NOISE, base=base, contrast=0.03, grain=0.03, specular=specular)


def dark(b: SceneBuilder, specular: float = 0.2) -> Material:
    """Black plastic, rubber, switched-off screens."""
    base = np.ones(3) * b.rng.uniform(0.01, 0.05)
    return b.material(textures.NOISE, base=base, contrast=0.05, grain=0.0, specular=specular)


def metal(b: SceneBuilder) -> Material:
    """Steel, chrome, aluminium, brass."""
    tint = np.array([1.0, 0.8, 0.5]) if b.rng.uniform() < 0.1 else np.ones(3)
    base = tint * b.rng.uniform(0.15, 0.55)
    return b.material(textures.NOISE, base=base, contrast=0.08, specular=b.rng.uniform(0.3, 0.9), grain=0.05)


def glass(b: SceneBuilder) -> Material:
    """Panes seen from the lit side: dark and mirroring."""
    base = np.array([0.03, 0.035, 0.04]) * b.rng.uniform(0.5, 2.5)
    return b.material(textures.NOISE, base=base, contrast=0.3, repeat_m=3, specular=b.rng.uniform(0.4, 0.9), grain=0.0)


def text(b: SceneBuilder, height_m: float) -> Material:
    """Printed page `height_m` high."""
    return b.material(textures.TEXT, base=(0.8, 0.8, 0.78), contrast=0.0, repeat_m=height_m, specular=0.0, grain=0.0)


def print_(b: SceneBuilder, size_m: float) -> Material:
    """Packaging, posters, book covers: patches of colour."""
    return b.material(textures.POSTER, repeat_m=size_m * b.rng.uniform(0.7, 2.5), contrast=b.rng.uniform(0.3, 1.2))


def carton(b: SceneBuilder) -> Material:
    """Corrugated board."""
    base = np.array([0.42, 0.28, 0.16]) * b.rng.uniform(0.6, 1.3)
    return b.material(textures.NOISE, base=base, contrast=0.08, specular=0.0, grain=0.1)


def skin(b: SceneBuilder) -> Material:
    """Human skin."""
    base = np.array([0.55, 0.34, 0.25]) * math.exp(b.rng.uniform(-1.8, 0.2))
    return b.material(textures.NOISE, base=base, contrast=0.04, specular=0.05, grain=0.0)


def concrete(b: SceneBuilder) -> Material:
    """Concrete, plaster or stone: grey and stained."""
    base = np.array([1.0, 0.97, 0.92]) * b.rng.uniform(0.12, 0.55)
    kind = textures.NOISE if b.rng.uniform() < 0.6 else textures.SPECKLE
    return b.material(kind, base=base, contrast=b.rng.uniform(0.05, 0.25), repeat_m=2.0, specular=0.0)


def foliage(b: SceneBuilder, spread_m: float) -> Material:
    """Leaves: mostly green, sometimes dry or autumnal."""
    pick = b.rng.uniform()
    if pick < 0.82:
        base = np.array([b.rng.uniform(0.02, 0.14), b.rng.uniform(0.06, 0.24), b.rng.uniform(0.01, 0.06)])
    else:
        base = np.array([b.rng.uniform(0.15, 0.4), b.rng.uniform(0.08, 0.25), 0.04])
    return b.material(textures.LEAVES, base=base, contrast=0.8, repeat_m=max(0.4, spread_m), specular=0.0)


def checker(b: SceneBuilder, square_m: float) -> Material:
    """Black and white squares, as on a calibration board."""
    repeat = square_m * textures.CHECKER_COUNT
    return b.material(textures.CHECKER, base=(0.2, 0.2, 0.2), contrast=2.0, repeat_m=repeat, specular=0.0, grain=0.0)


def bricks(b: SceneBuilder) -> Material:
    """Bricks of 225 x 75 mm with their joints; red, yellow, brown or painted."""
    red = np.array([(0.4, 0.16, 0.1), (0.5, 0.35, 0.2), (0.22, 0.12, 0.08), (0.7, 0.7, 0.68)][int(b.rng.integers(4))])
    base = red * math.exp(b.rng.normal(0, 0.2))
    repeat = 0.225 * textures.BRICKS[1]
    return b.material(textures.BRICK, base=base, contrast=b.rng.uniform(0.2, 0.6), repeat_m=repeat, specular=0.0)


def tiles(b: SceneBuilder, edges_m: tuple[float, ...] = (0.1, 0.15, 0.2, 0.3, 0.45, 0.6)) -> Material:
    """Square tiles or slabs of a usual size."""
    base = bright(b) * b.rng.uniform(0.25, 1.0) if b.rng.uniform() < 0.8 else b.colour(0.4, 0.1, 0.6)
    repeat = float(b.rng.choice(edges_m)) * textures.TILE_COUNT
    specular = b.rng.choice([0.0, 0.15, 0.35])
    return b.material(textures.TILES, base=base, contrast=b.rng.uniform(0.03, 0.3), repeat_m=repeat, specular=specular)


def floor(b: SceneBuilder) -> Material:
    """Indoor floor: boards, tiles, carpet, screed."""
    pick = b.rng.uniform()
    if pick < 0.35:
        return wood(b, b.rng.uniform(0.8, 1.6))
    if pick < 0.6:
        return tiles(b, (0.2, 0.3, 0.45, 0.6))
    return fabric(b) if pick < 0.78 else concrete(b)


def stucco(b: SceneBuilder) -> Material:
    """Outer wall: plaster, brick, concrete, boards."""
    pick = b.rng.uniform()
    if pick < 0.5:
        base = bright(b) * b.rng.uniform(0.45, 1.0) if b.rng.uniform() < 0.7 else b.colour(0.4, 0.12, 0.5)
        return b.material(textures.NOISE, base=base, contrast=b.rng.uniform(0.02, 0.15), repeat_m=3, specular=0.0)
    if pick < 0.75:
        return bricks(b)
    return concrete(b) if pick < 0.92 else wood(b, 2.0)


def roofing(b: SceneBuilder) -> Material:
    """Clay tiles, slate, felt or sheet."""
    base = np.array([(0.32, 0.12, 0.07), (0.08, 0.08, 0.09), (0.2, 0.17, 0.15)][int(b.rng.integers(3))])
    kind = textures.STRIPES if b.rng.uniform() < 0.3 else textures.TILES
    return b.material(kind, base=base * b.rng.uniform(0.7, 1.4), contrast=0.2, repeat_m=1.4, specular=0.0)


def asphalt(b: SceneBuilder) -> Material:
    """Road surface: asphalt or concrete, dry or a little wet."""
    base = np.array([1.0, 0.98, 0.95]) * math.exp(b.rng.uniform(math.log(0.05), math.log(0.3)))
    specular = b.rng.choice([0.0, 0.0, 0.1, 0.3])
    return b.material(textures.SPECKLE, base=base, contrast=0.2, repeat_m=1.5, specular=specular, grain=0.2)


def paving(b: SceneBuilder) -> Material:
    """Pavement: slabs of 30 to 60 cm, small stones, asphalt."""
    if b.rng.uniform() < 0.55:
        base = np.array([1.0, 0.96, 0.9]) * b.rng.uniform(0.15, 0.5)
        repeat = float(b.rng.choice([0.1, 0.3, 0.4, 0.5, 0.6])) * textures.TILE_COUNT
        return b.material(textures.TILES, base=base, contrast=0.12, repeat_m=repeat, specular=0.0)
    return asphalt(b) if b.rng.uniform() < 0.5 else concrete(b)


def soil(b: SceneBuilder) -> Material:
    """Natural ground: grass, dry grass, earth, gravel, sand, snow."""
    base = np.array(_GROUNDS[int(b.rng.choice(len(_GROUNDS), p=_GROUND_SHARES))]) * math.exp(b.rng.normal(0, 0.25))
    kind = int(b.rng.choice([textures.LEAVES, textures.SPECKLE, textures.NOISE]))
    contrast, repeat = b.rng.uniform(0.15, 0.5), b.rng.uniform(1.5, 5)
    return b.material(kind, base=base, contrast=contrast, repeat_m=repeat, specular=0.0, grain=b.rng.uniform(0.1, 0.5))


_GROUNDS = (
    (0.09, 0.13, 0.04),
    (0.06, 0.1, 0.03),
    (0.25, 0.22, 0.1),
    (0.2, 0.14, 0.09),
    (0.3, 0.28, 0.25),
    (0.45, 0.37, 0.25),
    (0.85, 0.87, 0.9),
)
_GROUND_SHARES = (0.28, 0.22, 0.15, 0.14, 0.11, 0.06, 0.04)
