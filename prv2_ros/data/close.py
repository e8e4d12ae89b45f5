"""What a camera sees that stands close to something plain: curtains, walls, panels, bare floors, in any tone and tilt.

Such pictures hold few cues, and a network that has not seen them takes a hazy floor for the sky and a black curtain
for a surface at hand's breadth. Robots see them whenever they dock, turn or look down.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from prv2_ros.data import finishes, fixtures, furniture, interior, objects, shapes, textures, things
from prv2_ros.data.builder import Axes, Place, SceneBuilder
from prv2_ros.data.scene import Lighting, Material, Pose, Scene


def close(b: SceneBuilder) -> Scene:
    """Backdrop 0.5 to 4 m away, or the floor alone, with a few things before it."""
    rng = b.rng
    far = math.exp(rng.uniform(math.log(0.6), math.log(4.0)))
    w, d, h = max(2.4, far * rng.uniform(1.2, 3)), far + rng.uniform(0.2, 3), rng.uniform(2.2, 4.5)
    b.box((0, d / 2 - 0.5, h / 2), (w, d + 1, h), bare(b))
    b.box((0, d / 2 - 0.5, 0), (w, d + 1, 0.02), bare(b) if rng.uniform() < 0.6 else finishes.floor(b))
    if rng.uniform() < 0.4:
        interior.lights(b, w, d, h)
    middle = Place(b=b, x=rng.normal(0, 0.15 * far), y=far, yaw=rng.normal(0, 0.5))
    _backdrop(middle, w, h)
    for _ in range(int(rng.integers(1, 7))):
        y = far * rng.uniform(0.35, 1.0)
        _thing(Place(b=b, x=rng.normal(0, 0.45 * y), y=y, yaw=rng.uniform(0, 2 * math.pi)))
    if rng.uniform() < 0.3:
        post = Place(b=b, x=rng.normal(0, 0.3 * far), y=far * rng.uniform(0.4, 0.9))
        post.upright((0, 0, 0), rng.uniform(0.015, 0.08), h, finishes.metal(b) if rng.uniform() < 0.5 else bare(b))
    if rng.uniform() < 0.25:
        _flakes(b, far)
    steep = rng.uniform() < 0.35
    pose = Pose(
        position=(0.0, 0.0, min(h - 0.3, math.exp(rng.uniform(math.log(0.2), math.log(1.9))))),
        yaw_deg=rng.normal(0, 12),
        pitch_deg=rng.uniform(-55, -15) if steep else rng.normal(-5, 11),
        roll_deg=rng.uniform(-35, 35) if rng.uniform() < 0.35 else rng.normal(0, 4),
    )
    return b.build("close", _light(b, w, d, h), pose)


def bare(b: SceneBuilder) -> Material:
    """Plain surface of any tone, from black cloth to white board, of any colour, nearly without texture."""
    pick = b.rng.uniform()
    if pick < 0.3:
        return finishes.paint(b)
    if pick < 0.45:
        return finishes.concrete(b)
    value = math.exp(b.rng.uniform(math.log(0.006), math.log(0.06 if pick < 0.7 else 0.9)))
    hue = b.colour(0.35, 0.999, 1.0)
    kind = (textures.NOISE, textures.WEAVE, textures.SPECKLE)[int(b.rng.choice(3, p=(0.6, 0.2, 0.2)))]
    return b.material(kind, base=value * hue, contrast=b.rng.uniform(0, 0.12), specular=b.rng.choice([0.0, 0.0, 0.15]))


def _backdrop(p: Place, w: float, h: float) -> None:
    """What hides the room behind: a curtain, a wall, a corner, a container or crate, or nothing."""
    pick, u, high = p.b.rng.uniform(), p.b.rng.uniform, h * p.b.rng.uniform(0.5, 1.0)
    if pick < 0.35:
        fixtures.curtain(p, w * u(0.4, 1.1), high, bare(p.b) if u() < 0.8 else finishes.fabric(p.b))
    elif pick < 0.6:
        p.box((0, 0.05, 0), (w * u(0.4, 1.3), 0.1, high), bare(p.b))
        if u() < 0.4:
            fixtures.frame(p.at(u(-0.3, 0.3) * w, 0, u(0.5, 1.2)), u(0.3, 1.2), u(0.3, 0.9))
    elif pick < 0.72:
        m = bare(p.b)
        for side in (-1, 1):
            p.at(side * w * 0.3, -w * 0.1, 0, side * -0.78).box((0, 0, 0), (w * 0.7, 0.06, high), m)
    elif pick < 0.85:
        _container(p, u(0.6, 2.5), u(0.6, 2.4))


def _container(p: Place, w: float, h: float) -> None:
    """Box with ribs on its front."""
    m = bare(p.b)
    p.box((0, 0.3, 0), (w, 0.6, h), m)
    pitch = p.b.rng.uniform(0.06, 0.3)
    for k in range(int(w / pitch)):
        p.box((k * pitch - w / 2 + pitch / 2, -0.01, 0.02), (pitch * 0.4, 0.03, h - 0.04), m)


def _thing(p: Place) -> None:
    """Stool, chair, calibration board on a stool, box, bag, or a nameless thing."""
    pick, u = p.b.rng.uniform(), p.b.rng.uniform
    if pick < 0.25:
        high = _stool(p)
        if u() < 0.25:
            things.target(Place(b=p.b, x=p.x, y=p.y, z=high, yaw=p.b.rng.normal(0, 0.5)))
    elif pick < 0.35:
        furniture.chair(p)
    elif pick < 0.7:
        things.on_floor(p)
    else:
        objects.clutter(p.b, p.x, p.y, 0, math.exp(u(math.log(0.05), math.log(0.6))))


def _stool(p: Place) -> float:
    """Stool on four legs; gives the height of its seat (m)."""
    m, high, r = finishes.plastic(p.b), p.b.rng.uniform(0.25, 0.65), p.b.rng.uniform(0.13, 0.2)
    p.box((0, 0, high - 0.03), (2 * r, 2 * r, 0.03), m)
    for x in (-r, r):
        for y in (-r, r):
            p.rod((1.15 * x, 1.15 * y, 0), (0.9 * x, 0.9 * y, high - 0.02), 0.015, m)
    return float(high)


def _flakes(b: SceneBuilder, far: float) -> None:
    """Paper, leaves or chips of 1 to 6 cm in the air."""
    m = [bare(b) for _ in range(3)]
    for _ in range(int(b.rng.integers(10, 90))):
        y = far * b.rng.uniform(0.15, 0.9)
        at = (b.rng.normal(0, 0.4 * y), y, b.rng.uniform(0.0, 1.8))
        size = b.rng.uniform(0.005, 0.03)
        b.add(shapes.CUBE, at, _turned(b.rng, size, size * b.rng.uniform(0.5, 1.0), 0.0008), m[int(b.rng.integers(3))])


def _turned(rng: np.random.Generator, x: float, y: float, z: float) -> Axes:
    """Semi-axes (m) under a random rotation."""
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rows = q @ np.diag([x, y, z])
    return tuple(float(v) for v in rows.ravel())  # type: ignore[return-value]  # nine of them


def _light(b: SceneBuilder, w: float, d: float, h: float) -> Lighting:
    """Light of a room, from bright to dim; one in ten is hazy."""
    light = interior.lit(b, w, d, h, math.exp(b.rng.uniform(math.log(0.3), math.log(1.6))))
    return replace(light, fog_m=b.rng.uniform(4, 25)) if b.rng.uniform() < 0.1 else light
