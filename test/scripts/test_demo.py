"""The demo's parts on made-up answers: bags, checks against the truth, pictures and the page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer

from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.pointcloud import depth_to_points

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from demo import bags, pictures  # noqa: E402
from demo.check import DemoFailure, check_answer, evaluate_scene, node_counters, spread  # noqa: E402
from demo.node_process import NodeProcess  # noqa: E402
from demo.page import Section, build_page, overview  # noqa: E402

WIDTH, HEIGHT = 320, 200
CAMERA = CameraModel(width=WIDTH, height=HEIGHT, fx=300.0, fy=300.0, cx=159.5, cy=99.5)
SENT_NS = 1_700_000_000_000_000_000


def _frame(index: int) -> TruthFrame:
    """A wall at 8 m with a box at 3 m that moves, under a strip of sky."""
    truth = np.full((HEIGHT, WIDTH), 8.0, np.float32)
    truth[80:160, 60 + 10 * index : 160 + 10 * index] = 3.0
    truth[:30] = np.inf
    image = np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return TruthFrame(name=str(index), kind="drive", image=image, truth_m=truth, camera=CAMERA)


@dataclass
class _Depths:
    depth_m: NDArray[np.float32]
    coarse_depth_m: NDArray[np.float32]


def _infer(image: NDArray[np.uint8], camera: CameraModel) -> _Depths:
    """Refined: 10% too far everywhere. Coarse: the same, smeared."""
    truth = next(f.truth_m for f in map(_frame, range(4)) if np.array_equal(f.image, image))
    refined = np.where(np.isinf(truth), np.float32(100), truth * np.float32(1.1))
    return _Depths(refined, cv2.blur(refined, (9, 9)))


def _points_message(depth: NDArray[np.float32], image: NDArray[np.uint8], stamp: int) -> Any:
    types = bags.STORE.types
    rows = np.zeros((HEIGHT // 2, WIDTH // 2), np.dtype([("xyz", "<f4", 3), ("rgb", "<u4")]))
    rows["xyz"] = depth_to_points(depth, CAMERA, stride=2, max_m=50.0)
    r, g, b = np.moveaxis(image[::2, ::2].astype(np.uint32), -1, 0)
    rows["rgb"] = r << 16 | g << 8 | b
    field = types["sensor_msgs/msg/PointField"]
    return types["sensor_msgs/msg/PointCloud2"](
        header=bags.header(stamp), height=HEIGHT // 2, width=WIDTH // 2,
        fields=[field(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(("x", "y", "z", "rgb"))],
        is_bigendian=False, point_step=16, row_step=16 * (WIDTH // 2), data=rows.view(np.uint8).ravel(), is_dense=False,
    )  # fmt: skip


def _answer(frame: TruthFrame, stamp: int) -> bags.Answer:
    depth = _infer(frame.image, CAMERA).depth_m
    return bags.Answer(
        stamp_ns=stamp,
        depth=bags.image_message(depth, "32FC1", stamp),
        info=bags.info_message(CAMERA, stamp),
        points=_points_message(depth, frame.image, stamp),
    )


@pytest.fixture(scope="module")
def exchanged() -> tuple[list[TruthFrame], dict[str, list[dict[str, Any]]], dict[int, bags.Answer]]:
    """Six frames sent in 0.1 s steps, of which the first, third and sixth came back after 250 ms."""
    frames = [_frame(index) for index in range(4)]
    order = [0, 1, 2, 3, 2, 1]
    sent = [{"bag": "drive", "index": i, "stamp_ns": SENT_NS + k * 10**8} for k, i in enumerate(order)]
    sent.append({"bag": "photo", "index": 0, "stamp_ns": SENT_NS - 10**9})
    answers = {sent[k]["stamp_ns"]: _answer(frames[order[k]], sent[k]["stamp_ns"]) for k in (0, 2, 5)}
    received = [{"topic": bags.DEPTH_TOPIC, "stamp_ns": s, "received_ns": s + 250_000_000} for s in answers]
    return frames, {"sent": sent, "received": received}, answers


def test_input_bag_round_trip(tmp_path: Path) -> None:
    frames = [_frame(0), _frame(1)]
    assert bags.write_input_bag(tmp_path / "drive", frames) == 2
    assert list((tmp_path / "drive").glob("*.mcap"))
    for sent, read in zip(frames, bags.input_frames(tmp_path / "drive"), strict=True):
        assert np.array_equal(read.image, sent.image)
        assert np.array_equal(read.truth_m, sent.truth_m)
        assert read.camera == sent.camera
    raw = bags.raw_inputs(tmp_path / "drive")
    image = bags.STORE.deserialize_cdr(raw[1][1], "sensor_msgs/msg/Image")
    assert bags.stamp_ns(image) == 200_000_000
    # The client writes the time of publishing over these bytes.
    assert raw[1][1][4:12] == raw[1][0][4:12] == (0).to_bytes(4, "little") + (200_000_000).to_bytes(4, "little")


def test_answers_are_put_together_by_stamp(tmp_path: Path) -> None:
    answer = _answer(_frame(0), SENT_NS)
    with Writer(tmp_path / "answers", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            bags.DEPTH_TOPIC: answer.depth,
            bags.DEPTH_INFO_TOPIC: answer.info,
            bags.POINTS_TOPIC: answer.points,
        }
        for topic, message in topics.items():
            connection = writer.add_connection(topic, message.__msgtype__, typestore=bags.STORE)
            writer.write(connection, SENT_NS + 5, bags.STORE.serialize_cdr(message, message.__msgtype__))
    answers, diagnostics = bags.read_answers(tmp_path / "answers")
    assert list(answers) == [SENT_NS]
    assert diagnostics == []
    check_answer(answers[SENT_NS], _frame(0))
    xyz, rgb = bags.points_of(answers[SENT_NS].points)
    assert np.array_equal(rgb, _frame(0).image[::2, ::2])
    assert xyz[50, 60] == pytest.approx([(120 - 159.5) / 300 * 3.3, 0.5 / 300 * 3.3, 3.3], rel=1e-5)


def test_scene_counts_and_scores(exchanged: Any) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, _infer, most_frames=5)
    assert (result.traffic.sent, result.traffic.answered, result.traffic.dropped) == (6, 3, 3)
    assert result.traffic.latencies_ms == (250.0, 250.0, 250.0)
    assert result.scored_frames == 3
    assert result.scores["refined"]["abs_rel"] == pytest.approx(0.1, rel=1e-5)
    assert result.scores["coarse"]["edge_mae_m"] > 2 * result.scores["refined"]["edge_mae_m"]
    assert result.engine_difference == 0


def _changed(answer: bags.Answer, part: str, **values: Any) -> bags.Answer:
    return replace(answer, **{part: replace(getattr(answer, part), **values)})


def _wrong_answers() -> Iterator[tuple[bags.Answer, str]]:
    good = _answer(_frame(0), SENT_NS)
    yield replace(good, points=None), "the points for the frame of 17.* did not arrive"
    yield replace(good, depth=None), "the depth image for the frame of .* did not arrive"
    other = bags.header(SENT_NS, "map")
    yield (
        _changed(good, "depth", header=other),
        "the depth image has frame id 'map', the image had 'demo_optical_frame'",
    )
    small = bags.image_message(np.ones((10, 10), np.float32), "32FC1", SENT_NS)
    yield replace(good, depth=small), r"depth is \(10, 10\), the image was \(200, 320\)"
    empty = bags.image_message(np.full((HEIGHT, WIDTH), np.nan, np.float32), "32FC1", SENT_NS)
    yield replace(good, depth=empty), "only 0% of the depth image of drive is valid"
    wrong_info = bags.info_message(replace(CAMERA, fx=301.0), SENT_NS)
    yield replace(good, info=wrong_info), "depth/camera_info has .*fx=301.0"
    far = bags.image_message(_infer(_frame(0).image, CAMERA).depth_m * np.float32(2), "32FC1", SENT_NS)
    yield replace(good, depth=far), "the points do not lie where the depth image and the camera put them"


@pytest.mark.parametrize("case", range(7))
def test_a_wrong_answer_fails_the_demo(case: int) -> None:
    answer, words = list(_wrong_answers())[case]
    with pytest.raises(DemoFailure, match=words):
        check_answer(answer, _frame(0))


def test_depth_of_something_else_fails_the_demo(exchanged: Any) -> None:
    frames, log, answers = exchanged
    mirrored = [replace(frame, truth_m=np.ascontiguousarray(frame.truth_m[::-1, ::-1])) for frame in frames]
    with pytest.raises(DemoFailure, match=r"depth of drive does not match its truth: log-depth correlation"):
        evaluate_scene("drive", mirrored, log, answers, _infer, most_frames=5)


def test_no_answer_fails_the_demo(exchanged: Any) -> None:
    frames, log, _ = exchanged
    with pytest.raises(DemoFailure, match="the node answered none of the 6 frames of drive"):
        evaluate_scene("drive", frames, log, {}, _infer, most_frames=5)


def test_error_colours() -> None:
    truth = np.array([[2.0, 2.0, 2.0, np.inf, 0.0]], np.float32)
    picture = pictures.error_picture(np.array([[2.0, 0.5, 9.0, 5.0, 5.0]], np.float32), truth)
    assert picture[0].tolist() == [[247, 247, 247], [33, 102, 172], [178, 24, 43], [128] * 3, [128] * 3]


def test_cloud_picture_shows_the_nearest_point_of_a_pixel() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 60)), -1)
    layers = [np.concatenate([grid, np.full((60, 60, 1), z)], -1) for z in (2.0, 2.5)]
    xyz = np.stack(layers).astype(np.float32)
    rgb = np.zeros((2, 60, 60, 3), np.uint8)
    rgb[0], rgb[1] = (255, 0, 0), (0, 255, 0)
    view = pictures.cloud_view(xyz, rgb, 1.0, keep=1.0)
    straight = pictures.draw_cloud(view, 80, 80, yaw_deg=0, pitch_deg=0)
    assert straight[40, 40].tolist() == [255, 0, 0]
    behind = pictures.draw_cloud(view, 80, 80, yaw_deg=180, pitch_deg=0)
    assert behind[40, 40].tolist() == [0, 255, 0]
    assert straight[0, 0].tolist() == [18, 20, 24]


def test_close_up_lies_on_an_edge() -> None:
    truth = np.full((200, 320), 9.0, np.float32)
    truth[120:180, 200:300] = 3.0
    x, y = pictures.close_up_box(truth, 40)
    window = truth[y : y + 40, x : x + 40]
    assert window.shape == (40, 40)
    assert {3.0, 9.0} == set(window.ravel().tolist())


def test_spread() -> None:
    assert spread(list(range(10)), 3) in ([0, 4, 9], [0, 5, 9])
    assert spread([7], 5) == [7]
    assert spread([], 5) == []


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images = 0
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.images += tag == "img"
        if tag not in ("img", "input", "meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_holds_everything_and_needs_no_network(exchanged: Any) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, _infer, most_frames=5)
    section = Section(key="drive", title="A <drive>", text="Made up.", result=result)
    page = build_page([section], {"frames in": "6", "model": "a&b"}, {"device": "cpu"})
    parser = _Links()
    parser.feed(page)
    assert parser.open == []
    assert parser.links
    assert all(link.startswith("data:") for link in parser.links)
    assert not re.search(r"https?://|@import|url\(", page)
    assert parser.images == 1 + 3 + 1 + 2 + 4  # image, depths, cloud, errors, close-ups
    legend = (">5 m</span>", ">100 m</span>", "50% too far")
    for words in ("A &lt;drive&gt;", "a&amp;b", "250 ms", "<b>6</b>", "<b>3</b>", *legend):
        assert words in page, words
    scores = result.scores
    for key in ("abs_rel", "delta1", "edge_mae_m"):
        assert f"<td>{scores['coarse'][key]:.3f}</td><td>{scores['refined'][key]:.3f}</td>" in page


def test_overview_has_a_row_for_each_input(exchanged: Any) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, _infer, most_frames=1)
    section = Section(key="drive", title="t", text="x", result=result)
    picture = overview([section, section], height_px=100)
    assert picture.shape[0] == 208
    assert np.array_equal(picture[:100], picture[108:])
    assert (picture[100:108] == 255).all()
    shown = cv2.resize(result.frame.image, (160, 100))
    assert np.array_equal(picture[:100, :160], shown)


def test_node_counters_come_from_the_last_message() -> None:
    types = bags.STORE.types
    key_value, status_of = types["diagnostic_msgs/msg/KeyValue"], types["diagnostic_msgs/msg/DiagnosticStatus"]
    messages = [
        types["diagnostic_msgs/msg/DiagnosticArray"](
            header=bags.header(0),
            status=[
                status_of(level=0, name="n", message="", hardware_id="", values=[key_value(key="in", value=str(k))])
            ],
        )
        for k in (1, 2)
    ]
    assert node_counters(messages) == {"in": "2"}
    assert node_counters([]) == {}


def test_a_node_that_ends_is_noticed_and_a_running_one_is_stopped(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "log", {})
    node._command = [sys.executable, "-c", "import sys; print('no such model'); sys.exit(3)"]
    with node as running:
        assert running._process is not None
        running._process.wait(20)
        with pytest.raises(DemoFailure, match=r"the node ended with exit code 3: no such model \(all of it in"):
            running.check_alive()
    stubborn = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print('up', flush=True); time.sleep(60)"
    )
    node._command = [sys.executable, "-c", stubborn]
    with node as running:
        process = running._process
        running.check_alive()
    assert isinstance(process, subprocess.Popen)
    assert process.poll() is not None
