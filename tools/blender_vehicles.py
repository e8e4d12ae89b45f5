"""Cars and two-wheelers along y (front towards -y), built at the origin of a `Builder` (base on z = 0, metres)."""

from __future__ import annotations

import math

import numpy as np
from blender_parts import Builder, colour

BLACK = (0.015, 0.015, 0.015)


def wheel(b: Builder, r: float, w: float, spokes: int, rim: tuple[float, float, float]) -> None:
    """Wheel about the local x axis, centre at the origin."""
    with b.at(0, 0, 0, 0, 0, math.pi / 2):
        a = np.linspace(0, 2 * np.pi, 15)[:-1]
        t = w / 2
        b.lathe([(r - t * 0.8 + 0.8 * t * math.cos(q), t * math.sin(q)) for q in a], "rubber", BLACK, 32, closed=True)
        inner = r - 1.7 * t * 0.9
        b.lathe(
            [(inner, -t * 0.8), (inner + 0.02, -t * 0.8), (inner + 0.02, t * 0.8), (inner, t * 0.8)],
            "metal",
            rim,
            32,
            closed=True,
        )
        b.cylinder(0, 0, -t * 0.9, max(0.02, r * 0.13), t * 1.8, "metal", rim)
        for k in range(spokes):
            q = 6.2832 * k / spokes
            side = t * 0.5 * (-1) ** k
            b.tube(
                [(0.03 * math.cos(q), 0.03 * math.sin(q), side), (inner * math.cos(q), inner * math.sin(q), 0)],
                0.003 if spokes > 12 else 0.02,
                "metal",
                rim,
                5,
            )


def _car_fittings(
    b: Builder,
    kind: str,
    paint: tuple[float, float, float],
    size: tuple[float, float, float],
    levels: tuple[float, float, float],
    start: float,
) -> None:
    """Load box, wheels, lamps, mirrors, plates and bumpers; levels are belt line, floor and wheel radius (m)."""
    r, (length, wide, high), (belt, floor, rad) = b.rng, size, levels
    if kind == "truck":
        b.box(
            0,
            length * 0.15,
            0.8,
            wide * 1.03,
            length * 0.7,
            r.uniform(1.6, 2.6),
            r.choice(["paint", "metal", "fabric"]),
            colour(r, 0.3, 0.2),
            0,
            0.02,
        )
    if kind == "van" and r.random() < 0.6:
        b.box(0, length * 0.14, belt - 0.05, wide * 0.96, length * 0.66, high - belt - 0.03, "carpaint", paint, 0, 0.1)
    rim = (0.5, 0.5, 0.52)
    for i in (-1, 1):
        for j in (-0.32, 0.31):
            with b.at(i * (wide / 2 - 0.1), j * length, rad):
                wheel(b, rad, 0.2, r.choice([5, 7, 10]), rim)
        b.blob(
            i * wide * 0.36,
            -length * 0.49,
            belt - 0.36,
            0.34,
            0.16,
            0.16,
            "glow" if r.random() < 0.2 else "glass",
            (0.9, 0.9, 0.85),
            0,
            12,
        )
        b.box(i * wide * 0.4, length * 0.482, belt - 0.3, 0.26, 0.09, 0.22, "plastic", (0.5, 0.01, 0.01), 0, 0.03)
        b.blob(i * (wide / 2 + 0.06), start * length + 0.45, belt, 0.2, 0.12, 0.14, "carpaint", paint, 0, 12)
    for y, t in ((-0.501, (0.8, 0.8, 0.8)), (0.499, (0.8, 0.75, 0.4))):
        b.box(0, y * length, belt - 0.5, 0.5, 0.04, 0.11, "plastic", t)
        b.box(0, y * length * 0.985, floor + 0.03, wide * 0.86, 0.1, 0.15, "plastic", (0.03, 0.03, 0.03), 0, 0.04)


def _car_cabin(
    b: Builder, kind: str, paint: tuple[float, float, float], size: tuple[float, float, float], belt: float
) -> float:
    """Glass house with roof and pillars; returns where it starts as a share of the length."""
    length, wide, high = size
    start, stop = {
        "hatch": (-0.26, 0.46),
        "sedan": (-0.24, 0.33),
        "suv": (-0.24, 0.47),
        "van": (-0.42, 0.49),
        "truck": (-0.48, -0.22),
    }[kind]
    q = np.linspace(start, stop, 14)
    rise = np.minimum(
        np.clip((q - start) / (0.07 if kind in ("van", "truck") else 0.16), 0, 1),
        np.clip((stop - q) / (0.05 if kind in ("van", "truck", "suv") else 0.13), 0, 1),
    )
    roof = belt - 0.05 + (high - belt + 0.05) * np.sin(rise * np.pi / 2) ** 0.8
    _shell(b, q * length, wide / 2 * (0.93 - 0.13 * rise), 0 * q + belt - 0.1, roof, "glass", (0.02, 0.025, 0.03))
    flat = rise > 0.85
    if flat.sum() > 1:
        _shell(
            b, q[flat] * length, 0 * q[flat] + wide / 2 * 0.81, roof[flat] - 0.06, roof[flat] + 0.012, "carpaint", paint
        )
        for y in np.linspace(q[flat][0], q[flat][-1], 3):
            for i in (-1, 1):
                b.tube(
                    [(i * wide * 0.465, y * length, belt - 0.05), (i * wide * 0.405, y * length, high - 0.04)],
                    0.045,
                    "carpaint",
                    paint,
                    6,
                )
    return start


