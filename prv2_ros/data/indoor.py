"""Indoor compositions: room, corridor, warehouse, garage and table top."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import objects, textures
from prv2_ros.data.scene import Lighting, Pose, Scene, SceneBuilder


def _walls(b: SceneBuilder, w: float, d: float, h: float) -> None:
    """Room from x = -w/2 to w/2 and y = 0 to d: one hollow cube, lined with floor, ceiling and walls."""
    wall = b.material(base=b.colour(0.15, 0.3, 0.9), contrast=abs(b.rng.normal(0, 0.15)))
    b.box((0, d / 2, h / 2), (w, d, h), wall)
    thick = 0.01
    floor_kind = int(b.rng.choice([textures.PLANKS, textures.TILES, textures.NOISE, textures.WEAVE, textures.SPECKLE]))
    b.box((0, d / 2, 0), (w, d, 2 * thick), b.material(floor_kind))
    b.box((0, d / 2, h), (w, d, 2 * thick), b.material(textures.NOISE, base=b.colour(0.05, 0.5, 0.9), contrast=0.05))
    if b.rng.uniform() < 0.5:
        b.box((0, d, h / 2), (w, 2 * thick, h), b.material())
    if b.rng.uniform() < 0.6:
        skirting = b.material(contrast=0.05)
        for x in (-w / 2, w / 2):
            b.box((x, d / 2, 0.05), (0.03, d, 0.1), skirting)
        b.box((0, d, 0.05), (w, 0.03, 0.1), skirting)


def _on_walls(b: SceneBuilder, w: float, d: float, h: float) -> None:
    """Pictures, windows, doors and switches."""
    rng = b.rng
    for _ in range(int(rng.integers(2, 9))):
        bright = rng.uniform() < 0.25
        picture = b.material(textures.POSTER, repeat_m=rng.uniform(0.3, 2), contrast=1.0)
        glow = b.material(textures.NOISE, base=(0.8, 0.85, 0.9), contrast=0.3, emission=rng.uniform(1, 4), repeat_m=3)
        size, z = rng.uniform(0.15, 1.3, 2), rng.uniform(0.8, max(0.9, h - 0.6))
        depth, m = rng.uniform(0.02, 0.08), glow if bright else picture
        side, frame = rng.integers(3), b.material(contrast=0.05)
        if side == 2:
            x = rng.uniform(-w / 2.3, w / 2.3)
            b.box((x, d, z), (size[0] + 0.08, depth, size[1] + 0.08), frame)
            b.box((x, d, z), (size[0], depth + 0.01, size[1]), m)
        else:
            x, y = (-w / 2, w / 2)[side], rng.uniform(0.5, d - 0.3)
            b.box((x, y, z), (depth, size[0] + 0.08, size[1] + 0.08), frame)
            b.box((x, y, z), (depth + 0.01, size[0], size[1]), m)
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(-w / 2.3, w / 2.3)
        b.standing_box((x, d, 0), (rng.uniform(0.75, 1.0), 0.06, rng.uniform(1.95, 2.1)), b.material(contrast=0.1))


def _indoor_light(b: SceneBuilder, w: float, d: float, h: float, level: float = 1.0) -> Lighting:
    rng = b.rng
    lamp = (rng.uniform(-w / 3, w / 3), rng.uniform(0.2, 0.9) * d, h - rng.uniform(0.05, 0.4))
    fill = level * math.exp(rng.normal(-1.2, 0.5))
    warm = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.55, 1.0)])
    lamps = tuple(
        (rng.uniform(-w / 3, w / 3), rng.uniform(0.1, 0.9) * d, h - 0.2, level * rng.uniform(0.3, 2))
        for _ in range(int(rng.integers(0, 3)))
    )
    r, g, bl = level * rng.uniform(1.0, 6.0) * warm
    return Lighting(
        key_position=lamp,
        key_target=(lamp[0] + rng.normal(0, 0.3), lamp[1] + rng.normal(0, 0.3), 0.0),
        key_spread_m=h * 2.2,
        key_rgb=(float(r), float(g), float(bl)),
        sky_rgb=(fill, fill * 0.97, fill * 0.92),
        ground_rgb=(fill * 0.6, fill * 0.55, fill * 0.5),
        is_sun=False,
        lamps=lamps,
    )


def _furniture(b: SceneBuilder, w: float, d: float) -> None:
    """One piece of furniture somewhere, mostly along the walls."""
    rng = b.rng
    wall = int(rng.integers(4))
    x, y, yaw = (
        (-w / 2 + 0.35, rng.uniform(0.8, d - 0.5), math.pi / 2),
        (w / 2 - 0.35, rng.uniform(0.8, d - 0.5), -math.pi / 2),
        (rng.uniform(-w / 2.4, w / 2.4), d - 0.35, 0.0),
        (rng.uniform(-w / 3, w / 3), rng.uniform(1.0, d - 0.7), rng.uniform(0, 6.3)),
    )[wall]
    pick = rng.uniform()
    if pick < 0.3:
        size = (rng.uniform(0.6, 1.8), rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.95))
        objects.table(b, x, y, yaw, size, int(rng.integers(0, 8)))
    elif pick < 0.5:
        objects.shelf(b, x, y, yaw, (rng.uniform(0.6, 2.0), rng.uniform(0.22, 0.4), rng.uniform(0.8, 2.1)))
    elif pick < 0.75:
        height = rng.uniform(0.5, 1.0) if rng.uniform() < 0.6 else rng.uniform(1.5, 2.2)
        objects.cabinet(b, x, y, yaw, (rng.uniform(0.5, 2.2), rng.uniform(0.4, 0.7), height))
    elif pick < 0.9:
        objects.sofa_or_bed(b, x, y, yaw)
    else:
        objects.plant(b, x, y, 0, rng.uniform(0.6, 1.8), rng.uniform(0.3, 0.8))


def room(b: SceneBuilder) -> Scene:
    """Living room, kitchen, bedroom or office."""
    rng = b.rng
    w, d, h = rng.uniform(2.4, 8), rng.uniform(2.6, 10), rng.uniform(2.2, 3.4)
    _walls(b, w, d, h)
    _on_walls(b, w, d, h)
    for _ in range(int(rng.integers(2, 8))):
        _furniture(b, w, d)
    for _ in range(int(rng.integers(0, 6))):
        objects.chair(b, rng.uniform(-w / 2.5, w / 2.5), rng.uniform(0.9, d - 0.4), rng.uniform(0, 6.3))
    for _ in range(int(rng.integers(0, 10))):
        objects.clutter(b, rng.uniform(-w / 2.3, w / 2.3), rng.uniform(0.8, d - 0.3), 0, rng.uniform(0.1, 0.7))
    if rng.uniform() < 0.2:
        objects.person(b, rng.uniform(-w / 3, w / 3), rng.uniform(1.2, d - 0.4), rng.uniform(0, 6.3))
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(-w / 3, w / 3), rng.uniform(0.5, d)
        b.rod((x, y, h), (x, y, h - rng.uniform(0.2, 0.9)), 0.006, b.material())
        b.ball((x, y, h - 0.5), rng.uniform(0.08, 0.25, 3), b.material(emission=2.0))
    pose = Pose(
        position=(
            rng.uniform(-w / 3, w / 3),
            rng.uniform(0.1, 0.5),
            float(np.clip(rng.normal(1.3, 0.4), 0.25, h - 0.3)),
        ),
        yaw_deg=rng.normal(0, 22),
        pitch_deg=rng.normal(-9, 10),
        roll_deg=rng.normal(0, 2.5),
    )
    return b.build("room", _indoor_light(b, w, d, h), pose)


def corridor(b: SceneBuilder) -> Scene:
    """Long narrow passage with doors, pipes and things along the walls."""
    rng = b.rng
    w, d, h = rng.uniform(1.3, 3.5), rng.uniform(8, 40), rng.uniform(2.2, 3.6)
    _walls(b, w, d, h)
    door, frame = b.material(contrast=0.1), b.material(contrast=0.05)
    spacing = rng.uniform(1.8, 5)
    for k in range(int(d / spacing)):
        for side in (-1, 1):
            y = spacing * k + rng.uniform(0, 1)
            if rng.uniform() < 0.7:
                b.standing_box((side * w / 2, y, 0), (0.1, 1.0, 2.1), frame)
                b.standing_box((side * w / 2, y, 0), (0.14, 0.85, 2.02), door)
            elif rng.uniform() < 0.5:
                objects.cabinet(b, side * (w / 2 - 0.2), y, -side * math.pi / 2, (0.8, 0.35, rng.uniform(0.6, 1.9)))
        b.box((0, spacing * k, h), (0.3, 1.2, 0.06), b.material(emission=3.0, base=(0.8, 0.8, 0.8)))
    for _ in range(int(rng.integers(0, 4))):
        x, z = rng.choice([-1, 1]) * (w / 2 - 0.08), h - rng.uniform(0.1, 0.5)
        b.rod((x, 0, z), (x, d, z), rng.uniform(0.01, 0.08), b.material())
    for _ in range(int(rng.integers(0, 7))):
        objects.clutter(b, rng.uniform(-w / 2.4, w / 2.4), rng.uniform(1, d * 0.7), 0, rng.uniform(0.15, 0.8))
    if rng.uniform() < 0.4:
        objects.person(b, rng.uniform(-w / 3, w / 3), rng.uniform(1.5, 12), rng.uniform(0, 6.3))
    pose = Pose(
        position=(rng.uniform(-w / 4, w / 4), 0.15, rng.uniform(0.3, 1.9)),
        yaw_deg=rng.normal(0, 8),
        pitch_deg=rng.normal(-4, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("corridor", _indoor_light(b, w, min(d, 8), h, 1.5), pose)


def warehouse(b: SceneBuilder) -> Scene:
    """Racks of boxes on both sides of an aisle."""
    rng = b.rng
    w, d, h = rng.uniform(6, 20), rng.uniform(12, 45), rng.uniform(3.5, 9)
    _walls(b, w, d, h)
    post, beam = b.material(), b.material()
    rows = [x for x in np.arange(-w / 2 + 0.8, w / 2 - 0.5, rng.uniform(2.4, 4.5)) if abs(x) > 1.1]
    levels, bays = int(rng.integers(2, 5)), int(min(9, (d - 3) / 2.7))
    for x in rows[:6]:
        for k in range(bays + 1):
            for dx in (-0.5, 0.5):
                b.standing_box((x + dx, 2 + 2.7 * k, 0), (0.09, 0.09, h * 0.8), post)
        for level in range(levels):
            z = h * 0.8 * level / levels
            if level:
                for dx in (-0.5, 0.5):
                    b.box((x + dx, 2 + 1.35 * bays, z), (0.05, 2.7 * bays, 0.1), beam)
            for k in range(bays):
                if rng.uniform() < 0.75:
                    size = (rng.uniform(0.5, 1.1), rng.uniform(0.7, 2.4), rng.uniform(0.25, 0.8) * h * 0.8 / levels)
                    carton = (
                        b.material(base=np.array([0.35, 0.24, 0.14]) * rng.uniform(0.4, 1.5))
                        if rng.uniform() < 0.6
                        else b.material()
                    )
                    b.standing_box((x, 3.35 + 2.7 * k, z + 0.05), size, carton, rng.normal(0, 0.04))
    for k in range(int(d / 5)):
        b.box((0, 2 + 5 * k, h - 0.1), (0.3, 1.5, 0.1), b.material(emission=4.0, base=(0.8, 0.8, 0.8)))
    for _ in range(int(rng.integers(2, 9))):
        objects.clutter(b, rng.uniform(-1.2, 1.2), rng.uniform(1.5, d * 0.8), 0, rng.uniform(0.2, 1.2))
    if rng.uniform() < 0.3:
        objects.person(b, rng.uniform(-1, 1), rng.uniform(2, 15), rng.uniform(0, 6.3))
    pose = Pose(
        position=(rng.uniform(-0.8, 0.8), 0.4, rng.uniform(0.4, 2.4)),
        yaw_deg=rng.normal(0, 14),
        pitch_deg=rng.normal(-3, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("warehouse", _indoor_light(b, w / 2, d / 2, h, 3.0), pose)


def garage(b: SceneBuilder) -> Scene:
    """Workshop seen through a long or normal lens: vehicles and machines amid dense clutter, 1 to 7 m away."""
    rng = b.rng
    w, d, h = rng.uniform(3.5, 9), rng.uniform(3.2, 8), rng.uniform(2.4, 4)
    _walls(b, w, d, h)
    _on_walls(b, w, d, h)
    middle = d * rng.uniform(0.4, 0.75)
    for k in range(int(rng.integers(1, 4))):
        x = rng.uniform(-1.5, 1.5)
        objects.two_wheeler(
            b,
            x,
            middle + rng.normal(0, 0.7),
            rng.uniform(-0.7, 0.7) + math.pi * rng.integers(2),
            k == 0 or rng.uniform() < 0.5,
        )
    for _ in range(int(rng.integers(1, 4))):
        objects.shelf(
            b, rng.uniform(-w / 2.5, w / 2.5), d - 0.3, 0.0, (rng.uniform(0.8, 2.2), 0.4, rng.uniform(1, 2.2))
        )
    for _ in range(int(rng.integers(1, 5))):
        _furniture(b, w, d)
    for _ in range(int(rng.integers(10, 45))):
        y = rng.uniform(0.35, 0.98) * d
        objects.clutter(b, rng.uniform(-w / 2.2, w / 2.2), y, 0, math.exp(rng.uniform(math.log(0.1), math.log(0.8))))
    for _ in range(int(rng.integers(3, 16))):
        x, z = rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.9, 2.2)
        b.box((x, d - 0.04, z), (rng.uniform(0.03, 0.3), 0.05, rng.uniform(0.1, 0.6)), b.material())
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.uniform(-w / 2.2, w / 2.2), rng.uniform(0.5, 1) * d
        b.rod((x, y, 0), (x + rng.normal(0, 0.4), y + 0.2, rng.uniform(1, 2.4)), rng.uniform(0.008, 0.04), b.material())
    for _ in range(int(rng.integers(0, 5))):
        ends = rng.uniform(-w / 2, w / 2, 2)
        objects.wire(
            b, (ends[0], middle, rng.uniform(0.5, h)), (ends[1], d, rng.uniform(0.5, h)), rng.uniform(0.1, 0.6), 0.008
        )
    pose = Pose(
        position=(rng.uniform(-w / 4, w / 4), 0.1, rng.uniform(0.5, 1.7)),
        yaw_deg=rng.normal(0, 10),
        pitch_deg=rng.normal(-8, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("garage", _indoor_light(b, w, d, h), pose)


def tabletop(b: SceneBuilder) -> Scene:
    """Things on a desk within arm's reach, with the room behind it."""
    rng = b.rng
    w, d, h = rng.uniform(2.5, 7), rng.uniform(1.8, 7), rng.uniform(2.3, 3.2)
    _walls(b, w, d, h)
    _on_walls(b, w, d, h)
    top, back = rng.uniform(0.65, 0.95), rng.uniform(0.8, 1.7)
    b.box((0, back / 2, top - 0.02), (rng.uniform(1.0, 2.4), back, 0.04), b.material())
    for _ in range(int(rng.integers(6, 32))):
        x, y = rng.uniform(-0.7, 0.7), rng.uniform(0.25, 0.98) * back
        objects.clutter(b, x, y, top, math.exp(rng.uniform(math.log(0.03), math.log(0.28))))
    for _ in range(int(rng.integers(0, 3))):  # screens and books that stand
        x, y = rng.uniform(-0.5, 0.5), back * rng.uniform(0.6, 0.95)
        b.standing_box(
            (x, y, top + 0.08),
            (rng.uniform(0.3, 0.75), 0.03, rng.uniform(0.2, 0.45)),
            b.material(textures.POSTER, emission=rng.choice([0, 1.0])),
            rng.normal(0, 0.2),
        )
    for _ in range(int(rng.integers(0, 4))):
        objects.wire(
            b,
            (rng.uniform(-0.6, 0.6), back * 0.9, top + 0.02),
            (rng.uniform(-0.6, 0.6), back * 0.3, top + 0.02),
            -0.03,
            0.004,
        )
    for _ in range(int(rng.integers(1, 5))):
        _furniture(b, w, d)
    pose = Pose(
        position=(rng.uniform(-0.3, 0.3), rng.uniform(-0.1, 0.05) + 0.1, top + rng.uniform(0.12, 0.8)),
        yaw_deg=rng.normal(0, 12),
        pitch_deg=rng.uniform(-45, 0),
        roll_deg=rng.normal(0, 3),
    )
    return b.build("tabletop", _indoor_light(b, w, d, h), pose)
