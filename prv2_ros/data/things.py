"""Things that lie about, at their usual sizes (m): crockery, books, tools, boxes, office things, figures."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place
from prv2_ros.data.scene import Material


def mug(p: Place) -> None:
    """Mug with a handle, 8 to 11 cm high."""
    u, m = p.b.rng.uniform, finishes.white(p.b, 0.25) if p.b.rng.uniform() < 0.5 else finishes.plastic(p.b)
    r, h = u(0.036, 0.045), u(0.08, 0.11)
    p.upright((0, 0, 0), r, h, m)
    p.upright((0, 0, h), r * 0.88, 0.001, finishes.dark(p.b))
    x = r + 0.022
    for a, e in (((r, 0.75), (x, 0.75)), ((x, 0.75), (x, 0.3)), ((x, 0.3), (r, 0.3))):
        p.rod((a[0], 0, a[1] * h), (e[0], 0, e[1] * h), 0.006, m)


def bottle(p: Place) -> None:
    """Bottle, 20 to 33 cm high."""
    b, u = p.b, p.b.rng.uniform
    m = b.material(textures.NOISE, base=b.colour(0.6, 0.02, 0.5), contrast=0.1, specular=0.7)
    r, h = u(0.03, 0.045), u(0.2, 0.33)
    p.upright((0, 0, 0), r, h * 0.65, m)
    b.cone(p.world((0, 0, h * 0.65)), r, h * 0.3, m)
    p.upright((0, 0, h * 0.7), r * 0.35, h * 0.3, m)
    p.upright((0, 0, h * 0.2), r * 1.01, h * 0.3, finishes.print_(b, 0.1))


def books(p: Place) -> None:
    """One to five books that lie in a pile, about 15 x 21 cm."""
    z = 0.0
    for _ in range(int(p.b.rng.integers(1, 6))):
        w, d, h = p.b.rng.uniform(0.11, 0.22), p.b.rng.uniform(0.17, 0.3), p.b.rng.uniform(0.01, 0.045)
        m = finishes.plastic(p.b, 0.1) if p.b.rng.uniform() < 0.5 else finishes.print_(p.b, 0.25)
        p.box((0, 0, z), (w, d, h), m, p.b.rng.normal(0, 0.2))
        z += h


def paper(p: Place) -> None:
    """Sheets of A4: 210 x 297 mm."""
    for _ in range(int(p.b.rng.integers(1, 4))):
        x, y = p.b.rng.normal(0, 0.07, 2)
        m = finishes.text(p.b, 0.297) if p.b.rng.uniform() < 0.6 else finishes.white(p.b, 0.0)
        p.box((x, y, 0), (0.21, 0.297, 0.002), m, p.b.rng.normal(0, 0.4))


def carton(p: Place, size: float | None = None) -> None:
    """Cardboard or printed box."""
    u = p.b.rng.uniform
    size = math.exp(u(math.log(0.08), math.log(0.4))) if size is None else size
    m = finishes.carton(p.b) if u() < 0.5 else finishes.print_(p.b, size)
    w, d, h = size * np.exp(p.b.rng.normal(0, 0.3, 3))
    p.box((0, 0, 0), (w, d, h), m)
    if u() < 0.4:
        p.box((0, 0, h), (w * 1.001, 0.05, 0.001), finishes.plastic(p.b, 0.2))


def can(p: Place) -> None:
    """Can, jar or tin, 9 to 15 cm high."""
    r, h = p.b.rng.uniform(0.03, 0.055), p.b.rng.uniform(0.09, 0.15)
    p.upright((0, 0, 0), r, h, finishes.print_(p.b, 0.15))
    p.upright((0, 0, h), r * 0.95, 0.008, finishes.metal(p.b))


def bowl(p: Place) -> None:
    """Bowl with fruit, or a plate."""
    r, m = p.b.rng.uniform(0.07, 0.15), finishes.white(p.b, 0.3)
    if p.b.rng.uniform() < 0.4:
        p.upright((0, 0, 0), r, 0.015, m)
        return
    p.taper((0, 0, 0), (2 * r, 2 * r, -0.07), m)
    for _ in range(int(p.b.rng.integers(0, 6))):
        x, y = p.b.rng.normal(0, 0.35 * r, 2)
        fruit = p.b.material(textures.NOISE, base=p.b.colour(0.9, 0.2, 0.6), contrast=0.1, specular=0.15)
        p.ball((x, y, 0.075), (0.036, 0.036, 0.036), fruit)


def laptop(p: Place) -> None:
    """Open laptop, 33 cm wide."""
    m, w = finishes.metal(p.b) if p.b.rng.uniform() < 0.5 else finishes.dark(p.b), p.b.rng.uniform(0.29, 0.37)
    p.box((0, 0, 0), (w, w * 0.68, 0.018), m)
    p.box((0, 0.02, 0.018), (w * 0.88, w * 0.3, 0.001), keys(p))
    tilt = p.b.rng.uniform(0.05, 0.5)
    up = w * 0.66
    centre = (0, w * 0.34 + 0.5 * up * math.sin(tilt), 0.018 + 0.5 * up * math.cos(tilt))
    p.tilted(centre, (w, 0.008, up), tilt, m)
    face = (0, centre[1] - 0.006, centre[2])
    p.tilted(face, (w * 0.94, 0.004, up * 0.9), tilt, picture(p, 0.4))


def keys(p: Place) -> Material:
    """Surface of keys at a pitch of 19 mm."""
    return p.b.material(
        textures.TILES,
        base=np.ones(3) * p.b.rng.uniform(0.02, 0.4),
        contrast=0.9,
        repeat_m=0.019 * textures.TILE_COUNT,
        specular=0.0,
    )


def picture(p: Place, size: float) -> Material:
    """Screen: switched off, a page, or colours that glow."""
    pick = p.b.rng.uniform()
    if pick < 0.35:
        return finishes.dark(p.b, 0.6)
    kind, emission = (textures.TEXT if pick < 0.6 else textures.POSTER), p.b.rng.uniform(0.4, 1.6)
    return p.b.material(kind, base=(0.6, 0.6, 0.62), contrast=0.5, repeat_m=size, emission=emission, specular=0.2)


def keyboard(p: Place) -> None:
    """Keyboard, 44 x 14 cm, with a mouse."""
    m = finishes.dark(p.b) if p.b.rng.uniform() < 0.6 else finishes.white(p.b)
    w = p.b.rng.choice([0.36, 0.44])
    p.box((0, 0, 0), (w, 0.14, 0.02), m)
    p.box((0, 0, 0.02), (w * 0.96, 0.12, 0.006), keys(p))
    p.ball((w / 2 + 0.12, 0, 0.012), (0.032, 0.055, 0.022), m)


def monitor(p: Place) -> None:
    """Monitor of 22 to 32 inches on its foot."""
    m, w = finishes.dark(p.b), p.b.rng.uniform(0.48, 0.72)
    h = w * p.b.rng.choice([0.5625, 0.625])
    p.box((0, 0.03, 0), (0.24, 0.2, 0.015), m)
    p.box((0, 0.06, 0), (0.05, 0.03, 0.3), m)
    p.box((0, 0.02, 0.12), (w, 0.035, h), m)
    p.box((0, 0.0, 0.135), (w - 0.03, 0.002, h - 0.03), picture(p, w))


def desk_lamp(p: Place) -> None:
    """Jointed desk lamp."""
    m = finishes.dark(p.b) if p.b.rng.uniform() < 0.5 else finishes.metal(p.b)
    elbow, head = (p.b.rng.normal(0, 0.08), 0.1, 0.32), (p.b.rng.normal(0, 0.1), -0.15, 0.42)
    p.upright((0, 0, 0), 0.08, 0.02, m)
    p.rod((0, 0, 0.02), elbow, 0.008, m)
    p.rod(elbow, head, 0.008, m)
    p.b.cone(p.world((head[0], head[1], head[2] - 0.06)), 0.07, 0.14, m)


def tool(p: Place) -> None:
    """Screwdriver, hammer or spanner that lies there, 15 to 30 cm."""
    b, length = p.b, p.b.rng.uniform(0.14, 0.3)
    handle, steel = finishes.plastic(b), finishes.metal(b)
    p.rod((-length * 0.5, 0, 0.015), (-length * 0.1, 0, 0.015), 0.014, handle)
    p.rod((-length * 0.1, 0, 0.015), (length * 0.5, 0, 0.012), 0.004 if b.rng.uniform() < 0.5 else 0.009, steel)
    if b.rng.uniform() < 0.5:
        p.box((length * 0.5, 0, 0.0), (0.03, 0.1, 0.03), steel)


def cable(p: Place) -> None:
    """Cable that curls over the surface."""
    m, b = finishes.dark(p.b, 0.1) if p.b.rng.uniform() < 0.6 else finishes.white(p.b), p.b
    radius, heading = b.rng.uniform(0.002, 0.005), b.rng.uniform(0, 6.3)
    x, y = 0.0, 0.0
    for _ in range(int(b.rng.integers(5, 12))):
        heading += b.rng.normal(0, 0.5)
        nx, ny = x + 0.05 * math.cos(heading), y + 0.05 * math.sin(heading)
        p.rod((x, y, radius), (nx, ny, radius), radius, m)
        x, y = nx, ny


def ball(p: Place) -> None:
    """Ball, 7 to 24 cm."""
    r = p.b.rng.choice([0.035, 0.11, 0.12])
    p.ball((0, 0, r), (r, r, r), finishes.plastic(p.b) if p.b.rng.uniform() < 0.7 else finishes.print_(p.b, 0.2))


def bucket(p: Place) -> None:
    """Bucket, bin or basket, 25 to 40 cm."""
    h = p.b.rng.uniform(0.25, 0.4)
    m = finishes.plastic(p.b) if p.b.rng.uniform() < 0.7 else finishes.metal(p.b)
    p.taper((0, 0, 0), (h * 1.3, h * 1.3, -h * 1.0), m) if p.b.rng.uniform() < 0.3 else p.upright(
        (0, 0, 0), h * 0.42, h, m
    )
    p.upright((0, 0, h), h * 0.38, 0.001, finishes.dark(p.b))


def crate(p: Place) -> None:
    """Plastic storage box with a lid, 40 x 60 cm, up to three in a pile."""
    m, lid, z = finishes.plastic(p.b), finishes.plastic(p.b), 0.0
    for _ in range(int(p.b.rng.integers(1, 4))):
        h = p.b.rng.uniform(0.18, 0.35)
        p.box((0, 0, z), (0.56, 0.37, h), m)
        p.box((0, 0, z + h), (0.6, 0.4, 0.03), lid)
        z += h + 0.03


def bag(p: Place) -> None:
    """Bag or sack, 30 to 50 cm."""
    s, m = p.b.rng.uniform(0.3, 0.5), finishes.fabric(p.b)
    p.ball((0, 0, 0.42 * s), (0.42 * s, 0.26 * s, 0.5 * s), m)
    p.ball((0.05, -0.2 * s, 0.3 * s), (0.28 * s, 0.15 * s, 0.26 * s), m)
    p.rod((-0.1, 0, 0.85 * s), (0.1, 0, 0.85 * s), 0.012, m)


def target(p: Place, raised_m: float = 0.0) -> None:
    """Calibration board with squares of 2 to 10 cm: it leans at the spot or hangs on a stand `raised_m` over it."""
    square = p.b.rng.choice([0.02, 0.03, 0.04, 0.06, 0.1])
    columns = int(p.b.rng.integers(5, 10))
    w, h = columns * square, max(3, columns - int(p.b.rng.integers(1, 4))) * square
    check = finishes.checker(p.b, square)
    tilt = p.b.rng.uniform(0, 0.5)
    middle = raised_m + h / 2 + square
    p.tilted((0, 0, middle), (w + 2 * square, 0.01, h + 2 * square), tilt, finishes.white(p.b, 0.0))
    p.tilted((0, -0.008, middle), (w, 0.006, h), tilt, check)
    if raised_m:
        m = finishes.metal(p.b)
        p.upright((0, 0.015, 0), 0.012, middle, m)  # ends on the back: below its middle the board is in front of it
        p.upright((0, 0.015, 0), 0.14, 0.02, m)


SMALL: tuple[Callable[[Place], None], ...] = (
    mug,
    mug,
    bottle,
    books,
    books,
    paper,
    paper,
    carton,
    can,
    can,
    bowl,
    tool,
    cable,
    ball,
    desk_lamp,
)
"""What lies on tables and shelves."""

FLOOR: tuple[Callable[[Place], None], ...] = (carton, carton, bucket, crate, crate, bag, bag, ball, books)
"""What stands on the floor."""


def small(p: Place) -> None:
    """Draw one thing for a table."""
    SMALL[int(p.b.rng.integers(len(SMALL)))](p)


def on_floor(p: Place) -> None:
    """Draw one thing for the floor."""
    thing = FLOOR[int(p.b.rng.integers(len(FLOOR)))]
    if thing is carton:
        carton(p, p.b.rng.uniform(0.25, 0.7))
    else:
        thing(p)


def scatter(p: Place, w: float, d: float, count: int) -> None:
    """Lay `count` small things over a rectangle of w x d around the spot."""
    for _ in range(count):
        x, y = p.b.rng.uniform(-0.46, 0.46) * w, p.b.rng.uniform(-0.42, 0.42) * d
        small(p.at(x, y, 0, p.b.rng.normal(0, 0.6)))
