"""What stands beside the frame renderer's roads: on the pavement or on the ground. Blender is not needed."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import blender_streets
from blender_parts import Builder

HALF, WALK, FAR = 4.0, 2.0, 80.0
PAVEMENT = (HALF, HALF + WALK + 0.1)
"""Distance from the middle of the road (m)."""


@pytest.fixture
def spots(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[np.ndarray]]:
    """Where houses, trees, hedges, fences and people are put."""
    found: dict[str, list[np.ndarray]] = {}

    def noting(name: str) -> Any:
        return lambda b, *_: found.setdefault(name, []).append(b.where())

    for name in ("house", "tree", "hedge", "person"):
        monkeypatch.setattr(blender_streets.outdoor, name, noting(name))
    monkeypatch.setattr(blender_streets, "_fence", noting("fence"))
    return found


@pytest.mark.parametrize("style", ["town", "suburb", "country"])
def test_things_beside_a_road_stand_on_what_is_under_them(spots: dict[str, list[np.ndarray]], style: str) -> None:
    for seed in range(6):
        b = Builder(seed)
        blender_streets._roadside(b, random.Random(seed).choice([-1, 1]), HALF, WALK, FAR, style)
        parts = b.arrays()["co"]
        poles = parts[np.abs(parts[:, 0]) < HALF + WALK]  # and bollards; hills are further off
        assert poles[:, 2].min() == pytest.approx(-0.005 if style == "country" else 0.1)
    assert {"tree", "person"} <= set(spots)
    assert ("house" in spots) is (style != "country")
    for name, places in spots.items():
        for x, _, z in places:
            paved = style != "country" and PAVEMENT[0] < abs(x) < PAVEMENT[1] - 1e-9
            assert z == pytest.approx(0.1 if paved else -0.005), (name, x)


@pytest.mark.usefixtures("spots")
@pytest.mark.parametrize("seed", range(4))
def test_the_ground_is_level_with_the_road_and_the_pavement_a_step_higher(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tops: dict[str, set[float]] = {}
    box = Builder.box

    def noting(self: Builder, *given: Any, **rest: Any) -> None:
        if given[4] > 200:  # as long as the road
            tops.setdefault(given[6], set()).add(round(given[2] + given[5], 6))
        box(self, *given, **rest)

    monkeypatch.setattr(Builder, "box", noting)
    blender_streets.street(Builder(seed))
    assert tops.pop("asphalt") == {0}
    kerb = tops.pop("concrete2", None)
    assert kerb in (None, {0.12})
    assert set().union(*tops.values()) == ({-0.005} if kerb is None else {-0.005, 0.1})


def test_houses_stand_as_far_back_as_the_street_says_and_leave_squares_open(spots: dict[str, list[np.ndarray]]) -> None:
    open_rows = 0
    for seed in range(20):
        spots.clear()
        blender_streets._houses(Builder(seed), 1, HALF + WALK, FAR, town=True, set_back=12.0)
        x, y, _ = np.array(spots["house"]).T
        assert x.min() >= HALF + WALK + 12.0
        assert x.max() <= HALF + WALK + 14.0
        open_rows += bool(np.diff(y).max() > 30)
    assert 2 <= open_rows <= 12
