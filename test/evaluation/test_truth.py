"""Truth in a turned camera and in a picture that rectification does not fill; depth out of range."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.evaluation import truth
from prv2_ros.evaluation.config import TruthConfig
from prv2_ros.evaluation.job import ViewOptions
from prv2_ros.evaluation.scoring import score_frame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.messages.view import View

CAMERA = CameraModel(width=40, height=30, fx=20, fy=20, cx=20, cy=15)
TURN = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""A quarter turn about the axis: what is on the right of the raw camera is at the top of the rectified one."""


def seen(
    points_m: list[tuple[float, float, float]],
    monkeypatch: pytest.MonkeyPatch,
    config: TruthConfig | None = None,
    **changes: Any,
) -> np.ndarray:
    """Depth of a cloud's points from a LiDAR that stands 1 m right of the camera and looks the other way."""
    monkeypatch.setattr(truth, "cloud_points", np.asarray)
    t_camera_truth = np.diag([-1.0, 1.0, -1.0, 1.0])
    t_camera_truth[0, 3] = 1.0
    view = SimpleNamespace(rotation=TURN, camera=CAMERA, width=40, height=30, mask_outside=lambda depth_m: depth_m)
    view.__dict__.update(changes)
    source = {"truth_frame": "lidar", "camera_frame": "front"}
    plan: Any = SimpleNamespace(truth_kind="lidar", truth_topic="/lidar", t_camera_truth=t_camera_truth, source=source)
    return truth.truth_depth(points_m, plan, view, config or TruthConfig())  # type: ignore[arg-type]


def test_points_are_moved_to_the_camera_and_turned_with_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    # (-1, 2, -10) of the LiDAR is (2, 2, 10) of the raw camera, and (2, -2, 10) of the turned one.
    depth_m = seen([(-1, 2, -10)], monkeypatch)
    assert np.argwhere(np.isfinite(depth_m)).tolist() == [[11, 24]]
    assert depth_m[11, 24] == 10


def test_points_out_of_range_are_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TruthConfig(min_m=2.0, max_m=20.0)
    points = [(1.0, 0.0, -1.9), (1.0, 2.0, -20.1)]
    with pytest.raises(InputError, match=r"none of the 2 points .* at 2 to 20 m"):
        seen(points, monkeypatch, config)
    assert np.nanmax(seen([*points, (1.0, 1.0, -20.0)], monkeypatch, config)) == 20


def image_truth(
    depth_m: np.ndarray, topic: str, camera: CameraModel, monkeypatch: pytest.MonkeyPatch, kind: str = "depth"
) -> np.ndarray:
    """Truth of an image of depth or disparity, from 2 to 20 m."""
    monkeypatch.setattr(truth, f"{kind}_in_metres", np.copy)
    view: Any = SimpleNamespace(
        camera=camera, width=40, height=30, resamples=False, mask_outside=lambda depth_m: depth_m
    )
    plan: Any = SimpleNamespace(truth_kind=kind, truth_topic=topic)
    return truth.truth_depth(depth_m, plan, view, TruthConfig(min_m=2.0, max_m=20.0))


def test_depth_out_of_range_is_unknown_and_sky_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    depth_m = np.full((30, 40), 5.0, np.float32)
    depth_m[0, :5] = 1.9, 2.0, 20.0, 20.1, np.inf
    found = image_truth(depth_m, "/front/depth/image", CAMERA, monkeypatch)
    np.testing.assert_array_equal(found[0, :6], [np.nan, 2, 20, np.nan, np.inf, 5])


def test_rectified_truth_of_a_raw_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    depth_m = np.full((30, 40), 5.0, np.float32)
    lens = replace(CAMERA, distortion=(-0.1, 0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="image_rect is rectified and the image is not: set rectify: true"):
        image_truth(depth_m, "/front/depth/image_rect", lens, monkeypatch)
    with pytest.raises(InputError, match="disparity is rectified and the image is not: set rectify: true"):
        image_truth(depth_m, "/front/disparity", lens, monkeypatch, "disparity")
    assert (image_truth(depth_m, "/front/depth/image", lens, monkeypatch) == 5).all()


def test_points_where_the_picture_is_empty_are_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    def left_alone(depth_m: np.ndarray) -> np.ndarray:
        return np.where(np.arange(40) < 22, depth_m, np.nan)

    points = [(-1.0, 2.0, -10.0), (1.0, 0.0, -10.0)]
    assert np.argwhere(np.isfinite(seen(points, monkeypatch, mask_outside=left_alone))).tolist() == [[15, 20]]
    with pytest.raises(InputError, match=r"none of the 1 points of /lidar \('lidar'\) falls into the image of 'front'"):
        seen(points[:1], monkeypatch, mask_outside=left_alone)


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_dense_truth_where_the_picture_is_empty_is_none(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A lens of which rectification shows the whole field of view leaves the corners empty."""
    k = np.array([[80, 0, 47.5], [0, 80, 31.5], [0, 0, 1.0]])
    p = np.zeros((3, 4))
    p[:, :3] = k
    p[[0, 1], [0, 1]] *= 0.7
    info = SimpleNamespace(
        width=96,
        height=64,
        distortion_model="plumb_bob",
        d=(-0.25, 0.05, 0.0, 0.0, 0.0),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=p.ravel(),
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )
    view = View(info, 96, 64, ViewOptions(input_rectified=False, rectify=True))
    steps_m = np.where(np.arange(96) // 8 % 2, 5.0, 10.0) * np.ones((64, 1))
    monkeypatch.setattr(truth, f"{kind}_in_metres", lambda message: message.astype(np.float32))
    plan: Any = SimpleNamespace(truth_kind=kind, truth_topic="/front/depth/image_rect")
    truth_m = truth.truth_depth(steps_m, plan, view, TruthConfig())
    assert 0.5 < np.isfinite(truth_m).mean() < 0.9
    perfect = view.mask_outside(steps_m.astype(np.float32))
    scores = score_frame(perfect, truth_m, dense=True).scores
    assert scores["coverage"] == 1
    assert scores["boundary_f1"] == 1


def test_a_point_between_nearer_ones_is_hidden_unless_the_rule_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [(1.0, 0.0, -20.0), (0.75, 0.0, -5.0), (1.25, 0.0, -5.0)]
    for window_deg, rows in (((3.0, 6.0), [14, 16]), ((0.0, 0.0), [14, 15, 16])):
        depth_m = seen(points, monkeypatch, TruthConfig(hidden_window_deg=window_deg))
        assert np.flatnonzero(np.isfinite(depth_m[:, 20])).tolist() == rows


def test_raw_truth_of_a_rectified_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "depth_in_metres", np.copy)
    view: Any = SimpleNamespace(camera=CAMERA, width=40, height=30, resamples=True, mask_outside=np.asarray)
    plan: Any = SimpleNamespace(truth_kind="depth", truth_topic="/front/depth/image")
    with pytest.raises(InputError, match="is not rectified and the image of a distorted camera is: set rectify"):
        truth.truth_depth(np.full((30, 40), 5.0, np.float32), plan, view, TruthConfig())
