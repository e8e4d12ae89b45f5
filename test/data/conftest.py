"""What tests of several kinds of scenes share."""

from __future__ import annotations

from typing import Any

import pytest

from prv2_ros.data import vehicles
from prv2_ros.data.builder import Place, SceneBuilder


@pytest.fixture
def placed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, float]]:
    """Vehicles as they are placed: x, y and half of their length."""
    spots: list[tuple[float, float, float]] = []
    original = vehicles.any_vehicle

    def any_vehicle(b: SceneBuilder) -> tuple[Any, float]:
        vehicle, reach = original(b)

        def place(p: Place) -> None:
            spots.append((p.x, p.y, reach))
            vehicle(p)

        return place, reach

    monkeypatch.setattr(vehicles, "any_vehicle", any_vehicle)
    return spots
