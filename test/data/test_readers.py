from __future__ import annotations

import os
import pickle
import re
import sys
from pathlib import Path

import dataset_trees as trees
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.data.readers import READERS, Source, open_dataset, parse_source
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

TRAINING = Path(__file__).resolve().parents[2] / "docs" / "TRAINING.md"


def frames(root: Path) -> Path:
    camera = CameraModel.from_fov(16, 12, 60)
    depth_m = np.full((12, 16), 3, np.float32)
    write_frame(root, Frame(name="00000001", image=trees.picture(), depth_m=depth_m, camera=camera, kind="room"))
    return root


TREES = {
    "unreal_stereo4k": trees.unreal,
    "mvs_synth": trees.mvs_synth,
    "kitti": trees.kitti,
    "cityscapes": trees.cityscapes,
    "scannetpp": trees.scannetpp,
    "eth3d": trees.eth3d,
    "folder": trees.folder,
    "frames": frames,
}


def test_there_is_a_tree_for_every_reader():
    assert set(TREES) == set(READERS)


@pytest.mark.parametrize("name", list(READERS))
def test_every_data_set_keeps_the_protocol(tmp_path: Path, name: str):
    dataset = open_dataset(name, TREES[name](tmp_path))
    assert (dataset.name, dataset.split) == (name, READERS[name].splits[0])
    names = []
    for i in range(len(dataset)):
        frame = dataset[i]
        names.append(frame.name)
        height, width = frame.depth_m.shape
        assert frame.image.shape == (height, width, 3)
        assert (frame.image.dtype, frame.depth_m.dtype) == (np.uint8, np.float32)
        assert (frame.camera.width, frame.camera.height) == (width, height)
        assert not frame.camera.is_distorted
        assert not (frame.depth_m <= 0).any()
        assert np.isfinite(frame.depth_m).any()
        assert re.fullmatch(r"\w+", frame.name), "names become file names"
    assert len(set(names)) == len(names) > 0
    with pytest.raises(IndexError):
        dataset[len(names)]


@pytest.mark.parametrize("name", list(READERS))
def test_worker_processes_can_be_given_a_data_set(tmp_path: Path, name: str):
    dataset = open_dataset(name, TREES[name](tmp_path))
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[0].depth_m, dataset[0].depth_m)


@pytest.mark.parametrize("name", list(READERS))
def test_listing_opens_no_images_and_no_depth(tmp_path: Path, name: str):
    root = TREES[name](tmp_path)
    whole = len(open_dataset(name, root))
    for path in root.rglob("*"):
        if path.suffix.lower() in (".png", ".jpg", ".npy", ".exr"):
            path.write_bytes(b"nonsense")
    dataset = open_dataset(name, root)
    assert len(dataset) == whole
    with pytest.raises(InputError, match=r"(cannot be read|floats, expected)"):
        dataset[0]


_LISTENERS: list[list[str]] = []
"""Lists that get the name of every file that is opened, by whatever code."""


def _note_opening(event: str, values: tuple[object, ...]) -> None:
    if event == "open" and isinstance(values[0], str | Path):
        for listener in _LISTENERS:
            listener.append(str(values[0]))


sys.addaudithook(_note_opening)  # there is no way to take it off again

_DEPTH_ALONE = r"(?i)depth|groundtruth|disparity|Extrinsics1|dslr_calibration_jpg"


@pytest.mark.parametrize("name", list(READERS))
def test_every_file_of_picture_and_camera_counts_for_the_state_of_a_frame(tmp_path: Path, name: str):
    root = TREES[name](tmp_path)
    dataset = open_dataset(name, root)
    files: list[str] = []
    _LISTENERS.append(files)
    dataset[0]
    _LISTENERS.clear()
    opened = {Path(file) for file in files if Path(file).is_relative_to(root)}
    counting = {path for path in opened if not re.search(_DEPTH_ALONE, path.relative_to(root).as_posix())}
    assert len(counting) >= 2, "the picture and the camera"
    for path in counting:
        before = dataset.state(0)
        assert dataset.state(0) == open_dataset(name, root).state(0) == before
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
        assert dataset.state(0) != before, f"{path} was written again"
        before = dataset.state(0)
        with path.open("ab") as file:
            file.write(b" ")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
        assert dataset.state(0) != before, f"{path} has another size"


