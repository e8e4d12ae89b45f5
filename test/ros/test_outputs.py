"""Depth and cloud messages against arrays built by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField
from std_msgs.msg import Header

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.messages.compressed_depth import decompress
from prv2_ros.ros.outputs import CloudWriter, CompressedDepthWriter, DepthWriter, PixelWriter

HEADER = Header(frame_id="cam_optical")
HEADER.stamp.sec, HEADER.stamp.nanosec = 12, 34

DEPTH = np.array([[0.01, 0.5, np.nan], [80.0, 300.0, np.inf]], np.float32)


def write(depth_m: np.ndarray, writer: DepthWriter | None = None, **options: Any) -> Image:
    chosen = {"encoding": "32FC1", "min_m": 0.05, "max_m": 250.0, "far_value": "nan"} | options
    message = (writer or DepthWriter()).write(depth_m, HEADER, **chosen)
    return deserialize_message(serialize_message(message), Image)  # what a subscriber gets


@pytest.mark.parametrize(("far_value", "far"), [("nan", np.nan), ("inf", np.inf), ("max", 250.0)])
def test_32fc1_limits_and_far_value(far_value: str, far: float) -> None:
    message = write(DEPTH, far_value=far_value)
    assert (message.encoding, message.height, message.width, message.step) == ("32FC1", 2, 3, 12)
    assert message.header == HEADER
    assert not message.is_bigendian
    expected = np.array([[np.nan, 0.5, np.nan], [80.0, far, far]], np.float32)
    np.testing.assert_array_equal(np.frombuffer(message.data, "<f4").reshape(2, 3), expected)


@pytest.mark.parametrize(
    ("far_value", "max_m", "expected"),
    [
        ("nan", 250.0, [[0, 500, 0], [0, 0, 0]]),  # 80 m does not fit in 16 bits
        ("inf", 50.0, [[0, 500, 0], [0, 0, 0]]),
        ("max", 50.0, [[0, 500, 0], [50000, 50000, 50000]]),
        ("max", 250.0, [[0, 500, 0], [65535, 65535, 65535]]),
    ],
)
def test_16uc1(far_value: str, max_m: float, expected: list[list[int]]) -> None:
    message = write(DEPTH, encoding="16UC1", far_value=far_value, max_m=max_m)
    assert (message.encoding, message.step) == ("16UC1", 6)
    np.testing.assert_array_equal(np.frombuffer(message.data, "<u2").reshape(2, 3), expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [[np.nan, 0.5, np.nan], [80.0, np.nan, np.nan]]),
        ({"far_value": "inf"}, [[np.nan, 0.5, np.nan], [80.0, np.nan, np.nan]]),
        ({"far_value": "max"}, [[np.nan, 0.5, np.nan], [80.0, 250.0, 250.0]]),
        ({"encoding": "16UC1"}, [[np.nan, 0.5, np.nan], [np.nan] * 3]),
        ({"encoding": "16UC1", "far_value": "max"}, [[np.nan, 0.5, np.nan], [65.535] * 3]),
        ({"max_m": 0.01, "min_m": 0.0}, [[0.1, np.nan, np.nan], [np.nan] * 3]),
    ],
)
def test_compressed_depth_has_the_limits_of_the_depth_image(options: dict[str, Any], expected: list[Any]) -> None:
    chosen = {"encoding": "32FC1", "min_m": 0.05, "max_m": 250.0, "far_value": "nan"} | options
    message = CompressedDepthWriter().write(DEPTH, HEADER, **chosen)
    received = deserialize_message(serialize_message(message), CompressedImage)
    assert received.header == HEADER
    found = decompress(bytes(received.data), received.format)
    np.testing.assert_allclose(found, np.array(expected), rtol=0.01)


def test_depth_is_not_modified_and_limits_are_inclusive() -> None:
    depth = np.array([[0.5, 2.0, 2.5]], np.float32)
    before = depth.copy()
    message = write(depth, min_m=0.5, max_m=2.0)
    np.testing.assert_array_equal(np.frombuffer(message.data, "<f4"), np.array([0.5, 2.0, np.nan], np.float32))
    np.testing.assert_array_equal(depth, before)


def test_buffer_is_reused_and_follows_size_and_encoding() -> None:
    writer = DepthWriter()
    settings = {"encoding": "32FC1", "min_m": 0.0, "max_m": 9.0, "far_value": "nan"}
    first = writer.write(np.ones((4, 6), np.float32), HEADER, **settings).data
    second = writer.write(np.full((4, 6), 2.0, np.float32), HEADER, **settings).data
    assert second is first
    for shape in ((70, 30), (3, 2)):
        assert len(write(np.ones(shape, np.float32), writer).data) == shape[0] * shape[1] * 4
    for shape in ((3, 2), (5, 4), (4, 5)):
        message = write(np.ones(shape, np.float32), writer, encoding="16UC1")
        assert (message.height, message.width) == shape
        assert np.frombuffer(message.data, "<u2").tolist() == [1000] * (shape[0] * shape[1])


def test_random_depths_over_several_bands() -> None:
    depth = np.random.default_rng(3).uniform(-1, 12, (150, 40)).astype(np.float32)
    result = np.frombuffer(write(depth, min_m=1.0, max_m=10.0).data, "<f4").reshape(depth.shape)
    np.testing.assert_array_equal(result, np.where((depth >= 1) & (depth <= 10), depth, np.nan))


CAMERA = CameraModel(width=7, height=5, fx=10.0, fy=20.0, cx=3.0, cy=2.0)


def cloud(depth_m: np.ndarray, rgb: np.ndarray, stride: int, camera: CameraModel = CAMERA) -> PointCloud2:
    message = CloudWriter().write(
        depth_m,
        rgb,
        camera,
        HEADER,
        rays=camera.rays()[::stride, ::stride],
        stride=stride,
        min_m=0.5,
        max_m=9.0,
        far_value="nan",
    )
    return deserialize_message(serialize_message(message), PointCloud2)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_cloud_is_organised_with_xyz_and_rgb(stride: int) -> None:
    rng = np.random.default_rng(4)
    depth = rng.uniform(1, 8, (5, 7)).astype(np.float32)
    depth[0, 0], depth[2, 0], depth[0, 6] = np.nan, 0.2, 30.0
    rgb = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    message = cloud(depth, rgb, stride)
    rows, columns = -(-5 // stride), -(-7 // stride)
    assert (message.height, message.width, message.point_step, message.row_step) == (rows, columns, 16, 16 * columns)
    assert message.header == HEADER
    assert not message.is_dense
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        (name, offset, PointField.FLOAT32, 1) for name, offset in (("x", 0), ("y", 4), ("z", 8), ("rgb", 12))
    ]
    layout = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("b", "u1"), ("g", "u1"), ("r", "u1"), ("a", "u1")]
    points = np.frombuffer(message.data, np.dtype(layout)).reshape(rows, columns)
    for row in range(rows):
        for column in range(columns):
            v, u = row * stride, column * stride
            point, z = points[row, column], depth[v, u]
            assert (point["r"], point["g"], point["b"], point["a"]) == (*rgb[v, u], 0)
            xyz = [point["x"], point["y"], point["z"]]
            if 0.5 <= z <= 9.0:
                np.testing.assert_allclose(xyz, [(u - 3.0) / 10 * z, (v - 2.0) / 20 * z, z], rtol=1e-5)
            else:
                assert np.isnan(xyz).all()


def test_colours_never_look_like_nan() -> None:
    message = cloud(np.ones((5, 7), np.float32), np.full((5, 7, 3), 255, np.uint8), 1)
    colours = np.frombuffer(message.data, "<f4").reshape(-1, 4)[:, 3]
    assert np.isfinite(colours).all()


def test_tall_cloud_over_several_bands() -> None:
    camera = CameraModel.from_fov(64, 300, 60)
    rgb = np.random.default_rng(5).integers(0, 256, (300, 64, 3), dtype=np.uint8)
    message = cloud(np.full((300, 64), 2.0, np.float32), rgb, 2, camera)
    packed = np.frombuffer(message.data, "<u4").reshape(150, 32, 4)[..., 3]
    wide = rgb[::2, ::2].astype(np.uint32)
    np.testing.assert_array_equal(packed, wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def test_pixels_go_out_as_they_are_or_not_at_all() -> None:
    pixels = np.random.default_rng(6).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    writer = PixelWriter("rgb8", np.uint8)
    message = writer.write(pixels[:, ::-1], HEADER)
    assert (message.encoding, message.height, message.width, message.step) == ("rgb8", 4, 6, 18)
    np.testing.assert_array_equal(np.frombuffer(message.data, np.uint8).reshape(4, 6, 3), pixels[:, ::-1])
    with pytest.raises(TypeError, match="Cannot cast"):
        writer.write(pixels.astype(np.float32), HEADER)


def test_what_goes_out_is_in_the_byte_order_that_it_says() -> None:
    sure = PixelWriter("32FC1", np.float32).write(np.full((2, 3), 0.75, np.float32), HEADER)
    points = cloud(np.ones((5, 7), np.float32), np.zeros((5, 7, 3), np.uint8), 1)
    assert (sure.is_bigendian, points.is_bigendian) == (0, False)
