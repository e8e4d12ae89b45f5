from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from prv2_ros.data import tiles
from prv2_ros.data.frames import list_frames, list_scenes
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


@pytest.fixture(scope="module")
def scene() -> tiles.TileScene:
    return tiles.render(4, count=2)


def test_tiles_show_the_overviews_depth_where_their_boxes_say(scene: tiles.TileScene) -> None:
    overview = scene.overview.depth_m
    height, width = scene.native_hw()
    scale = width / overview.shape[1]
    assert scale == pytest.approx(height / overview.shape[0])
    for tile, (x, y, w, h) in zip(scene.tiles, scene.boxes_xywh(), strict=True):
        assert (w, h) == (tiles.TILE_PX, tiles.TILE_PX)
        v, u = np.mgrid[8:h:16, 8:w:16].astype(int)
        rows = np.rint((y + v + 0.5) / scale - 0.5).astype(int)
        columns = np.rint((x + u + 0.5) / scale - 0.5).astype(int)
        inside = (rows >= 0) & (rows < overview.shape[0]) & (columns >= 0) & (columns < overview.shape[1])
        seen, known = tile.depth_m[v, u][inside], overview[rows, columns][inside]
        with np.errstate(invalid="ignore", divide="ignore"):  # sky against sky and against the ground
            close = (np.isinf(seen) & np.isinf(known)) | (np.abs(np.log(seen / known)) < 0.05)
        assert close.mean() > 0.75, "tile and overview disagree beyond what edges explain"


def test_overview_of_a_small_camera_is_its_picture_and_that_of_a_large_one_is_shrunk() -> None:
    effects = tiles.SensorEffects(blur_sigma_px=1.2, noise=0.03, motion_px=6.0, vignette=0.2, contrast=1.1)
    same, third = tiles._shrunk(effects, 1.0), tiles._shrunk(effects, 3.0)
    assert (same.blur_sigma_px, same.noise, same.motion_px) == (1.2, 0.03, 6.0)
    assert (third.noise, third.motion_px) == pytest.approx((0.01, 2.0))
    assert third.blur_sigma_px == pytest.approx((0.4**2 + 0.45**2) ** 0.5), "blurs add as their squares do"
    assert same.vignette == third.vignette == 0, "a tile has none, as it is seen alone"
    assert third.contrast == 1.1


def test_scale_and_place_of_tiles_can_be_told(scene: tiles.TileScene) -> None:
    whole = tiles.render(4, count=3, scale=3.0, anywhere=True)
    np.testing.assert_array_equal(whole.overview.depth_m, scene.overview.depth_m)
    assert whole.native_hw() == tuple(3 * side for side in whole.overview.depth_m.shape)
    height, width = whole.native_hw()
    boxes = whole.boxes_xywh()
    assert all(0 <= x <= width - tiles.TILE_PX and 0 <= y <= height - tiles.TILE_PX for x, y, _, _ in boxes)
    assert boxes != tiles.render(4, count=3, scale=3.0).boxes_xywh()


def test_kind_of_the_scene_can_be_told() -> None:
    made = tiles.render(3, count=1, kind="close")
    assert (made.overview.kind, made.tiles[0].kind) == ("close", "close")


