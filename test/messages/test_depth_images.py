from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bag_samples import Samples

from prv2_ros.errors import InputError
from prv2_ros.messages.bags import Bag
from prv2_ros.messages.depth_images import depth_in_metres, disparity_in_metres
from prv2_ros.messages.point_clouds import cloud_points


def image(pixels: np.ndarray, encoding: str, pad: int = 0) -> Any:
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    data = np.pad(rows, ((0, 0), (0, pad)))
    big = pixels.dtype.byteorder == ">"
    size = {"height": pixels.shape[0], "width": pixels.shape[1], "step": data.shape[1]}
    return SimpleNamespace(encoding=encoding, is_bigendian=int(big), data=data.ravel(), **size)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pad", [0, 3])
def test_depth_in_both_encodings_byte_orders_and_with_padding(order: str, pad: int) -> None:
    metres = np.array([[1.5, np.nan, np.inf], [0.0, -np.inf, 65.0]], f"{order}f4")
    expected = np.array([[1.5, np.nan, np.inf], [np.nan, np.nan, 65.0]], np.float32)
    np.testing.assert_array_equal(depth_in_metres(image(metres, "32FC1", pad)), expected)
    millimetres = np.array([[1500, 0, 1], [65535, 2, 3]], f"{order}u2")
    expected = np.array([[1.5, np.nan, 0.001], [65.535, 0.002, 0.003]], np.float32)
    np.testing.assert_allclose(depth_in_metres(image(millimetres, "16UC1", pad)), expected, rtol=1e-6)


def test_disparity_is_f_times_baseline_over_depth() -> None:
    disparity = np.array([[8.0, 0.0], [-1.0, np.nan]], np.float32)
    message = SimpleNamespace(image=image(disparity, "32FC1"), f=400.0, t=0.12, min_disparity=0.0)
    np.testing.assert_allclose(disparity_in_metres(message), [[6.0, np.nan], [np.nan, np.nan]], rtol=1e-6)
    message.f = 0.0
    with pytest.raises(InputError, match=r"f = 0\.0 px, T = 0\.12 m"):
        disparity_in_metres(message)


def test_a_disparity_below_the_least_that_was_searched_is_none() -> None:
    """stereo_image_proc writes min_disparity - 1 where it finds no match."""
    disparity = np.array([[9.0, 9.999, 10.0, 20.0, -1.0]], np.float32)
    message = SimpleNamespace(image=image(disparity, "32FC1"), f=500.0, t=0.1, min_disparity=10.0)
    np.testing.assert_allclose(disparity_in_metres(message), [[np.nan, np.nan, 5.0, 2.5, np.nan]], rtol=1e-6)
    message.min_disparity = -16.0  # eyes that look inwards: behind infinity there is nothing, all the same
    np.testing.assert_allclose(disparity_in_metres(message)[0, -1:], [np.nan])


@pytest.mark.parametrize("storage", ["mcap", "ros1"])
def test_a_bag_tells_the_least_disparity(tmp_path: Path, storage: str) -> None:
    path = Samples(storage=storage, truth="disparity", frames=1).write(
        tmp_path / "drive.bag" if storage == "ros1" else tmp_path / "drive"
    )
    with Bag(path) as bag:
        (raw,) = bag.messages(["/front/disparity"])
        message = bag.message(raw)
    assert message.min_disparity == 0.0
    assert np.isfinite(disparity_in_metres(message)).all()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"encoding": "rgb8"}, "depth image of encoding 'rgb8': expected 32FC1"),
        ({"height": 9}, "depth image of 2x9 px, step 8 B and 16 B of data: the sizes do not fit"),
        ({"step": 4}, "the sizes do not fit"),
        ({"width": 0}, "the sizes do not fit"),
    ],
)
def test_a_broken_depth_image_is_refused(changes: dict[str, Any], line: str) -> None:
    message = image(np.ones((2, 2), np.float32), "32FC1")
    with pytest.raises(InputError, match=line):
        depth_in_metres(SimpleNamespace(**(vars(message) | changes)))


def cloud(points: np.ndarray, kind: str = "<f4", extra: int = 4, **changes: Any) -> Any:
    """A cloud with `extra` bytes of something else before and after each point."""
    size = np.dtype(kind).itemsize
    table = np.zeros(len(points), f"V{extra + 3 * size + extra}").view(np.uint8).reshape(len(points), -1)
    table[:, extra : extra + 3 * size] = np.ascontiguousarray(points, kind).view(np.uint8).reshape(len(points), -1)
    fields = [
        SimpleNamespace(name=name, offset=extra + i * size, datatype={4: 7, 8: 8}[size]) for i, name in enumerate("xyz")
    ]
    step = table.shape[1]
    values = {"width": len(points), "height": 1, "point_step": step, "row_step": step * len(points)}
    values |= {"is_bigendian": kind[0] == ">", "fields": fields, "data": table.ravel()}
    return SimpleNamespace(**(values | changes))


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8"])
def test_points_come_out_as_they_went_in(kind: str) -> None:
    points = np.array([[1.5, -2.0, 3.25], [np.nan, 0, 1], [4, 5, 6]])
    np.testing.assert_array_equal(cloud_points(cloud(points, kind)), points)
    rows = cloud(points[[0, 2, 2, 0]], kind, height=2, width=2)
    rows.row_step = 2 * rows.point_step
    np.testing.assert_array_equal(cloud_points(rows), points[[0, 2, 2, 0]])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fields": []}, "fields none: needs x, y, z"),
        ({"width": 4}, "of 4x1 points, point_step 20 B, .* the sizes do not fit"),
        ({"point_step": 8}, "the sizes do not fit"),
        ({"data": np.zeros(10, np.uint8)}, "10 B of data: the sizes do not fit"),
    ],
)
def test_a_broken_cloud_is_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=line):
        cloud_points(cloud(np.ones((3, 3)), **changes))
