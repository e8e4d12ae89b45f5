from __future__ import annotations

import os
import pathlib
import resource
import stat

import cv2
import numpy as np
import pytest

from prv2_ros.cli.images import list_images, read_image, write_depth_files, write_ply, write_png
from prv2_ros.errors import InputError, StorageError
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import from_millimetres


def picture() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8)


def read_ply(path):
    head, _, body = path.read_bytes().partition(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    properties = [line.split()[1:] for line in lines if line.startswith("property")]
    assert properties == [["float", a] for a in "xyz"] + [["uchar", c] for c in ("red", "green", "blue")]
    count = int(next(line.split()[2] for line in lines if line.startswith("element vertex")))
    dtype = np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert len(body) == count * dtype.itemsize
    return np.frombuffer(body, dtype)


def test_png_images_are_read_as_rgb(tmp_path):
    rgb = picture()
    write_png(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], rgb)


def test_grey_images_get_three_channels(tmp_path):
    write_png(tmp_path / "a.png", picture()[..., 0])
    assert read_image(tmp_path / "a.png").shape == (48, 64, 3)


def test_a_jpeg_that_is_cut_short_is_refused_before_it_is_decoded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV 4 fills what is missing with grey, of which the network would make depth."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(picture()))
    path = tmp_path / "cut.jpg"
    path.write_bytes(data.tobytes()[: len(data) // 2])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(InputError, match=r"^image .*cut\.jpg cannot be decoded: .* cut short"):
        read_image(path)


@pytest.mark.parametrize(("content", "message"), [(b"", "empty, cut short"), (b"not an image", "cannot be decoded")])
def test_files_that_are_no_images(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"image {path} .*{message}"):
        read_image(path)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_image(tmp_path / "none.png")


def test_images_of_folders_are_sorted_and_other_files_left_out(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "deep.png").mkdir()
    extra = tmp_path / "notes.txt"
    assert [p.name for p in list_images([tmp_path, extra])] == ["a.jpg", "b.PNG", "notes.txt"]


def test_missing_images_and_empty_folders(tmp_path):
    with pytest.raises(InputError, match=r"image .*none.png does not exist"):
        list_images([tmp_path / "none.png"])
    with pytest.raises(InputError, match=r"has no image: looked for \.bmp, \.gif, .*\.pgm"):
        list_images([tmp_path])


def test_depth_files_say_the_same(tmp_path):
    camera = CameraModel(width=64, height=48, fx=50.0, fy=52.0, cx=31.0, cy=24.0)
    depth_m = np.random.default_rng(0).uniform(1, 90, (48, 64)).astype(np.float32)
    depth_m[:5] = np.nan
    rgb = picture()
    write_depth_files(tmp_path / "new" / "folder", rgb, depth_m, camera, stride=2)
    folder = tmp_path / "new" / "folder"
    assert sorted(p.name for p in folder.iterdir()) == ["cloud.ply", "depth.npy", "depth.png", "depth_mm.png"]
    np.testing.assert_array_equal(np.load(folder / "depth.npy"), depth_m)
    millimetres = cv2.imread(str(folder / "depth_mm.png"), cv2.IMREAD_UNCHANGED)
    assert millimetres.dtype == np.uint16
    within = depth_m < 65.5
    np.testing.assert_allclose(from_millimetres(millimetres)[within], depth_m[within], atol=6e-4)
    coloured = cv2.imread(str(folder / "depth.png"))
    assert coloured.shape[0] == 48
    assert coloured.shape[1] > 64  # the scale stands to the right
    points = read_ply(folder / "cloud.ply")
    valid = np.argwhere(np.isfinite(depth_m[::2, ::2])) * 2
    assert len(points) == len(valid)
    u, v = points["xyz"][:, 0] / points["xyz"][:, 2] * 50 + 31, points["xyz"][:, 1] / points["xyz"][:, 2] * 52 + 24
    np.testing.assert_allclose(np.stack([v, u], -1), valid, atol=1e-3)
    np.testing.assert_array_equal(points["rgb"], rgb[valid[:, 0], valid[:, 1]])


def test_an_empty_cloud_is_a_valid_file(tmp_path):
    write_ply(tmp_path / "a.ply", np.full((3, 4, 3), np.nan, np.float32), np.zeros((3, 4, 3), np.uint8))
    assert len(read_ply(tmp_path / "a.ply")) == 0


def test_a_file_keeps_its_old_content_when_writing_fails(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), whole_file(path) as file:
        file.writelines([b"new", "text"])  # the first part is written, the second is not
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_is_readable_by_others_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        with whole_file(tmp_path / "a.bin") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o644


def test_grey_and_animated_pictures_of_a_folder_are_found(tmp_path):
    cv2.imwrite(str(tmp_path / "a.pgm"), picture()[..., 0])
    (tmp_path / "b.GIF").touch()
    assert [p.name for p in list_images([tmp_path])] == ["a.pgm", "b.GIF"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm")[..., 1], picture()[..., 0])


def test_depth_that_does_not_fit_is_one_line(tmp_path):
    camera = CameraModel(width=64, height=48, fx=50.0, fy=52.0, cx=31.0, cy=24.0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # a write beyond it fails as one on a full disk does
    try:
        with pytest.raises(
            StorageError, match=r"depth\.npy cannot be written: the disk is full; free space, or choose"
        ):
            write_depth_files(tmp_path, picture(), np.ones((48, 64), np.float32), camera, stride=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
