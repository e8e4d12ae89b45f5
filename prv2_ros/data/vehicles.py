"""Cars, vans, lorries and a forklift at their usual sizes (m); the spot is under the middle, the front looks to +y."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Material

_PAINTS = ((0.7, 0.7, 0.7), (0.4, 0.4, 0.42), (0.15, 0.15, 0.16), (0.02, 0.02, 0.02), (0.85, 0.85, 0.84))
_COLOURS = ((0.45, 0.02, 0.02), (0.03, 0.08, 0.35), (0.05, 0.15, 0.08), (0.5, 0.35, 0.05), (0.25, 0.15, 0.08))


def lacquer(p: Place) -> Material:
    """Car paint: three in four are white, silver, grey or black."""
    paints = _PAINTS if p.b.rng.uniform() < 0.75 else _COLOURS
    base = np.multiply(paints[int(p.b.rng.integers(len(paints)))], math.exp(p.b.rng.normal(0, 0.15)))
    return p.b.material(textures.NOISE, base=base, contrast=0.02, specular=p.b.rng.uniform(0.3, 0.8), grain=0.02)


def wheel(p: Place, side: float, radius: float, width: float = 0.2) -> None:
    """Tyre with rim; `side` is +1 for the right."""
    tyre = finishes.dark(p.b, 0.0)
    p.rod((-side * width / 2, 0, radius), (side * width / 2, 0, radius), radius, tyre)
    p.rod((0, 0, radius), (side * (width / 2 + 0.012), 0, radius), radius * 0.62, finishes.metal(p.b))


def _lamps(p: Place, w: float, length: float, z: float) -> None:
    head = p.b.material(textures.NOISE, base=(0.85, 0.85, 0.8), contrast=0.1, emission=p.b.rng.choice([0.0, 0.0, 3.0]))
    tail = p.b.material(textures.NOISE, base=(0.5, 0.02, 0.02), contrast=0.1, emission=p.b.rng.choice([0.1, 1.0]))
    plate = p.b.material(textures.TEXT, base=(0.7, 0.7, 0.65), contrast=0.1, repeat_m=0.5)
    for side in (-1, 1):
        p.box((side * (w / 2 - 0.22), length / 2 - 0.05, z), (0.34, 0.12, 0.13), head)
        p.box((side * (w / 2 - 0.16), -length / 2 + 0.05, z + 0.08), (0.22, 0.12, 0.2), tail)
    for end in (-1, 1):
        p.box((0, end * (length / 2 + 0.01), z - 0.2), (0.5, 0.03, 0.11), plate)


def car(p: Place) -> None:
    """Saloon, hatchback, estate or off-roader: 3.6 to 5 m long, 1.4 to 1.85 m high."""
    u = p.b.rng.uniform
    length, w, roof = u(3.7, 4.9), u(1.68, 1.9), u(1.4, 1.8)
    boxy = roof > 1.6
    body, pane, black = lacquer(p), finishes.glass(p.b), finishes.dark(p.b, 0.1)
    belt, sill = roof * 0.6, 0.22 + 0.1 * boxy
    p.box((0, 0, sill), (w * 0.97, length * 0.985, (belt - sill) * 0.55), body)
    hood = length * u(0.18, 0.25)
    p.box((0, -hood / 2, sill), (w, length - hood, belt - sill), body)
    p.taper((0, length / 2 - hood * 0.62, sill), (w * 0.98, hood * 1.25, (belt - sill) * 1.02), body)
    p.box((0, length / 2 - hood * 0.55, sill), (w * 0.96, hood * 1.1, (belt - sill) * 0.86), body)
    tail = 0.03 if boxy or u() < 0.5 else length * u(0.1, 0.16)
    cabin = length - hood - tail
    middle = -length / 2 + tail + cabin / 2
    depth = roof - belt
    _cabin(p, middle, belt, w * 0.95, cabin, depth, body, pane)
    p.box((0, length / 2 - 0.02, sill + 0.05), (w * 0.9, 0.08, 0.2), black if u() < 0.5 else body)
    p.box((0, -length / 2 + 0.02, sill + 0.05), (w * 0.9, 0.08, 0.2), black if u() < 0.5 else body)
    p.box((0, length / 2 - 0.01, belt * 0.62), (w * 0.45, 0.06, 0.14), black)
    _lamps(p, w, length, belt * 0.66)
    for side in (-1, 1):
        p.box((side * (w / 2 + 0.08), middle + cabin * 0.3, belt), (0.16, 0.09, 0.13), body)
        for end in (-0.31, 0.31):
            p.rod((side * (w / 2 - 0.1), end * length, 0.33), (side * (w / 2 + 0.006), end * length, 0.33), 0.38, black)
            wheel(p.at(side * (w / 2 - 0.09), end * length), side, u(0.3, 0.34))


def _cabin(p: Place, y: float, z: float, w: float, length: float, h: float, body: Material, pane: Material) -> None:
    """Glass with a roof and pillars: leaning front and rear windows between side panes."""
    lean_front, lean_rear = h * p.b.rng.uniform(0.7, 1.2), h * p.b.rng.uniform(0.2, 0.9)
    top = length - lean_front - lean_rear
    p.box((0, y + (lean_rear - lean_front) / 2, z), (w * 0.86, top, h), pane)
    middle = y + (lean_rear - lean_front) / 2
    for front, lean in ((1, lean_front), (-1, lean_rear)):
        # A slab that leans towards the middle: the outer half of a gable.
        p.b.roof(p.world((0, middle + front * top / 2, z)), (2 * lean, w * 0.84, h), pane, p.yaw + math.pi / 2)
    p.box((0, middle, z + h - 0.05), (w * 0.9, top + 0.1, 0.06), body)
    for side in (-1, 1):
        for k in (-0.5, 0.0, 0.5):
            p.box((side * w * 0.435, middle + k * top * 0.96, z), (0.03, 0.07, h), body)


def van(p: Place) -> None:
    """Delivery van or minibus, 4.8 to 6 m long and 2 to 2.7 m high."""
    u = p.b.rng.uniform
    length, w, h = u(4.8, 6.0), u(1.9, 2.05), u(2.0, 2.7)
    body, pane = lacquer(p), finishes.glass(p.b)
    p.box((0, -0.45, 0.3), (w, length - 0.9, h - 0.3), body)
    p.box((0, length / 2 - 0.55, 0.3), (w * 0.98, 1.1, 0.85), body)
    p.b.roof(p.world((0, length / 2 - 0.9, 1.15)), (1.5, w * 0.92, h - 1.25), pane, p.yaw + math.pi / 2)
    for side in (-1, 1):
        p.box((side * (w / 2 + 0.003), length / 2 - 1.35, 1.2), (0.02, 0.8, h * 0.25), pane)
        if u() < 0.4:
            p.box((side * (w / 2 + 0.003), -0.6, 1.2), (0.02, length * 0.5, h * 0.25), pane)
        for end in (-0.32, 0.33):
            wheel(p.at(side * (w / 2 - 0.08), end * length), side, 0.34)
    p.box((0, -length / 2 + 0.01, 1.25), (w * 0.7, 0.03, h * 0.22), pane)
    _lamps(p, w, length, 0.8)


def lorry(p: Place) -> None:
    """Lorry or bus, 6 to 12 m long and 2.9 to 3.9 m high."""
    u = p.b.rng.uniform
    length, w, h = u(6, 12), u(2.3, 2.55), u(2.9, 3.9)
    body, pane, black = lacquer(p), finishes.glass(p.b), finishes.dark(p.b, 0.0)
    p.box((0, 0, 0.5), (w * 0.7, length, 0.25), black)
    if u() < 0.3:  # bus
        p.box((0, 0, 0.35), (w, length, h - 0.55), body)
        for side in (-1, 1):
            p.box((side * w / 2, 0, 1.2), (0.03, length * 0.92, 1.1), pane)
        p.box((0, length / 2, 1.0), (w * 0.92, 0.04, 1.5), pane)
        p.box((0, -length / 2, 1.5), (w * 0.85, 0.04, 0.8), pane)
    else:
        cab = u(1.8, 2.2)
        load = finishes.white(p.b) if u() < 0.5 else finishes.print_(p.b, 3.0)
        p.box((0, -cab / 2 - 0.1, 1.0), (w, length - cab - 0.2, h - 1.0), load)
        p.box((0, length / 2 - cab / 2, 0.5), (w * 0.98, cab, h * 0.62), body)
        p.box((0, length / 2, 1.45), (w * 0.86, 0.05, 0.8), pane)
        for side in (-1, 1):
            p.box((side * w * 0.49, length / 2 - cab * 0.4, 1.5), (0.04, 0.8, 0.7), pane)
    _lamps(p, w, length, 0.7)
    for side in (-1, 1):
        for end in (-0.36, -0.24, 0.36):
            wheel(p.at(side * (w / 2 - 0.14), end * length), side, 0.5, 0.28)


def any_vehicle(b: SceneBuilder) -> tuple[Callable[[Place], None], float]:
    """Draw a kind of vehicle, four in five a car; return how to place it and half of its greatest length (m)."""
    pick = b.rng.uniform()
    return (car, 2.6) if pick < 0.78 else (van, 3.1) if pick < 0.91 else (lorry, 6.1)


def forklift(p: Place) -> None:
    """Forklift truck with mast, forks and overhead guard."""
    body = p.b.material(textures.NOISE, base=(0.75, 0.4, 0.02), contrast=0.05, specular=0.2)
    black = finishes.dark(p.b, 0.1)
    p.box((0, -0.4, 0.15), (1.1, 1.5, 0.75), body)
    p.box((0, -1.0, 0.15), (1.1, 0.5, 1.0), black)
    p.box((0, -0.5, 0.9), (0.5, 0.5, 0.5), black)
    for x in (-0.48, 0.48):
        for y in (-0.9, 0.3):
            p.rod((x, y, 0.9), (x * 0.9, y * 0.8, 2.1), 0.03, black)
        p.box((x * 0.7, 0.45, 0.05), (0.1, 0.1, 2.2), black)
        p.box((x * 0.6, 1.0, 0.06), (0.12, 1.1, 0.05), black)
        for y in (-0.9, 0.2):
            wheel(p.at(x, y), 1 if x > 0 else -1, 0.26)
    p.box((0, -0.3, 2.08), (0.95, 1.1, 0.05), black)
