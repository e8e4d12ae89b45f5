"""The demo's bags, pictures and page on made-up answers, and the node's process."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from demo_answers import SENT_NS, Exchanged, answer_to, exchange, frame_of, infer
from rosbags.rosbag2 import StoragePlugin, Writer

from demo import bags, pictures
from demo.check import DemoFailure, check_answer, evaluate_scene
from demo.node_process import NodeProcess
from demo.page import Section, build_page, overview
from prv2_ros.files import BAG_VERSION


@pytest.fixture(scope="module")
def exchanged() -> Exchanged:
    return exchange()


def test_input_bag_round_trip(tmp_path: Path) -> None:
    frames = [frame_of(0), frame_of(1)]
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
    answer = answer_to(frame_of(0), SENT_NS)
    with Writer(tmp_path / "answers", version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
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
    check_answer(answers[SENT_NS], frame_of(0))
    xyz, rgb = bags.points_of(answers[SENT_NS].points)
    assert np.array_equal(rgb, frame_of(0).image[::2, ::2])
    assert xyz[50, 60] == pytest.approx([(120 - 159.5) / 300 * 3.3, 0.5 / 300 * 3.3, 3.3], rel=1e-5)


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


def test_page_holds_everything_and_needs_no_network(exchanged: Exchanged) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, infer, most_frames=5)
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


def test_overview_has_a_row_for_each_input(exchanged: Exchanged) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, infer, most_frames=1)
    section = Section(key="drive", title="t", text="x", result=result)
    picture = overview([section, section], height_px=100)
    assert picture.shape[0] == 208
    assert np.array_equal(picture[:100], picture[108:])
    assert (picture[100:108] == 255).all()
    shown = cv2.resize(result.frame.image, (160, 100))
    assert np.array_equal(picture[:100, :160], shown)


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
