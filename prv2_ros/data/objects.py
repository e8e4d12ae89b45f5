"""People, two-wheelers, wires, fences and nameless clutter, composed of boxes, ellipsoids and rods (metres)."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place, SceneBuilder, Vector
from prv2_ros.data.scene import Material


def _local(x: float, y: float, yaw: float) -> tuple[float, float]:
    c, s = math.cos(yaw), math.sin(yaw)
    return c * x - s * y, s * x + c * y


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
    b.rod(head, head + up * 0.15, tube, metal)
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


def person(b: SceneBuilder, x: float, y: float, yaw: float, z: float = 0.0) -> None:
    """Person of 1.5 to 1.95 m, one in eight a child: standing, walking, with or without a bag; `z` is the floor's."""
    rng = b.rng
    s = (rng.uniform(1.0, 1.4) if rng.uniform() < 0.12 else rng.normal(1.72, 0.08)) / 1.75
    p, trousers, shirt = Place(b=b, x=x, y=y, z=z, yaw=yaw), finishes.fabric(b), finishes.fabric(b)
    skin, shoe, hair = finishes.skin(b), finishes.dark(b, 0.1), finishes.dark(b, 0.1)
    stride = rng.uniform(0.12, 0.32) if rng.uniform() < 0.6 else 0.03
    hip, knee, neck = 0.9 * s, 0.5 * s, 1.45 * s
    for side in (-1, 1):
        step = side * stride * s
        foot, bend = (0.1 * side * s, step, 0.06 * s), (0.095 * side * s, step * 0.3 + 0.05 * s, knee)
        p.rod((0.09 * side * s, 0, hip), bend, 0.075 * s, trousers)
        p.rod(bend, foot, 0.055 * s, trousers)
        p.ball((foot[0], foot[1] + 0.06 * s, 0.045 * s), (0.05 * s, 0.14 * s, 0.05 * s), shoe)
        shoulder, elbow = (0.19 * side * s, 0, neck - 0.05 * s), (0.25 * side * s, -0.4 * step, 1.12 * s)
        hand = (0.24 * side * s, -step + 0.08 * s, 0.88 * s + rng.choice([0.0, 0.0, 0.3]) * s)
        p.rod(shoulder, elbow, 0.05 * s, shirt)
        p.rod(elbow, hand, 0.042 * s, shirt if rng.uniform() < 0.6 else skin)
        p.ball(shoulder, (0.07 * s, 0.075 * s, 0.075 * s), shirt)
        p.ball(hand, (0.045 * s, 0.05 * s, 0.06 * s), skin)
    p.ball((0, 0, hip + 0.02 * s), (0.17 * s, 0.12 * s, 0.15 * s), trousers)
    p.taper((0, 0, hip), (0.42 * s, 0.26 * s, -0.52 * s), shirt)
    p.ball((0, 0, 1.2 * s), (0.185 * s, 0.125 * s, 0.3 * s), shirt)
    p.upright((0, 0, neck - 0.02 * s), 0.055 * s, 0.12 * s, skin)
    p.ball((0, 0.01 * s, 1.63 * s), (0.078 * s, 0.1 * s, 0.12 * s), skin)
    p.ball((0, -0.015 * s, 1.67 * s), (0.085 * s, 0.1 * s, 0.1 * s), hair)
    if rng.uniform() < 0.2:
        p.box((0, -0.2 * s, 1.0 * s), (0.3 * s, 0.18 * s, 0.42 * s), finishes.fabric(b))
