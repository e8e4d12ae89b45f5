from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bag_samples import CAMERA_LIDAR, FIRST_NS, LATCHED, PERIOD_NS, STORE, STORE1, Samples, picture, true_depth
from mcap_checksums import add_checksums
from rosbags.interfaces import QosDurability
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer

from prv2_ros.errors import InputError
from prv2_ros.evaluation import bag_index
from prv2_ros.evaluation.bag_index import BagIndex, index_bag, transform_between
from prv2_ros.evaluation.cameras import find_cameras
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.streaming import stream_frames
from prv2_ros.messages import bags
from prv2_ros.messages.bags import Bag, missing_messages
from prv2_ros.messages.images import message_to_rgb


@pytest.mark.parametrize(
    ("storage", "compression"),
    [
        ("mcap", "none"),
        ("mcap", "message"),
        ("mcap", "file"),
        ("mcap", "storage"),
        ("sqlite3", "none"),
        ("sqlite3", "message"),
        ("sqlite3", "file"),
        ("ros1", "none"),
    ],
)
def test_every_storage_and_compression_gives_the_same_frames(tmp_path: Path, storage: str, compression: str) -> None:
    path = Samples(storage=storage, compression=compression, compressed_images=True).write(
        tmp_path / ("drive.bag" if storage == "ros1" else "drive")
    )
    ticks: list[int] = []
    with Bag(path) as bag:
        index = index_bag(bag, "header", lambda: ticks.append(1))
        assert index.problems == []
        assert len(ticks) == 9
        (plan,), skipped = find_cameras("drive", index, load_config(None))
        assert not skipped
        assert (plan.image_topic, plan.truth_topic) == ("/front/image_raw/compressed", "/front/depth/image_rect")
        for number, frame in enumerate(stream_frames(bag, plan, "header")):
            assert frame.image is not None
            assert frame.truth is not None
            assert bag.stamp_ns(frame.image) == FIRST_NS + number * PERIOD_NS
            np.testing.assert_array_equal(message_to_rgb(bag.message(frame.image)), picture(number))
            truth = np.frombuffer(bag.message(frame.truth).data, "<f4").reshape(64, 96)
            np.testing.assert_array_equal(truth, true_depth(number))
        assert number == 2
        info = plan.infos[0]
        assert (info.width, info.height, info.k[0], info.roi.width) == (96, 64, 80.0, 0)


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_a_single_file_without_metadata_is_read(tmp_path: Path, suffix: str) -> None:
    folder = Samples(storage={".mcap": "mcap", ".db3": "sqlite3"}[suffix]).write(tmp_path / "drive")
    with Bag(folder / f"drive{suffix}") as bag:
        assert bag.topics()["/front/image_raw"].count == 3


def test_the_hash_tells_content_and_not_place(tmp_path: Path) -> None:
    def hash_of(path: Path) -> str:
        with Bag(path) as bag:
            return index_bag(bag, "header", lambda: None).sha256

    first = hash_of(Samples().write(tmp_path / "a"))
    assert hash_of(Samples().write(tmp_path / "b")) == first
    assert hash_of(Samples(frames=2).write(tmp_path / "c")) != first
    assert hash_of(Samples(distortion=(0.1, 0, 0, 0, 0)).write(tmp_path / "d")) != first


def test_a_chain_of_static_transforms_leads_up_and_down_again(tmp_path: Path) -> None:
    path = Samples(truth="lidar", cameras=("/left", "/right")).write(tmp_path / "drive")
    with Bag(path) as bag:
        index = index_bag(bag, "header", lambda: None)
    found = transform_between(index.transforms, "right_optical", "lidar")
    np.testing.assert_allclose(found, CAMERA_LIDAR, atol=1e-9)
    back = transform_between(index.transforms, "/lidar", "right_optical")
    np.testing.assert_allclose(back, np.linalg.inv(CAMERA_LIDAR), atol=1e-9)
    assert transform_between(index.transforms, "right_optical", "moon") is None


