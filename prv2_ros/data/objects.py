"""Things that stand in scenes, composed of boxes, ellipsoids and rods; sizes in metres."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from prv2_ros.data import textures
from prv2_ros.data.scene import Material, SceneBuilder, Vector, turn


def _local(x: float, y: float, yaw: float) -> np.ndarray:
    return np.asarray(turn(yaw)[:2, :2] @ np.array([x, y]))


def clutter(b: SceneBuilder, x: float, y: float, z: float, size: float) -> None:
    """Small thing of about `size` on a surface at height z."""
    rng, m = b.rng, b.material(repeat_m=size * b.rng.uniform(0.5, 3))
    yaw, pick = rng.uniform(0, math.pi), rng.uniform()
    if pick < 0.35:
        w, d, h = size * np.exp(rng.normal(0, 0.4, 3))
        b.standing_box((x, y, z), (w, d, h), m, yaw)
        if rng.uniform() < 0.3:
            b.standing_box((x, y, z + h), (w * 0.8, d * 0.8, 0.3 * h), b.material(), yaw + rng.normal(0, 0.3))
    elif pick < 0.6:
        r, h = size * rng.uniform(0.2, 0.5), size * rng.uniform(0.4, 2.0)
        b.upright((x, y, z), r, h, m)
        if rng.uniform() < 0.5:
            b.upright((x, y, z + h), r * rng.uniform(0.3, 0.9), h * rng.uniform(0.1, 0.5), b.material())
    elif pick < 0.85:
        radii = size * 0.5 * np.exp(rng.normal(0, 0.35, 3))
        b.ball((x, y, z + radii[2] * 0.95), radii, m, yaw)
    else:
        b.rod((x, y, z + 0.05 * size), (x + size * rng.normal(), y + size * rng.normal(), z + size), size * 0.08, m)


def heap(b: SceneBuilder, x: float, y: float, z: float, spread: float, count: int, size: float) -> None:
    """Scatter `count` small things."""
    for _ in range(count):
        dx, dy = b.rng.normal(0, spread, 2)
        clutter(b, x + dx, y + dy, z, size * math.exp(b.rng.normal(0, 0.5)))


def table(b: SceneBuilder, x: float, y: float, yaw: float, size: Vector, things: int = 4) -> None:
    """Table of (width, depth, height) with things on it."""
    w, d, h = size
    m = b.material()
    b.box((x, y, h - 0.02), (w, d, 0.04), m, yaw)
    for i in (-1, 1):
        for j in (-1, 1):
            u = _local(i * (w / 2 - 0.05), j * (d / 2 - 0.05), yaw)
            b.standing_box((x + u[0], y + u[1], 0), (0.05, 0.05, h), m, yaw)
    for _ in range(things):
        u = _local(b.rng.uniform(-0.42, 0.42) * w, b.rng.uniform(-0.42, 0.42) * d, yaw)
        clutter(b, x + u[0], y + u[1], h, math.exp(b.rng.uniform(math.log(0.05), math.log(0.3))))


def chair(b: SceneBuilder, x: float, y: float, yaw: float) -> None:
    """Kitchen or office chair."""
    m, h = b.material(), b.rng.uniform(0.4, 0.5)
    b.box((x, y, h), (0.45, 0.45, 0.06), m, yaw)
    u = _local(0, 0.21, yaw)
    b.box((x + u[0], y + u[1], h + 0.28), (0.43, 0.04, 0.45), m, yaw)
    leg = b.material()
    if b.rng.uniform() < 0.4:
        b.upright((x, y, 0.05), 0.03, h - 0.05, leg)
        b.upright((x, y, 0.0), 0.28, 0.05, leg)
        return
    for i in (-0.19, 0.19):
        for j in (-0.19, 0.19):
            u = _local(i, j, yaw)
            b.standing_box((x + u[0], y + u[1], 0), (0.04, 0.04, h), leg, yaw)


def shelf(b: SceneBuilder, x: float, y: float, yaw: float, size: Vector, fill: float = 0.8) -> None:
    """Shelf of (width, depth, height) filled with books, boxes and jars."""
    w, d, h = size
    rng, m, boards = b.rng, b.material(), int(b.rng.integers(3, 7))
    u = _local(0, d / 2, yaw)
    if rng.uniform() < 0.6:
        b.standing_box((x + u[0], y + u[1], 0), (w, 0.02, h), m, yaw)
    for i in (-1, 1):
        u = _local(i * w / 2, 0, yaw)
        b.standing_box((x + u[0], y + u[1], 0), (0.03, d, h), m, yaw)
    for k in range(boards + 1):
        z = h * k / boards
        b.box((x, y, z), (w, d, 0.025), m, yaw)
        s = -w / 2 + 0.05
        while k < boards and s < w / 2 - 0.12:
            t = min(math.exp(rng.uniform(math.log(0.04), math.log(0.4))), w / 2 - s - 0.03)
            if rng.uniform() < fill and len(b.shapes) < 900:
                u = _local(s + t / 2, rng.uniform(-0.15, 0.1) * d, yaw)
                height = rng.uniform(0.3, 0.9) * h / boards
                stuff = b.material(repeat_m=rng.uniform(0.1, 0.8))
                if rng.uniform() < 0.8:
                    b.standing_box((x + u[0], y + u[1], z + 0.012), (t * 0.95, d * 0.7, height), stuff, yaw)
                else:
                    b.upright((x + u[0], y + u[1], z + 0.012), min(t, d) * 0.45, height, stuff)
            s += t


def cabinet(b: SceneBuilder, x: float, y: float, yaw: float, size: Vector) -> None:
    """Closed cabinet, counter or appliance with doors and handles."""
    w, d, h = size
    m = b.material(contrast=0.1)
    b.standing_box((x, y, 0), (w, d, h), m, yaw)
    doors, front = max(1, round(w / 0.5)), b.material(contrast=0.1)
    for k in range(doors):
        u = _local((k + 0.5) * w / doors - w / 2, -d / 2, yaw)
        b.standing_box((x + u[0], y + u[1], 0.06), (w / doors * 0.94, 0.03, h - 0.1), front, yaw)
        u = _local((k + 0.85) * w / doors - w / 2, -d / 2 - 0.03, yaw)
        b.standing_box((x + u[0], y + u[1], h * 0.5), (0.02, 0.03, 0.15), b.material(), yaw)
    if h < 1.3:
        for _ in range(int(b.rng.integers(0, 5))):
            u = _local(b.rng.uniform(-0.45, 0.45) * w, b.rng.uniform(-0.3, 0.3) * d, yaw)
            clutter(b, x + u[0], y + u[1], h, b.rng.uniform(0.08, 0.35))


def sofa_or_bed(b: SceneBuilder, x: float, y: float, yaw: float) -> None:
    """Low soft furniture with cushions."""
    rng, m = b.rng, b.material(repeat_m=b.rng.uniform(0.1, 0.6))
    w, d, h = rng.uniform(1.2, 2.2), rng.uniform(0.8, 2.0), rng.uniform(0.35, 0.6)
    b.standing_box((x, y, 0), (w, d, h), m, yaw)
    u = _local(0, d / 2, yaw)
    b.standing_box((x + u[0], y + u[1], 0), (w, 0.15, h + rng.uniform(0.3, 0.6)), b.material(), yaw)
    for _ in range(int(rng.integers(1, 5))):
        u = _local(rng.uniform(-0.4, 0.4) * w, rng.uniform(0, 0.4) * d, yaw)
        b.ball((x + u[0], y + u[1], h + 0.08), (0.3, 0.2, 0.12), b.material(), yaw + rng.normal(0, 0.4))


def plant(b: SceneBuilder, x: float, y: float, z: float, height: float, spread: float, leaves: int = 60) -> None:
    """Potted plant, bush or tree crown: a stem and many flat leaves or tufts."""
    rng = b.rng
    green = (rng.uniform(0.02, 0.12), rng.uniform(0.05, 0.25), rng.uniform(0.01, 0.06))
    b.upright((x, y, z), max(0.01, 0.03 * height), height * 0.7, b.material(textures.NOISE, base=(0.1, 0.07, 0.04)))
    for _ in range(leaves):
        offset = rng.normal(0, 0.45, 3) * (spread, spread, height * 0.35)
        leaf = b.material(textures.LEAVES, base=np.multiply(green, math.exp(rng.normal(0, 0.3))), repeat_m=spread)
        s = spread * rng.uniform(0.04, 0.2)
        b.ball((x, y, z + height * 0.75) + offset, s * rng.uniform(0.25, 1.2, 3), leaf, rng.uniform(0, 3))


def tree(b: SceneBuilder, x: float, y: float, height: float) -> None:
    """Trunk, boughs and a crown of tufts."""
    rng, bark = b.rng, b.material(textures.NOISE, base=(0.09, 0.06, 0.04), repeat_m=0.5)
    b.upright((x, y, 0), height * 0.025, height * 0.7, bark)
    for _ in range(5):
        z = height * rng.uniform(0.35, 0.6)
        end = (x + rng.normal(0, 0.15) * height, y + rng.normal(0, 0.15) * height, z + 0.2 * height)
        b.rod((x, y, z), end, 0.05, bark)
    plant(b, x, y, height * 0.1, height * 0.9, height * rng.uniform(0.25, 0.45), int(rng.integers(40, 90)))


def car(b: SceneBuilder, x: float, y: float, yaw: float) -> None:
    """Car, van or lorry: body, cabin, panes, wheels, lamps."""
    rng = b.rng
    big = rng.uniform() < 0.2
    length, width = (
        (rng.uniform(5, 11), rng.uniform(2.0, 2.5)) if big else (rng.uniform(3.6, 5.0), rng.uniform(1.65, 1.95))
    )
    body = b.material(textures.NOISE, contrast=0.05, specular=rng.uniform(0.1, 0.6))
    glass = b.material(textures.NOISE, base=(0.02, 0.02, 0.025), specular=0.7)
    rubber = b.material(textures.NOISE, base=(0.02, 0.02, 0.02), specular=0.0)

    def part(u: float, v: float, z: float, size: Vector, m: Material) -> None:
        o = _local(u, v, yaw)
        b.box((x + o[0], y + o[1], z), size, m, yaw)

    if big:
        top = rng.uniform(2.4, 3.8)
        part(0, -length * 0.12, 0.5 + top / 2, (width, length * 0.74, top), body)
        part(0, length * 0.38, 1.4, (width * 0.95, length * 0.22, 2.0), b.material(contrast=0.05))
        part(0, length * 0.49, 1.9, (width * 0.85, 0.04, 0.7), glass)
    else:
        roof = rng.uniform(1.38, 1.9)
        part(0, 0, 0.62, (width, length, 0.62), body)
        o = _local(0, -0.05 * length, yaw)
        b.ball((x + o[0], y + o[1], 0.85), (width * 0.46, length * 0.4, roof - 0.85), body, yaw)
        part(0, -0.05 * length, (0.9 + roof) / 2, (width * 0.8, length * 0.46, roof - 0.95), glass)
        part(0, -0.05 * length, roof - 0.05, (width * 0.72, length * 0.34, 0.06), body)
        for side in (-0.35, 0.35):
            for end, colour in ((0.5, (0.8, 0.8, 0.7)), (-0.5, (0.5, 0.02, 0.02))):
                part(side * width, end * length, 0.7, (0.3, 0.06, 0.15), b.material(base=colour, emission=0.3))
    for side in (-1, 1):
        for end in (-0.32, 0.32):
            u = _local(side * width * 0.42, end * length, yaw)
            v = _local(side * width * 0.51, end * length, yaw)
            b.rod((x + u[0], y + u[1], 0.33), (x + v[0], y + v[1], 0.33), 0.33, rubber)
            w = _local(side * width * 0.515, end * length, yaw)
            b.rod((x + v[0], y + v[1], 0.33), (x + w[0], y + w[1], 0.33), 0.2, b.material(base=(0.4, 0.4, 0.4)))


def person(b: SceneBuilder, x: float, y: float, yaw: float) -> None:
    """Standing or walking figure of ellipsoids and rods."""
    rng, s = b.rng, b.rng.uniform(0.6, 1.08)
    trousers, shirt = b.material(repeat_m=0.3), b.material(repeat_m=0.3)
    skin = b.material(textures.NOISE, base=np.array([0.5, 0.32, 0.22]) * rng.uniform(0.2, 1.2), contrast=0.05)
    stride = rng.normal(0, 0.15)
    for side in (-1, 1):
        foot, hip = _local(0.1 * side, stride * side, yaw), _local(0.09 * side, 0, yaw)
        b.rod((x + foot[0] * s, y + foot[1] * s, 0), (x + hip[0], y + hip[1], 0.85 * s), 0.08 * s, trousers)
        shoulder, hand = _local(0.22 * side, 0, yaw), _local(0.28 * side, -stride * side, yaw)
        b.rod(
            (x + shoulder[0] * s, y + shoulder[1] * s, 1.4 * s),
            (x + hand[0] * s, y + hand[1] * s, 0.8 * s),
            0.05 * s,
            shirt,
        )
    b.ball((x, y, 1.13 * s), (0.21 * s, 0.14 * s, 0.36 * s), shirt, yaw)
    b.ball((x, y, 1.62 * s), (0.09 * s, 0.11 * s, 0.13 * s), skin, yaw)


def ring(
    b: SceneBuilder, centre: np.ndarray, u: np.ndarray, v: np.ndarray, radius: float, tube: float, m: Material
) -> None:
    """Torus-like ring in the plane of unit vectors u and v."""
    points = [centre + radius * (math.cos(a) * u + math.sin(a) * v) for a in np.linspace(0, 2 * math.pi, 15)]
    for p, q in pairwise(points):
        b.rod(p, q, tube, m)


def two_wheeler(b: SceneBuilder, x: float, y: float, yaw: float, motor: bool) -> None:
    """Bicycle or motorcycle: tyres, rims with spokes, frame, fork, handlebar, and an engine with pipes."""
    rng = b.rng
    along, up = np.array([*_local(1, 0, yaw), 0.0]), np.array([0.0, 0.0, 1.0])
    across = np.array([*_local(0, 1, yaw), 0.0])
    radius = rng.uniform(0.28, 0.36)
    base = np.array([x, y, radius])
    wheelbase = rng.uniform(1.25, 1.5) if motor else rng.uniform(0.95, 1.1)
    tyre = b.material(textures.NOISE, base=(0.02, 0.02, 0.02), specular=0.0)
    metal = b.material(textures.NOISE, base=(0.35, 0.35, 0.37), specular=0.6)
    paint = b.material(textures.NOISE, contrast=0.05, specular=0.5)
    hubs = [base - along * wheelbase / 2, base + along * wheelbase / 2]
    for hub in hubs:
        ring(b, hub, along, up, radius, 0.055 if motor else 0.02, tyre)
        for a in np.linspace(0, math.pi, 5)[:-1]:
            spoke = (math.cos(a) * along + math.sin(a) * up) * radius
            b.rod(hub - spoke, hub + spoke, 0.008, metal)
        b.rod(hub - across * 0.02, hub + across * 0.02, 0.12 if motor else 0.03, metal)
    seat, head = base + up * rng.uniform(0.4, 0.6) - along * 0.25, base + up * rng.uniform(0.5, 0.7) + along * 0.4
    tube = 0.025 if motor else 0.016
    for p, q in ((hubs[0], seat), (seat, head), (hubs[1], head), (hubs[0], base - up * 0.05), (head, base - up * 0.05)):
        b.rod(p, q, tube, paint if rng.uniform() < 0.6 else metal)
    b.rod(head + up * 0.15 - across * 0.35, head + up * 0.15 + across * 0.35, 0.016, metal)
    b.box(seat + up * 0.05, (0.6 if motor else 0.22, 0.2, 0.1), tyre, yaw)
    if not motor:
        return
    b.ball(base + up * 0.48 + along * 0.12, (0.32, 0.15, 0.14), paint, yaw)
    b.box(base + up * 0.12, (0.42, 0.3, 0.34), metal, yaw)
    for _ in range(int(rng.integers(4, 14))):
        o = base + along * rng.uniform(-0.5, 0.5) + up * rng.uniform(-0.1, 0.5) + across * rng.uniform(-0.18, 0.18)
        b.rod(o, o + rng.normal(0, 0.15, 3), rng.uniform(0.008, 0.05), b.material(specular=0.4))
    for side in (-0.16, 0.16):
        b.rod(base + across * side + along * 0.2, hubs[0] + across * side + up * 0.05, 0.045, metal)
    b.ball(head + along * 0.15 + up * 0.05, (0.1, 0.1, 0.1), metal)
    b.ball(hubs[1] + up * (radius + 0.05), (0.3, 0.06, 0.05), paint, yaw)


def wire(b: SceneBuilder, start: Vector, end: Vector, sag: float, radius: float) -> None:
    """Hanging wire or cable of straight pieces."""
    a, e, m = np.asarray(start, float), np.asarray(end, float), b.material(contrast=0.1)
    pieces = 8
    points = [a + (e - a) * k / pieces - [0, 0, 4 * sag * (k / pieces) * (1 - k / pieces)] for k in range(pieces + 1)]
    for p, q in pairwise(points):
        b.rod(p, q, radius, m)


def fence(b: SceneBuilder, x: float, y: float, yaw: float, length: float, height: float) -> None:
    """Posts, rails and pickets."""
    m, step = b.material(), b.rng.uniform(0.12, 0.6)
    for k in range(min(60, int(length / step))):
        u = _local(0, k * step, yaw)
        b.standing_box((x + u[0], y + u[1], 0), (0.04, 0.04, height), m, yaw)
    u = _local(0, length / 2, yaw)
    for z in (0.25 * height, 0.9 * height):
        b.box((x + u[0], y + u[1], z), (0.04, length, 0.06), m, yaw)
