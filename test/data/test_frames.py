from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.frames import Frame, decode_depth, encode_depth, list_frames, read_frame, write_frame
from prv2_ros.errors import InputError, StorageError
from prv2_ros.geometry.camera import CameraModel


def _frame() -> Frame:
    y, x = np.mgrid[:40, :60]
    depth = (1.0 + 0.1 * x + 0.05 * y).astype(np.float32)
    depth[:5] = np.inf
    image = np.stack([x * 4, y * 5, x + y], -1).astype(np.uint8)
    return Frame(name="00000007", image=image, depth_m=depth, camera=CameraModel.from_fov(60, 40, 70), kind="room")


@given(st.floats(0.11, 5000))
def test_depth_code_is_exact_to_a_hundredth_of_a_percent(depth_m: float) -> None:
    back = float(decode_depth(encode_depth(np.array([[depth_m]], np.float32)))[0, 0])
    assert back == pytest.approx(depth_m, rel=1.0e-4)


def test_what_is_no_depth_becomes_code_zero() -> None:
    code = encode_depth(np.array([[np.inf, np.nan, 0.0, -1.0]], np.float32))
    assert code.tolist() == [[0, 0, 0, 0]]
    assert np.isposinf(decode_depth(code)).all()


def test_frame_survives_the_folder(tmp_path: Path) -> None:
    frame = _frame()
    write_frame(tmp_path, frame)
    back = read_frame(list_frames(tmp_path)[0])
    np.testing.assert_allclose(back.depth_m[5:], frame.depth_m[5:], rtol=1e-4)
    assert np.isposinf(back.depth_m[:5]).all()
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
    with pytest.raises(InputError, match=r"00000007.*missing or cannot be read"):
        read_frame(list_frames(tmp_path)[0])


def test_sizes_that_disagree_are_refused(tmp_path: Path) -> None:
    write_frame(tmp_path, _frame())
    path = tmp_path / "00000007.json"
    path.write_text(path.read_text().replace('"width": 60', '"width": 61'))
    with pytest.raises(InputError, match="disagree"):
        read_frame(path)
