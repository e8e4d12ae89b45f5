from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from prv2_ros.data import tiles
from prv2_ros.data.frames import Frame, read_frame
from prv2_ros.data.tiles import TileScene
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.align import crop_aligned, upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.looks import network_looks
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.training import coarse_maps
from prv2_ros.training.coarse_maps import read_coarse_tile, write_coarse_maps
from prv2_ros.training.samples import tile_sample


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiles")
    tiles.write_tile_scene(path, tiles.render(1, count=2))
    return path


@pytest.fixture(scope="module")
def model() -> DepthModel:
    torch.manual_seed(0)
    return DepthModel(ModelSpec(second_look=0)).eval()


def test_maps_are_what_the_coarse_network_says_there(folder: Path, model: DepthModel, tmp_path: Path) -> None:
    maps = write_coarse_maps(model, (str(folder),), tmp_path)
    assert [path.stem for path in sorted(maps)] == ["00000001-0", "00000001-1"]
    scene = tiles.read_tile_scene(folder / "00000001.json")
    image = torch.from_numpy(scene.overview.image).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        coarse = model.predict_coarse(image, torch.tensor([scene.overview.camera.fx], dtype=torch.float32))
    # A map of a quarter of the native size: its cells have their centres between the second and third of four pixels.
    native = scene.native_hw()
    wholes = {
        "log_depth": upsample_to(coarse.log_depth_B1hw, native)[0, 0].numpy(),
        "log_scale": upsample_to(coarse.log_scale_B1hw, native)[0, 0].numpy(),
    }
    for tile, (x, y, w, h) in zip(sorted(maps), scene.boxes_xywh(), strict=True):
        found = read_coarse_tile(maps[tile])
        for name, whole in wholes.items():
            part = whole[round(y) : round(y + h), round(x) : round(x + w)]
            cells = (part[1::4, 1::4] + part[2::4, 1::4] + part[1::4, 2::4] + part[2::4, 2::4]) / 4
            # Not the same to the last digit: at 1.25 times the overview's size a cell spans several of its pixels.
            difference = np.abs(getattr(found, name) - cells)
            assert difference.max() < 0.03
            assert (difference < 0.01).mean() > 0.999
        assert found.features.shape == (coarse.features_BChw.shape[1], h // 8, w // 8)


def test_an_overview_of_a_size_that_the_network_does_not_take_is_seen_as_in_use(
    folder: Path, model: DepthModel, tmp_path: Path
) -> None:
    """Path-traced overviews have 270 or 360 rows."""
    scene = tiles.read_tile_scene(folder / "00000001.json")
    height, width = scene.overview.image.shape[:2]
    camera = scene.overview.camera.resized(width - 10, height - 14)
    overview = replace(
        scene.overview,
        image=cv2.resize(scene.overview.image, (camera.width, camera.height), interpolation=cv2.INTER_AREA),
        depth_m=cv2.resize(scene.overview.depth_m, (camera.width, camera.height), interpolation=cv2.INTER_NEAREST),
        camera=camera,
    )
    other = tmp_path / "odd"
    other.mkdir()
    tiles.write_tile_scene(other, replace(scene, overview=overview))
    overview = tiles.read_tile_scene(other / "00000001.json").overview
    image = torch.from_numpy(overview.image).permute(2, 0, 1)[None]
    (look,) = network_looks(model, image, overview.camera.fx, overview.camera.fy)
    with torch.inference_mode():
        coarse = model.predict_coarse(look.image_B3hw, look.f_px_B)
    maps = write_coarse_maps(model, (str(other),), tmp_path / "maps")
    scene = tiles.read_tile_scene(other / "00000001.json")
    for tile, box in zip(sorted(maps), scene.boxes_xywh(), strict=True):
        expected = crop_aligned(coarse.log_depth_B1hw, box, scene.native_hw(), (64, 64))[0, 0].numpy()
        np.testing.assert_allclose(read_coarse_tile(maps[tile]).log_depth, expected, atol=1e-5)


def test_maps_are_the_mean_of_two_looks_where_the_model_takes_two(
    folder: Path, model: DepthModel, tmp_path: Path
) -> None:
    twice = DepthModel()
    twice.load_state_dict(model.state_dict())
    one, two = (write_coarse_maps(m.eval(), (str(folder),), tmp_path) for m in (model, twice))
    scene = tiles.read_tile_scene(folder / "00000001.json")
    looks = network_looks(twice, torch.from_numpy(scene.overview.image).permute(2, 0, 1)[None], 1.0, 1.0)
    assert len(looks) == 2
    for tile in one:
        first, mean = read_coarse_tile(one[tile]), read_coarse_tile(two[tile])
        assert np.abs(first.log_depth - mean.log_depth).max() > 1e-4
        assert np.array_equal(first.features, mean.features)


def test_pictures_seen_together_get_the_maps_that_each_gets_alone(model: DepthModel, tmp_path: Path) -> None:
    """Overviews of seeds 1 and 4 have one size, that of 2 another."""
    together = tmp_path / "together"
    together.mkdir()
    for seed in (1, 2, 4):
        scene = tiles.render(seed, count=1)
        tiles.write_tile_scene(together, scene)
        alone = tmp_path / f"{seed}"
        alone.mkdir()
        tiles.write_tile_scene(alone, scene)
    maps = write_coarse_maps(model, (str(together),), tmp_path)
    assert [path.stem for path in maps] == ["00000001-0", "00000002-0", "00000004-0"]
    for tile, path in maps.items():
        ((_, one),) = write_coarse_maps(model, (str(tmp_path / tile.stem[7]),), tmp_path / "own").items()
        for name in ("log_depth", "log_scale", "features"):
            found, expected = getattr(read_coarse_tile(path), name), getattr(read_coarse_tile(one), name)
            np.testing.assert_allclose(found, expected, atol=2e-3 if name == "features" else 1e-5, rtol=2e-3)


def _small_scene(number: int, width: int, height: int) -> TileScene:
    """A scene of noise, whose one tile shows the middle of it at twice the size."""
    camera = CameraModel.from_fov(width, height, 60)
    cut = camera.resized(2 * width, 2 * height).cropped(width - 16, height - 16, 32, 32)
    rng, name = np.random.default_rng(number), f"{number:04d}"

    def frame(name: str, camera: CameraModel) -> Frame:
        image = rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        depth_m = np.full((camera.height, camera.width), 4, np.float32)
        return Frame(name=name, image=image, depth_m=depth_m, camera=camera, kind="noise")

    return TileScene(overview=frame(name, camera), tiles=(frame(f"{name}-0", cut),))


def _seen_by(model: DepthModel, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes (B, height, width) of what a model's coarse network is going to see."""
    shapes: list[tuple[int, ...]] = []
    before = model.predict_coarse

    def noted(image: torch.Tensor, f_px: torch.Tensor) -> CoarseOutput:
        shapes.append((image.shape[0], *image.shape[-2:]))
        return before(image, f_px)

    monkeypatch.setattr(model, "predict_coarse", noted)
    return shapes


def test_a_network_sees_one_number_of_pictures_of_each_size(
    model: DepthModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each new shape costs a GPU seconds. Of a size with few pictures as many are seen as there are."""
    place = tmp_path / "scenes"
    place.mkdir()
    sizes = [(96, 64)] * 52 + [(64, 64)] * 21 + [(64, 96)] * 5
    for number, (width, height) in enumerate(np.random.default_rng(0).permutation(sizes).tolist()):
        tiles.write_tile_scene(place, _small_scene(number, width, height))
    shapes = _seen_by(model, monkeypatch)
    maps = write_coarse_maps(model, (str(place),), tmp_path)
    assert sorted(shapes) == [(5, 96, 64), *[(16, 64, 64)] * 2, *[(16, 64, 96)] * 4]
    assert len({path.name for path in maps.values()}) == len(maps) == 78
    assert all(path.exists() for path in maps.values())
    # The last of a batch that was filled up has its own map.
    shapes.clear()
    alone = write_coarse_maps(model, (str(place),), tmp_path / "own")
    assert len(shapes) == 7
    for tile in list(maps)[-6:]:
        one = tmp_path / tile.stem
        one.mkdir()
        for path in place.glob(f"{tile.stem[:4]}*"):
            shutil.copy(path, one)
        ((_, expected),) = write_coarse_maps(model, (str(one),), tmp_path / "alone").items()
        for found in (maps[tile], alone[tile]):
            np.testing.assert_allclose(
                read_coarse_tile(found).log_depth, read_coarse_tile(expected).log_depth, atol=1e-5, rtol=2e-3
            )


def test_few_scenes_are_in_memory_whatever_their_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coarse_maps, "_WAITING", 20)
    order, taken, most = np.random.default_rng(0).integers(0, 12, 300).tolist(), 0, 0
    scenes = [_small_scene(0, 64 + 32 * k, 64) for k in range(12)]
    read: list[int] = []

    def reading() -> Iterator[tuple[Path, TileScene]]:
        for number, k in enumerate(order):
            read.append(number)
            yield Path(f"{number}.json"), scenes[k]

    shapes = set()
    given: list[Path] = []
    for some, count in coarse_maps._of_one_size(reading()):
        most = max(most, len(read) - taken)
        taken += len(some)
        given += [path for path, _ in some]
        (size,) = {scene.overview.image.shape for _, scene in some}
        assert len(some) <= count <= 16
        shapes.add((count, size))
    assert most == 20
    assert sorted(int(path.stem) for path in given) == list(range(300))
    assert len(shapes) <= 3 * 12, "the number of an earlier batch is taken where it was as large"


def test_folders_are_searched_once(model: DepthModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "scenes"
    place.mkdir()
    for number in range(6):
        tiles.write_tile_scene(place, _small_scene(number, 64, 64))
    listings: list[object] = []
    before = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: listings.append(folder) or before(folder))
    monkeypatch.setattr(os, "scandir", None)  # what glob takes
    assert len(write_coarse_maps(model, (f"frames:{place}",), tmp_path)) == 6
    assert listings == [place] * 2, "the second one for the tiles, once all pictures are known"


def test_other_weights_get_maps_of_their_own(folder: Path, model: DepthModel, tmp_path: Path) -> None:
    first = write_coarse_maps(model, (str(folder),), tmp_path)
    written = {path: path.stat().st_mtime_ns for path in first.values()}
    again = write_coarse_maps(model, (str(folder),), tmp_path)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in again.values()} == written, "kept, not computed again"
    torch.manual_seed(1)
    other = write_coarse_maps(DepthModel(), (str(folder),), tmp_path)
    assert set(other) == set(first)
    assert not set(other.values()) & set(first.values())


def test_maps_of_either_precision_are_their_own(folder: Path, model: DepthModel, tmp_path: Path) -> None:
    half = write_coarse_maps(model, (str(folder),), tmp_path, bf16=True)
    whole = write_coarse_maps(model, (str(folder),), tmp_path)
    assert set(whole) == set(half)
    for tile, path in whole.items():
        assert path != half[tile]
        coarse = read_coarse_tile(path).log_depth
        assert 0 < np.abs(coarse - read_coarse_tile(half[tile]).log_depth).max() < 0.5
    before = re.compile(r"coarse_maps_[0-9a-f]{12}_0/00000001-[01]_[0-9a-f]{12}\.npz")  # in folders of earlier runs
    assert all(before.fullmatch(path.relative_to(tmp_path).as_posix()) for path in half.values())


def test_another_picture_of_the_same_name_gets_maps_of_its_own(folder: Path, model: DepthModel, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    first = write_coarse_maps(model, (str(folder),), tmp_path)
    assert list(write_coarse_maps(model, (str(copied),), tmp_path).values()) == list(first.values()), "same pictures"
    for picture in copied.glob("*.jpg"):
        cv2.imwrite(str(picture), 255 - cv2.imread(str(picture)))
    assert not set(write_coarse_maps(model, (str(copied),), tmp_path).values()) & set(first.values())


def test_a_window_keeps_image_truth_and_maps_together(folder: Path, model: DepthModel, tmp_path: Path) -> None:
    maps = write_coarse_maps(model, (str(folder),), tmp_path)
    path = sorted(maps)[0]
    tile, coarse = read_frame(path), read_coarse_tile(maps[path])
    # With the coarse depth for truth, the two must stay a constant apart wherever the window lies and however it turns.
    same = tile.__class__(
        **{**tile.__dict__, "depth_m": np.exp(np.kron(coarse.log_depth, np.ones((4, 4), np.float32)))}
    )
    for seed in range(6):
        sample = tile_sample(same, coarse, (64, 96), np.random.default_rng(seed))
        assert sample.image.shape == (64, 96, 3)
        assert sample.features.shape[1:] == (8, 12)
        assert np.ptp(sample.log_depth[::4, ::4] - sample.log_coarse) < 1e-4
        assert sample.log_scale.shape == (16, 24)


def test_folders_without_tiles_are_named(model: DepthModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs --data: folders that `prv2 synth --tiles` wrote"):
        write_coarse_maps(model, (), tmp_path)
    with pytest.raises(InputError, match=r"no folder .*absent"):
        write_coarse_maps(model, (str(tmp_path / "absent"),), tmp_path)
    with pytest.raises(InputError, match=r"folders that `prv2 synth --tiles` wrote, and kitti:/data is none"):
        write_coarse_maps(model, ("kitti:/data",), tmp_path)


def test_frames_without_tiles_leave_no_folder(model: DepthModel, frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"no tiles in {frames}: write them"):
        write_coarse_maps(model, (str(frames),), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_source_without_tiles_among_others_is_named(
    model: DepthModel, tile_scenes: Path, frames: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"no tiles in {frames}: write them"):
        write_coarse_maps(model, (str(tile_scenes), str(frames)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