def car(b: Builder, kind: str | None = None) -> None:
    """Car, van or truck along y (front towards -y); 3.5 to 9 m long."""
    if b.model(0.6, "car"):
        return
    r, paint = b.rng, colour(b.rng, 0.6, 0.02, 0.9)
    kind = kind or r.choice(["hatch", "sedan", "suv", "van", "sedan", "hatch", "truck"])
    length, wide, high = {
        "hatch": (3.9, 1.7, 1.48),
        "sedan": (4.6, 1.8, 1.43),
        "suv": (4.6, 1.88, 1.7),
        "van": (5.3, 1.98, 2.2),
        "truck": (8, 2.4, 2.9),
    }[kind]
    g = math.exp(r.gauss(0, 0.05))
    length, wide, high = length * g, wide * g, high * math.exp(r.gauss(0, 0.03))
    belt, floor, rad = min(0.95 * g, high * 0.62), 0.2 + 0.1 * (high > 1.6), (0.45 if kind == "truck" else 0.32 * g)
    s = np.linspace(-0.5, 0.5, 18)
    nose = np.clip((0.5 - np.abs(s)) / 0.06, 0, 1) ** 0.5
    hood = {"van": 0.1, "truck": 0.0}.get(kind, 0.27)
    top = belt - 0.16 * np.clip((-s - 0.5 + hood) / hood, 0, 1) ** 1.3 if hood else 0 * s + belt
    _shell(
        b,
        s * length,
        wide / 2 * (0.82 + 0.18 * nose),
        floor + 0.12 * (1 - nose),
        top - 0.12 * (1 - nose),
        "carpaint",
        paint,
    )
    start = _car_cabin(b, kind, paint, (length, wide, high), belt)
    _car_fittings(b, kind, paint, (length, wide, high), (belt, floor, rad), start)


def _shell(
    b: Builder,
    y: np.ndarray,
    half: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    mat: str,
    tint: tuple[float, float, float],
) -> None:
    a = np.arange(20) * 2 * np.pi / 20 + 0.157
    c, s = np.cos(a), np.sin(a)
    c, s = np.sign(c) * np.abs(c) ** 0.35, np.sign(s) * np.abs(s) ** 0.35
    mid, tall = (low + high) / 2, (high - low) / 2
    b.loft(
        np.stack([half[:, None] * c, np.broadcast_to(y[:, None], (len(y), 20)), mid[:, None] + tall[:, None] * s], 2),
        mat,
        tint,
    )


def _motorcycle_body(
    b: Builder, k: float, front: float, paint: tuple[float, float, float], chrome: tuple[float, float, float]
) -> None:
    """Tank, seat, engine and lamp; k is the rear axle's y, front the steering head's."""
    r = b.rng
    b.blob(0, -0.15, 0.72, 0.3, 0.58, 0.27, "carpaint", paint, 0.05, 24)
    b.box(
        0,
        0.36,
        0.72,
        0.27,
        0.75,
        0.12,
        r.choice(["rubber", "fabric"]),
        BLACK if r.random() < 0.7 else colour(r),
        0,
        0.055,
    )
    b.blob(0, k, 0.66, 0.22, 0.5, 0.16, "carpaint", paint, 0.03)
    b.box(0, 0.05, 0.25, 0.34, 0.5, 0.24, "metal", (0.35, 0.35, 0.36), 0, 0.05)
    for side in (-1, 1):
        with b.at(side * 0.13, 0.1, 0.37, 0, 0, side * math.pi / 2):
            b.cylinder(0, 0, 0, 0.11, 0.09, "metal", (0.5, 0.5, 0.5))
    for lean in (-0.4, 0.4):
        with b.at(0, -0.02, 0.45, 0, -lean):
            for fin in range(9):
                b.box(0, 0, fin * 0.03, 0.2, 0.19, 0.013, "metal", (0.4, 0.4, 0.4), soft=0)
    with b.at(0, front - 0.14, 0.9, 0, math.pi / 2):
        b.lathe([(0, 0.08), (0.09, 0.08), (0.095, 0), (0.06, -0.1), (0, -0.12)], "metal", chrome)
    if r.random() < 0.4:
        b.blob(0, front - 0.1, 0.85, 0.4, 0.3, 0.4, "carpaint", paint, 0.05)


