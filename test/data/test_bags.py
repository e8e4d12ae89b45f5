from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
import yaml

from prv2_ros.data.bags import write_bag
from prv2_ros.data.synthetic import drive
from prv2_ros.errors import StorageError
from prv2_ros.messages.bags import Bag
from prv2_ros.messages.camera_info import calibration
from prv2_ros.messages.depth_images import depth_in_metres


def test_bags_have_the_metadata_that_humble_reads_and_are_read_back(tmp_path: Path) -> None:
    frames = list(drive(3, 2, 48, 32))
    assert write_bag(tmp_path / "drive", frames) == 2
    told = yaml.safe_load((tmp_path / "drive" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert told["version"] == 8
    topics = [topic["topic_metadata"] for topic in told["topics_with_message_count"]]
    assert len(topics) == 4
    assert all(isinstance(topic["offered_qos_profiles"], str) for topic in topics)
    assert told["relative_file_paths"] == ["drive.mcap"]
    for path in (tmp_path / "drive", tmp_path / "drive" / "drive.mcap"):  # what the metadata say, and without them
        with Bag(path) as bag:
            read = [depth_in_metres(bag.message(raw)) for raw in bag.messages(["/camera/depth/image_rect"])]
        np.testing.assert_array_equal(read, [frame.depth_m for frame in frames])


def test_infos_of_a_bag_say_all_of_the_camera_and_stamps_have_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    frames = list(drive(3, 2, 48, 32))
    write_bag(tmp_path / "drive", frames, rate_hz=0.4)
    for topic in ("/camera/camera_info", "/camera/depth/camera_info"):
        with Bag(tmp_path / "drive") as bag:
            read = [(raw.bag_ns, bag.stamp_ns(raw), bag.message(raw)) for raw in bag.messages([topic])]
        assert [times for *times, _ in read] == [[2_500_000_000] * 2, [5_000_000_000] * 2]
        for frame, (*_, info) in zip(frames, read, strict=True):
            known = calibration(info, 48, 32)
            assert known is not None
            assert known.camera == known.rectified == frame.camera
            assert known.has_projection, "P is written, not made up from K"
            assert (info.distortion_model, info.d) == ("plumb_bob", (0.0,) * 5)
            np.testing.assert_array_equal(info.r, np.eye(3).ravel())


def test_a_bag_that_does_not_fit_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # a write beyond it fails as one on a full disk does
    try:
        with pytest.raises(StorageError, match=rf"^{tmp_path / 'drive'} cannot be written: the disk is full; free"):
            write_bag(tmp_path / "drive", drive(3, 2, 48, 32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
