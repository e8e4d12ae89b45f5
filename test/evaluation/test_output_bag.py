from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from bag_samples import F_PX, FIRST_NS, LATCHED, PERIOD_NS, Samples, ScaledTruth, picture, scaled_truth, true_depth

from prv2_ros.cli import main
from prv2_ros.errors import InputError
from prv2_ros.evaluation.config import EvaluationConfig, load_config
from prv2_ros.evaluation.output_bag import check_targets, write_output_bags
from prv2_ros.evaluation.run import Options, score_bags
from prv2_ros.messages.bags import Bag
from prv2_ros.messages.depth_images import depth_in_metres
from prv2_ros.messages.point_clouds import cloud_points


def evaluated(path: Path, output: Path, config: EvaluationConfig | None = None) -> Any:
    return score_bags([path], config or load_config(None), Options(output=output, load_engine=scaled_truth)).jobs


def test_the_output_bag_is_the_input_and_the_answers_at_their_stamps(tmp_path: Path) -> None:
    path = Samples(truth="lidar").write(tmp_path / "drive")
    (written,) = write_output_bags(evaluated(path, tmp_path / "out"), tmp_path / "out")
    assert written == tmp_path / "out" / "drive_depth"
    with Bag(path) as before, Bag(written) as after:
        for name, topic in before.topics().items():
            assert after.topics()[name] == topic
            copied = [(m.bag_ns, bytes(m.data)) for m in after.messages([name])]
            assert copied == [(m.bag_ns, bytes(m.data)) for m in before.messages([name])]
        new = {name.removeprefix("/front/prv2/") for name in set(after.topics()) - set(before.topics())}
        assert new == {"depth/image_rect", "depth/camera_info", "points", "confidence"}
        for name in new:
            for number, raw in enumerate(after.messages([f"/front/prv2/{name}"])):
                message = after.message(raw)
                assert raw.bag_ns == FIRST_NS + number * PERIOD_NS
                if name == "depth/camera_info":
                    assert (message.width, message.height, message.k[0], message.p[5]) == (96, 64, F_PX, F_PX)
                    assert message.frame_id == "front_optical"
                    continue
                assert after.stamp_ns(raw) == FIRST_NS + number * PERIOD_NS
                assert message.header.frame_id == "front_optical"
                if name == "depth/image_rect":
                    np.testing.assert_allclose(depth_in_metres(message), true_depth(number) * 1.1, rtol=1e-6)
                elif name == "confidence":
                    np.testing.assert_allclose(depth_in_metres(message), 0.9, atol=1e-3)
                elif name == "points":
                    z = cloud_points(message)[:, 2].reshape(16, 24)
                    np.testing.assert_allclose(z, true_depth(number)[::4, ::4] * 1.1, rtol=1e-6)
                    packed = np.frombuffer(message.data, "<u4").reshape(16, 24, 4)[..., 3]
                    r, g, b = np.moveaxis(picture(number)[::4, ::4].astype(np.uint32), -1, 0)
                    np.testing.assert_array_equal(packed, r << 16 | g << 8 | b)
            assert number == 2
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


class TwiceAsFar(ScaledTruth):
    def infer(self, *arguments: Any, **options: Any) -> Any:
        result = super().infer(*arguments, **options)
        return dataclasses.replace(result, depth_m=result.depth_m * 2, confidence=None)


def test_an_output_bag_that_is_evaluated_again_gets_the_new_answers_in_place_of_the_old(tmp_path: Path) -> None:
    path = Samples(truth="lidar", cameras=("/left", "/right")).write(tmp_path / "drive")
    (once,) = write_output_bags(evaluated(path, tmp_path / "out"), tmp_path / "out")
    config = load_config(None, cameras=[{"image": "/left/image_raw"}])
    options = Options(output=tmp_path / "again", load_engine=lambda m, c: TwiceAsFar())
    (twice,) = write_output_bags(score_bags([once], config, options).jobs, tmp_path / "again")
    with Bag(once) as before, Bag(twice) as after:
        # The second model gives no confidence, and the first one's would not belong to its depth.
        assert set(before.topics()) - set(after.topics()) == {"/left/prv2/confidence"}
        for name, topic in after.topics().items():
            assert topic == before.topics()[name]
        for camera, factor in (("left", 2.2), ("right", 1.1)):
            depths = [after.message(raw) for raw in after.messages([f"/{camera}/prv2/depth/image_rect"])]
            assert len(depths) == 3
            for number, message in enumerate(depths):
                np.testing.assert_allclose(depth_in_metres(message), true_depth(number) * factor, rtol=1e-6)


