"""Frames with truth: the photograph in scikit-image's wheel, folders and bags written here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from prv2_ros.errors import InputError
from prv2_ros.evaluation import frames
from prv2_ros.geometry.camera import CameraModel

RNG = np.random.default_rng(0)
IMAGE = np.kron(RNG.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)  # (48, 64) RGB
CAMERA = {"fx": 70.0, "fy": 71.0, "cx": 31.0, "cy": 23.5}


def test_motorcycle_depth_is_middleburys() -> None:
    pytest.importorskip("skimage")
    frame = frames.motorcycle_frame()
    assert frame.image.shape == (500, 741, 3)
    assert (frame.camera.width, frame.camera.height, frame.camera.fx) == (741, 500, 994.978)
    known = frame.truth_m > 0
    assert known.mean() == pytest.approx(0.9265, abs=1e-4)
    assert frame.truth_m[known].min() == pytest.approx(2.1104, abs=1e-3)
    assert frame.truth_m[known].max() == pytest.approx(5.0169, abs=1e-3)
    assert np.isfinite(frame.truth_m).all()
    assert frames.is_dense(frame.truth_m)


def test_rendered_folder(tmp_path: Path) -> None:
    code = np.full((48, 64), 20_000, np.uint16)
    code[:10] = 0
    cv2.imwrite(str(tmp_path / "00007.jpg"), IMAGE[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    cv2.imwrite(str(tmp_path / "00007_depth.png"), code)
    (tmp_path / "00007.json").write_text(json.dumps({"seed": 7, "kind": "room", **CAMERA}))
    (frame,) = frames.rendered_frames(tmp_path)
    assert (frame.name, frame.kind) == ("00007", "room")
    assert np.isinf(frame.truth_m[:10]).all()
    assert frame.truth_m[10:] == pytest.approx(3.6573, rel=1e-3)  # 0.1 * exp(20000 * ln 1.00018)
    assert frame.camera == CameraModel(width=64, height=48, **CAMERA)
    assert np.abs(frame.image.astype(int) - IMAGE).mean() < 12  # JPEG, but RGB and BGR are not confused


def test_indexed_folder(tmp_path: Path) -> None:
    depth = np.zeros((48, 64), np.uint16)
    depth[5, 6] = 512
    cv2.imwrite(str(tmp_path / "kitti_3.jpg"), IMAGE[..., ::-1])
    cv2.imwrite(str(tmp_path / "kitti_3_depth.png"), depth)
    (tmp_path / "index.json").write_text(json.dumps([{"name": "kitti_3", "depth_scale_per_m": 256.0, **CAMERA}]))
    (frame,) = frames.indexed_frames(tmp_path)
    assert (frame.name, frame.kind, frame.truth_m[5, 6], frame.truth_m.sum()) == ("kitti_3", "kitti", 2.0, 2.0)
    assert not frames.is_dense(frame.truth_m)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \*\.json"):
        next(frames.rendered_frames(tmp_path))
    with pytest.raises(InputError, match=r"index\.json: no such file"):
        next(frames.indexed_frames(tmp_path))
    (tmp_path / "index.json").write_text(json.dumps([{"name": "a", "depth_scale_per_m": 1.0, **CAMERA}]))
    with pytest.raises(InputError, match=r"a_depth\.png: missing or not an image"):
        next(frames.indexed_frames(tmp_path))


STORE = get_typestore(Stores.ROS2_JAZZY)


def make(kind: str, **values: Any) -> Any:
    return STORE.types[kind](**values)


def messages(stamp_s: int, points_m: list[tuple[float, float, float]], **lens: Any) -> dict[str, Any]:
    """Image, camera info and cloud of one instant; `lens` replaces fields of the camera info."""
    stamp = make("builtin_interfaces/msg/Time", sec=stamp_s, nanosec=5)
    header = make("std_msgs/msg/Header", stamp=stamp, frame_id="front_optical")
    jpeg = cv2.imencode(".jpg", IMAGE[..., ::-1])[1].ravel()
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    calibrated: dict[str, Any] = {
        "distortion_model": "plumb_bob", "d": np.zeros(5), "k": np.array([70.0, 0, 31.0, 0, 71.0, 23.5, 0, 0, 1]),
    }  # fmt: skip
    info = make(
        "sensor_msgs/msg/CameraInfo", header=header, height=48, width=64, r=np.eye(3).ravel(), p=np.zeros(12),
        binning_x=0, binning_y=0, roi=roi, **(calibrated | lens),
    )  # fmt: skip
    points = np.zeros(len(points_m), np.dtype([("x", "<f4"), ("pad", "<f4"), ("y", "<f4"), ("z", "<f4")]))
    points["x"], points["y"], points["z"] = np.transpose(points_m)
    fields = [
        make("sensor_msgs/msg/PointField", name=n, offset=o, datatype=7, count=1)
        for n, o in (("x", 0), ("y", 8), ("z", 12))
    ]
    cloud = make(
        "sensor_msgs/msg/PointCloud2", header=header, height=1, width=len(points), fields=fields, is_bigendian=False,
        point_step=16, row_step=16 * len(points), data=points.view(np.uint8), is_dense=True,
    )  # fmt: skip
    image = make("sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=jpeg)
    return {"lidar_points": cloud, "image_raw/compressed": image, "camera_info": info}


def write_bag(path: Path, instants: list[dict[str, Any]]) -> Path:
    """A bag of one camera, `/front`, a second from one instant to the next."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            name: writer.add_connection(f"/front/{name}", message.__msgtype__, typestore=STORE)
            for name, message in instants[0].items()
        }
        for second, instant in enumerate(instants):
            for name, message in instant.items():
                writer.write(connections[name], second * 10**9, STORE.serialize_cdr(message, message.__msgtype__))
    return path


