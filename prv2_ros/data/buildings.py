"""Houses along a street: walls, windows, doors, shops, awnings, balconies, roofs (sizes in metres)."""

from __future__ import annotations

import numpy as np

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place, SceneBuilder

_STOREY_M = 3.0


def house(p: Place, length: float, depth: float, height: float, *, detail: bool = True) -> None:
    """House whose front runs along local x through the spot and faces -y; windows only where `detail`."""
    b, wall = p.b, finishes.stucco(p.b)
    storeys = max(1, round(height / _STOREY_M))
    if not detail and b.rng.uniform() < 0.7:
        wall = b.material(
            textures.WINDOWS, base=finishes.bright(b) * b.rng.uniform(0.3, 0.9), repeat_m=2 * _STOREY_M, specular=0.0
        )
    p.box((0, depth / 2, 0), (length, depth, height), wall)
    _roof(p, length, depth, height)
    if not detail:
        return
    _windows(p, length, storeys, height)
    if b.rng.uniform() < 0.35:
        shop(p, length)
    else:
        x = b.rng.uniform(-0.35, 0.35) * length
        p.box((x, 0, 0), (1.1, 0.12, 2.25), finishes.board(b))
        p.box((x, 0, 0.05), (0.92, 0.16, 2.05), finishes.board(b))
        p.box((x, -0.5, 0), (1.4, 0.9, 0.15), finishes.concrete(b))
    if b.rng.uniform() < 0.4:
        pipe = finishes.metal(b)
        p.rod((length / 2 - 0.2, -0.08, 0), (length / 2 - 0.2, -0.08, height), 0.05, pipe)


def _roof(p: Place, length: float, depth: float, height: float) -> None:
    b, roof = p.b, finishes.roofing(p.b)
    pick = b.rng.uniform()
    if pick < 0.45 and height < 14:
        rise = depth * b.rng.uniform(0.25, 0.5)
        along = b.rng.uniform() < 0.7
        size = (depth + 0.8, length + 0.4, rise) if along else (length + 0.8, depth + 0.4, rise)
        turn = np.pi / 2 if along else 0.0
        b.roof(p.world((0, depth / 2, height - 0.05)), size, roof, p.yaw + turn)
        if b.rng.uniform() < 0.5:
            x = b.rng.uniform(-0.3, 0.3) * length
            p.box((x, depth / 2 + 0.6, height), (0.6, 0.6, rise + 0.6), finishes.bricks(b))
    elif pick < 0.8:
        p.box((0, depth / 2 - 0.1, height), (length, depth + 0.3, b.rng.uniform(0.2, 0.9)), finishes.concrete(b))


def _windows(p: Place, length: float, storeys: int, height: float) -> None:
    b, pane = p.b, finishes.glass(p.b)
    frame = finishes.white(b, 0.0) if b.rng.uniform() < 0.7 else finishes.board(b)
    w, h, storey = b.rng.uniform(0.8, 1.6), b.rng.uniform(1.1, 1.7), height / storeys
    h = min(h, storey - 1.1)  # from the sill at 0.95 m to a lintel under the next storey or the eaves
    columns = max(1, int(length / (w + b.rng.uniform(0.7, 1.8))))
    shutters, balcony = b.rng.uniform() < 0.15, b.rng.uniform() < 0.2
    leaf = finishes.plastic(b, 0.05)
    for level in range(min(storeys, 4)):
        for k in range(columns):
            x, z = (k + 0.5) * length / columns - length / 2, level * storey + 0.95
            p.box((x, 0.0, z - 0.07), (w + 0.14, 0.1, h + 0.14), frame)
            p.box((x, -0.02, z), (w, 0.1, h), pane)
            if w > 1.1:
                p.box((x, -0.05, z), (0.06, 0.08, h), frame)
            if level and balcony and len(b.shapes) < 800:
                _balcony(p.at(x, 0, z - 0.95), w + 0.8)
            if shutters:
                for side in (-1, 1):
                    p.box((x + side * (w * 0.75 + 0.05), -0.03, z), (w * 0.5, 0.06, h), leaf)


def _balcony(p: Place, w: float) -> None:
    rail = finishes.metal(p.b)
    p.box((0, -0.5, 0), (w, 1.0, 0.15), finishes.concrete(p.b))
    p.box((0, -1.0, 1.05), (w, 0.05, 0.05), rail)
    for k in range(int(w / 0.3) + 1):
        p.box((k * 0.3 - w / 2, -1.0, 0.1), (0.02, 0.02, 0.95), rail)


def shop(p: Place, length: float) -> None:
    """Shop front: wide panes, a door, a sign over them and perhaps an awning."""
    b, frame = p.b, finishes.dark(p.b, 0.1) if p.b.rng.uniform() < 0.5 else finishes.board(p.b)
    w, top = length * b.rng.uniform(0.5, 0.9), b.rng.uniform(2.4, 2.8)
    p.box((0, 0, 0), (w + 0.2, 0.2, top + 0.1), frame)
    for k in range(max(1, int(w / 2))):
        x = (k + 0.5) * w / max(1, int(w / 2)) - w / 2
        p.box((x, -0.02, 0.4), (w / max(1, int(w / 2)) - 0.15, 0.2, top - 0.5), finishes.glass(b))
    sign = b.material(textures.POSTER, contrast=0.8, repeat_m=1.5, emission=b.rng.choice([0.0, 0.0, 0.8]))
    p.box((0, -0.05, top + 0.1), (w, 0.25, b.rng.uniform(0.4, 0.8)), sign)
    if b.rng.uniform() < 0.4:
        p.tilted((0, -0.7, top + 0.1), (w, 1.5, 0.05), -0.35, finishes.fabric(b))


def row(b: SceneBuilder, side: int, edge: float, gap: tuple[float, float], *, reach: float = 120.0) -> None:
    """Houses along one side of a street from -12 m on, their fronts `edge` m from its middle, none within `gap` (y)."""
    rng, y = b.rng, b.rng.uniform(-12, -3)
    tall, set_back = rng.uniform(3.5, 16), rng.uniform(0, 4) if rng.uniform() < 0.4 else 0.0
    while y < reach:
        length = rng.uniform(7, 22)
        inside_gap = y < gap[1] and y + length > gap[0]
        if rng.uniform() < 0.9 and not inside_gap:
            height = max(3.0, tall * np.exp(rng.normal(0, 0.25)))
            x = side * (edge + set_back + rng.choice([0.0, 0.0, rng.uniform(0, 2)]))
            # Local x runs along the street, local -y to its middle.
            place = Place(b=b, x=x, y=y + length / 2, yaw=-side * np.pi / 2)
            house(place, length, rng.uniform(7, 12), height, detail=y < 42 and len(b.shapes) < 700)
        y += length + rng.choice([0.0, 0.0, 1.5, 6.0])


def slab(p: Place, w: float, d: float, h: float) -> None:
    """Block of flats or a hall far away: windows are painted on."""
    wall = p.b.material(
        textures.WINDOWS, base=finishes.bright(p.b) * p.b.rng.uniform(0.3, 0.9), repeat_m=2 * _STOREY_M, specular=0.0
    )
    p.box((0, 0, 0), (w, d, h), wall)
