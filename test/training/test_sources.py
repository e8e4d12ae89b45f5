from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from prv2_ros.errors import InputError
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Feed
from prv2_ros.training.sources import Draw, list_items, tile_folder


def test_tiles_are_parts_of_their_scene_and_no_pictures(tile_scenes: Path) -> None:
    (item,) = list_items(str(tile_scenes))
    scene = item.read_scene()
    assert [tile.name for tile in scene.tiles] == [f"{item.name}-0", f"{item.name}-1"]
    assert item.read().name == scene.overview.name == item.name


def test_a_scene_is_read_without_searching_its_folder(
    tile_scenes: Path, frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of 4,000 scenes takes longer to search than a scene to read."""
    items = [list_items(str(folder))[0] for folder in (tile_scenes, frames)]
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, None)
    assert [len(item.read_scene().tiles) for item in items] == [2, 1]


def test_tiles_lie_in_folders(tmp_path: Path) -> None:
    for source in (f"{tmp_path}", f"{tmp_path}/", f"frames:{tmp_path}", f"frames:{tmp_path}:all"):
        assert tile_folder(source) == tmp_path
    with pytest.raises(InputError, match=r"stage refiner learns from folders that .* wrote, and kitti:/data is none"):
        tile_folder("kitti:/data")


def test_a_file_that_is_no_frame_is_named(frames: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(frames, tmp_path / "copied")
    (folder / "00000000.json").write_text("{")
    item = list_items(str(folder))[0]
    for read in (item.read, item.read_scene):
        with pytest.raises(InputError, match=r"frame .*00000000\.json cannot be read \(Expecting property name"):
            read()


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


def test_items_that_are_not_asked_for_are_not_drawn(frames: Path, tile_scenes: Path) -> None:
    draw = Draw((str(frames), str(tile_scenes)))
    other = draw.items[1][0].name
    draw.restrict({(0, "00000002"), (1, other), (1, "00000000")})
    rng = np.random.default_rng(0)
    assert {(source, item.name) for source, item in (draw.item(rng) for _ in range(50))} == {
        (0, "00000002"), (1, other),
    }  # fmt: skip


def test_a_data_set_is_a_source(tmp_path: Path) -> None:
    for kind in ("images", "depth"):
        (tmp_path / kind).mkdir()
    depth_m = np.full((96, 128), 4.0, np.float32)
    depth_m[::2] = np.nan
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((96, 128, 3), 90, np.uint8))
    np.save(tmp_path / "depth" / "a.npy", depth_m)
    camera = {"width": 128, "height": 96, "fx": 100.0, "fy": 100.0, "cx": 63.5, "cy": 47.5}
    (tmp_path / "camera.yaml").write_text(yaml.safe_dump(camera))
    source = f"folder:{tmp_path}"
    (item,) = list_items(source)
    assert item.read_scene().native_hw() == (96, 128)
    config = TrainConfig(stage="end_to_end", data=(source,), batch=2, sizes=((64, 64),), patch=(64, 64), workers=0)
    batch = next(iter(Feed(config)))
    known = batch["patch_log_depth"].isfinite()
    assert known.float().mean() == 0.5
    np.testing.assert_allclose(batch["patch_log_depth"][known], np.log(4), rtol=1e-5)


def test_an_unknown_data_set_and_a_wrong_layout_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown data set 'kity': choose one of"):
        list_items("kity:/data/kitti:train")
    with pytest.raises(InputError, match=r"looked for train/.*KITTI"):
        list_items(f"kitti:{tmp_path}:train")


def test_tiles_without_their_scenes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "00000001-0.json").write_text("{}")
    with pytest.raises(InputError, match=rf"{tmp_path} holds tiles alone"):
        list_items(str(tmp_path))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*absent"):
        Draw((str(tmp_path / "absent"),))
