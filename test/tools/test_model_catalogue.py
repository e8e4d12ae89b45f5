"""Catalogues of ready-made models: what each is used as, sizes in metres, and what is drawn. Blender is not needed."""

from __future__ import annotations

import random
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import blender_outdoor as outdoor
from blender_parts import Builder
from model_catalogue import LARGEST_BYTES, Catalogue, group_of

ENTRIES = """
id=Test
model#1=/a/sofa.obj
name#1=Corner sofa
category#1=Living room
width#1=234.0
depth#1=144.0
height#1=80.0
model#2=/a/cup.obj
name#2=Coffee cup
category#2=Kitchen
width#2=9.0
depth#2=9.0
height#2=13.0
elevation#2=0
modelRotation#2=1 0 0 0 0 1 0 -1 0
model#3=/a/huge.obj
name#3=Sofa
category#3=Living room
width#3=200
depth#3=90
height#3=80
model#4=/a/mug.obj
name#4=Mug
category#4=Kitchen
width#4=60
depth#4=9
height#4=13
"""


def _pack(path: Path, entries: str = ENTRIES) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PluginFurnitureCatalog.properties", entries)
        for name in ("sofa", "cup", "mug"):
            archive.writestr(f"a/{name}.obj", "v 0 0 0\n")
        archive.writestr("a/huge.obj", b"#" * (LARGEST_BYTES + 1))


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    _pack(tmp_path / "in" / "Some.sh3f")
    return Catalogue(tmp_path / "in", tmp_path / "work")


@pytest.mark.parametrize(
    ("name", "category", "size", "elevation", "group"),
    [
        ("Bed", "Bedroom", (1.45, 2.14, 1.08), 0, "back"),
        ("Desk", "Office", (1.4, 0.8, 0.72), 0, "table"),
        ("Table tennis bat", "Miscellaneous", (0.15, 0.25, 0.02), 0, "small"),
        ("Office chair", "Office", (0.64, 0.64, 0.91), 0, "chair"),
        ("Male", "Characters", (0.56, 0.39, 1.84), 0, "person"),
        ("Lying down male", "Characters", (0.72, 1.89, 0.31), 0, "floor"),
        ("Renault Scenic", "Vehicles", (2.13, 4.26, 1.96), 0, "car"),
        ("Yamaha", "Vehicles", (0.8, 2.03, 1.15), 0, "cycle"),
        ("Poplar", "Exterior", (4.04, 3.75, 7.3), 0, "tree"),
        ("Yucca", "Living room", (1.08, 1.02, 1.8), 0, "plant"),
        ("Wall light", "Lights", (0.23, 0.25, 0.54), 1.4, "hung"),
        ("Exterior door", "Doors and windows", (0.99, 0.18, 2.05), 0, "opening"),
        ("Bench", "Exterior", (1.7, 0.46, 0.51), 0, "street"),
        ("Parking slot", "Exterior", (5.1, 2.05, 0.0), 0, ""),
        ("Swimming pool", "Exterior", (17.1, 9.98, 3.94), 0, ""),
        ("Ceiling lamp", "Lights", (0.3, 0.3, 0.05), 2.45, ""),
    ],
)
def test_group(name: str, category: str, size: tuple[float, float, float], elevation: float, group: str) -> None:
    assert group_of(name, category, size, elevation) == group


def test_sizes_are_metres_and_large_files_are_left_out(catalogue: Catalogue) -> None:
    (sofa,) = catalogue.groups["back"]
    assert sofa.name == "Corner sofa"
    assert sofa.size == pytest.approx((2.34, 1.44, 0.8))
    assert sofa.turn == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert sofa.path.read_text() == "v 0 0 0\n"
    cup = next(model for model in catalogue.groups["small"] if model.name == "Coffee cup")
    assert cup.turn == (1, 0, 0, 0, 0, 1, 0, -1, 0)


def test_draws_by_name_and_size_where_any_fits(catalogue: Catalogue) -> None:
    rng = random.Random(1)
    assert {catalogue.pick(rng, "small").name for _ in range(30)} == {"Coffee cup", "Mug"}
    assert {catalogue.pick(rng, "small", "cup").name for _ in range(9)} == {"Coffee cup"}
    assert {catalogue.pick(rng, "small", "", (0.5, 0.7)).name for _ in range(9)} == {"Mug"}
    assert {catalogue.pick(rng, "small", "plate").name for _ in range(30)} == {"Coffee cup", "Mug"}


def test_a_folder_without_catalogues_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no \*\.sh3f below"):
        Catalogue(tmp_path, tmp_path / "work")


def test_a_group_without_models_gives_none_and_our_own_part_is_built(catalogue: Catalogue) -> None:
    assert catalogue.pick(random.Random(1), "person") is None
    b = Builder(1, catalogue)
    assert b.model(1, "person") is None
    assert b.model(1, "small") is not None
    outdoor.person(b)
    assert len(b.placed) == 1
    assert b.arrays()["co"][:, 2].max() > 1.2


def test_catalogues_of_one_name_are_unpacked_side_by_side(tmp_path: Path) -> None:
    _pack(tmp_path / "in" / "first" / "Some.sh3f", ENTRIES.replace("234.0", "190.0"))
    _pack(tmp_path / "in" / "second" / "Some.sh3f")
    sofas = Catalogue(tmp_path / "in", tmp_path / "work").groups["back"]
    assert [sofa.size[0] for sofa in sofas] == [1.9, 2.34]
    assert len({sofa.path for sofa in sofas}) == 2
