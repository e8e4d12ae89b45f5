"""Frames with truth: the photograph in scikit-image's wheel, folders and bags written here."""

from __future__ import annotations

import json
import os
from pathlib import Path

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


def test_project_points_keeps_the_nearest_and_drops_the_unseen() -> None:
    camera = CameraModel(width=64, height=48, **CAMERA)
    points = np.array(
        [
            [0.0, 0.0, 5.0],  # falls on the principal point (31, 23.5): row 24, ties to even
            [0.0, 0.0, 2.0],  # hides it
            [0.0, 0.0, -2.0],  # behind
            [99.0, 0.0, 2.0],  # outside
            [np.nan, 0.0, 2.0],
            [1.0, -0.5, 4.0],  # 70 / 4 + 31 = 48.5 -> 48, 23.5 - 71 / 8 = 14.625 -> 15
        ],
        np.float32,
    )
    depth = frames.project_points(points, camera)
    assert np.count_nonzero(depth) == 2
    assert depth[24, 31] == 2
    assert depth[15, 48] == 4
    assert not frames.project_points(np.zeros((0, 3), np.float32), camera).any()


def test_project_points_inverts_the_rays_of_a_distorted_camera() -> None:
    camera = CameraModel(width=64, height=48, distortion=(-0.2, 0.05, 0.001, 0.0, 0.0), **CAMERA)
    points = np.concatenate([camera.rays(), np.ones((48, 64, 1), np.float32)], -1) * np.float32(3)
    assert (frames.project_points(points, camera) == 3).mean() > 0.99


def test_bag_pairs_messages_by_stamp_and_camera(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    point_field = types["sensor_msgs/msg/PointField"]
    header_of = types["std_msgs/msg/Header"]
    time_of = types["builtin_interfaces/msg/Time"]

    def messages(stamp_s: int, depth_m: float) -> dict[str, object]:
        header = header_of(stamp=time_of(sec=stamp_s, nanosec=5), frame_id="front_optical")
        jpeg = cv2.imencode(".jpg", IMAGE[..., ::-1])[1].ravel()
        roi = types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        k = np.array([70.0, 0, 31.0, 0, 71.0, 23.5, 0, 0, 1])
        info = types["sensor_msgs/msg/CameraInfo"](
            header=header, height=48, width=64, distortion_model="plumb_bob", d=np.zeros(5), k=k,
            r=np.eye(3).ravel(), p=np.zeros(12), binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip
        points = np.zeros(2, np.dtype([("x", "<f4"), ("pad", "<f4"), ("y", "<f4"), ("z", "<f4")]))
        points["z"] = depth_m
        points["x"][1] = 0.2
        fields = [point_field(name=n, offset=o, datatype=7, count=1) for n, o in (("x", 0), ("y", 8), ("z", 12))]
        cloud = types["sensor_msgs/msg/PointCloud2"](
            header=header, height=1, width=2, fields=fields, is_bigendian=False, point_step=16, row_step=32,
            data=points.view(np.uint8), is_dense=True,
        )  # fmt: skip
        image = types["sensor_msgs/msg/CompressedImage"](header=header, format="jpeg", data=jpeg)
        return {"lidar_points": cloud, "image_raw/compressed": image, "camera_info": info}

    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            name: writer.add_connection(f"/front/{name}", message.__msgtype__, typestore=store)  # type: ignore[attr-defined]
            for name, message in messages(0, 1.0).items()
        }
        for stamp_s, depth_m in ((1, 4.0), (2, 6.0)):
            for name, message in messages(stamp_s, depth_m).items():
                data = store.serialize_cdr(message, message.__msgtype__)  # type: ignore[attr-defined]
                writer.write(connections[name], stamp_s * 10**9, data)
        orphan = messages(3, 9.0)["camera_info"]
        writer.write(connections["camera_info"], 3 * 10**9, store.serialize_cdr(orphan, orphan.__msgtype__))  # type: ignore[attr-defined]

    first, second = frames.bag_frames(tmp_path / "bag")
    assert (first.name, first.kind, second.name) == ("front_1_000000005", "front", "front_2_000000005")
    assert sorted(first.truth_m[first.truth_m > 0].tolist()) == [4.0, 4.0]
    assert second.truth_m[24, 31] == 6.0
    assert second.truth_m[24, 33] == 6.0  # 0.2 / 6 * 70 + 31 = 33.3
    assert np.abs(first.image.astype(int) - IMAGE).mean() < 12


@pytest.mark.skipif("PRV2_REAL_DATA" not in os.environ, reason="PRV2_REAL_DATA names no folder of real frames")
def test_real_folder_and_bag() -> None:
    root = Path(os.environ["PRV2_REAL_DATA"])
    assert all((frame.truth_m > 0).any() for frame in frames.indexed_frames(root / "frames"))
    for bag in (root / "bags").iterdir():
        found = list(frames.bag_frames(bag))
        assert found
        assert all(np.median(f.truth_m[f.truth_m > 0]) < 100 for f in found)
