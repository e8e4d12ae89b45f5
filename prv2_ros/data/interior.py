"""What indoor scenes share: the shell of a room, its light, its fittings, furniture along its walls, camera heights."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import finishes, fixtures, furniture, objects, textures
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Lighting, Material

_THICK_M = 0.01


def shell(b: SceneBuilder, w: float, d: float, h: float, *, rough: float = 0.12) -> None:
    """Room from x = -w/2 to w/2 and y = 0 to d: one hollow box, with floor, ceiling and skirting.

    With probability `rough` its walls are brick, concrete, boards, tiles or wallpaper; else they are painted.
    """
    b.box((0, d / 2, h / 2), (w, d, h), _wall(b, rough))
    b.box((0, d / 2, 0), (w, d, 2 * _THICK_M), finishes.floor(b))
    ceiling = finishes.paint(b, 0.95) if b.rng.uniform() > rough else _wall(b, 1.0)
    b.box((0, d / 2, h), (w, d, 2 * _THICK_M), ceiling)
    if b.rng.uniform() < 0.35:
        b.box((0, d, h / 2), (w, 2 * _THICK_M, h), _wall(b, 0.5))
    if b.rng.uniform() < 0.6:
        skirting = finishes.board(b)
        for x in (-w / 2, w / 2):
            b.box((x, d / 2, 0.05), (0.03, d, 0.1), skirting)
        b.box((0, d, 0.05), (w, 0.03, 0.1), skirting)
    if b.rng.uniform() < 0.1:  # beams
        beam = finishes.wood(b)
        for y in np.arange(0.5, d, b.rng.uniform(0.6, 1.5)):
            b.box((0, y, h - 0.1), (w, 0.12, 0.2), beam)


def _wall(b: SceneBuilder, rough: float) -> Material:
    if b.rng.uniform() > rough:
        return finishes.paint(b, 0.8)
    pick = b.rng.uniform()
    if pick < 0.25:
        return finishes.bricks(b)
    if pick < 0.45:
        return finishes.concrete(b)
    if pick < 0.6:
        return finishes.wood(b, 1.2)
    if pick < 0.75:
        return finishes.tiles(b)
    kind = int(b.rng.choice([textures.STRIPES, textures.CELLS, textures.NOISE, textures.WEAVE]))
    return b.material(kind, base=finishes.bright(b) * 0.8, contrast=b.rng.uniform(0.05, 0.3), specular=0.0)


def at_wall(b: SceneBuilder, w: float, d: float, wall: int, along: float, depth: float = 0.0, z: float = 0.0) -> Place:
    """Spot `along` (m from the middle) the left (0), right (1) or far (2) wall and `depth` into the room."""
    if wall == 2:
        return Place(b=b, x=along, y=d - depth, z=z)
    side = -1 if wall == 0 else 1
    return Place(b=b, x=side * (w / 2 - depth), y=d / 2 + along, z=z, yaw=-side * math.pi / 2)


def fittings(b: SceneBuilder, w: float, d: float, h: float) -> None:
    """Doors, windows, pictures, switches and sockets on the three walls that the camera sees."""
    for wall in range(3):
        length = w if wall == 2 else d
        x = -length / 2 + b.rng.uniform(0.4, 1.2)
        while x < length / 2 - 0.5:
            pick, room = b.rng.uniform(), length / 2 - x - 0.2
            step = b.rng.uniform(0.3, 1.0)
            if pick < 0.2 and room > 1.0:
                fixtures.door(at_wall(b, w, d, wall, x + 0.5))
                step = 1.2
            elif pick < 0.45 and room > 0.9:
                width = min(b.rng.uniform(0.8, 2.4), room)
                sill = b.rng.uniform(0.7, 1.1)
                fixtures.window(
                    at_wall(b, w, d, wall, x + width / 2, z=sill), width, min(b.rng.uniform(0.9, 1.6), h - sill - 0.15)
                )
                if b.rng.uniform() < 0.4:
                    fixtures.radiator(at_wall(b, w, d, wall, x + width / 2, 0.08), min(width, 1.2))
                step = width + 0.3
            elif pick < 0.7:
                width, height = b.rng.uniform(0.2, 1.2, 2)
                z = b.rng.uniform(1.1, 1.5)
                fixtures.frame(at_wall(b, w, d, wall, x + width / 2, z=z), width, min(height, h - z - 0.1))
                step = width + 0.4
            elif pick < 0.8:
                switch = finishes.white(b, 0.1)
                at_wall(b, w, d, wall, x).box((0, 0, 1.1), (0.085, 0.03, 0.085), switch)
                at_wall(b, w, d, wall, x + 0.2).box((0, 0, 0.28), (0.085, 0.03, 0.085), switch)
            x += step


def furnish(b: SceneBuilder, w: float, d: float, h: float, density: float) -> None:
    """Pieces of furniture side by side along the walls, with gaps; `density` is the share of occupied wall."""
    for wall in range(3):
        length = w if wall == 2 else d
        along = -length / 2 + (0.9 if wall < 2 else 0.1) + b.rng.uniform(0, 0.5)
        while along < length / 2 - 0.6:
            if b.rng.uniform() > density:
                along += b.rng.uniform(0.4, 1.4)
                continue
            along += piece(b, w, d, h, wall, along, length / 2 - along) + b.rng.choice([0.02, 0.1, 0.4])


def piece(b: SceneBuilder, w: float, d: float, h: float, wall: int, along: float, room: float) -> float:
    """Put one piece at a wall from `along` on, at most `room` wide; return its width (m)."""
    u, pick = b.rng.uniform, int(b.rng.choice(12, p=_SHARES))
    size = min(u(0.7, 2.0), room)

    def spot(depth: float, z: float = 0.0) -> Place:
        return at_wall(b, w, d, wall, along + size / 2, depth / 2 + 0.02, z)

    if pick == 0:
        furniture.cupboard(spot(0.45), size, 0.45, u(0.7, 1.0))
    elif pick == 1:
        furniture.cupboard(spot(0.6), size, 0.6, min(u(1.7, 2.2), h - 0.1))
    elif pick == 2:
        furniture.shelf(spot(0.3), size, 0.3, min(u(0.8, 2.1), h - 0.1))
    elif pick == 3:
        furniture.drawers(spot(0.48), min(size, 1.2), 0.48, u(0.6, 1.2))
    elif pick == 4:
        furniture.desk(spot(0.75), max(size, 1.0))
    elif pick == 5:
        furniture.sofa(spot(0.9), max(size, 0.8))
    elif pick == 6 and min(w, d) > 2.8:
        size = float(b.rng.choice([0.9, 1.4, 1.8]))
        furniture.bed(at_wall(b, w, d, wall, along + size / 2, 1.1), size)
    elif pick == 7:
        furniture.kitchen(spot(0.6), max(size, 1.2))
        size = max(size, 1.2) + 0.65
    elif pick == 8:
        size = 0.6
        furniture.washer(spot(0.6))
    elif pick == 9:
        size = 0.5
        (furniture.lamp if u() < 0.5 else furniture.plant)(spot(0.5))
    elif pick == 10:
        furniture.television(spot(0.45))
        size = 1.6
    else:
        furniture.lump(spot(0.5), min(size, 1.2))
    return size


_SHARES = (0.12, 0.12, 0.16, 0.1, 0.12, 0.11, 0.05, 0.05, 0.03, 0.06, 0.03, 0.05)


def lit(b: SceneBuilder, w: float, d: float, h: float, level: float = 1.0) -> Lighting:
    """Ceiling or floor lamp, or sun through a window, over light that the walls throw back."""
    rng = b.rng
    warm = np.array([1.0, rng.uniform(0.72, 1.0), rng.uniform(0.5, 1.0)])
    fill = level * math.exp(rng.normal(-0.7, 0.55))
    lamps = tuple(
        (rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.1, 0.9) * d, h - 0.2, level * rng.uniform(0.3, 2))
        for _ in range(int(rng.integers(0, 4)))
    )
    z = h - rng.uniform(0.05, 0.4) if rng.uniform() < 0.75 else rng.uniform(0.8, h - 0.3)
    lamp = (rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.05, 0.95) * d, z)
    r, g, bl = level * math.exp(rng.uniform(math.log(0.5), math.log(5.0))) * warm
    tint = 0.5 + 0.5 * warm
    return Lighting(
        key_position=lamp,
        key_target=(lamp[0] + rng.normal(0, 0.3), lamp[1] + rng.normal(0, 0.3), 0.0),
        key_spread_m=z * 2.5,
        key_rgb=(float(r), float(g), float(bl)),
        sky_rgb=(fill * tint[0], fill * tint[1], fill * tint[2]),
        ground_rgb=(0.75 * fill * tint[0], 0.7 * fill * tint[1], 0.65 * fill * tint[2]),
        is_sun=False,
        lamps=lamps,
        softness_m=math.exp(rng.uniform(math.log(0.01), math.log(0.25))),
    )


def eye_height(b: SceneBuilder, h: float) -> float:
    """Camera height (m): mostly handheld, else a robot's, a table's or a ceiling camera's."""
    low, high = ((1.1, 1.75), (0.2, 0.6), (0.75, 1.1), (1.9, 2.6))[int(b.rng.choice(4, p=[0.55, 0.18, 0.17, 0.1]))]
    return float(min(b.rng.uniform(low, high), h - 0.25))


