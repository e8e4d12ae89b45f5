"""Catalogues of ready-made furniture, people and vehicles for the frame renderer, as Sweet Home 3D has them.

A catalogue is a zip file (`*.sh3f`) of Wavefront models with their true sizes. The Debian package
`sweethome3d-furniture` has five (CC-BY 3.0 and CC0).
"""

from __future__ import annotations

import random
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

LARGEST_BYTES = 3_500_000  # of a model's file; larger ones take seconds to read
INDOOR = ("Living room", "Bedroom", "Kitchen", "Bathroom", "Office")
TREE = r"acacia|tree|pine|palm|cypress|poplar|maple|beech|blossom|bamboo"
PLANT = r"plant|ficus|yucca|tulip|flower|lily|orchid|cactus|spathi|bonsai|bush|hedge"


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model: its file, its size (width, depth, height in m) and where it belongs."""

    path: Path
    name: str
    size: tuple[float, float, float]
    elevation: float
    """Height of its base above the floor (m)."""

    turn: tuple[float, ...]
    """Rotation (9 numbers, by row) before sizes are taken."""

    group: str


def group_of(name: str, category: str, size: tuple[float, float, float], elevation: float) -> str:
    """What a model is used as; empty for what has no use (flat, hanging from a ceiling, larger than a house)."""
    (w, d, h), low = size, name.lower()
    standing, largest = elevation == 0, max(size)
    rules = (
        ("", h < 0.015 or largest > 13 or "ceiling" in low or "pool" in low or "elevator" in low),
        ("opening", category == "Doors and windows" and d <= 0.35 and w >= 0.5),
        ("tree", category == "Exterior" and h > 2 and re.search(TREE, low)),
        ("person", category == "Characters" and h > 1.5 and max(w, d) < 0.7),
        ("car", category == "Vehicles" and 2 < d < 6.5 and w > 1.6),
        ("cycle", category == "Vehicles" and 1.1 < d < 2.2 and h > 0.7),
        ("hung", elevation > 0.25 and d <= 0.45 and h > 0.12 and category != "Doors and windows"),
        ("plant", standing and re.search(PLANT, low) and 0.3 < h < 2.1),
        ("small", standing and largest <= 0.62 and w * d * h > 1e-5),
        ("chair", standing and re.search(r"chair|stool|seat", low) and category in INDOOR),
        ("table", standing and re.search(r"\btable|desk\b", low) and category in INDOOR and 0.4 < h < 1.1),
        ("back", standing and category in INDOOR and h > 0.4 and largest < 2.8),
        ("street", standing and category in ("Exterior", "Lights") and 0.3 < h < 3.5 and largest < 4),
        ("floor", standing and category in ("Miscellaneous", "Characters", "Vehicles") and 0.2 < largest < 2.4),
    )
    return next((group for group, fits in rules if fits), "")


class Catalogue:
    """The models of every catalogue of a folder, unpacked below `work`.

    Raises:
        FileNotFoundError: the folder holds no catalogue.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        files = sorted(folder.rglob("*.sh3f"))
        if not files:
            raise FileNotFoundError(f"no *.sh3f below {folder}")
        self.groups: dict[str, list[Model]] = {}
        for number, file in enumerate(files):
            unpacked = work / str(number)  # two catalogues may have one name
            with zipfile.ZipFile(file) as archive:
                archive.extractall(unpacked)
            for model in _entries(unpacked):
                self.groups.setdefault(model.group, []).append(model)

    def pick(
        self, rng: random.Random, group: str, name: str = "", longest: tuple[float, float] = (0, 99)
    ) -> Model | None:
        """One model of a group, None where it is empty; its name has the pattern and its longest side (m) is in range,
        where any such is.
        """
        every = self.groups.get(group)
        if not every:
            return None
        fits = [m for m in every if re.search(name, m.name.lower()) and longest[0] <= max(m.size) <= longest[1]]
        return rng.choice(fits or every)


def _entries(folder: Path) -> list[Model]:
    """Models of an unpacked catalogue, in the order of its list."""
    text = (folder / "PluginFurnitureCatalog.properties").read_text("latin1")
    rows: dict[int, dict[str, str]] = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        rows.setdefault(int(number), {})[key] = value.strip()
    models = []
    for row in rows.values():
        path = folder / row["model"].lstrip("/")
        size = (float(row["width"]) / 100, float(row["depth"]) / 100, float(row["height"]) / 100)
        elevation = float(row.get("elevation", 0)) / 100
        group = group_of(row["name"], row["category"], size, elevation)
        if group and path.suffix == ".obj" and path.stat().st_size <= LARGEST_BYTES:
            turn = tuple(map(float, row.get("modelRotation", "1 0 0 0 1 0 0 0 1").split()))
            models.append(Model(path=path, name=row["name"], size=size, elevation=elevation, turn=turn, group=group))
    return models
