"""Files of rendered frames: which come last, and which are missing. Blender is not needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from prv2_ros.data.frames import read_frame

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import frame_files

META: dict[str, object] = {"width": 60, "height": 40, "fx": 50.0, "fy": 50.0, "cx": 29.5, "cy": 19.5, "kind": "room"}


def _write(folder: Path, name: str) -> None:
    frame_files.write(folder, name, np.full((40, 60, 3), 90, np.uint8), np.full((40, 60), 2.5, np.float32), META)


def test_a_frame_is_read_as_it_was_written(tmp_path: Path) -> None:
    _write(tmp_path, "200001")
    frame = read_frame(tmp_path / "200001.json")
    np.testing.assert_allclose(frame.depth_m, 2.5, rtol=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["200001.jpg", "200001.json", "200001_depth.png"]


def test_a_frame_with_a_json_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    replace = frame_files.os.replace
    monkeypatch.setattr(frame_files.os, "replace", lambda a, b: (order.append(b.name), replace(a, b)))
    _write(tmp_path, "200001")
    assert order == ["200001_depth.png", "200001.jpg", "200001.json"]


def test_what_lacks_its_json_or_a_tile_is_rendered_again(tmp_path: Path) -> None:
    for name in ("200000", "200000-0", "200000-1", "200002", "200002-0"):
        _write(tmp_path, name)
    (tmp_path / "200001.jpg").touch()
    assert frame_files.missing_views(tmp_path, 2000, 3, 0) == [1]
    assert frame_files.missing_views(tmp_path, 2000, 3, 1) == [1]
    assert frame_files.missing_views(tmp_path, 2000, 4, 2) == [1, 2, 3]


def test_a_marker_stands_for_what_was_asked_for_then(tmp_path: Path) -> None:
    frame_files.mark_tried(tmp_path, 2000, 3, 1)  # and every view was too near a wall
    assert frame_files.missing_views(tmp_path, 2000, 3, 1) == []
    assert frame_files.missing_views(tmp_path, 2000, 2, 0) == []
    assert frame_files.missing_views(tmp_path, 2000, 4, 1) == [0, 1, 2, 3]
    assert frame_files.missing_views(tmp_path, 2000, 3, 2) == [0, 1, 2]


def test_the_empty_marker_of_an_earlier_version_stands_for_nothing(tmp_path: Path) -> None:
    (tmp_path / ".scene2000").touch()
    assert frame_files.missing_views(tmp_path, 2000, 2, 0) == [0, 1]


@pytest.mark.parametrize("views", [0, 101])
def test_views_that_have_no_names_of_their_own_are_refused(views: int) -> None:
    assert frame_files.frame_name(2000, 100) == frame_files.frame_name(2001, 0)
    with pytest.raises(ValueError, match=rf"--views {views}: give 1 to 100"):
        frame_files.check(views, 480, 0)


def test_pictures_too_small_for_tiles_are_refused() -> None:
    frame_files.check(6, 320, 0)
    with pytest.raises(ValueError, match=r"--width-max 320: pictures with tiles must be 365 px wide or more"):
        frame_files.check(6, 320, 2)
    frame_files.check(6, 365, 2)
    for width, fits in ((364, False), (365, True)):
        heights = [frame_files.height_of(width, aspect) for aspect in frame_files.ASPECTS]
        assert (min(frame_files.TILE_SCALES) * min(heights) >= frame_files.TILE_PX) is fits


def test_a_picture_that_cannot_be_read_is_an_error_that_a_run_survives(tmp_path: Path) -> None:
    (tmp_path / "shown.png").write_bytes(b"\x89PNG cut short")
    with pytest.raises(OSError, match=r"picture .*shown\.png cannot be read"):
        frame_files.read_picture(tmp_path / "shown.png")


def test_the_marker_is_json(tmp_path: Path) -> None:
    frame_files.mark_tried(tmp_path, 7, 6, 2)
    assert json.loads((tmp_path / ".scene7").read_text()) == {"views": 6, "tiles": 2}