def test_the_qos_of_the_input_is_kept_as_the_text_that_humble_reads(tmp_path: Path) -> None:
    path = Samples(truth="lidar").write(tmp_path / "drive")
    (written,) = write_output_bags(evaluated(path, tmp_path / "out"), tmp_path / "out")
    told = yaml.safe_load((written / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert told["version"] == 8
    topics = [topic["topic_metadata"] for topic in told["topics_with_message_count"]]
    (latched,) = [topic["offered_qos_profiles"] for topic in topics if topic["name"] == "/tf_static"]
    assert isinstance(latched, str)
    (profile,) = yaml.safe_load(latched)
    # Numbers of rmw's enumerations: keep last, reliable, transient local.
    assert [profile[key] for key in ("history", "depth", "reliability", "durability")] == [1, 1, 1, 1]
    with Bag(written) as bag:
        (connection,) = [c for c in bag.connections if c.topic == "/tf_static"]
    assert connection.ext.offered_qos_profiles == [LATCHED]


def test_a_bag_of_ros_1_is_asked_to_be_converted(tmp_path: Path) -> None:
    path = Samples(storage="ros1").write(tmp_path / "drive.bag")
    with pytest.raises(InputError, match="of ROS 1: convert it first"):
        write_output_bags(evaluated(path, tmp_path / "out"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*drive_depth*"))


class RightCamera(Samples):
    """A stereo pair's right camera, whose clock is an hour behind the recorder's."""

    def header(self, frame_id: str, stamp: int) -> Any:
        return super().header(frame_id, stamp - 3600 * 10**9)

    def info(self, frame_id: str, stamp: int) -> Any:
        message = super().info(frame_id, stamp)
        message.p[3] = -20.0
        return message


def test_frames_paired_by_their_time_of_recording_are_found_again(tmp_path: Path) -> None:
    path = RightCamera().write(tmp_path / "drive")
    config = dataclasses.replace(load_config(None), stamps="bag")
    (written,) = write_output_bags(evaluated(path, tmp_path / "out", config), tmp_path / "out")
    with Bag(written) as after:
        images = list(after.messages(["/front/prv2/depth/image_rect"]))
        assert [raw.bag_ns for raw in images] == [FIRST_NS + i * PERIOD_NS for i in range(3)]
        assert after.stamp_ns(images[0]) == FIRST_NS - 3600 * 10**9
        infos = [after.message(raw) for raw in after.messages(["/front/prv2/depth/camera_info"])]
    assert [info.p[3] for info in infos] == [-20.0] * 3, "the baseline of a stereo pair"


def test_a_recording_that_stands_where_the_output_bag_would_go_is_refused(tmp_path: Path) -> None:
    drive = Samples(truth="lidar").write(tmp_path / "drive")
    (written,) = write_output_bags(evaluated(drive, tmp_path / "out"), tmp_path / "out")
    check_targets({"drive": drive}, tmp_path / "out")  # its own, from before
    check_targets({"drive": drive}, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"drive_depth is where --output-bag writes, and was not written by it: move"):
        check_targets({"drive": drive, "drive_depth": written}, tmp_path / "out")
    recording = Samples(truth="lidar").write(tmp_path / "drive_depth")
    with pytest.raises(InputError, match="move it away, or name another -o"):
        check_targets({"drive": drive}, tmp_path)
    assert main.main(["evaluate", str(drive), "-o", str(tmp_path), "--output-bag"]) == 1
    with Bag(recording) as bag:
        assert "/front/image_raw" in bag.topics()


def test_topics_of_a_type_that_the_bag_does_not_describe_are_left_out_of_the_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Samples(storage="sqlite3").write(tmp_path / "drive")
    (file,) = path.glob("*.db3")
    with closing(sqlite3.connect(file)) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(topics)")]
        values = {"id": 99, "name": "/speed", "type": "my_msgs/msg/Speed", "serialization_format": "cdr"}
        row = [values.get(column, "") for column in columns]
        database.execute(f"INSERT INTO topics VALUES ({', '.join('?' * len(row))})", row)
    told = yaml.safe_load((path / "metadata.yaml").read_text())
    topics = told["rosbag2_bagfile_information"]["topics_with_message_count"]
    speed = {**topics[0]["topic_metadata"], "name": "/speed", "type": "my_msgs/msg/Speed"}
    topics.append({"topic_metadata": speed, "message_count": 0})
    (path / "metadata.yaml").write_text(yaml.safe_dump(told))
    (written,) = write_output_bags(evaluated(path, tmp_path / "out"), tmp_path / "out")
    with Bag(written) as bag:
        assert "/front/prv2/points" in bag.topics()
        assert "/speed" not in bag.topics()
    assert "topic /speed is left out of the copy, as the bag does not say what a my_msgs/msg/Speed holds" in caplog.text


def test_an_output_bag_of_before_is_replaced(tmp_path: Path) -> None:
    jobs = evaluated(Samples(frames=2).write(tmp_path / "drive"), tmp_path / "out")
    for _ in range(2):
        (written,) = write_output_bags(jobs, tmp_path / "out")
        with Bag(written) as bag:
            assert bag.topics()["/front/prv2/points"].count == 2
