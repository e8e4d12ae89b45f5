"""Sizes of the frame renderer's small things, and what they stand on. Blender is not needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import blender_objects
from blender_parts import Builder


def _extent(size: float, entry: Any, seed: int) -> np.ndarray:
    """Width, depth and height (m) of one thing."""
    b = Builder(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blender_objects, "CLUTTER", (entry,))
        blender_objects.clutter(b, size)
    return np.ptp(b.arrays()["co"], axis=0)


@pytest.mark.parametrize("size", [0.03, 0.2, 1.2])
@pytest.mark.parametrize(
    ("name", "axis", "least", "most"),
    [("_cup", 2, 0.07, 0.125), ("_bottle", 2, 0.2, 0.331), ("_books", 0, 0.11, 0.36), ("_vase", 2, 0.07, 0.51)],
)
def test_what_has_a_name_has_its_true_size(name: str, axis: int, least: float, most: float, size: float) -> None:
    entry = next(entry for entry in blender_objects.CLUTTER if entry[0].__name__ == name)
    for seed in range(8):
        assert least <= _extent(size, entry, seed)[axis] <= most


def test_nameless_shapes_have_the_size_that_is_asked_for() -> None:
    entry = next(entry for entry in blender_objects.CLUTTER if entry[0].__name__ == "_carton")
    for size in (0.05, 1.2):
        assert _extent(size, entry, 1)[0] == pytest.approx(size, rel=0.01)


class Boxes(Builder):
    """Notes the boxes: base centre and size."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.boxes: list[tuple[float, ...]] = []

    def box(self, *place_and_size: Any, **rest: Any) -> None:
        self.boxes.append(place_and_size[:6])
        super().box(*place_and_size, **rest)


@pytest.mark.parametrize("seed", range(6))
def test_piled_boxes_stand_on_the_floor_or_on_one_another(seed: int) -> None:
    b = Boxes(seed)
    blender_objects.pile(b, 8)
    under = {(0.0, 0.0, 0.0)}
    for x, y, z, *size in b.boxes:
        assert z == 0 or (x, y, z) in under
        under.add((x, y, z + size[2]))
    assert sum(z > 0 for _, _, z, *_ in b.boxes) == 4
