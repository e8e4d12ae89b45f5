"""Mesh primitives for the frame renderer: everything of one scene is gathered into a single mesh, without Blender.

Coordinates are metres, z up. A part is added in the current local frame of the `Builder`; box-projected texture
coordinates (in metres) and a per-part colour are stored per face corner so that few materials serve many parts.
"""

from __future__ import annotations

import colorsys
import contextlib
import math
import random
from collections.abc import Iterator, Sequence

import numpy as np
from model_catalogue import Catalogue, Model

HARD = ("paint", "wood", "plastic", "metal", "wood2")  # material keys of furniture
PLANES = np.array([[1, 2], [0, 2], [0, 1]])


def colour(
    rng: random.Random, vivid: float = 0.5, dark: float = 0.03, light: float = 0.85
) -> tuple[float, float, float]:
    """Random linear RGB; `vivid` is the share of strongly coloured ones."""
    saturation = rng.uniform(0.35, 0.95) if rng.random() < vivid else abs(rng.gauss(0, 0.2))
    hue = rng.gauss(0.09, 0.05) % 1 if rng.random() < 0.4 else rng.random()  # wood, skin, brick and most walls are warm
    return colorsys.hsv_to_rgb(hue, min(saturation, 0.95), dark + (light - dark) * rng.random() ** 1.4)


def vary(rng: random.Random, tint: Sequence[float], amount: float = 0.15) -> tuple[float, float, float]:
    """The colour with a random gain."""
    gain = math.exp(rng.gauss(0, amount))
    return tuple(min(0.95, c * gain) for c in tint)  # type: ignore[return-value]


