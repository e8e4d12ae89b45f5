"""What is fixed to walls and floors: doors, windows, curtains, pictures, radiators; sizes in metres.

The spot is on the wall, whose inside faces -y.
"""

from __future__ import annotations

from prv2_ros.data import finishes, textures
from prv2_ros.data.builder import Place
from prv2_ros.data.scene import Material


def radiator(p: Place, w: float = 1.0) -> None:
    """Ribbed radiator under a window."""
    m = finishes.white(p.b, 0.1)
    for k in range(int(w / 0.06)):
        p.box((k * 0.06 - w / 2, 0, 0.12), (0.045, 0.09, 0.55), m)


def door(p: Place, m: Material | None = None) -> None:
    """Door leaf of 0.8 to 0.95 x 2.0 m in its frame, the handle at 1.05 m; the spot is on the wall."""
    w, h = p.b.rng.choice([0.8, 0.86, 0.95]), p.b.rng.uniform(1.98, 2.1)
    frame, leaf = finishes.board(p.b), finishes.board(p.b) if m is None else m
    for side in (-1, 1):
        p.box((side * (w / 2 + 0.04), 0, 0), (0.08, 0.06, h + 0.08), frame)
    p.box((0, 0, h), (w, 0.06, 0.08), frame)
    p.box((0, 0, 0), (w, 0.03, h), leaf)
    grip, side = finishes.metal(p.b), p.b.rng.choice([-1, 1])
    p.rod((side * (w / 2 - 0.08), -0.05, 1.05), (side * (w / 2 - 0.2), -0.05, 1.05), 0.01, grip)
    if p.b.rng.uniform() < 0.5:
        for z in (0.25, 1.15):
            p.box((0, -0.005, z), (w - 0.26, 0.03, 0.72 if z > 1 else 0.68), leaf)
    elif p.b.rng.uniform() < 0.3:
        p.box((0, -0.005, 1.1), (w - 0.3, 0.03, 0.7), daylight_pane(p))


def daylight_pane(p: Place) -> Material:
    """What is seen through a window: burnt white, sky, or dim greenery."""
    pick, u = p.b.rng.uniform(), p.b.rng.uniform
    if pick < 0.6:
        return p.b.material(textures.NOISE, base=(0.85, 0.9, 0.95), contrast=0.08, emission=u(1.0, 6), repeat_m=3)
    if pick < 0.8:
        return p.b.material(textures.LEAVES, base=(0.25, 0.35, 0.2), contrast=0.6, emission=u(0.5, 2.5), repeat_m=2)
    return finishes.glass(p.b)


def window(p: Place, w: float, h: float) -> None:
    """Window in a frame with bars, sometimes with curtains; the spot is its lower edge on the wall."""
    frame = finishes.white(p.b, 0.1) if p.b.rng.uniform() < 0.75 else finishes.wood(p.b)
    p.box((0, 0, 0), (w, 0.03, h), daylight_pane(p))
    for x in (-w / 2, w / 2, *([0.0] if w > 0.9 else [])):
        p.box((x, -0.02, -0.03), (0.06, 0.06, h + 0.06), frame)
    for z in (-0.03, h - 0.03, *([h * 0.5] if p.b.rng.uniform() < 0.4 else [])):
        p.box((0, -0.02, z), (w, 0.06, 0.06), frame)
    p.box((0, -0.08, -0.06), (w + 0.1, 0.18, 0.03), frame)
    if p.b.rng.uniform() < 0.45:
        low = -p.b.rng.uniform(0.1, 0.8)
        for side in (-1, 1):
            curtain(p.at(side * (w / 2 + 0.05), -0.1, low), p.b.rng.uniform(0.2, 0.5), h + 0.15 - low)
        p.rod((-w / 2 - 0.4, -0.1, h + 0.15), (w / 2 + 0.4, -0.1, h + 0.15), 0.012, finishes.metal(p.b))
    elif p.b.rng.uniform() < 0.3:
        for k in range(int(h / 0.06)):
            p.box((0, -0.05, h - 0.06 * k - 0.02), (w, 0.025, 0.004), frame)


def curtain(p: Place, w: float, h: float, m: Material | None = None) -> None:
    """Cloth that hangs in folds."""
    m, pitch = finishes.fabric(p.b) if m is None else m, p.b.rng.uniform(0.05, 0.12)
    for k in range(max(2, int(w / pitch))):
        x = k * pitch - w / 2
        y = p.b.rng.normal(0, 0.2) * pitch
        r = pitch * p.b.rng.uniform(0.5, 0.75)
        p.rod((x, y, 0), (x + p.b.rng.normal(0, 0.1) * pitch, y, h), r, m)


def frame(p: Place, w: float, h: float) -> None:
    """Picture, poster, mirror, notice board or white board; the spot is its lower edge on the wall."""
    pick = p.b.rng.uniform()
    p.box((0, 0, 0), (w + 0.06, 0.04, h + 0.06), finishes.board(p.b))
    if pick < 0.55:
        m = p.b.material(textures.POSTER, repeat_m=p.b.rng.uniform(0.3, 2), contrast=0.8, specular=0.1)
    elif pick < 0.75:
        m = finishes.white(p.b, 0.15)
    else:
        m = p.b.material(textures.CELLS if pick < 0.85 else textures.NOISE, contrast=0.8, repeat_m=0.8)
    p.box((0, -0.012, 0.03), (w, 0.04, h), m)


def rug(p: Place) -> None:
    """Rug on the floor."""
    w, d = p.b.rng.uniform(0.9, 2.5, 2)
    p.box((0, 0, 0), (w, d, 0.024), finishes.fabric(p.b), p.b.rng.choice([0, 0, 0.3]))


def ladder(p: Place) -> None:
    """Ladder that leans against the wall."""
    m, h = finishes.metal(p.b) if p.b.rng.uniform() < 0.6 else finishes.wood(p.b), p.b.rng.uniform(1.6, 3.0)
    for side in (-0.2, 0.2):
        p.rod((side, -0.3 * h, 0), (side, 0, h), 0.02, m)
    for k in range(int(h / 0.28)):
        s = (k + 0.5) * 0.28 / h
        p.rod((-0.2, -0.3 * h * (1 - s), s * h), (0.2, -0.3 * h * (1 - s), s * h), 0.013, m)
