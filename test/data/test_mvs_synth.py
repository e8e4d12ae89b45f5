from __future__ import annotations

from pathlib import Path

import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.mvs_synth import open_mvs_synth
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


def test_every_frame_of_every_sequence_is_read_in_metres(tmp_path: Path):
    root = trees.mvs_synth(tmp_path)
    depth = np.full((12, 16), 25, np.float32)
    depth[0], depth[1] = np.inf, 0
    trees.write_exr(root / "0001" / "depths" / "0000.exr", {"Y": depth.astype(np.float16)})
    dataset = open_mvs_synth(root, "all")
    assert [dataset[i].name for i in range(len(dataset))] == ["0000_0000", "0000_0001", "0001_0000", "0001_0001"]
    frame = dataset[2]
    np.testing.assert_array_equal(frame.image, trees.picture())
    assert frame.camera == CameraModel(width=16, height=12, fx=20, fy=21, cx=7.5, cy=5.5)
    assert np.isposinf(frame.depth_m[0]).all()
    assert np.isnan(frame.depth_m[1]).all()
    np.testing.assert_allclose(frame.depth_m[2:], 2.5)


def test_wrong_folders_are_named_with_the_way_out(tmp_path: Path):
    with pytest.raises(InputError, match=r"looked for sequences SSSS/images/NNNN\.png.*give the folder GTAV_1080"):
        open_mvs_synth(tmp_path, "all")
    root = trees.mvs_synth(tmp_path)
    with pytest.raises(InputError, match=r"give .*GTAV_540$"):
        open_mvs_synth(tmp_path, "all")
    (root / "0001" / "depths").rename(root / "0001" / "depth")
    with pytest.raises(InputError, match=r"0001: looked for depths/NNNN\.exr beside images"):
        open_mvs_synth(root, "all")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("depths/0000.exr", b"nonsense", r"depths/0000\.exr: cannot be read"),
        ("poses/0000.json", b"{}", r"poses/0000\.json: looked for the numbers f_x"),
        ("poses/0000.json", b"{", r"poses/0000\.json: cannot be read"),
        ("poses/0000.json", b'{"f_x": 0, "f_y": 1, "c_x": 1, "c_y": 1}', r"poses/0000\.json: camera fx"),
    ],
)
def test_a_corrupt_file_is_named_when_its_frame_is_read(tmp_path: Path, file: str, content: bytes, message: str):
    root = trees.mvs_synth(tmp_path)
    (root / "0000" / file).write_bytes(content)
    dataset = open_mvs_synth(root, "all")
    with pytest.raises(InputError, match=message):
        dataset[0]


def test_depth_of_another_size_is_refused(tmp_path: Path):
    root = trees.mvs_synth(tmp_path)
    trees.write_exr(root / "0000" / "depths" / "0000.exr", {"Y": np.ones((6, 8), np.float32)})
    with pytest.raises(InputError, match=r"0000\.png: image 16x12, depth 8x6 and intrinsics 16x12 px disagree"):
        open_mvs_synth(root, "all")[0]
