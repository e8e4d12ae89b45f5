"""Indoor compositions: room, near plain surfaces, corridor, warehouse, garage and table top."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import finishes, fixtures, furniture, interior, objects, textures, things
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Pose, Scene


def room(b: SceneBuilder) -> Scene:
    """Living room, kitchen, bedroom, office or lobby."""
    rng = b.rng
    w, d, h = rng.uniform(2.4, 8), rng.uniform(2.6, 10), rng.uniform(2.25, 3.4)
    interior.shell(b, w, d, h)
    interior.fittings(b, w, d, h)
    interior.furnish(b, w, d, h, rng.uniform(0.3, 0.95))
    interior.lights(b, w, d, h)
    if rng.uniform() < 0.45:
        fixtures.rug(_somewhere(b, w, d))
    for _ in range(int(rng.integers(0, 3))):  # the middle of the room
        middle, size = _somewhere(b, w, d), rng.uniform(0.6, 1.0)
        if rng.uniform() < 0.7:
            tall = rng.uniform() < 0.6
            furniture.table(middle, rng.uniform(0.7, 1.8), size, 0.74 if tall else 0.42, int(rng.integers(0, 8)))
            for k in range(int(rng.integers(0, 5)) if tall else 0):
                side = -1 if k % 2 else 1
                spot = middle.at(rng.uniform(-0.5, 0.5), side * (size / 2 + 0.2), 0, 0 if side > 0 else math.pi)
                furniture.chair(spot)
        else:
            furniture.sofa(middle, rng.uniform(0.8, 2.0))
    for _ in range(int(rng.integers(0, 4))):
        furniture.chair(_somewhere(b, w, d))
    for _ in range(int(rng.integers(0, 6))):
        things.on_floor(_somewhere(b, w, d))
    if rng.uniform() < 0.06:
        things.target(_somewhere(b, w, d), 0.4)
    interior.people(b, w, 1.3, d - 0.3, 0.22)
    pose = Pose(
        position=(rng.uniform(-w / 3, w / 3), rng.uniform(0.1, 0.5), interior.eye_height(b, h)),
        yaw_deg=rng.normal(0, 26),
        pitch_deg=rng.normal(-7, 10),
        roll_deg=rng.normal(0, 2.5),
    )
    return b.build("room", interior.lit(b, w, d, h), pose)


def _somewhere(b: SceneBuilder, w: float, d: float) -> Place:
    x, y = b.rng.uniform(-w / 2.4, w / 2.4), b.rng.uniform(1.2, max(1.4, d - 0.4))
    return Place(b=b, x=x, y=y, yaw=b.rng.uniform(0, 2 * math.pi))


def plain(b: SceneBuilder) -> Scene:
    """A bright wall, ceiling, board or cupboard that fills most of the picture: what is near and plain is no sky."""
    rng = b.rng
    w, d, h = rng.uniform(2.2, 6), rng.uniform(1.0, 4), rng.uniform(2.2, 3.2)
    interior.shell(b, w, d, h, rough=0.05)
    interior.fittings(b, w, d, h)
    interior.lights(b, w, d, h)
    if rng.uniform() < 0.6:
        interior.furnish(b, w, d, h, 0.3)
    if rng.uniform() < 0.3:
        size = rng.uniform(1.0, 2.2)
        fixtures.frame(interior.at_wall(b, w, d, 2, rng.normal(0, 0.5), 0.02, rng.uniform(0.6, 1.0)), size, 1.1)
    if rng.uniform() < 0.25:
        fixtures.curtain(
            interior.at_wall(b, w, d, 2, rng.normal(0, 0.5), 0.1), rng.uniform(0.8, 3), min(h, rng.uniform(1.8, 3))
        )
    for _ in range(int(rng.integers(0, 4))):
        things.on_floor(_somewhere(b, w, max(d, 1.9)))
    if rng.uniform() < 0.15:
        things.target(Place(b=b, x=rng.normal(0, 0.3), y=d * 0.7), rng.uniform(0.5, 1.2))
    interior.people(b, w, 0.9, d, 0.1)
    pose = Pose(
        position=(rng.uniform(-w / 4, w / 4), rng.uniform(0.05, 0.4), interior.eye_height(b, h)),
        yaw_deg=rng.normal(0, 32),
        pitch_deg=rng.normal(3, 16),
        roll_deg=rng.normal(0, 4),
    )
    return b.build("plain", interior.lit(b, w, d, h, 1.3), pose)


def corridor(b: SceneBuilder) -> Scene:
    """Long narrow passage with doors, pipes and things along the walls."""
    rng = b.rng
    w, d, h = rng.uniform(1.2, 3.5), rng.uniform(6, 40), rng.uniform(2.25, 3.6)
    interior.shell(b, w, d, h, rough=0.15)
    leaf = finishes.board(b)
    spacing = rng.uniform(1.8, 5)
    for k in range(int(d / spacing)):
        for wall in range(2):
            along = spacing * k + rng.uniform(0.6, 1.2) - d / 2
            pick = rng.uniform()
            if pick < 0.6:
                fixtures.door(interior.at_wall(b, w, d, wall, along), leaf)
            elif pick < 0.7:
                furniture.cupboard(interior.at_wall(b, w, d, wall, along, 0.2), 0.8, 0.36, rng.uniform(0.6, 1.9))
            elif pick < 0.82:
                fixtures.frame(interior.at_wall(b, w, d, wall, along, 0, 1.2), rng.uniform(0.3, 1.2), 0.7)
            elif pick < 0.9:
                fixtures.radiator(interior.at_wall(b, w, d, wall, along, 0.08))
    pick = rng.uniform()
    if pick < 0.4:
        fixtures.window(Place(b=b, x=0, y=d, z=0.8), min(1.4, w * 0.8), 1.2)
    elif pick < 0.8:
        fixtures.door(Place(b=b, x=0, y=d))
    glow = b.material(textures.NOISE, base=(0.9, 0.9, 0.86), contrast=0.02, emission=rng.uniform(1, 5), grain=0.0)
    for y in np.arange(1.0, d, rng.uniform(1.5, 4)):
        b.box((0, y, h), rng.choice([(0.3, 1.2, 0.06), (0.6, 0.6, 0.05), (1.0, 0.15, 0.06)]), glow)
    for _ in range(int(rng.integers(0, 4))):
        x, z = rng.choice([-1, 1]) * (w / 2 - 0.08), h - rng.uniform(0.1, 0.5)
        b.rod((x, 0, z), (x, d, z), rng.uniform(0.01, 0.08), finishes.metal(b))
    for _ in range(int(rng.integers(0, 7))):
        x = rng.choice([-1, 1]) * (w / 2 - rng.uniform(0.2, 0.4))
        things.on_floor(Place(b=b, x=x, y=rng.uniform(1.2, d * 0.7), yaw=rng.choice([0, 1.57])))
    interior.people(b, w, 1.5, min(d, 14), 0.45)
    pose = Pose(
        position=(rng.uniform(-w / 4, w / 4), 0.15, interior.eye_height(b, h)),
        yaw_deg=rng.normal(0, 10),
        pitch_deg=rng.normal(-4, 6),
        roll_deg=rng.normal(0, 2),
    )
    return b.build("corridor", interior.lit(b, w, min(d, 8), h, 1.5), pose)


def tabletop(b: SceneBuilder) -> Scene:
    """Things on a desk, bench, counter or shelf within arm's reach, with the room behind it."""
    rng = b.rng
    w, d, h = rng.uniform(2.2, 7), rng.uniform(1.4, 7), rng.uniform(2.3, 3.2)
    interior.shell(b, w, d, h)
    interior.fittings(b, w, d, h)
    interior.lights(b, w, d, h)
    top, back, wide = rng.uniform(0.7, 0.95), rng.uniform(0.6, 1.1), rng.uniform(0.9, 2.2)
    near = rng.uniform(0.0, 0.35)
    surface = finishes.white(b) if rng.uniform() < 0.5 else finishes.board(b)
    b.box((0, near + back / 2, top - 0.02), (wide, back, 0.04), surface)
    for side in (-1, 1):
        b.standing_box((side * (wide / 2 - 0.04), near + back / 2, 0), (0.05, back, top - 0.04), finishes.board(b))
    bench = Place(b=b, x=0, y=near + back / 2, z=top)
    if rng.uniform() < 0.5:
        things.monitor(bench.at(rng.normal(0, 0.25), back * 0.28, 0, rng.normal(0, 0.25)))
    if rng.uniform() < 0.5:
        things.keyboard(bench.at(rng.normal(0, 0.15), -back * rng.uniform(0.05, 0.3), 0, rng.normal(0, 0.1)))
    if rng.uniform() < 0.35:
        things.laptop(bench.at(rng.normal(0, 0.3), rng.uniform(-0.2, 0.1) * back, 0, rng.normal(0, 0.3)))
    if rng.uniform() < 0.1:
        things.target(bench.at(rng.normal(0, 0.2), rng.uniform(0, 0.3) * back, 0, rng.normal(0, 0.4)))
    if rng.uniform() < 0.15:  # a shelf board over the desk
        furniture.shelf(bench.at(rng.normal(0, 0.2), back / 2 - 0.12, rng.uniform(0.3, 0.5)), wide * 0.8, 0.24, 0.5)
    things.scatter(bench, min(wide, 1.5), back, int(rng.integers(2, 18)))
    for _ in range(int(rng.integers(0, 8))):  # and what no list has
        x, y = rng.uniform(-0.6, 0.6), near + rng.uniform(0.2, 0.95) * back
        objects.clutter(b, x, y, top, math.exp(rng.uniform(math.log(0.03), math.log(0.25))))
    interior.furnish(b, w, d, h, rng.uniform(0, 0.7) if d > near + back + 1.2 else 0.0)
    for _ in range(int(rng.integers(0, 3))):
        furniture.chair(_somewhere(b, w, max(d, 2.5)))
    interior.people(b, w, near + back + 0.3, max(d, near + back + 0.5), 0.12)
    pose = Pose(
        position=(rng.uniform(-0.3, 0.3), rng.uniform(0.0, 0.15), top + rng.uniform(0.12, 0.85)),
        yaw_deg=rng.normal(0, 14),
        pitch_deg=rng.uniform(-48, 2),
        roll_deg=rng.normal(0, 4),
    )
    return b.build("tabletop", interior.lit(b, w, d, h), pose)