def test_bag_pairs_messages_by_stamp_and_camera(tmp_path: Path) -> None:
    orphan = messages(3, [(0, 0, 9)])["camera_info"]
    whole = [messages(second, [(0, 0, z), (0.2, 0, z)]) for second, z in ((1, 4), (2, 6))]
    first, second = frames.bag_frames(write_bag(tmp_path / "bag", [*whole, {"camera_info": orphan}]))
    assert (first.name, first.kind, second.name) == ("front_1_000000005", "front", "front_2_000000005")
    assert sorted(first.truth_m[first.truth_m > 0].tolist()) == [4.0, 4.0]
    assert second.truth_m[24, 31] == 6.0
    assert second.truth_m[24, 33] == 6.0  # 0.2 / 6 * 70 + 31 = 33.3
    assert np.abs(first.image.astype(int) - IMAGE).mean() < 12


def test_points_of_a_bag_keep_the_nearest_and_drop_the_unseen(tmp_path: Path) -> None:
    points = [
        (0, 0, 5),  # falls on the principal point (31, 23.5): row 24, ties to even
        (0, 0, 2),  # hides it
        (0, 0, -2),  # behind
        (99, 0, 2),  # outside
        (np.nan, 0, 2),
        (1, -0.5, 4),  # 70 / 4 + 31 = 48.5 -> 48, 23.5 - 71 / 8 = 14.625 -> 15
    ]
    (frame,) = frames.bag_frames(write_bag(tmp_path / "bag", [messages(0, points)]))
    assert {(v, u): frame.truth_m[v, u] for v, u in np.argwhere(frame.truth_m)} == {(24, 31): 2.0, (15, 48): 4.0}


def test_the_distortion_model_of_a_bag_is_honoured(tmp_path: Path) -> None:
    """A fisheye's four numbers are no plumb bob's: the point lies at 23.5 + 71 * atan(0.3) = 44.19, not at 44.8."""
    d = np.array([0.0, 0, 0, 0])
    (frame,) = frames.bag_frames(
        write_bag(tmp_path / "fish", [messages(0, [(0, 0.9, 3)], distortion_model="equidistant", d=d)])
    )
    assert frame.camera.fisheye
    assert {(v, u): frame.truth_m[v, u] for v, u in np.argwhere(frame.truth_m)} == {(44, 31): 3.0}
    unheard = write_bag(tmp_path / "unheard", [messages(0, [(0, 0, 3)], distortion_model="omni", d=d + 0.1)])
    with pytest.raises(InputError, match="distortion_model 'omni' is unknown"):
        list(frames.bag_frames(unheard))


def test_a_point_beyond_the_view_of_the_lens_does_not_fall_into_a_bags_image(tmp_path: Path) -> None:
    """With k1 = -0.3 pixels turn back at |x/z| = 1.05: a ray of 1.8 would land where one of 0.05 does."""
    d = np.array([-0.3, 0, 0, 0, 0])
    (frame,) = frames.bag_frames(write_bag(tmp_path / "bag", [messages(0, [(5.4, 0, 3), (0.3, 0, 3)], d=d)]))
    assert np.argwhere(frame.truth_m).tolist() == [[24, 38]]


def test_an_uncalibrated_camera_in_a_bag_is_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [messages(0, [(0, 0, 3)], k=np.zeros(9))])
    with pytest.raises(InputError, match=r"camera info of image front_0_000000005: K is zero"):
        list(frames.bag_frames(bag))


@pytest.mark.skipif("PRV2_REAL_DATA" not in os.environ, reason="PRV2_REAL_DATA names no folder of real frames")
def test_real_folder_and_bag() -> None:
    root = Path(os.environ["PRV2_REAL_DATA"])
    assert all((frame.truth_m > 0).any() for frame in frames.indexed_frames(root / "frames"))
    for bag in (root / "bags").iterdir():
        found = list(frames.bag_frames(bag))
        assert found
        assert all(np.median(f.truth_m[f.truth_m > 0]) < 100 for f in found)


def test_pictures_stay_as_stored_whatever_exif_says(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "desk_1.jpg"), IMAGE[..., ::-1])
    stored = (tmp_path / "desk_1.jpg").read_bytes()
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6: turn it by 90 degrees
    turned = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2, "big") + b"Exif\0\0" + tiff
    (tmp_path / "desk_1.jpg").write_bytes(stored[:2] + turned + stored[2:])
    assert cv2.imread(str(tmp_path / "desk_1.jpg")).shape == (64, 48, 3)
    cv2.imwrite(str(tmp_path / "desk_1_depth.png"), np.ones((48, 64), np.uint16))
    (tmp_path / "index.json").write_text(json.dumps([{"name": "desk_1", "depth_scale_per_m": 1.0, **CAMERA}]))
    (frame,) = frames.indexed_frames(tmp_path)
    assert frame.image.shape == (48, 64, 3)
