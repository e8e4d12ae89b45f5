"""How the truth of a camera lies to it: transforms of the configuration, and depth of the raw image."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from prv2_ros.evaluation.bag_index import CLOUD, COMPRESSED, IMAGE, INFO, BagIndex, TopicIndex
from prv2_ros.evaluation.cameras import CameraPlan, find_cameras
from prv2_ros.evaluation.config import CameraTopics, EvaluationConfig, Extrinsic
from prv2_ros.evaluation.records import SkippedFrame
from prv2_ros.messages.bags import Topic

OPTICAL = "front_optical"
LENS = (-0.1, 0.0, 0.0, 0.0, 0.0)
QUARTER_TURN = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def topic(name: str, kind: str, frame: str, encoding: str = "", size: tuple[int, int] = (0, 0)) -> TopicIndex:
    known = Topic(name=name, msgtype=kind, count=1)
    return TopicIndex(topic=known, entries=[(0, 0)], frame_id=frame, encoding=encoding, size=size, is_known=True)


def found(
    *truths: TopicIndex,
    image: str = "/front/image_raw",
    config: EvaluationConfig | None = None,
    transforms: dict[tuple[str, str], Any] | None = None,
    d: tuple[float, ...] = (0.0,) * 5,
    r: tuple[float, ...] = (0.0,) * 9,
) -> tuple[list[CameraPlan], list[SkippedFrame]]:
    """What is planned for a bag of one camera, whose camera info has this D and R, and these truths."""
    info = "/front/camera_info"
    held = (topic(image, IMAGE, OPTICAL, "rgb8", (96, 64)), topic(info, INFO, OPTICAL), *truths)
    index = BagIndex(
        topics={t.topic.name: t for t in held},
        infos=[SimpleNamespace(d=d, r=r)],
        info_of={t.topic.name: [(0, 0)] for t in held if t.topic.msgtype == INFO},
        transforms=transforms or {},
        sha256="",
        problems=[],
    )
    return find_cameras("drive", index, config or EvaluationConfig())


def moved(x_m: float, y_m: float, z_m: float) -> np.ndarray:
    t = np.eye(4)
    t[:3, 3] = x_m, y_m, z_m
    return t


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("is_turned", [False, True])
def test_extrinsics_replace_what_the_bag_has_between_their_frames_either_way_round(slash: str, is_turned: bool) -> None:
    base_camera, old, new = moved(1, 0, 0), moved(0, 2, 0), moved(0, 0, 4)
    names = (f"{slash}lidar", f"{slash}base") if is_turned else (f"{slash}base", f"{slash}lidar")
    xyz_m = tuple((np.linalg.inv(new) if is_turned else new)[:3, 3])
    config = EvaluationConfig(extrinsics=(Extrinsic(parent=names[0], child=names[1], xyz_m=xyz_m),))
    (plan,), skipped = found(
        topic("/lidar", CLOUD, "lidar"),
        config=config,
        transforms={("base", "lidar"): old, ("base", OPTICAL): base_camera},
    )
    assert not skipped
    np.testing.assert_allclose(plan.t_camera_truth, np.linalg.inv(base_camera) @ new)


RAW_DEPTH = topic("/front/depth_registered/image_raw", IMAGE, OPTICAL, "32FC1", (96, 64))
STRAIGHT = "/front/image_rect_color"


@pytest.mark.parametrize("lens", [{"d": LENS}, {"r": QUARTER_TURN}])
def test_depth_of_the_raw_image_is_no_truth_of_the_rectified_one(lens: dict[str, Any]) -> None:
    plans, (left_out,) = found(RAW_DEPTH, image=STRAIGHT, **lens)
    assert not plans
    assert left_out.stamp_ns is None
    assert left_out.reason == (
        "truth /front/depth_registered/image_raw is not rectified and the image of a distorted camera is: record "
        "rectified truth (a topic with `rect` in its name) or, where this one is, set truth under cameras in the "
        "configuration to it"
    )
    told = EvaluationConfig(cameras=(CameraTopics(image="/front/image_raw", input_rectified=True),))
    assert not found(RAW_DEPTH, config=told, **lens)[0]


def test_depth_beside_a_rectified_image_is_the_truth_where_it_is_named_or_rectified_or_there_is_no_lens() -> None:
    named = EvaluationConfig(cameras=(CameraTopics(image=STRAIGHT, truth=RAW_DEPTH.topic.name),))
    straight = topic("/front/depth_registered/image_rect", IMAGE, OPTICAL, "32FC1", (96, 64))
    identity = tuple(np.eye(3).ravel())
    for (plan,), skipped in (
        found(RAW_DEPTH, image=STRAIGHT, config=named, d=LENS),
        found(straight, image=STRAIGHT, d=LENS),
        found(RAW_DEPTH, image=STRAIGHT),
        found(RAW_DEPTH, image=STRAIGHT, r=identity),
        found(RAW_DEPTH, d=LENS),  # a raw image, of which `truth_depth` tells
    ):
        assert not skipped
        assert plan.truth_kind == "depth"


def test_a_lidar_is_the_truth_of_a_rectified_image_whatever_the_lens() -> None:
    transforms = {("base", "lidar"): np.eye(4), ("base", OPTICAL): np.eye(4)}
    (plan,), skipped = found(topic("/lidar", CLOUD, "lidar"), image=STRAIGHT, d=LENS, transforms=transforms)
    assert not skipped
    assert plan.input_rectified


@pytest.mark.parametrize("picture", ["/front/rgb/image_rect_color", "/front/rgb/image_rect_color/compressed"])
def test_the_node_s_own_picture_is_no_second_camera(picture: str) -> None:
    """Its truth would be the node's own depth."""
    kind = COMPRESSED if picture.endswith("compressed") else IMAGE
    lidar = topic("/front/lidar", CLOUD, "lidar")
    own = (topic(picture, kind, OPTICAL), topic("/front/rgb/camera_info", INFO, OPTICAL))
    transforms = {("base", "lidar"): np.eye(4), ("base", OPTICAL): np.eye(4)}
    plans, skipped = found(lidar, *own, transforms=transforms)
    assert [plan.image_topic for plan in plans] == ["/front/image_raw"]
    assert not skipped
    # As a driver of an RGB-D camera has it: nothing around it is a camera.
    driver = (topic("/kinect/rgb/image_rect_color", IMAGE, OPTICAL), topic("/kinect/rgb/camera_info", INFO, OPTICAL))
    plans, skipped = found(lidar, *driver, transforms=transforms)
    assert {*(plan.name for plan in plans), *(row.camera for row in skipped)} == {"/front", "/kinect/rgb"}