class Builder:
    """Collects the parts of one mesh, and ready-made models where it has a catalogue of them."""

    def __init__(self, seed: int, models: Catalogue | None = None) -> None:
        self.models = models
        self.placed: list[tuple[Model, np.ndarray]] = []
        self.rng = random.Random(seed)
        self.gen = np.random.default_rng(seed)
        self._matrix = np.eye(4)
        self._count = 0
        self._store: dict[str, list[np.ndarray]] = {
            k: [] for k in ("co", "loop", "total", "mat", "smooth", "uv", "tint")
        }
        self._materials: dict[str, int] = {}

    @contextlib.contextmanager
    def at(
        self, x: float, y: float, z: float = 0.0, yaw: float = 0.0, tilt: float = 0.0, lean: float = 0.0
    ) -> Iterator[None]:
        """Local frame at (x, y, z), turned by lean about y, tilt about x, then yaw about z (radians)."""
        before = self._matrix
        step = np.eye(4)
        step[:3, :3] = _turn(2, yaw) @ _turn(0, tilt) @ _turn(1, lean)
        step[:3, 3] = (x, y, z)
        self._matrix = before @ step
        try:
            yield
        finally:
            self._matrix = before

    def where(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
        """World position (3,) of a local point."""
        return (self._matrix @ np.array([x, y, z, 1.0]))[:3]

    def add(
        self, verts: np.ndarray, faces: Sequence[np.ndarray], mat: str, tint: Sequence[float], smooth: bool = False
    ) -> None:
        """Adds verts (N, 3) and faces (each an (M, k) array of vertex numbers) with a material key and a colour."""
        v = np.asarray(verts, np.float64)
        shift = self.gen.uniform(0, 7, 2)
        slot = self._materials.setdefault(mat, len(self._materials))
        for f in faces:
            f = np.asarray(f)
            a, b, c, d = v[f[:, 0]], v[f[:, 1]], v[f[:, 2]], v[f[:, -1]]
            axis = np.abs(np.cross(c - a, d - b)).argmax(1)
            plane = np.broadcast_to(PLANES[axis][:, None, :], (*f.shape, 2))
            self._store["uv"].append((np.take_along_axis(v[f], plane, 2) + shift).reshape(-1, 2))
            self._store["loop"].append(f.ravel() + self._count)
            self._store["total"].append(np.full(len(f), f.shape[1]))
            self._store["mat"].append(np.full(len(f), slot))
            self._store["smooth"].append(np.full(len(f), smooth))
            self._store["tint"].append(np.broadcast_to(np.array([*tint, 1.0]), (f.size, 4)))
        self._store["co"].append(v @ self._matrix[:3, :3].T + self._matrix[:3, 3])
        self._count += len(v)

    def arrays(self) -> dict[str, np.ndarray]:
        """All parts as one mesh: vertices, loops and what belongs to each face or face corner."""
        return {key: np.concatenate(pieces) for key, pieces in self._store.items()}

    def model(self, chance: float, group: str, *choice: str | tuple[float, float], wall: bool = False) -> Model | None:
        """Places a ready-made model with a chance, where there are any; `wall`: its back on y = 0, where it hangs."""
        if self.models is None or self.rng.random() >= chance:
            return None
        chosen = self.models.pick(self.rng, group, *choice)
        if chosen is None:
            return None
        with self.at(0, -chosen.size[1] / 2 - 0.005 if wall else 0, chosen.elevation if wall else 0):
            self.placed.append((chosen, self._matrix))
        return chosen

    @property
    def keys(self) -> list[str]:
        """Material keys in use."""
        return list(self._materials)

    def box(
        self,
        x: float,
        y: float,
        z: float,
        sx: float,
        sy: float,
        sz: float,
        mat: str,
        tint: Sequence[float],
        yaw: float = 0.0,
        soft: float = 0.004,
    ) -> None:
        """Box of full sizes sx, sy, sz with its base centre at (x, y, z); edges rounded by `soft` metres."""
        r = min(soft, 0.45 * min(sx, sy, sz))
        with self.at(x, y, z + sz / 2, yaw):
            if r < 0.002:
                v = np.array([[i, j, k] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)]) * (sx, sy, sz)
                f = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
                self.add(v, [f], mat, tint)
            else:
                d, faces = sphere(8, 6) if r < 0.03 else sphere(16, 10)
                v = d * r + np.sign(np.round(d, 6)) * (np.array([sx, sy, sz]) / 2 - r)
                self.add(v, faces, mat, tint, r >= 0.03)

    def lathe(
        self, profile: Sequence[tuple[float, float]], mat: str, tint: Sequence[float], n: int = 20, closed: bool = False
    ) -> None:
        """Surface of revolution about local z; profile of (radius, height); sharp corners keep their crease."""
        p = [tuple(q) for q in profile]
        if closed:
            p.append(p[0])
        angle = np.arange(n) * 2 * np.pi / n
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(n)], 1)
        bend = [0.0]
        for a, b, c in zip(p, p[1:], p[2:], strict=False):
            turn = math.atan2(c[1] - b[1], c[0] - b[0]) - math.atan2(b[1] - a[1], b[0] - a[0])
            bend.append(abs((turn + math.pi) % (2 * math.pi) - math.pi))
        rows: list[tuple[float, float]] = []
        pairs = []
        for i, q in enumerate(p):
            if i and bend[min(i, len(bend) - 1)] > 0.7 and i < len(p) - 1:
                rows += [q, q]
                pairs.append((len(rows) - 3, len(rows) - 2))
            else:
                rows.append(q)
                if i:
                    pairs.append((len(rows) - 2, len(rows) - 1))
        v = np.concatenate([ring * r + (0, 0, z) for r, z in rows])
        k = np.arange(n)
        k1 = (k + 1) % n
        f = np.concatenate([np.stack([a * n + k, a * n + k1, b * n + k1, b * n + k], 1) for a, b in pairs])
        self.add(v, [f], mat, tint, True)

    def cylinder(
        self,
        x: float,
        y: float,
        z: float,
        r: float,
        h: float,
        mat: str,
        tint: Sequence[float],
        top: float | None = None,
        n: int = 18,
    ) -> None:
        """Closed upright cylinder (or cone frustum with the `top` radius) on base centre (x, y, z)."""
        t = r if top is None else top
        with self.at(x, y, z):
            self.lathe([(0, 0), (r, 0), (t, h), (0, h)], mat, tint, n)

    def tube(
        self, points: Sequence[Sequence[float]], radius: float, mat: str, tint: Sequence[float], n: int = 8
    ) -> None:
        """Round tube along a polyline of local points."""
        p = np.asarray(points, float)
        t = np.gradient(p, axis=0)
        t /= np.linalg.norm(t, axis=1, keepdims=True) + 1e-9
        up = np.array([0.0, 0.0, 1.0]) if abs(t[:, 2]).mean() < 0.8 else np.array([1.0, 0.0, 0.0])
        u = np.cross(t, up)
        u /= np.linalg.norm(u, axis=1, keepdims=True) + 1e-9
        w = np.cross(t, u)
        a = np.arange(n) * 2 * np.pi / n
        v = p[:, None] + radius * (np.cos(a)[None, :, None] * u[:, None] + np.sin(a)[None, :, None] * w[:, None])
        self.add(v.reshape(-1, 3), [_strip(len(p), n, wrap=True), _caps(len(p), n)], mat, tint, True)

    def loft(self, sections: np.ndarray, mat: str, tint: Sequence[float], smooth: bool = True) -> None:
        """Skin over closed sections (S, K, 3) with flat ends."""
        s, k = sections.shape[:2]
        self.add(sections.reshape(-1, 3), [_strip(s, k, wrap=True), _caps(s, k)], mat, tint, smooth)

    def sheet(self, grid: np.ndarray, mat: str, tint: Sequence[float], smooth: bool = True) -> None:
        """Open surface over a grid of points (R, C, 3)."""
        r, c = grid.shape[:2]
        self.add(grid.reshape(-1, 3), [_strip(r, c, wrap=False)], mat, tint, smooth)

    def blob(
        self,
        x: float,
        y: float,
        z: float,
        sx: float,
        sy: float,
        sz: float,
        mat: str,
        tint: Sequence[float],
        rough: float = 0.2,
        fine: int = 20,
    ) -> None:
        """Ellipsoid on base centre (x, y, z), displaced by smooth noise of relative size `rough`."""
        d, faces = sphere(fine, fine * 2 // 3)
        grow = 1 + rough * waves(self.gen, d, 2.2)
        with self.at(x, y, z + sz / 2, self.rng.uniform(0, 6.3)):
            self.add(d * grow[:, None] * (np.array([sx, sy, sz]) / 2), faces, mat, tint, True)

    def leaves(self, centres: np.ndarray, size: float, mat: str, tint: Sequence[float], slim: float = 0.45) -> None:
        """One randomly turned quad at each centre (N, 3)."""
        n = len(centres)
        u = self.gen.normal(size=(n, 3))
        u /= np.linalg.norm(u, axis=1, keepdims=True)
        w = np.cross(u, self.gen.normal(size=(n, 3)))
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        s = size * np.exp(self.gen.normal(0, 0.3, (n, 1)))
        v = np.stack([centres + s * u, centres + slim * s * w, centres - s * u, centres - slim * s * w], 1)
        group = self.gen.integers(0, 4, n)
        for g in range(4):
            if (group == g).any():
                part = v[group == g].reshape(-1, 3)
                self.add(part, [np.arange(len(part)).reshape(-1, 4)], mat, vary(self.rng, tint, 0.3))


def _turn(axis: int, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    m = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    m[i, i] = m[j, j] = c
    m[i, j], m[j, i] = -s, s
    return m


def _strip(rows: int, cols: int, wrap: bool) -> np.ndarray:
    a = np.arange(rows * cols).reshape(rows, cols)
    right = np.roll(a, -1, 1)
    quads = np.stack([a[:-1], right[:-1], right[1:], a[1:]], 2)
    return quads.reshape(-1, 4) if wrap else quads[:, :-1].reshape(-1, 4)


def _caps(rows: int, cols: int) -> np.ndarray:
    k = np.arange(cols)
    return np.stack([k[::-1], k + (rows - 1) * cols])


def sphere(n: int, m: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Unit sphere of n meridians (none on an axis plane when n is a multiple of 4) and m rings (even)."""
    lat = (np.arange(m) + 0.5) / m * np.pi
    lon = (np.arange(n) + 0.5) / n * 2 * np.pi
    v = np.stack(
        [np.sin(lat)[:, None] * np.cos(lon), np.sin(lat)[:, None] * np.sin(lon), np.cos(lat)[:, None] * np.ones(n)], 2
    )
    return v.reshape(-1, 3), [_strip(m, n, wrap=True)[:, ::-1], _caps(m, n)[:, ::-1]]


def waves(gen: np.random.Generator, points: np.ndarray, frequency: float, octaves: int = 4) -> np.ndarray:
    """Smooth noise (N,) of about unit range at points (N, D): summed random sinusoids."""
    total = np.zeros(len(points))
    for o in range(octaves):
        k = gen.normal(size=(4, points.shape[1])) * frequency * 1.9**o
        total += np.sin(points @ k.T + gen.uniform(0, 6.28, 4)).sum(1) / 3 * 0.55**o
    return total
