from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray

from prv2_ros.data.dataset_files import ListedFrames
from prv2_ros.data.frames import Frame, list_frames, read_frame
from prv2_ros.errors import InputError
from prv2_ros.training import sources
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
        assert np.isnan(found[~known]).all()
    shown.clear()
    assert write_pseudo_labels(teacher, (str(frames),), tmp_path) == files
    assert shown == []
    other, seen = _teacher("other")
    assert not set(write_pseudo_labels(other, (str(frames),), tmp_path).values()) & set(files.values())
    assert len(seen) == len(paths)


def _count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the frames that are read from now on, of folders and of data sets."""
    names: list[str] = []

    def noted(read: Callable[..., Frame]) -> Callable[..., Frame]:
        def reading(*args: object) -> Frame:
            frame = read(*args)
            names.append(frame.name)
            return frame

        return reading

    monkeypatch.setattr(sources, "read_frame", noted(sources.read_frame))
    monkeypatch.setattr(ListedFrames, "__getitem__", noted(ListedFrames.__getitem__))
    return names


@pytest.mark.parametrize("prefix", ["", "frames:"])
def test_pictures_that_have_a_label_are_not_read_again(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    folder, (teacher, shown) = shutil.copytree(frames, tmp_path / "copied"), _teacher()
    read = _count_reads(monkeypatch)

    def start() -> dict[tuple[int, str], Path]:
        read.clear()
        shown.clear()
        return write_pseudo_labels(teacher, (f"{prefix}{folder}",), tmp_path)

    files = start()
    assert len(read) == 3
    assert start() == files
    assert (read, shown) == ([], [])
    _copy(frames, "00000000", folder, "00000003")
    assert len(start()) == 4
    assert (read, shown) == (["00000003"], ["00000003"])
    os.utime(folder / "00000001.jpg")  # written again, as far as one can tell
    assert start()[0, "00000001"] == files[0, "00000001"]
    assert (read, shown) == (["00000001"], [])
    files[0, "00000002"].unlink()
    assert start()[0, "00000002"] == files[0, "00000002"]
    assert (read, shown) == (["00000002"], ["00000002"])
    assert files[0, "00000002"].exists()


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff"])
def test_an_index_that_cannot_be_read_is_made_anew(frames: Path, tmp_path: Path, text: bytes) -> None:
    teacher, shown = _teacher()
    files = write_pseudo_labels(teacher, (str(frames),), tmp_path)
    (index,) = files[0, "00000000"].parent.glob("*.json")
    before = index.read_bytes()
    index.write_bytes(text)
    shown.clear()
    assert write_pseudo_labels(teacher, (str(frames),), tmp_path) == files
    assert shown == []
    assert index.read_bytes() == before


def test_what_was_labelled_before_a_fault_is_not_read_again(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, (teacher, _) = shutil.copytree(frames, tmp_path / "copied"), _teacher()
    picture = folder / "00000002.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:100])
    with pytest.raises(InputError, match=r"00000002\.jpg cannot be read"):
        write_pseudo_labels(teacher, (str(folder),), tmp_path)
    picture.write_bytes(whole)
    read = _count_reads(monkeypatch)
    write_pseudo_labels(teacher, (str(folder),), tmp_path)
    assert read == ["00000002"]


def test_label_lies_under_its_picture(frames: Path, tmp_path: Path) -> None:
    files = write_pseudo_labels(_teacher()[0], (str(frames),), tmp_path)
    config = TrainConfig(stage="real", data=(str(frames),), batch=4, sizes=((64, 96),), patch=(64, 64), workers=0)
    batch = next(iter(Feed(config, 0, Prepared(labels=files))))
    known = batch["patch_label"].isfinite()
    assert known.any()
    difference = (batch["patch_log_depth"] - batch["patch_label"])[known]
    np.testing.assert_allclose(difference, np.log(2), atol=1e-3)


def _copy(folder: Path, name: str, to: Path, new_name: str) -> None:
    for path in folder.glob(f"{name}*"):
        shutil.copy(path, to / path.name.replace(name, new_name))


def test_another_picture_of_the_same_name_gets_a_label_of_its_own(frames: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(frames, tmp_path / "copied")
    teacher, shown = _teacher()
    before = write_pseudo_labels(teacher, (str(folder),), tmp_path)
    shown.clear()
    _copy(frames, "00000002", folder, "00000001")  # rendered again
    camera = folder / "00000000.json"
    meta = json.loads(camera.read_text())
    camera.write_text(json.dumps({**meta, "fx": 1.5 * meta["fx"]}))
    after = write_pseudo_labels(teacher, (str(folder),), tmp_path)
    assert shown == ["00000000", "00000001"]
    assert [key for key in before if after[key] != before[key]] == [(0, "00000000"), (0, "00000001")]
    expected = read_pseudo_label(before[0, "00000002"])
    np.testing.assert_array_equal(read_pseudo_label(after[0, "00000001"]), expected)


def test_labels_follow_their_pictures_when_a_data_set_grows(tmp_path: Path) -> None:
    for kind in ("images", "depth"):
        (tmp_path / kind).mkdir()
    camera = {"width": 64, "height": 64, "fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 31.5}
    (tmp_path / "camera.yaml").write_text(yaml.safe_dump(camera))

    def add(name: str, value: int) -> None:
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), np.full((64, 64, 3), value, np.uint8))
        np.save(tmp_path / "depth" / f"{name}.npy", np.full((64, 64), value, np.float32))

    add("b", 4)
    add("c", 8)
    teacher, shown = _teacher()
    source = (f"folder:{tmp_path}",)
    before = write_pseudo_labels(teacher, source, tmp_path)
    shown.clear()
    add("a", 2)
    after = write_pseudo_labels(teacher, source, tmp_path)
    assert shown == ["a"], "the others are labelled already"
    assert {key: after[key] for key in before} == before
    means = [float(read_pseudo_label(path).mean()) for path in after.values()]
    assert means == pytest.approx([1, 2, 4], rel=1e-3)
    shown.clear()
    config = TrainConfig(stage="real", data=source, batch=24, sizes=((64, 64),), patch=(64, 64), workers=0)
    batch = next(iter(Feed(config, 0, Prepared(labels=before))))  # "a" came while the labels were made
    depth, label = (batch[name].flatten(1).mean(1) for name in ("patch_log_depth", "patch_label"))
    assert set(depth.exp().round().tolist()) == {4.0, 8.0}
    torch.testing.assert_close(depth - label, torch.full_like(depth, np.log(2)), rtol=0, atol=1e-3)


def test_pictures_that_come_while_training_runs_are_not_drawn(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.feed._RELIST_EVERY", 1)
    folder = shutil.copytree(frames, tmp_path / "growing")
    files = write_pseudo_labels(_teacher()[0], (str(folder),), tmp_path)
    config = TrainConfig(stage="real", data=(str(folder),), batch=2, sizes=((64, 96),), patch=(64, 64), workers=0)
    feed = Feed(config, 0, Prepared(labels=files))
    expected = [batch["image"] for batch, _ in zip(feed, range(3), strict=False)]
    for k in range(3, 40):
        _copy(frames, "00000000", folder, f"{k:08d}")
        if k == 20:
            batches = iter(feed)
            found = [next(batches)["image"]]
    found += [next(batches)["image"] for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_pictures_that_were_all_replaced_are_named(frames: Path) -> None:
    config = TrainConfig(stage="real", data=(str(frames),), batch=1, sizes=((64, 96),), patch=(64, 64), workers=0)
    labels = {(0, "gone"): Path("gone.png")}
    with pytest.raises(InputError, match=rf"{frames}: all of its pictures were replaced"):
        next(iter(Feed(config, 0, Prepared(labels=labels))))


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the real stage needs --data"):
        write_pseudo_labels(_teacher()[0], (), tmp_path)
    with pytest.raises(InputError, match=r"absent\.png cannot be read: delete it"):
        read_pseudo_label(tmp_path / "absent.png")
