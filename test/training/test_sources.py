from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.training.sources import Draw, list_items


def test_tiles_are_parts_of_their_scene_and_no_pictures(tile_scenes: Path) -> None:
    (item,) = list_items(str(tile_scenes))
    scene = item.read_scene()
    assert [tile.name for tile in scene.tiles] == [f"{item.name}-0", f"{item.name}-1"]
    assert item.read().name == scene.overview.name == item.name


def test_a_frame_is_a_scene_of_its_own_pixels(frames: Path) -> None:
    item = list_items(str(frames))[0]
    scene = item.read_scene()
    assert scene.native_hw() == scene.overview.depth_m.shape
    assert scene.boxes_xywh() == [[0, 0, scene.overview.camera.width, scene.overview.camera.height]]


def test_sources_are_drawn_by_their_shares(frames: Path, tile_scenes: Path) -> None:
    draw = Draw((str(frames), str(tile_scenes)), (3.0, 1.0))
    rng = np.random.default_rng(0)
    drawn = [draw.item(rng) for _ in range(400)]
    assert sum(source == 0 for source, _ in drawn) == pytest.approx(300, abs=30)
    assert len({item.name for source, item in drawn if source == 0}) == 3


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*absent"):
        Draw((str(tmp_path / "absent"),))
