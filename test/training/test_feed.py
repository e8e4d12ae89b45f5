"""Batches hold together: patches, labels and corners of one picture stand side by side, and new pictures are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch, Feed, Prepared, _scene_batch, batch_size_hw, sample_rngs
from prv2_ros.training.pseudo_labels import Teacher, write_pseudo_labels
from prv2_ros.training.scene_samples import scene_sample
from prv2_ros.training.sources import whole_scene


def _wall(name: str, depth_m: float) -> Frame:
    image = np.random.default_rng(int(depth_m)).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    camera = CameraModel.from_fov(128, 96, 60)
    return Frame(name=name, image=image, depth_m=np.full((96, 128), depth_m, np.float32), camera=camera, kind="wall")


def _folder(place: Path, **depths_m: float) -> Path:
    place.mkdir(exist_ok=True)
    for name, depth_m in depths_m.items():
        write_frame(place, _wall(name, depth_m))
    return place


def _half(frame: Frame) -> NDArray[np.float32]:
    return np.asarray(frame.depth_m / 2, np.float32)


def _real_batch(folders: tuple[str, ...], output: Path, **changes: object) -> Batch:
    labels = write_pseudo_labels(Teacher(name="half", predict=_half), folders, output)
    values: dict[str, object] = {"batch": 8, "sizes": ((64, 96),), "patch": (64, 64), "workers": 0}
    config = TrainConfig(stage="real", data=folders, **{**values, **changes})  # type: ignore[arg-type]
    return next(iter(Feed(config, 0, Prepared(labels=labels))))


def test_pictures_of_one_name_have_the_labels_of_their_own_source(tmp_path: Path) -> None:
    near, far = (_folder(tmp_path / name, a=depth_m) for name, depth_m in (("near", 2.0), ("far", 30.0)))
    batch = _real_batch((str(near), str(far)), tmp_path)
    depth, label = (batch[name].flatten(1).mean(1) for name in ("patch_log_depth", "patch_label"))
    assert set(depth.exp().round().tolist()) == {2.0, 30.0}
    torch.testing.assert_close(depth - label, torch.full_like(depth, np.log(2)), rtol=0, atol=1e-3)


def test_labels_of_tile_scenes_lie_under_their_pictures(tile_scenes: Path, tmp_path: Path) -> None:
    batch = _real_batch((str(tile_scenes),), tmp_path)
    known = batch["patch_label"].isfinite()
    assert known.any()
    difference = (batch["patch_log_depth"] - batch["patch_label"])[known]
    np.testing.assert_allclose(difference, np.log(2), atol=1e-3)


def test_patches_of_all_pictures_stand_one_after_another() -> None:
    samples = [
        scene_sample(whole_scene(_wall("a", 4.0)), (64, 96), (48, 64), np.random.default_rng(seed), patches="pair")
        for seed in range(3)
    ]
    batch = _scene_batch(samples)
    assert {name: value.shape[0] for name, value in batch.items()} == {
        "image": 3, "log_depth": 3, "f_px": 3, "corners": 3, "patches": 6, "patch_log_depth": 6, "patch_label": 6,
        "boxes": 6,
    }  # fmt: skip
    for b, sample in enumerate(samples):
        assert batch["f_px"][b] == pytest.approx(sample.f_px)
        np.testing.assert_array_equal(batch["corners"][b], sample.corners)
        np.testing.assert_array_equal(batch["image"][b].permute(1, 2, 0), sample.image)
        for p in range(2):
            np.testing.assert_array_equal(batch["boxes"][2 * b + p], sample.boxes[p])
            np.testing.assert_array_equal(batch["patches"][2 * b + p].permute(1, 2, 0), sample.patches[p])


def test_pictures_that_come_while_training_runs_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prv2_ros.training.feed._RELIST_EVERY", 2)
    folder = _folder(tmp_path, a=2.0)
    batches = iter(Feed(TrainConfig(data=(str(folder),), batch=8, sizes=((64, 96),), workers=0)))

    def depths_m() -> set[float]:
        return set(next(batches)["log_depth"].exp().round().flatten().tolist())

    assert depths_m() == {2.0}
    _folder(folder, b=30.0)
    assert depths_m() == {2.0}, "folders are listed now and then only"
    assert depths_m() == {2.0, 30.0}


def test_tiles_are_told_apart_by_the_folder_that_their_source_names(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a", "b")]
    maps = {place / "1-0.json": tmp_path / "maps.npz" for place in places}
    sources = (f"frames:{places[0]}", f"{places[1]}/")
    config = TrainConfig(stage="refiner", data=sources, data_shares=(1.0, 2.0), workers=0)
    assert Feed(config, 0, Prepared(maps=maps)).tiles == [[tile] for tile in maps]


def test_what_a_batch_shows_does_not_follow_from_its_size(tmp_path: Path) -> None:
    sizes = ((64, 64), (64, 96), (96, 64), (96, 96))
    config = TrainConfig(batch=1, sizes=sizes, seed=3)
    halves: dict[tuple[int, int], set[bool]] = {size: set() for size in sizes}
    for n in range(200):
        first = int(sample_rngs(config, n, 0)[0].integers(1000))
        halves[batch_size_hw(config, n)].add(first < 500)
    assert all(found == {True, False} for found in halves.values())


def test_unknown_depth_of_a_frame_is_no_sky(tmp_path: Path) -> None:
    frame = _wall("a", 4.0)
    frame.depth_m[:, :40], frame.depth_m[:, 40:80] = np.nan, np.inf
    write_frame(tmp_path, frame)
    for stage, name in (("coarse", "log_depth"), ("end_to_end", "patch_log_depth")):
        config = TrainConfig(stage=stage, data=(str(tmp_path),), batch=4, sizes=((96, 128),), patch=(96, 96), workers=0)
        truth = next(iter(Feed(config)))[name]
        for kind in (truth.isnan(), truth.isposinf(), truth.isfinite()):
            assert kind.float().mean() > 0.05
        known = truth[truth.isfinite()]
        torch.testing.assert_close(known, torch.full_like(known, np.log(4)), rtol=0, atol=1e-3)