@pytest.mark.parametrize("name", list(READERS))
def test_frames_are_told_apart_by_their_states(tmp_path: Path, name: str):
    dataset = open_dataset(name, TREES[name](tmp_path))
    assert len({dataset.state(k) for k in range(len(dataset))}) == len(dataset)
    (tmp_path / "moved").mkdir()
    assert open_dataset(name, TREES[name](tmp_path / "moved")).state(0) != dataset.state(0)


@pytest.mark.parametrize("name", list(READERS))
def test_an_empty_folder_is_told_what_was_looked_for(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path))}.*looked for .*[;:]?"):
        open_dataset(name, tmp_path)


def test_unknown_names_splits_and_folders_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match=r"unknown data set 'nyu': choose one of unreal_stereo4k, mvs_synth, kitti"):
        open_dataset("nyu", tmp_path)
    with pytest.raises(InputError, match=r"eth3d has no split 'test': choose one of train"):
        open_dataset("eth3d", tmp_path, "test")
    with pytest.raises(InputError, match=r"no folder .*nowhere: give the folder of kitti"):
        open_dataset("kitti", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "name", "root", "split"),
    [
        ("kitti:/data/kitti:val", "kitti", "/data/kitti", "val"),
        ("kitti:/data/kitti", "kitti", "/data/kitti", "train"),
        ("mvs_synth:GTAV_1080", "mvs_synth", "GTAV_1080", "all"),
        ("folder:/data/a:b:test", "folder", "/data/a:b", "test"),
        ("scenes/indoor", "frames", "scenes/indoor", "all"),
        ("frames:scenes", "frames", "scenes", "all"),
    ],
)
def test_sources_are_taken_apart(text: str, name: str, root: str, split: str):
    assert parse_source(text) == Source(name=name, root=Path(root), split=split)


def test_folders_with_colons_that_exist_are_not_taken_apart(tmp_path: Path):
    odd = tmp_path / "run:train"
    odd.mkdir()
    assert parse_source(f"kitti:{odd}").root == odd
    assert parse_source(str(odd)) == Source(name="frames", root=odd, split="all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"data source '' names no folder: give NAME:FOLDER"),
        ("kitti", r"data source 'kitti' names no folder: give NAME:FOLDER"),
        ("kitti:", r"data source 'kitti:' names no folder"),
        ("kitti::val", r"data source 'kitti::val' names no folder"),
        ("kity:/data/kitti", r"unknown data set 'kity': choose one of .*such as kitti:/data/kitti:val"),
        ("kitti:/data/kitti:vla", r"kitti has no split 'vla': choose one of train, val, val_selection"),
    ],
)
def test_sources_that_mean_nothing_are_refused(text: str, message: str):
    with pytest.raises(InputError, match=message):
        parse_source(text)


@given(st.sampled_from(sorted(READERS)), st.text("ab_1/ .", min_size=1), st.data())
def test_a_source_reads_back_what_it_was_made_of(name: str, root: str, data: st.DataObject):
    split = data.draw(st.sampled_from(READERS[name].splits))
    assert parse_source(f"{name}:/{root}:{split}") == Source(name=name, root=Path(f"/{root}"), split=split)


def test_a_source_opens_its_data_set(tmp_path: Path):
    dataset = parse_source(f"kitti:{trees.kitti(tmp_path)}:val").open()
    assert (dataset.name, dataset.split, len(dataset)) == ("kitti", "val", 2)


def test_the_documentation_lists_every_data_set_and_its_splits():
    text = TRAINING.read_text(encoding="utf-8")
    table = text.partition("<!-- datasets:begin -->")[2].partition("<!-- datasets:end -->")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    listed = {row[0].strip("`"): tuple(re.findall(r"`(\w+)`", row[2])) for row in rows[2:]}
    assert listed == {name: reader.splits for name, reader in READERS.items()}
