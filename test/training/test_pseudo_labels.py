from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame, list_frames, read_frame
from prv2_ros.errors import InputError
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Feed, Prepared
from prv2_ros.training.pseudo_labels import Teacher, read_pseudo_label, write_pseudo_labels


def _teacher(name: str = "half") -> tuple[Teacher, list[str]]:
    """A teacher that sees half the depth and no sky, and the names of the frames that it was shown."""
    shown: list[str] = []

    def predict(frame: Frame) -> NDArray[np.float32]:
        shown.append(frame.name)
        return np.where(np.isfinite(frame.depth_m), frame.depth_m / 2, np.nan).astype(np.float32)

    return Teacher(name=name, predict=predict), shown


def test_labels_are_what_the_teacher_says_and_are_made_once(frames: Path, tmp_path: Path) -> None:
    teacher, shown = _teacher()
    files = write_pseudo_labels(teacher, (str(frames),), tmp_path)
    paths = list_frames(frames)
    assert sorted(files) == [(0, path.stem) for path in paths]
    assert shown == [path.stem for path in paths]
    for path in paths:
        expected = teacher.predict(read_frame(path))
        found = read_pseudo_label(files[0, path.stem])
        known = np.isfinite(expected)
        assert known.any()
        np.testing.assert_allclose(found[known], expected[known], rtol=2e-4)
        assert np.isinf(found[~known]).all()
    shown.clear()
    assert write_pseudo_labels(teacher, (str(frames),), tmp_path) == files
    assert shown == []
    other, seen = _teacher("other")
    assert not set(write_pseudo_labels(other, (str(frames),), tmp_path).values()) & set(files.values())
    assert len(seen) == len(paths)


def test_label_lies_under_its_picture(frames: Path, tmp_path: Path) -> None:
    files = write_pseudo_labels(_teacher()[0], (str(frames),), tmp_path)
    config = TrainConfig(stage="real", data=(str(frames),), batch=4, sizes=((64, 96),), patch=(64, 64), workers=0)
    batch = next(iter(Feed(config, 0, Prepared(labels=files))))
    known = batch["patch_label"].isfinite()
    assert known.any()
    difference = (batch["patch_log_depth"] - batch["patch_label"])[known]
    np.testing.assert_allclose(difference, np.log(2), atol=1e-3)


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the real stage needs --data"):
        write_pseudo_labels(_teacher()[0], (), tmp_path)
    with pytest.raises(InputError, match=r"absent\.png cannot be read: delete it"):
        read_pseudo_label(tmp_path / "absent.png")
