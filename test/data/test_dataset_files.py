from __future__ import annotations

from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.dataset_files import (
    depth_of_disparity,
    files_by_stem,
    is_cut_jpeg,
    known_depth,
    read_npy,
    read_png16,
    read_rgb,
    shorten,
    subfolders,
)
from prv2_ros.errors import InputError


@given(st.floats(0.01, 1000), st.floats(10, 5000), st.floats(0.01, 2))
def test_depth_of_a_disparity_projects_to_it_again(disparity_px: float, f_px: float, baseline_m: float):
    depth_m = depth_of_disparity(np.array([[disparity_px]]), f_px, baseline_m)
    left = f_px * 1.0 / depth_m[0, 0]
    right = f_px * (1.0 - baseline_m) / depth_m[0, 0]
    assert left - right == pytest.approx(disparity_px, rel=1e-4)


def test_only_positive_values_are_depth_and_sky_stays():
    values = np.array([0, -1, np.nan, np.inf, -np.inf, 2])
    np.testing.assert_array_equal(known_depth(values), [np.nan, np.nan, np.nan, np.inf, np.nan, 2])
    found = depth_of_disparity(values, 10, 1)
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, np.nan, np.nan, 5])


def test_files_are_listed_by_stem_and_rank(tmp_path: Path):
    for name in ("b.jpg", "a.PNG", "a.jpg", ".hidden.jpg", "c.txt"):
        (tmp_path / name).touch()
    found = files_by_stem(tmp_path, (".png", ".jpg"))
    assert {stem: path.name for stem, path in found.items()} == {"a": "a.PNG", "b": "b.jpg"}
    assert list(found) == ["a", "b"]
    assert files_by_stem(tmp_path / "nowhere", ".png") == {}
    assert subfolders(tmp_path / "nowhere") == []


@pytest.mark.parametrize(("count", "text"), [(1, "0"), (3, "0, 1, 2"), (5, "0, 1, 2 and 2 more")])
def test_long_lists_are_cut(count: int, text: str):
    assert shorten([str(i) for i in range(count)]) == text


def test_images_are_read_as_stored_without_alpha(tmp_path: Path):
    path = tmp_path / "a.png"
    bgra = np.concatenate([trees.picture()[..., ::-1], np.zeros((12, 16, 1), np.uint8)], -1)
    cv2.imwrite(str(path), bgra)
    np.testing.assert_array_equal(read_rgb(path), trees.picture())


@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPG"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_cut_images_are_refused(tmp_path: Path, ending: str, share: float):
    path = tmp_path / f"a{ending}"
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    trees.write_rgb(path, noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.\w+: cannot be read; it is corrupt: fetch it again, or take"):
        read_rgb(path)


def jpeg(height: int, width: int, *options: int) -> bytes:
    """A JPEG of noise, whose coded data hold all sorts of bytes."""
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return cv2.imencode(".jpg", noise, list(options))[1].tobytes()


@pytest.mark.parametrize(
    "options",
    [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)],
    ids=["plain", "progressive", "restarts"],
)
def test_a_jpeg_with_a_long_trailer_is_read(tmp_path: Path, options: tuple[int, ...]):
    """Motion photos: a video follows the picture. A cut picture is refused, whatever is left of it."""
    path, picture = tmp_path / "a.jpg", jpeg(40, 60, *options)
    path.write_bytes(picture)
    wanted = read_rgb(path)
    path.write_bytes(picture + bytes(100_000))
    np.testing.assert_array_equal(read_rgb(path), wanted)
    for size in range(3, len(picture), 97):
        assert is_cut_jpeg(picture[:size]), "OpenCV 5 refuses it as well, OpenCV 4 does not"
        path.write_bytes(picture[:size])
        with pytest.raises(InputError, match=r"a\.jpg: cannot be read; it is corrupt"):
            read_rgb(path)


def test_the_end_of_a_thumbnail_is_not_that_of_its_picture(tmp_path: Path):
    path, picture, thumbnail = tmp_path / "a.jpg", jpeg(40, 60), b"Exif\0\0" + jpeg(10, 15)
    tags = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    path.write_bytes(picture[:2] + tags + picture[2:])
    assert read_rgb(path).shape == (40, 60, 3)
    path.write_bytes(path.read_bytes()[: len(tags) + len(picture) // 2])
    assert is_cut_jpeg(path.read_bytes())
    with pytest.raises(InputError, match=r"a\.jpg: cannot be read; it is corrupt"):
        read_rgb(path)


@pytest.mark.parametrize("code", [np.ones((2, 3), np.uint8), np.ones((2, 3, 3), np.uint16)])
def test_pngs_of_another_kind_are_no_depth(tmp_path: Path, code: np.ndarray):
    path = tmp_path / "a.png"
    trees.write_code(path, code)
    with pytest.raises(InputError, match="where one channel of 16 bits was expected"):
        read_png16(path)


def test_pickles_are_not_opened(tmp_path: Path):
    path = tmp_path / "a.npy"
    np.save(path, np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(InputError, match=r"a\.npy: cannot be read"):
        read_npy(path)
