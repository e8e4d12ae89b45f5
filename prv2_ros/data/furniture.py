"""Furniture and fittings of rooms; every piece stands at a `Place` with its back to +y (sizes in metres)."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data import finishes, textures, things
from prv2_ros.data.builder import Place


def table(p: Place, w: float, d: float, h: float, count: int = 4) -> None:
    """Table with four legs, a column or trestles, and things on it."""
    top = finishes.board(p.b)
    leg = top if p.b.rng.uniform() < 0.5 else finishes.metal(p.b)
    pick, s = p.b.rng.uniform(), p.b.rng.uniform(0.025, 0.07)
    p.box((0, 0, h - 0.03), (w, d, 0.03), top)
    if pick < 0.1:
        p.upright((0, 0, 0), 0.05, h - 0.03, leg)
        p.upright((0, 0, 0), min(w, d) * 0.35, 0.03, leg)
    elif pick < 0.25:
        for side in (-1, 1):
            p.box((side * (w / 2 - 0.03), 0, 0), (0.03, d, h - 0.03), top)
    else:
        for i in (-1, 1):
            for j in (-1, 1):
                p.box((i * (w / 2 - s), j * (d / 2 - s), 0), (s, s, h - 0.03), leg)
        if pick < 0.6:
            p.box((0, d / 2 - s, h - 0.12), (w - 2 * s, 0.02, 0.09), top)
            p.box((0, -d / 2 + s, h - 0.12), (w - 2 * s, 0.02, 0.09), top)
    things.scatter(p.at(0, 0, h), w, d, count)


def desk(p: Place, w: float) -> None:
    """Desk, 72 to 76 cm high, with drawers, a screen and a chair."""
    d, h = p.b.rng.uniform(0.6, 0.8), p.b.rng.uniform(0.72, 0.76)
    table(p, w, d, h, int(p.b.rng.integers(2, 7)))
    if p.b.rng.uniform() < 0.5:
        drawers(p.at(w / 2 - 0.28, 0), 0.42, d * 0.85, h - 0.05)
    if p.b.rng.uniform() < 0.75:
        things.monitor(p.at(p.b.rng.normal(0, 0.15), d * 0.22, h, p.b.rng.normal(0, 0.15)))
        things.keyboard(p.at(p.b.rng.normal(0, 0.08), -d * 0.22, h))
    if p.b.rng.uniform() < 0.7:
        chair(p.at(p.b.rng.normal(0, 0.2), -d / 2 - 0.25, 0, math.pi + p.b.rng.normal(0, 0.5)))


def chair(p: Place) -> None:
    """Chair with the seat at 44 to 48 cm: four legs or an office chair."""
    b, h = p.b, p.b.rng.uniform(0.44, 0.48)
    if b.rng.uniform() < 0.35:
        seat, foot = finishes.fabric(b), finishes.dark(b)
        p.box((0, 0, h - 0.05), (0.48, 0.46, 0.08), seat)
        p.tilted((0, 0.24, h + 0.36), (0.44, 0.06, 0.55), 0.15, seat)
        p.upright((0, 0, 0.08), 0.03, h - 0.1, foot)
        for k in range(5):
            a = 1.2566 * k
            p.rod((0, 0, 0.1), (0.28 * math.cos(a), 0.28 * math.sin(a), 0.05), 0.018, foot)
        for side in (-1, 1):
            p.box((side * 0.27, 0.02, h + 0.18), (0.05, 0.28, 0.03), foot)
        return
    m = finishes.board(b)
    leg = m if b.rng.uniform() < 0.6 else finishes.metal(b)
    s, back = b.rng.uniform(0.018, 0.04), b.rng.uniform(0.38, 0.52)
    p.box((0, 0, h - 0.03), (0.42, 0.42, 0.035), m if b.rng.uniform() < 0.6 else finishes.fabric(b))
    for i in (-0.19, 0.19):
        p.box((i, -0.19, 0), (s, s, h - 0.03), leg)
        p.box((i, 0.2, 0), (s, s, h + back), leg)
    if b.rng.uniform() < 0.5:
        p.box((0, 0.2, h + 0.2), (0.38, 0.02, back - 0.2), m)
    else:
        for k in range(int(b.rng.integers(2, 5))):
            p.box((0, 0.2, h + back * (0.35 + 0.2 * k)), (0.38, 0.015, 0.05), m)


def sofa(p: Place, w: float) -> None:
    """Sofa or armchair: seat at 42 cm, arms, back, cushions."""
    m, d = finishes.fabric(p.b), p.b.rng.uniform(0.8, 0.95)
    h, back, arm = p.b.rng.uniform(0.36, 0.44), p.b.rng.uniform(0.75, 0.9), p.b.rng.uniform(0.12, 0.22)
    p.box((0, 0, 0.08), (w, d, h - 0.15), m)
    seats = max(1, round((w - 2 * arm) / 0.65))
    each = (w - 2 * arm) / seats
    for k in range(seats):
        x = -w / 2 + arm + (k + 0.5) * each
        p.box((x, -0.04, h - 0.07), (each * 0.97, d * 0.8, 0.12), m)
        p.tilted((x, d / 2 - 0.25, h + 0.24), (each * 0.95, 0.16, 0.42), 0.15, m)
    p.box((0, d / 2 - 0.08, 0.08), (w, 0.16, back - 0.08), m)
    for side in (-1, 1):
        p.box((side * (w - arm) / 2, 0, 0.05), (arm, d, p.b.rng.uniform(0.5, 0.65) - 0.05), m)
    for _ in range(int(p.b.rng.integers(0, 4))):
        x = p.b.rng.uniform(-0.35, 0.35) * w
        p.tilted((x, 0.05, h + 0.22), (0.42, 0.13, 0.4), 0.35, finishes.fabric(p.b))


def bed(p: Place, w: float) -> None:
    """Bed, 2 m long, its head at the wall."""
    frame, sheet = finishes.board(p.b), finishes.white(p.b, 0.0) if p.b.rng.uniform() < 0.6 else finishes.fabric(p.b)
    p.box((0, 0, 0.12), (w + 0.06, 2.05, 0.18), frame)
    p.box((0, 1.03, 0), (w + 0.06, 0.06, p.b.rng.uniform(0.6, 1.1)), frame)
    p.box((0, 0, 0.3), (w, 1.98, 0.2), sheet)
    p.box((0, -0.3, 0.46), (w + 0.08, 1.45, 0.09), finishes.fabric(p.b))
    for k in range(max(1, round(w / 0.8))):
        x = (k + 0.5) * w / max(1, round(w / 0.8)) - w / 2
        p.ball((x, 0.72, 0.55), (0.33, 0.22, 0.1), sheet if p.b.rng.uniform() < 0.7 else finishes.fabric(p.b))


def drawers(p: Place, w: float, d: float, h: float) -> None:
    """Chest of drawers with handles."""
    m, grip = finishes.board(p.b), finishes.metal(p.b)
    p.box((0, 0, 0), (w, d, h), m)
    count = max(2, round(h / 0.22))
    for k in range(count):
        z = 0.03 + k * (h - 0.05) / count
        p.box((0, -d / 2 - 0.008, z), (w * 0.96, 0.018, (h - 0.05) / count - 0.012), m)
        p.box((0, -d / 2 - 0.03, z + 0.08), (min(0.15, w * 0.4), 0.02, 0.015), grip)


def cupboard(p: Place, w: float, d: float, h: float) -> None:
    """Cupboard, wardrobe or sideboard with doors and handles."""
    body, grip = finishes.board(p.b), finishes.metal(p.b)
    front = body if p.b.rng.uniform() < 0.6 else finishes.board(p.b)
    doors = max(1, round(w / 0.5))
    p.box((0, 0, 0), (w, d, h), body)
    for k in range(doors):
        x = (k + 0.5) * w / doors - w / 2
        p.box((x, -d / 2 - 0.01, 0.08), (w / doors - 0.008, 0.02, h - 0.1), front)
        side = 0.4 if k % 2 == 0 else -0.4
        p.box((x + side * w / doors, -d / 2 - 0.035, h * 0.5), (0.015, 0.02, 0.14), grip)
    if h < 1.4:
        things.scatter(p.at(0, 0, h), w, d, int(p.b.rng.integers(0, 6)))


def kitchen(p: Place, w: float) -> None:
    """Row of units with a worktop at 90 cm, sink, hob, wall cupboards and a fridge."""
    top, front = finishes.board(p.b), finishes.board(p.b)
    p.box((0, 0, 0), (w, 0.56, 0.87), front)
    p.box((0, -0.02, 0.87), (w, 0.62, 0.035), top)
    units, grip = max(2, round(w / 0.6)), finishes.metal(p.b)
    for k in range(units):
        x = (k + 0.5) * w / units - w / 2
        p.box((x, -0.29, 0.1), (w / units - 0.006, 0.02, 0.76), front)
        p.box((x, -0.315, 0.76), (0.16, 0.02, 0.012), grip)
        if p.b.rng.uniform() < 0.65:
            p.box((x, 0.13, 1.45), (w / units - 0.006, 0.34, 0.7), front)
    p.box((w / 4, -0.02, 0.905), (0.5, 0.4, 0.004), finishes.metal(p.b))
    p.rod((w / 4, 0.2, 0.9), (w / 4, 0.2, 1.15), 0.012, grip)
    p.rod((w / 4, 0.2, 1.15), (w / 4, 0.0, 1.13), 0.012, grip)
    p.box((-w / 4, -0.02, 0.905), (0.56, 0.5, 0.006), finishes.dark(p.b, 0.6))
    p.box((w / 2 + 0.32, 0, 0), (0.6, 0.62, p.b.rng.uniform(1.4, 2.0)), finishes.white(p.b))
    things.scatter(p.at(0, -0.02, 0.905), w, 0.5, int(p.b.rng.integers(2, 8)))


def washer(p: Place) -> None:
    """Washing machine: a white cube of 60 x 60 x 85 cm with a round door."""
    p.box((0, 0, 0), (0.6, 0.6, 0.85), finishes.white(p.b))
    p.rod((0, -0.3, 0.42), (0, -0.33, 0.42), 0.2, finishes.metal(p.b))
    p.rod((0, -0.3, 0.42), (0, -0.34, 0.42), 0.15, finishes.dark(p.b, 0.6))
    p.box((0, -0.305, 0.74), (0.56, 0.02, 0.09), finishes.plastic(p.b, 0.1))


def shelf(p: Place, w: float, d: float, h: float, fill: float = 0.85) -> None:
    """Shelf with rows of books, boxes and jars."""
    m, count = finishes.board(p.b), max(2, round(h / p.b.rng.uniform(0.28, 0.45)))
    if p.b.rng.uniform() < 0.6:
        p.box((0, d / 2, 0), (w, 0.01, h), m)
    for side in (-1, 1):
        p.box((side * w / 2, 0, 0), (0.022, d, h), m)
    for k in range(count + 1):
        p.box((0, 0, h * k / count), (w, d, 0.022), m)
    for k in range(count):
        if p.b.rng.uniform() < 0.6:
            _row_of_books(p.at(0, 0, h * k / count + 0.022), w - 0.05, d, h / count - 0.03, fill)
        else:
            things.scatter(p.at(0, 0, h * k / count + 0.022), w * 0.85, d * 0.6, int(w / 0.3))


def _row_of_books(p: Place, w: float, d: float, h: float, fill: float) -> None:
    u, x = p.b.rng.uniform, -w / 2
    tallest = min(h, u(0.2, 0.34))
    while x < w / 2 and len(p.b.shapes) < 1000:
        t = u(0.015, 0.06)
        if u() < fill:
            m = finishes.plastic(p.b, 0.1)
            p.box((x + t / 2, -d * 0.1, 0), (t * 0.96, d * u(0.6, 0.75), tallest * u(0.7, 1.0)), m)
        x += t


def lamp(p: Place) -> None:
    """Floor lamp, 1.5 m high, with a bright shade."""
    m, h = finishes.metal(p.b), p.b.rng.uniform(1.35, 1.75)
    p.upright((0, 0, 0), 0.14, 0.02, m)
    p.upright((0, 0, 0), 0.012, h, m)
    glow = p.b.material(textures.NOISE, base=(0.85, 0.78, 0.65), contrast=0.03, emission=p.b.rng.uniform(0, 2.5))
    p.taper((0, 0, h - 0.2), (0.4, 0.4, 0.3), glow)


def plant(p: Place) -> None:
    """Potted plant, 30 cm to 1.6 m."""
    h = math.exp(p.b.rng.uniform(math.log(0.3), math.log(1.6)))
    pot, leaf = finishes.plastic(p.b), finishes.foliage(p.b, 0.4)
    p.taper((0, 0, 0), (h * 0.4, h * 0.4, -h * 0.25), pot)
    if p.b.rng.uniform() < 0.5:
        for _ in range(int(p.b.rng.integers(3, 8))):
            o = p.b.rng.normal(0, 0.13, 3) * h
            r = h * p.b.rng.uniform(0.12, 0.26)
            p.b.leaves(p.world((o[0], o[1], 0.68 * h + o[2])), (r, r, r), leaf, p.b.rng.uniform(0, 3))
        p.upright((0, 0, 0.2 * h), 0.012, 0.4 * h, finishes.wood(p.b))
        return
    for _ in range(int(p.b.rng.integers(12, 30))):  # long blades
        a, lean = p.b.rng.uniform(0, 6.3), abs(p.b.rng.normal(0, 0.35))
        tip = (lean * h * math.cos(a), lean * h * math.sin(a), h * p.b.rng.uniform(0.6, 1.0))
        p.rod((0, 0, 0.22 * h), tip, 0.008 + 0.006 * h, leaf)


def television(p: Place) -> None:
    """Television on a low board."""
    w = p.b.rng.uniform(0.9, 1.5)
    cupboard(p, w * 1.2, 0.4, 0.45)
    p.box((0, 0.05, 0.5), (w, 0.05, w * 0.58), finishes.dark(p.b))
    p.box((0, 0.02, 0.51), (w - 0.03, 0.01, w * 0.56), things.picture(p, w))


def lump(p: Place, size: float) -> None:
    """Furniture of no name: a pile of boxes and rounds, for the shapes that no list has."""
    for _ in range(int(p.b.rng.integers(1, 5))):
        x, y = p.b.rng.normal(0, 0.25 * size, 2)
        s = size * np.exp(p.b.rng.normal(-0.5, 0.4, 3))
        m = p.b.material() if p.b.rng.uniform() < 0.4 else finishes.board(p.b)
        (p.box if p.b.rng.uniform() < 0.6 else p.taper)((x, y, 0), s, m)