def broken(path: Path, what: str) -> Path:
    """A bag that is broken in one way."""
    if what == "nowhere":
        return path
    if what == "text":
        path.with_suffix(".txt").write_text("hello")
        return path.with_suffix(".txt")
    Samples(storage="sqlite3" if what == "database" else "mcap").write(path)
    (file,) = (p for p in path.iterdir() if p.suffix in (".mcap", ".db3"))
    if what == "metadata":
        (path / "metadata.yaml").unlink()
    elif what == "bad metadata":
        (path / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    elif what == "file":
        file.unlink()
    elif what == "empty":
        file.write_bytes(b"")
    elif what == "database":
        file.write_bytes(file.read_bytes()[:5000])
    else:
        file.write_bytes(file.read_bytes()[:-100])
    return path


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("nowhere", "bag .*drive: no such file or folder"),
        ("text", r"bag .*drive\.txt: \.txt is not \.mcap, \.db3, \.bag or a folder"),
        ("metadata", r"no metadata\.yaml \(it holds drive\.mcap: name the file, or rebuild it with `ros2 bag reindex`"),
        ("bad metadata", r"cannot be read: Could not load YAML .*: name its \.mcap or \.db3 file, or rebuild"),
        ("file", "cannot be read: Some database files are missing"),
        ("empty", "cannot be read: File .* seems to be empty"),
        ("cut", "File end magic is invalid: the file is cut short .*; repair it with `mcap recover`"),
        ("database", "cannot be read: .*database.*: restore it from its source, or try `sqlite3 FILE .recover`"),
    ],
)
def test_a_bag_that_cannot_be_opened_says_why_and_the_way_out(tmp_path: Path, what: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught, Bag(broken(tmp_path / "drive", what)):
        pass
    assert "\n" not in str(caught.value)


def damaged(folder: Path) -> Path:
    """A bag of five frames whose third is damaged."""
    path = Samples(truth="lidar", frames=5, chunk_per_frame=True).write(folder / "drive")
    file = path / "drive.mcap"
    add_checksums(file)
    data = bytearray(file.read_bytes())
    data[data.index(picture(2).tobytes()[:400])] ^= 1
    file.write_bytes(data)
    return path


def test_a_damaged_chunk_costs_its_own_frame_and_is_told(tmp_path: Path) -> None:
    with Bag(damaged(tmp_path)) as bag:
        index = index_bag(bag, "header", lambda: None)
        stamps = [stamp for stamp, _ in index.topics["/front/image_raw"].entries]
    kept = [(stamp - FIRST_NS) // PERIOD_NS for stamp in stamps]
    assert kept == [0, 1, 3, 4]
    assert "cannot be read: Chunk checksum mismatch" in index.problems[0]
    assert "13 of the 16 messages that the bag says it has on image, camera info and truth topics" in index.problems[1]


def test_a_damaged_bag_may_be_read_over_and_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `prv2 replay --loop` does: what is damaged is told once, and no round has fewer messages than the first."""
    monkeypatch.setattr(bags, "_MOST_DAMAGE", 2)
    with Bag(damaged(tmp_path)) as bag:
        rounds = [sum(1 for _ in bag.messages()) for _ in range(6)]
        assert rounds == [rounds[0]] * 6
        assert len(bag.damage) == 1


def test_missing_messages_are_counted_in_a_line() -> None:
    assert missing_messages(12, 12, "these topics") is None
    assert missing_messages(9, 12, "these topics") == (
        "9 of the 12 messages that the bag says it has on these topics could be read: it is cut short or damaged"
    )
    assert "could be read (2 of them damaged): it is" in str(missing_messages(9, 12, "image topics", damaged=2))


def test_a_transform_that_is_none_does_not_take_those_beside_it_along() -> None:
    def stamped(child: str, w: float) -> SimpleNamespace:
        rotation = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=w)
        transform = SimpleNamespace(translation=SimpleNamespace(x=1.0, y=0.0, z=0.0), rotation=rotation)
        return SimpleNamespace(header=SimpleNamespace(frame_id="base"), child_frame_id=child, transform=transform)

    index = BagIndex(topics={}, infos=[], info_of={}, transforms={}, sha256="", problems=[])
    for _ in range(2):
        bag_index._take_transforms(index, SimpleNamespace(transforms=[stamped("unused", 0.0), stamped("lidar", 1.0)]))
    assert set(index.transforms) == {("base", "lidar")}
    (problem,) = index.problems
    assert problem.startswith("transform from base to unused left out: transform with translation")


def test_messages_that_were_kept_for_late_subscribers_are_counted_over_all_publishers(tmp_path: Path) -> None:
    kind = "sensor_msgs/msg/CameraInfo"
    with Writer1(tmp_path / "a.bag") as ros1:
        sample = STORE1.serialize_ros1(Samples(storage="ros1", store=STORE1).info("front", FIRST_NS), kind)
        for caller, latching in (("/left", 1), ("/right", 1), ("/other", 0)):
            connection = ros1.add_connection("/info", kind, typestore=STORE1, callerid=caller, latching=latching)
            ros1.write(connection, FIRST_NS, sample)
    with Bag(tmp_path / "a.bag") as bag:
        (topic,) = bag.topics().values()
    assert (topic.count, topic.latched) == (3, 2), "a latched topic of ROS 1 keeps one for each"
    profiles = [LATCHED, LATCHED._replace(depth=5), LATCHED._replace(durability=QosDurability.VOLATILE)]
    with Writer(tmp_path / "b", version=9, storage_plugin=StoragePlugin.MCAP) as ros2:
        ros2.add_connection("/info", kind, typestore=STORE, offered_qos_profiles=profiles)
    with Bag(tmp_path / "b") as bag:
        assert bag.topics()["/info"].latched == 6


def test_infos_of_either_byte_order_keep_stamp_window_and_binning(tmp_path: Path) -> None:
    kind = "sensor_msgs/msg/CameraInfo"
    with Writer(tmp_path / "a", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/info", kind, typestore=STORE)
        info = Samples().info("front", FIRST_NS + 5)
        window = replace(info.roi, x_offset=2, y_offset=3, width=40, height=30)
        message = replace(info, roi=window, binning_x=2, binning_y=4)
        for little in (True, False):
            writer.write(connection, FIRST_NS, STORE.serialize_cdr(message, kind, little_endian=little))
    with Bag(tmp_path / "a") as bag:
        first, second = bag.messages()
        for raw in (first, second):
            assert bag.stamp_ns(raw) == FIRST_NS + 5
            found = bag.message(raw)
            assert (found.binning_x, found.binning_y) == (2, 4)
            assert vars(found.roi) == {"x_offset": 2, "y_offset": 3, "width": 40, "height": 30}