def lights(b: SceneBuilder, w: float, d: float, h: float) -> None:
    """Lamps at the ceiling: panels, tubes, globes, pendants."""
    glow = b.material(textures.NOISE, base=(0.9, 0.88, 0.82), contrast=0.02, emission=b.rng.uniform(1.5, 6), grain=0.0)
    pick, count = b.rng.uniform(), int(b.rng.integers(1, 5))
    for k in range(count):
        x, y = b.rng.uniform(-w / 3, w / 3), d * (k + 0.5) / count
        if pick < 0.3:
            b.box((x, y, h - 0.01), (0.6, 0.6, 0.04), glow)
        elif pick < 0.5:
            b.box((x, y, h - 0.04), (0.12, 1.2, 0.06), glow)
        elif pick < 0.75:
            b.upright((x, y, h - 0.08), b.rng.uniform(0.12, 0.25), 0.07, glow)
        else:
            drop = b.rng.uniform(0.3, 0.9)
            b.rod((x, y, h), (x, y, h - drop), 0.004, finishes.dark(b))
            b.ball((x, y, h - drop - 0.1), (0.14, 0.14, 0.12), glow)


def people(b: SceneBuilder, w: float, y0: float, y1: float, chance: float) -> None:
    """Stand one or two people in the room."""
    while b.rng.uniform() < chance:
        objects.person(b, b.rng.uniform(-w / 2.5, w / 2.5), b.rng.uniform(y0, y1), b.rng.uniform(0, 6.3))
        chance *= 0.5