def test_scene_survives_the_folder(scene: tiles.TileScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles.write_tile_scene(tmp_path, scene)
    path = next(p for p in list_frames(tmp_path) if "-" not in p.stem)
    back = tiles.read_tile_scene(path)
    assert back.boxes_xywh() == pytest.approx(np.array(scene.boxes_xywh()))
    assert back.native_hw() == scene.native_hw()
    listed = list_scenes(tmp_path)[path]
    monkeypatch.setattr(Path, "glob", None)  # the folder is not searched once more
    assert [tile.name for tile in tiles.read_tile_scene(path, listed).tiles] == [tile.name for tile in back.tiles]
    monkeypatch.undo()
    for tile in tmp_path.glob("*-*.json"):
        tile.unlink()
    with pytest.raises(InputError, match="no tiles"):
        tiles.read_tile_scene(path)


def test_tiles_are_exposed_as_their_overview(scene: tiles.TileScene) -> None:
    """A tile that meters itself would be as bright as any other; here it is as bright as that part of the picture."""
    height, width = scene.native_hw()
    whole = cv2.resize(scene.overview.image, (width, height), interpolation=cv2.INTER_LINEAR)
    for tile, (x, y, w, h) in zip(scene.tiles, scene.boxes_xywh(), strict=True):
        x0, y0 = round(x), round(y)
        part = whole[y0 : y0 + round(h), x0 : x0 + round(w)]
        assert tile.image.mean() == pytest.approx(part.mean(), abs=12)


def test_glare_of_a_tile_is_its_picture_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spread over the tile alone it would be a narrow halo around whatever is bright in it."""
    effects = tiles.SensorEffects(glare=0.2, jpeg_quality=100)
    monkeypatch.setattr(tiles.SensorEffects, "random", lambda _: effects)
    scene = tiles.render(4, count=3, scale=2.5)
    linear, _ = tiles.trace(*tiles.scene_of(4)[:1], scene.overview.camera)
    spread = tiles.veil(linear, effects, tiles.meter(linear, effects))
    height, width = scene.native_hw()
    whole = cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR)
    for x, y, w, h in scene.boxes_xywh():
        part = whole[round(y) : round(y + h), round(x) : round(x + w)]
        found = tiles._under(spread, (round(x), round(y)), width / scene.overview.camera.width)
        np.testing.assert_allclose(found, part, atol=2e-3 * spread.max())
    # Beside the picture itself at that size, developed as a whole.
    big = scene.overview.camera.resized(width, height)
    around = tiles.surroundings(scene.overview.depth_m, scene.overview.camera)
    native, _ = tiles.trace(tiles.scene_of(4)[0], big, whole=around)
    picture = tiles.expose(native, effects, np.random.default_rng(0), tiles.meter(linear, effects))
    for tile, (x, y, w, h) in zip(scene.tiles, scene.boxes_xywh(), strict=True):
        part = picture[round(y) : round(y + h), round(x) : round(x + w)].astype(float)
        assert np.abs(tile.image - part).mean() < 1.5


def test_the_busiest_of_four_places_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CameraModel.from_fov(1000, 700, 70)
    steps, corners = iter((2, 9, 5, 0)), [(10, 20), (30, 40), (50, 60), (70, 80)]
    places = iter(corners)

    def striped(*_: Any) -> SimpleNamespace:
        depth = torch.ones(32, 32)
        depth[: next(steps)] = torch.where(torch.arange(32) % 2 == 0, 2.0, 9.0)
        return SimpleNamespace(depth_HW=depth)

    monkeypatch.setattr(tiles, "view", striped)
    monkeypatch.setattr(tiles, "_random_corner", lambda *_: next(places))
    assert tiles._busy_corner(None, whole, np.random.default_rng(0)) == corners[1]


def test_a_tile_fits_a_picture_of_its_own_size() -> None:
    rng = np.random.default_rng(0)
    assert tiles._random_corner(CameraModel.from_fov(256, 256, 70), rng) == (0, 0)
    found = {tiles._random_corner(CameraModel.from_fov(257, 258, 70), rng) for _ in range(200)}
    assert found == {(x, y) for x in (0, 1) for y in (0, 1, 2)}


def test_no_tile_has_a_vignette_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    exposed: list[tiles.SensorEffects] = []

    def noted(linear: np.ndarray, effects: tiles.SensorEffects, *_: Any) -> np.ndarray:
        exposed.append(effects)
        return np.zeros(linear.shape, np.uint8)

    monkeypatch.setattr(tiles, "expose", noted)
    monkeypatch.setattr(tiles.SensorEffects, "random", lambda _: tiles.SensorEffects(vignette=0.4, contrast=1.2))
    tiles.render(4, count=1, scale=1.0, anywhere=True)
    assert [(effects.vignette, effects.contrast) for effects in exposed] == [(0, 1.2)] * 2
