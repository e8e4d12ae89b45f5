from __future__ import annotations

import os
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.frames import (
    UNKNOWN_CODE,
    Frame,
    decode_depth,
    encode_depth,
    list_frames,
    list_scenes,
    read_camera,
    read_frame,
    write_frame,
)
from prv2_ros.errors import InputError, StorageError
from prv2_ros.geometry.camera import CameraModel


def _frame() -> Frame:
    y, x = np.mgrid[:40, :60]
    depth = (1.0 + 0.1 * x + 0.05 * y).astype(np.float32)
    depth[:5], depth[5:8] = np.inf, np.nan
    image = np.stack([x * 4, y * 5, x + y], -1).astype(np.uint8)
    return Frame(name="00000007", image=image, depth_m=depth, camera=CameraModel.from_fov(60, 40, 70), kind="room")


@given(st.floats(0.11, 5000))
def test_depth_code_is_exact_to_a_hundredth_of_a_percent(depth_m: float) -> None:
    back = float(decode_depth(encode_depth(np.array([[depth_m]], np.float32)))[0, 0])
    assert back == pytest.approx(depth_m, rel=1.0e-4)


def test_sky_and_unknown_depth_have_codes_of_their_own() -> None:
    code = encode_depth(np.array([[np.inf, np.nan, 0.0, -1.0, -np.inf]], np.float32))
    assert code.tolist() == [[0, *[UNKNOWN_CODE] * 4]]
    back = decode_depth(code)
    assert np.isposinf(back[0, 0])
    assert np.isnan(back[0, 1:]).all()


def test_the_largest_depth_is_not_taken_for_unknown() -> None:
    code = encode_depth(np.array([[1e9, 13_300.0, 1e-9]], np.float32))
    assert code.tolist() == [[UNKNOWN_CODE - 1, UNKNOWN_CODE - 1, 1]]
    assert 13_000 < decode_depth(code)[0, 0] < 13_500


def test_frame_survives_the_folder(tmp_path: Path) -> None:
    frame = _frame()
    write_frame(tmp_path, frame)
    back = read_frame(list_frames(tmp_path)[0])
    np.testing.assert_allclose(back.depth_m, frame.depth_m, rtol=1e-4)  # sky and unknown pixels, too
    assert np.abs(back.image.astype(int) - frame.image).mean() < 4
    assert (back.camera, back.kind, back.name) == (frame.camera, "room", "00000007")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "temporary files left behind"


def test_a_frame_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # a write beyond it fails as one on a full disk does
    try:
        with pytest.raises(StorageError, match=r"00000007\.jpg cannot be written: the disk is full"):
            write_frame(tmp_path, _frame())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder .*nowhere"):
        list_frames(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"looked for NNNNN\.json"):
        list_frames(tmp_path)
    write_frame(tmp_path, _frame())
    (tmp_path / "00000007_depth.png").unlink()
    with pytest.raises(InputError, match=r"00000007_depth\.png cannot be read \(No such file.*\): write the"):
        read_frame(list_frames(tmp_path)[0])


def test_sizes_that_disagree_are_refused(tmp_path: Path) -> None:
    write_frame(tmp_path, _frame())
    path = tmp_path / "00000007.json"
    path.write_text(path.read_text().replace('"width": 60', '"width": 61'))
    with pytest.raises(InputError, match="disagree"):
        read_frame(path)


@pytest.mark.parametrize(("share", "reason"), [(0.0, "no picture"), (0.3, "is cut short"), (0.98, "is cut short")])
def test_a_cut_picture_is_refused(tmp_path: Path, share: float, reason: str) -> None:
    """OpenCV 4 fills what is missing with grey; OpenCV 5 refuses it without saying why."""
    write_frame(tmp_path, _frame())
    path = tmp_path / "00000007.jpg"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=rf"frame {path} cannot be read \(.*{reason}.*\): write the frame again"):
        read_frame(tmp_path / "00000007.json")


def test_a_picture_is_read_as_stored(tmp_path: Path) -> None:
    """A tag that asks for a turn by 180 degrees would turn the picture and not its depth."""
    write_frame(tmp_path, _frame())
    before, path = read_frame(tmp_path / "00000007.json").image, tmp_path / "00000007.jpg"
    turned = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(turned) + 2).to_bytes(2, "big") + turned + data[2:])
    assert not np.array_equal(cv2.imread(str(path))[..., ::-1], before), "the tag is understood"
    np.testing.assert_array_equal(read_frame(tmp_path / "00000007.json").image, before)


@pytest.mark.parametrize("code", [np.ones((40, 60), np.uint8), np.ones((40, 60, 3), np.uint16)])
def test_a_depth_of_another_kind_is_refused(tmp_path: Path, code: np.ndarray) -> None:
    write_frame(tmp_path, _frame())
    cv2.imwrite(str(tmp_path / "00000007_depth.png"), code)
    with pytest.raises(InputError, match=r"00000007 in .*where one channel of 16 bits was expected"):
        read_frame(tmp_path / "00000007.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("{}", "it has no 'width'"),
        ("[1]", "list indices"),
        ('{"width": "a", "height": 1, "fx": 1, "fy": 1, "cx": 0, "cy": 0}', "'<' not supported"),
        ('{"width": 1, "height": 1, "fx": -1, "fy": 1, "cx": 0, "cy": 0}', "camera fx = -1"),
    ],
)
def test_a_file_that_is_no_frame_is_named(tmp_path: Path, text: str, reason: str) -> None:
    write_frame(tmp_path, _frame())
    path = tmp_path / "00000007.json"
    path.write_text(text)
    for read in (read_frame, read_camera):
        with pytest.raises(InputError, match=rf"frame {path} cannot be read \({reason}.*\): write the frame again"):
            read(path)


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.json").touch()


def test_tiles_are_listed_with_their_scenes(tmp_path: Path) -> None:
    _touch(tmp_path, "2", "1-1", "10", "1", "1-0", "10-0", "3-0", ".1-2")
    found = {path.stem: [tile.stem for tile in tiles] for path, tiles in list_scenes(tmp_path).items()}
    assert found == {"1": ["1-0", "1-1"], "10": ["10-0"], "2": []}
    assert list(found) == ["1", "10", "2"]


def test_a_scene_that_is_written_during_the_listing_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing may miss a tile and show the picture that was written after it."""
    _touch(tmp_path, "1-0", "1")
    listings = iter([["1-0.json", "1.json", "2.json"], ["1-0.json", "1.json", "2-0.json", "2.json", "3.json"]])
    monkeypatch.setattr(os, "listdir", lambda folder: next(listings))
    found = {path.stem: [tile.stem for tile in tiles] for path, tiles in list_scenes(tmp_path).items()}
    assert found == {"1": ["1-0"], "2": ["2-0"]}
