"""Which topic is the truth, in bags as cameras, drivers and this package leave them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from bag_samples import Samples, scaled_truth

from prv2_ros.errors import ConfigError, InputError
from prv2_ros.evaluation.bag_index import CLOUD, COMPRESSED, DISPARITY, IMAGE, INFO, BagIndex, TopicIndex, index_bag
from prv2_ros.evaluation.cameras import find_cameras
from prv2_ros.evaluation.config import CameraTopics, EvaluationConfig, TruthConfig, load_config
from prv2_ros.evaluation.output_bag import write_output_bags
from prv2_ros.evaluation.run import Options, score_bags
from prv2_ros.evaluation.truth_topics import find_truth
from prv2_ros.messages.bags import Bag, Topic

SIZE = (96, 64)
OPTICAL = "front_optical"


def depth(name: str, encoding: str = "32FC1", frame: str = OPTICAL, size: tuple[int, int] = SIZE) -> TopicIndex:
    return topic(name, IMAGE, frame, encoding, size)


def cloud(name: str, frame: str = "lidar") -> TopicIndex:
    return topic(name, CLOUD, frame)


def topic(name: str, kind: str, frame: str, encoding: str = "", size: tuple[int, int] = (0, 0)) -> TopicIndex:
    known = Topic(name=name, msgtype=kind, count=1)
    return TopicIndex(topic=known, entries=[(0, 0)], frame_id=frame, encoding=encoding, size=size, is_known=True)


def truth(*topics: TopicIndex, image: str = "/front/image_raw", named: str = "", kind: str = "auto") -> tuple[str, str]:
    """Topic and kind of the truth of `image` in a bag of these topics."""
    seen = topic(image, COMPRESSED if image.endswith("compressed") else IMAGE, OPTICAL, "rgb8", SIZE)
    index = BagIndex(
        topics={t.topic.name: t for t in (seen, *topics)}, infos=[], info_of={}, transforms={}, sha256="", problems=[]
    )
    config = EvaluationConfig(truth=TruthConfig(kind=kind))
    found, is_a = find_truth(index, CameraTopics(image=image, truth=named), seen, config)
    return found.topic.name, is_a


def test_depth_comes_before_a_lidar_and_a_lidar_before_disparity() -> None:
    bag = [depth("/front/depth/image_raw"), cloud("/velodyne_points"), topic("/front/disparity", DISPARITY, OPTICAL)]
    assert truth(*bag) == ("/front/depth/image_raw", "depth")
    assert truth(*bag[1:]) == ("/velodyne_points", "lidar")
    assert truth(*bag[2:]) == ("/front/disparity", "disparity")


@pytest.mark.parametrize(
    "other",
    [
        "/front/confidence",  # what the node publishes
        "/zed/zed_node/confidence/confidence_map",
        "/front/confidence_map",
        "/front/disparity",
        "/front/disparity/image",
        "/front/label",
        "/front/mask/image_raw",
        "/front/depth/mask",
        "/front/depth/compressedDepth",
        "/front/prv2/depth/image_rect",
        "/front/prv2/confidence",
    ],
)
def test_an_image_that_is_no_depth_and_this_packages_output_are_no_truth(other: str) -> None:
    sensor = "/sensor/depth/image_raw"
    assert truth(depth(other), depth(sensor)) == (sensor, "depth")
    with pytest.raises(InputError, match="no truth for /front/image_raw"):
        truth(depth(other))


def compressed_depth(name: str) -> TopicIndex:
    return topic(f"{name}/compressedDepth", COMPRESSED, OPTICAL, "16UC1", SIZE)


def test_depth_may_be_compressed_as_image_transport_does() -> None:
    sensor = "/camera/aligned_depth_to_color/image_raw"
    assert truth(compressed_depth(sensor), cloud("/lidar")) == (f"{sensor}/compressedDepth", "depth")
    assert truth(compressed_depth(sensor), depth(sensor)) == (sensor, "depth"), "what is there raw is exact"
    named = f"{sensor}/compressedDepth"
    assert truth(compressed_depth(sensor), depth(sensor), named=named) == (named, "depth")
    with pytest.raises(InputError, match="no truth for /front/image_raw"):
        truth(compressed_depth("/front/confidence"))
    with pytest.raises(InputError, match=r"truth topic /rgb/compressed has encoding '': expected 32FC1 or 16UC1"):
        truth(topic("/rgb/compressed", COMPRESSED, OPTICAL), named="/rgb/compressed")


def test_compressed_depth_under_the_nodes_name_beside_a_lidar_is_asked_about() -> None:
    ours = compressed_depth("/front/depth/image_rect")
    with pytest.raises(InputError, match=r"^/front/depth/image_rect and /velodyne_points may be the truth"):
        truth(ours, cloud("/velodyne_points"))


def test_points_of_the_output_bag_are_no_truth() -> None:
    ours = cloud("/front/prv2/points", frame=OPTICAL)
    assert truth(ours, topic("/front/disparity", DISPARITY, OPTICAL)) == ("/front/disparity", "disparity")
    assert truth(ours, cloud("/top/points")) == ("/top/points", "lidar")


def test_a_stereo_camera_and_a_depth_camera_as_their_drivers_record_them() -> None:
    zed = [depth("/zed/zed_node/depth/depth_registered"), depth("/zed/zed_node/confidence/confidence_map")]
    assert truth(*zed, image="/zed/zed_node/left/image_rect_color")[0] == "/zed/zed_node/depth/depth_registered"
    realsense = [
        depth("/camera/aligned_depth_to_color/image_raw", "16UC1"),
        depth("/camera/depth/image_rect_raw", "16UC1", frame="depth_optical", size=(80, 60)),
        cloud("/camera/depth/color/points", frame="depth_optical"),
    ]
    assert truth(*realsense, image="/camera/color/image_raw") == ("/camera/aligned_depth_to_color/image_raw", "depth")


def test_of_several_depth_images_the_nearest_namespace_wins_and_a_tie_is_asked_about() -> None:
    far, near, tied = (depth(f"/{name}/depth/image") for name in ("rear", "rig/left", "rig/front"))
    assert truth(far, near, image="/rig/front/image_raw")[0] == "/rig/left/depth/image"
    assert truth(far, near, tied, image="/rig/front/image_raw")[0] == "/rig/front/depth/image"
    line = r"several depth images may be the truth \(/front/depth/image, /front/depth/raw\): name one as truth under"
    bag = [depth("/front/depth/raw", "16UC1"), depth("/front/depth/image"), depth("/rear/depth/image")]
    with pytest.raises(InputError, match=line):
        truth(*bag)
    assert truth(*bag, named="/front/depth/raw") == ("/front/depth/raw", "depth")


def test_depth_of_another_frame_or_size_and_what_holds_nothing_are_no_truth() -> None:
    others = [
        depth("/front/depth/image", frame="rear_optical"),
        depth("/front/depth/image", size=(80, 60)),
        topic("/front/disparity", DISPARITY, "rear_optical"),
        dataclasses.replace(cloud("/front/lidar"), entries=[]),
    ]
    for other in others:
        with pytest.raises(InputError, match="no truth for /front/image_raw"):
            truth(other)


def test_only_leading_parts_of_a_name_are_a_namespace() -> None:
    found = truth(depth("/car/front/depth/image"), depth("/rig/left/depth/image"), image="/rig/front/depth/image_raw")
    assert found == ("/rig/left/depth/image", "depth")


def test_of_the_clouds_beside_a_camera_the_lidar_is_the_truth() -> None:
    assert truth(cloud("/front/points"), cloud("/front/lidar_points")) == ("/front/lidar_points", "lidar")


def test_several_clouds_or_disparities_are_asked_about() -> None:
    with pytest.raises(InputError, match=r"several clouds may be the truth \(/a/lidar, /b/lidar\): name one as truth"):
        truth(cloud("/a/lidar"), cloud("/b/lidar"))
    pair = [topic(f"/front/{name}", DISPARITY, OPTICAL) for name in ("disparity", "disparity_sgm")]
    with pytest.raises(InputError, match=r"several disparity images may be the truth \(/front/disparity, /front/disp"):
        truth(*pair)


@pytest.mark.parametrize("name", ["/front/depth/image_rect", "/depth/image_rect"])
@pytest.mark.parametrize(
    "other", [cloud("/velodyne_points"), cloud("/top/points"), cloud("/front/lidar_points", frame=OPTICAL)]
)
def test_depth_under_the_nodes_name_beside_a_lidar_is_asked_about(name: str, other: TopicIndex) -> None:
    line = rf"^{name} and {other.topic.name} may be the truth of /front/image_raw, .*: set truth under cameras"
    bag = [depth(name), depth("/front/confidence"), cloud("/front/points", frame=OPTICAL), other]
    for held in (bag, [bag[0], other]):
        with pytest.raises(InputError, match=line):
            truth(*held)
    for chosen, kind in ((name, "depth"), (other.topic.name, "lidar")):
        assert truth(*bag, named=chosen) == (chosen, kind)
    assert truth(*bag, kind="depth") == (name, "depth")


@pytest.mark.parametrize("namespace", ["/front", "", "/perception"])
@pytest.mark.parametrize(
    ("output", "kind"), [("rgb/image_rect_color", IMAGE), ("confidence", IMAGE), ("points", CLOUD)]
)
def test_depth_beside_another_output_of_the_node_is_asked_about(namespace: str, output: str, kind: str) -> None:
    ours, beside = f"{namespace}/depth/image_rect", topic(f"{namespace}/{output}", kind, OPTICAL)
    line = (
        rf"^{ours} may be what this package's node answered to /front/image_raw: it publishes that name, and "
        rf"{namespace}/{output} beside it; where it is the truth, set truth under cameras in the configuration to it$"
    )
    with pytest.raises(InputError, match=line):
        truth(depth(ours), beside)
    assert truth(depth(ours), beside, named=ours) == (ours, "depth")
    assert truth(depth(ours), beside, kind="depth") == (ours, "depth")
    sensor = f"{namespace}/depth/image"
    assert truth(depth(sensor), beside) == (sensor, "depth")


def test_depth_under_the_nodes_name_is_the_truth_where_nothing_speaks_against_it() -> None:
    # As `prv2 synth --bag` writes it; and what is of another camera, frame or type is none of this camera's node.
    bag = [depth("/front/depth/image_rect"), topic("/front/depth/camera_info", INFO, OPTICAL)]
    bag += [depth("/rear/depth/image_rect", frame="rear_optical"), cloud("/rear/points", frame="rear_optical")]
    bag += [cloud("/front/points", frame="rear_optical"), topic("/front/confidence", DISPARITY, OPTICAL)]
    for held in (bag[:1], bag[:2], bag):
        assert truth(*held) == ("/front/depth/image_rect", "depth")


def test_depth_under_the_nodes_name_beside_a_depth_cameras_is_asked_about() -> None:
    ours, sensor = "/camera/color/depth/image_rect", "/camera/aligned_depth_to_color/image_raw"
    bag, image = [depth(ours), depth(sensor, "16UC1")], "/camera/color/image_raw"
    with pytest.raises(
        InputError, match=rf"^{ours} and {sensor} may be the truth of {image}, .*: set truth under camer"
    ):
        truth(*bag, image=image)
    assert truth(*bag, image=image, named=sensor) == (sensor, "depth")
    assert truth(depth(ours), depth(sensor, frame="depth_optical"), image=image) == (ours, "depth")


def test_points_beside_the_nodes_depth_do_not_stand_for_the_lidar() -> None:
    ours = cloud("/front/points", frame=OPTICAL)
    for name in ("/lidar/points", "/top/points"):
        line = rf"several clouds may be the truth \(/front/points, {name}\): name one as truth under cameras"
        with pytest.raises(InputError, match=line):
            truth(depth("/front/depth/image_rect"), ours, cloud(name), kind="lidar")
        assert truth(ours, cloud(name), kind="lidar") == ("/front/points", "lidar")


def test_a_named_truth_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"truth topic /lidar is lidar and truth\.kind says depth"):
        truth(cloud("/lidar"), named="/lidar", kind="depth")
    with pytest.raises(InputError, match=r"truth topic /front/image_raw has encoding 'rgb8': expected 32FC1 or 16UC1"):
        truth(named="/front/image_raw")


@pytest.mark.parametrize("kind", ["lidar", "disparity"])
def test_the_output_bag_is_measured_against_the_truth_that_it_was_made_with(tmp_path: Path, kind: str) -> None:
    bag = Samples(truth=kind, frames=1).write(tmp_path / "drive")
    options = Options(output=tmp_path / "out", load_engine=scaled_truth)
    outcome = score_bags([bag], load_config(None), options)
    (written,) = write_output_bags(outcome.jobs, tmp_path / "out")
    with Bag(written) as again:
        (plan,), skipped = find_cameras("drive", index_bag(again, "header", lambda: None), load_config(None))
    assert not skipped
    assert (plan.truth_topic, plan.truth_kind) == (outcome.jobs[0].plan.truth_topic, kind)