def motorcycle(b: Builder) -> None:
    """Motorcycle along y (front towards -y), about 2.1 m long."""
    if b.model(0.5, "cycle", "scooter|yamaha"):
        return
    r, paint, chrome = b.rng, colour(b.rng, 0.7), (0.7, 0.7, 0.72)
    base, rad = r.uniform(1.3, 1.55), r.uniform(0.29, 0.34)
    f, k = -base / 2, base / 2
    for y, w in ((f, 0.11), (k, r.uniform(0.13, 0.19))):
        with b.at(0, y, rad):
            wheel(b, rad, w, r.choice([6, 10, 32, 36]), chrome)
            with b.at(0.06, 0, 0, 0, 0, math.pi / 2):
                b.cylinder(0, 0, 0, rad * 0.45, 0.006, "metal", chrome)
        a = np.linspace(0.3, 2.6, 14)
        arc = np.stack([0 * a, y + (rad + 0.03) * np.cos(a), rad + (rad + 0.03) * np.sin(a)], 1)
        b.sheet(
            np.stack([arc + (-0.08, 0, -0.02), arc + (-0.04, 0, 0.02), arc + (0.04, 0, 0.02), arc + (0.08, 0, -0.02)]),
            "carpaint",
            paint,
        )
    head = (f + 0.32, 0.92)
    for i in (-0.1, 0.1):
        b.tube([(i, f, rad), (i, *head)], 0.026, "metal", chrome)
        b.tube([(i, k, rad), (i * 1.1, k - 0.12, 0.72)], 0.035, "metal", chrome)
        b.tube([(i, 0.25, 0.38), (i, k, rad)], 0.022, "paint", BLACK)
        b.tube(
            [
                (i * 0.4, head[0], 0.85),
                (i * 1.2, -0.1, 0.45),
                (i * 1.2, 0.3, 0.35),
                (i, 0.35, 0.75),
                (i * 0.4, head[0], 0.85),
            ],
            0.02,
            "paint",
            BLACK,
        )
        b.tube([(0, *head), (i * 2, head[0] + 0.02, 1.02), (i * 3.4, head[0] + 0.15, 1.03)], 0.013, "metal", chrome)
        b.tube([(i * 2.8, head[0] + 0.1, 1.03), (i * 3.8, head[0] + 0.21, 1.03)], 0.02, "rubber", BLACK)
        b.tube([(i * 2.4, head[0], 1.02), (i * 2.7, head[0], 1.2)], 0.006, "metal", chrome, 6)
        b.blob(i * 2.8, head[0], 1.17, 0.12, 0.03, 0.09, "glass", (0.3, 0.3, 0.3), 0, 12)
        b.tube(
            [
                (i, -0.2, 0.5),
                (i * 1.5, -0.35, 0.35),
                (i * 1.7, 0.1, 0.25),
                (i * 1.7, k, 0.33),
                (i * 1.7, k + 0.25, 0.4),
            ],
            0.035,
            "metal",
            chrome,
            10,
        )
        b.blob(i * 1.4, k + 0.05, 0.72, 0.05, 0.07, 0.05, "plastic", (0.8, 0.3, 0.02), 0, 8)
    _motorcycle_body(b, k, head[0], paint, chrome)


def bicycle(b: Builder) -> None:
    """Bicycle along y, about 1.7 m long."""
    if b.model(0.6, "cycle", "bicycle|bike"):
        return
    r, t = b.rng, colour(b.rng, 0.7)
    for y in (-0.52, 0.52):
        with b.at(0, y, 0.34):
            wheel(b, 0.34, r.uniform(0.03, 0.055), 28, (0.5, 0.5, 0.5))
    seat, crank, head = (0, 0.2, 0.85), (0, 0.08, 0.28), (0, -0.38, 0.85)
    for path in (
        [crank, seat],
        [seat, head],
        [crank, head],
        [head, (0, -0.52, 0.34)],
        [crank, (0, 0.52, 0.34)],
        [(0, 0.2, 0.8), (0, 0.52, 0.34)],
    ):
        b.tube(path, 0.017, "carpaint", t)
    b.tube(
        [(-0.3, -0.3, 1.0), (-0.1, -0.42, 0.98), (0.1, -0.42, 0.98), (0.3, -0.3, 1.0)], 0.013, "metal", (0.4, 0.4, 0.4)
    )
    b.tube([head, (0, -0.42, 0.98)], 0.014, "metal", (0.4, 0.4, 0.4))
    b.box(0, 0.22, 0.9, 0.14, 0.27, 0.06, "rubber", BLACK, 0, 0.03)
    with b.at(0.05, 0.08, 0.28, 0, 0, math.pi / 2):
        b.cylinder(0, 0, 0, 0.09, 0.008, "metal", (0.3, 0.3, 0.3))
