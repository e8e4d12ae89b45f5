from __future__ import annotations

import sys
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.exr import read_exr
from prv2_ros.errors import InputError

DEPTH = np.array([[0.5, np.inf, 3], [4, np.nan, 65]], np.float32)


@pytest.mark.parametrize("channel", ["Y", "Z", "R", "V"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_one_channel_comes_back(tmp_path: Path, channel: str, kind: type):
    path = tmp_path / "depth.exr"
    trees.write_exr(path, {channel: DEPTH.astype(kind)})
    found = read_exr(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, DEPTH)


def test_of_three_channels_red_is_depth(tmp_path: Path):
    path = tmp_path / "depth.exr"
    trees.write_exr(path, {"RGB": np.stack([DEPTH, DEPTH + 1, DEPTH + 2], -1)})
    np.testing.assert_array_equal(read_exr(path), DEPTH)


def test_files_that_hold_no_depth_are_named(tmp_path: Path):
    path = tmp_path / "depth.exr"
    with pytest.raises(InputError, match=r"depth\.exr: no such file"):
        read_exr(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"depth\.exr: cannot be read"):
        read_exr(path)
    trees.write_exr(path, {"mask": DEPTH})
    with pytest.raises(InputError, match=r"depth\.exr: has the channels mask, and none of Y, Z, R, V"):
        read_exr(path)


def test_without_the_package_opencv_reads_or_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "depth.exr"
    trees.write_exr(path, {"Y": DEPTH})
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # as if it were not installed
    if "OpenEXR:                     NO" in cv2.getBuildInformation():
        with pytest.raises(InputError, match=r"depth\.exr: no reader of EXR files here; `pip install OpenEXR`"):
            read_exr(path)
    else:
        np.testing.assert_array_equal(read_exr(path), DEPTH)


def test_of_three_channels_opencv_gives_red_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "depth.exr"
    path.touch()
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "")
    monkeypatch.setattr(cv2, "imread", lambda *_: np.stack([DEPTH + 2, DEPTH + 1, DEPTH], -1))
    np.testing.assert_array_equal(read_exr(path), DEPTH)
