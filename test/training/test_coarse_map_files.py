"""Each tile's maps are in a file of their own, which is told by all that decides them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tiny_depth_model import small_model

from prv2_ros.training.coarse_maps import write_coarse_maps


def test_a_tile_that_lies_elsewhere_gets_maps_of_its_own(tile_scenes: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tile_scenes, tmp_path / "copied")
    first, second = write_coarse_maps(small_model(), (str(copied),), tmp_path).values()
    path = copied / "00000001-0.json"
    camera = json.loads(path.read_text())
    path.write_text(json.dumps({**camera, "cx": camera["cx"] + 8}))
    moved, kept = write_coarse_maps(small_model(), (str(copied),), tmp_path).values()
    assert moved != first
    assert kept == second
