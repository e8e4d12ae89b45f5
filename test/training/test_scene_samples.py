"""A sample's picture and patches are parts of one scene, wherever the random numbers put them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame
from prv2_ros.data.tiles import TileScene
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.align import crop_aligned, network_focal
from prv2_ros.network.coarse_lite import F_CANONICAL_PX
from prv2_ros.training.consistency import consistency_error
from prv2_ros.training.scene_samples import native_sample, scene_sample
from prv2_ros.training.sources import whole_scene

SCALE = 3


def _ramp(width: int, height: int) -> NDArray[np.float32]:
    """Log depth that tells where a pixel lies: linear in x and y, in the same units at any size."""
    v, u = np.mgrid[0:height, 0:width]
    return (2 * (u + 0.5) / width + (v + 0.5) / height).astype(np.float32)


def _frame(name: str, log_depth: NDArray[np.float32], camera: CameraModel) -> Frame:
    image = np.full((*log_depth.shape, 3), 128, np.uint8)
    return Frame(name=name, image=image, depth_m=np.exp(log_depth), camera=camera, kind="")


def _tile_scene() -> TileScene:
    """A scene of which a part is known at three times the size."""
    camera = CameraModel.from_fov(320, 240, 70)
    whole = camera.resized(320 * SCALE, 240 * SCALE)
    ramp = _ramp(whole.width, whole.height)
    parts = [
        _frame(f"a-{k}", ramp[y : y + 256, x : x + 256], whole.cropped(x, y, 256, 256))
        for k, (x, y) in enumerate(((0, 30), (500, 400)))
    ]
    return TileScene(overview=_frame("a", _ramp(320, 240), camera), tiles=tuple(parts))


def _whole_scene() -> TileScene:
    return whole_scene(_frame("b", _ramp(900, 600), CameraModel.from_fov(900, 600, 70)))


@pytest.mark.parametrize("scene", [_tile_scene(), _whole_scene()], ids=["tiles", "whole"])
@pytest.mark.parametrize("patches", ["single", "pair", "group"])
@pytest.mark.parametrize("size", [(128, 224), (160, 128)])
def test_patches_lie_where_their_boxes_say(scene: TileScene, patches: str, size: tuple[int, int]) -> None:
    for seed in range(8):
        sample = scene_sample(scene, size, (96, 128), np.random.default_rng(seed), patches=patches, overlap=0.4)
        assert sample.patches.shape == ({"single": 1, "pair": 2, "group": 4}[patches], 96, 128, 3)
        # The picture's own depth, cropped by the boxes, is the depth of the patches (up to the picture's pixel size).
        picture = torch.from_numpy(sample.log_depth)[None, None]
        found = crop_aligned(picture, torch.from_numpy(sample.boxes), (1, 1), (96, 128))[:, 0].numpy()
        inner = np.s_[:, 8:-8, 8:-8]
        np.testing.assert_allclose(found[inner], sample.patch_log_depth[inner], atol=0.02)


@pytest.mark.parametrize("size", [(128, 128), (64, 192)])
def test_pictures_lie_about_the_optical_axis(size: tuple[int, int]) -> None:
    scene = _whole_scene()
    means = [scene_sample(scene, size, (64, 64), np.random.default_rng(seed)).log_depth.mean() for seed in range(40)]
    assert np.mean(means) == pytest.approx(_ramp(900, 600).mean(), abs=0.08)


def test_samples_are_of_any_of_a_scenes_tiles() -> None:
    scene = _tile_scene()
    seen: list[list[NDArray[np.float32]]] = [[], []]
    for seed in range(8):
        seen[0].append(scene_sample(scene, (128, 192), (96, 128), np.random.default_rng(seed)).patch_log_depth)
        seen[1].append(native_sample(scene, (224, 224), np.random.default_rng(seed))[1])
    for found in seen:
        assert np.ptp([log_depth.mean() for log_depth in found]) > 0.7, "more than there is within a tile"


@pytest.mark.parametrize("patches", ["pair", "group"])
def test_corners_say_which_pixels_patches_share(patches: str) -> None:
    for seed in range(8):
        sample = scene_sample(_whole_scene(), (128, 192), (96, 128), np.random.default_rng(seed), patches=patches)
        maps = torch.from_numpy(sample.patch_log_depth)[None, :, None]
        assert consistency_error(maps, torch.from_numpy(sample.corners)[None]).item() == 0
        assert (sample.corners.min(0) == 0).all()


def test_a_group_overlaps_by_its_share() -> None:
    sample = scene_sample(_tile_scene(), (128, 192), (160, 160), np.random.default_rng(0), patches="group", overlap=0.4)
    assert sorted(sample.corners.tolist()) == [[0, 0], [0, 96], [96, 0], [96, 96]]


def test_focal_length_is_that_of_the_picture() -> None:
    scene = _whole_scene()
    sample = scene_sample(scene, (128, 192), (96, 128), np.random.default_rng(0))
    assert sample.f_px == pytest.approx(scene.overview.camera.fx * 192 / 900, rel=1e-3)


def test_focal_lengths_of_a_stretched_lens_are_those_which_inference_takes() -> None:
    camera = CameraModel(width=900, height=600, fx=600.0, fy=800.0, cx=449.5, cy=299.5)
    scene = whole_scene(_frame("b", _ramp(900, 600), camera))
    sample = scene_sample(scene, (128, 224), (96, 128), np.random.default_rng(0))
    view_h, view_w = round(900 / 224 * 128), 900  # the widest window of that shape
    assert sample.f_px == pytest.approx(network_focal(600.0, 800.0, (view_h, view_w), (128, 224)), rel=1e-12)
    _, canonical = native_sample(scene, (600, 900), np.random.default_rng(0))  # a window of all there is, or its mirror
    far = np.log(np.sqrt(600.0 * 800.0) / F_CANONICAL_PX)
    assert float(canonical.mean()) == pytest.approx(float(_ramp(900, 600).mean()) - far, abs=1e-5)


def test_label_and_colours_follow_the_pixels() -> None:
    scene = _whole_scene()
    label = np.exp(_ramp(900, 600)) * 2
    label[:300] = np.inf
    sample = scene_sample(scene, (128, 192), (96, 128), np.random.default_rng(4), label_m=label)
    known = np.isfinite(sample.patch_label)
    np.testing.assert_allclose((sample.patch_label - sample.patch_log_depth)[known], np.log(2), atol=1e-5)
    without = scene_sample(scene, (128, 192), (96, 128), np.random.default_rng(4))
    assert np.isnan(without.patch_label).all()
    np.testing.assert_array_equal(without.patches, sample.patches)


def test_a_patch_of_the_whole_picture_is_the_picture() -> None:
    frame = _frame("c", _ramp(192, 128), CameraModel.from_fov(192, 128, 70))
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 3), dtype=np.uint8)
    scene = whole_scene(dataclasses.replace(frame, image=image))
    for seed in range(8):
        sample = scene_sample(scene, (128, 192), (128, 192), np.random.default_rng(seed))
        np.testing.assert_array_equal(sample.patches[0], sample.image)


def test_native_windows_have_the_canonical_cameras_depth() -> None:
    scene = _whole_scene()
    image, log_depth = native_sample(scene, (96, 128), np.random.default_rng(0))
    assert image.shape == (96, 128, 3)
    slope = abs(log_depth[0, 1] - log_depth[0, 0])
    assert slope == pytest.approx(2 / 900, rel=1e-3)
    far = np.log(scene.overview.camera.fx / F_CANONICAL_PX)
    assert 0 - far <= log_depth.min() <= log_depth.max() <= 3 - far


def test_pictures_too_small_for_the_patches_are_named() -> None:
    with pytest.raises(InputError, match=r"frame a-[01] of 256x256: the patches need 288 px"):
        scene_sample(_tile_scene(), (128, 192), (192, 192), np.random.default_rng(0), patches="group", overlap=0.5)
    with pytest.raises(InputError, match="need 320 px of the 256 px there are"):
        native_sample(_tile_scene(), (320, 128), np.random.default_rng(0))
