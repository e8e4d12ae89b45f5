"""What fails the demo: answers that do not fit what was sent, depth of something else, a node that tells of errors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from demo_answers import (
    CAMERA,
    HEIGHT,
    SENT_NS,
    WIDTH,
    Depths,
    Exchanged,
    answer_to,
    exchange,
    frame_of,
    infer,
    points_message,
)
from numpy.typing import NDArray

from demo import bags
from demo.check import DemoFailure, check_answer, evaluate_scene, node_counters, spread
from prv2_ros.geometry.camera import CameraModel


@pytest.fixture(scope="module")
def exchanged() -> Exchanged:
    return exchange()


def test_scene_counts_and_scores(exchanged: Exchanged) -> None:
    frames, log, answers = exchanged
    result = evaluate_scene("drive", frames, log, answers, infer, most_frames=5)
    assert (result.traffic.sent, result.traffic.answered, result.traffic.dropped) == (6, 3, 3)
    assert result.traffic.latencies_ms == (250.0, 250.0, 250.0)
    assert result.scored_frames == 3
    assert result.scores["refined"]["abs_rel"] == pytest.approx(0.1, rel=1e-5)
    assert result.scores["coarse"]["edge_mae_m"] > 2 * result.scores["refined"]["edge_mae_m"]
    assert result.engine_difference == 0


def _changed(answer: bags.Answer, part: str, **values: Any) -> bags.Answer:
    return replace(answer, **{part: replace(getattr(answer, part), **values)})


def _wrong_answers() -> Iterator[tuple[bags.Answer, str]]:
    good = answer_to(frame_of(0), SENT_NS)
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
    depth_m = infer(frame_of(0).image, CAMERA).depth_m
    far = bags.image_message(depth_m * np.float32(2), "32FC1", SENT_NS)
    yield replace(good, depth=far), "the points do not lie where the depth image and the camera put them"
    half = depth_m.copy()
    half[:, ::4] = np.nan  # every second column of the cloud
    sparse = points_message(half, frame_of(0).image, SENT_NS)
    yield (
        replace(good, points=sparse),
        r"^42\.5% of the points are finite, and 85\.0% of the depth under them lies within .* 0\.05 to 100 m$",
    )
    repainted = points_message(depth_m, frame_of(1).image, SENT_NS)
    yield replace(good, points=repainted), "the points have other colours than the image's pixels at their places"


@pytest.mark.parametrize("case", range(9))
def test_a_wrong_answer_fails_the_demo(case: int) -> None:
    answer, words = list(_wrong_answers())[case]
    with pytest.raises(DemoFailure, match=words):
        check_answer(answer, frame_of(0))


def test_a_right_answer_passes() -> None:
    check_answer(answer_to(frame_of(0), SENT_NS), frame_of(0))


def _answers_times(factor: float, exchanged: Exchanged) -> Exchanged:
    """Depth and points of every answer, farther by a factor."""
    frames, log, answers = exchanged
    index_of = {row["stamp_ns"]: row["index"] for row in log["sent"]}
    changed = {}
    for stamp, answer in answers.items():
        frame = frames[index_of[stamp]]
        depth_m = infer(frame.image, CAMERA).depth_m * np.float32(factor)
        points = points_message(depth_m, frame.image, stamp)
        changed[stamp] = replace(answer, depth=bags.image_message(depth_m, "32FC1", stamp), points=points)
    return frames, log, changed


def test_depth_that_the_engine_does_not_give_for_the_picture_fails_the_demo(exchanged: Exchanged) -> None:
    near = evaluate_scene("drive", *_answers_times(1.008, exchanged), infer, most_frames=5)
    assert near.engine_difference == pytest.approx(1 - 1 / 1.008, rel=1e-3)
    with pytest.raises(
        DemoFailure,
        match=r"^the node's depth of frame 0 of drive is not the engine's for that picture: median difference 1\.2%$",
    ):
        evaluate_scene("drive", *_answers_times(1.012, exchanged), infer, most_frames=5)


def test_an_engine_without_depth_where_the_node_has_some_fails_the_demo(exchanged: Exchanged) -> None:
    def nowhere(image: NDArray[np.uint8], camera: CameraModel) -> Depths:
        found = infer(image, camera)
        return Depths(np.full_like(found.depth_m, np.nan), found.coarse_depth_m)

    with pytest.raises(DemoFailure, match="median difference nan%"):
        evaluate_scene("drive", *exchanged, nowhere, most_frames=5)


def test_depth_of_something_else_fails_the_demo(exchanged: Exchanged) -> None:
    frames, log, answers = exchanged
    mirrored = [replace(frame, truth_m=np.ascontiguousarray(frame.truth_m[::-1, ::-1])) for frame in frames]
    with pytest.raises(DemoFailure, match=r"depth of drive does not match its truth: log-depth correlation"):
        evaluate_scene("drive", mirrored, log, answers, infer, most_frames=5)


def test_no_answer_fails_the_demo(exchanged: Exchanged) -> None:
    frames, log, _ = exchanged
    with pytest.raises(DemoFailure, match="the node answered none of the 6 frames of drive"):
        evaluate_scene("drive", frames, log, {}, infer, most_frames=5)


def test_spread() -> None:
    assert spread(list(range(10)), 3) in ([0, 4, 9], [0, 5, 9])
    assert spread([7], 5) == [7]
    assert spread([], 5) == []


def _status(node: str, **counts: int) -> Any:
    types = bags.STORE.types
    values = [
        types["diagnostic_msgs/msg/KeyValue"](key=key.replace("_", " "), value=str(n)) for key, n in counts.items()
    ]
    return types["diagnostic_msgs/msg/DiagnosticStatus"](
        level=0, name=f"{node}: depth", message="", hardware_id=node, values=values
    )


def _diagnostics(*statuses: Any) -> Any:
    return bags.STORE.types["diagnostic_msgs/msg/DiagnosticArray"](header=bags.header(0), status=list(statuses))


def test_node_counters_are_the_last_that_the_demos_own_node_gave() -> None:
    other = _status("/robot/depth_node", frames_in=7, frames_with_errors=3)
    first, last = (_status("/demo/depth_node", frames_in=k, frames_with_errors=0, inference_errors=0) for k in (1, 2))
    messages = [_diagnostics(first), _diagnostics(other, last, other), _diagnostics(other)]
    assert node_counters(messages) == {"frames in": "2", "frames with errors": "0", "inference errors": "0"}


@pytest.mark.parametrize("messages", [[], [_diagnostics()], [_diagnostics(_status("/robot/depth_node", frames_in=7))]])
def test_a_node_that_says_nothing_of_itself_fails_the_demo(messages: list[Any]) -> None:
    with pytest.raises(DemoFailure, match=r"^/demo/depth_node has said nothing on /diagnostics$"):
        node_counters(messages)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"frames_with_errors": 2, "inference_errors": 0}, "2 frames with errors"),
        ({"frames_with_errors": 0, "inference_errors": 1}, "1 inference errors"),
        ({"frames_in": 7, "inference_errors": 0}, "an unknown number of frames with errors"),
    ],
)
def test_errors_that_the_node_has_counted_fail_the_demo(counts: dict[str, int], words: str) -> None:
    with pytest.raises(DemoFailure, match=rf"^/demo/depth_node counts {words}, expected 0$"):
        node_counters([_diagnostics(_status("/demo/depth_node", **counts))])
