"""What the frame renderer must know of a scene beside its parts. Blender is not needed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

Point = tuple[float, float, float]


@dataclass(kw_only=True)
class Layout:
    """Camera choices of a scene: `shot` draws (eye, target).

    `sky` is the strength of the sky, `near` the least median depth (m), `lens` the range of horizontal
    fields of view (deg).
    """

    shot: Callable[[random.Random], tuple[Point, Point]]
    sky: float
    near: float = 1.2
    lens: tuple[float, float] = (30, 110)
    skip_bare: float = 0.9
    """Chance that a view of nothing but a wall is drawn anew."""

    lamps: list = field(default_factory=list)
