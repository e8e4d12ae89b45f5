"""Holds the node's recorded answers against what was sent and against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo import bags
from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.evaluation.metrics import log_depth_correlation
from prv2_ros.evaluation.report import score_truth, summarise
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.ros.parameters import resolve

LEAST_CORRELATION = 0.4
"""Below this log-depth correlation a depth image does not belong to its picture, and the demo fails."""

LEAST_VALID_SHARE = 0.5

LARGEST_ENGINE_DIFFERENCE = 0.01
"""Median relative difference between the node's depth and the engine's for the same pixels, above which the node's is
of another picture. Both run the same code on the same machine, and raw images reach the node unchanged: on a CPU it is
0, while between frames of the drive it is 1.5% at least, nearest neighbours included."""

LARGEST_SHARE_GAP = 0.01
"""Between the share of a cloud's points that are finite and that of the depth image within the cloud's range."""

NODE = resolve({})
"""The node's settings; the demo chooses its model alone."""

ERROR_COUNTERS = ("frames with errors", "inference errors")

Infer = Callable[[NDArray[np.uint8], CameraModel], Any]
"""`DepthEngine.infer`."""


class DemoFailure(Exception):
    """The demo ran and something it promises is not so; the text says what."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What went to the node and what came back, for one input."""

    sent: int
    answered: int
    latencies_ms: tuple[float, ...]
    """From publishing the image to having received its depth, both in the client."""

    @property
    def dropped(self) -> int:
        """Frames for which no depth came: a newer one had replaced them."""
        return self.sent - self.answered


@dataclass(frozen=True, kw_only=True)
class SceneResult:
    """Everything the page shows of one input."""

    frame: TruthFrame
    refined_m: NDArray[np.float32]
    """(H, W) depth as the node published it."""

    coarse_m: NDArray[np.float32]
    """(H, W) depth of the coarse network alone, computed by the checking process."""

    points_xyz_m: NDArray[np.float32]
    points_rgb: NDArray[np.uint8]
    traffic: Traffic
    scores: Mapping[str, Mapping[str, float]]
    """Variant (`coarse`, `refined`) -> score, mean over the scored frames."""

    scored_frames: int
    engine_difference: float
    """Median relative difference between the node's depth and the engine's here; of the scored frames the largest."""


def traffic_of(log: Mapping[str, Sequence[Mapping[str, Any]]], bag: str) -> Traffic:
    """Count the frames of one input bag and their latencies."""
    stamps = {row["stamp_ns"] for row in log["sent"] if row["bag"] == bag}
    latencies = [
        (row["received_ns"] - row["stamp_ns"]) / 1e6
        for row in log["received"]
        if row["topic"] == bags.DEPTH_TOPIC and row["stamp_ns"] in stamps
    ]
    return Traffic(sent=len(stamps), answered=len(latencies), latencies_ms=tuple(latencies))


def check_answer(answer: bags.Answer, frame: TruthFrame) -> None:
    """Hold one answer against the frame that it is for.

    Raises:
        DemoFailure: a part is missing or does not fit the input.

    """
    parts = {"depth image": answer.depth, "depth camera info": answer.info, "points": answer.points}
    for name, part in parts.items():
        if part is None:
            raise DemoFailure(f"the {name} for the frame of {answer.stamp_ns} ns did not arrive")
        if part.header.frame_id != bags.FRAME_ID:
            raise DemoFailure(f"the {name} has frame id {part.header.frame_id!r}, the image had {bags.FRAME_ID!r}")
    depth_m = bags.pixels_of(answer.depth)
    if depth_m.shape != frame.truth_m.shape:
        raise DemoFailure(f"depth is {depth_m.shape}, the image was {frame.truth_m.shape}")
    valid = float(np.isfinite(depth_m).mean())
    if valid < LEAST_VALID_SHARE:
        raise DemoFailure(f"only {valid:.0%} of the depth image of {frame.kind} is valid")
    camera = bags.camera_of(answer.info)
    if not np.allclose(camera.matrix, frame.camera.matrix, rtol=1e-6, atol=1e-6):
        raise DemoFailure(f"depth/camera_info has {camera}, the image had {frame.camera}")
    _check_points(answer.points, depth_m, frame)


def _check_points(cloud: Any, depth_m: NDArray[np.float32], frame: TruthFrame) -> None:
    xyz, rgb = bags.points_of(cloud)
    stride = -(-depth_m.shape[0] // xyz.shape[0])
    expected_z = depth_m[::stride, ::stride]
    if expected_z.shape != xyz.shape[:2]:
        raise DemoFailure(f"a cloud of {xyz.shape[:2]} points does not fit a depth image of {depth_m.shape}")
    rays = frame.camera.rays()[::stride, ::stride]
    known = np.isfinite(xyz[..., 2])
    expected = np.concatenate([rays * expected_z[..., None], expected_z[..., None]], -1)[known]
    if not known.any() or not np.allclose(xyz[known], expected, rtol=1e-3, atol=1e-3):
        raise DemoFailure("the points do not lie where the depth image and the camera put them")
    low_m, high_m = NODE.points_min_m, NODE.points_max_m
    share, wanted = float(known.mean()), float(((expected_z >= low_m) & (expected_z <= high_m)).mean())
    if abs(share - wanted) > LARGEST_SHARE_GAP:
        raise DemoFailure(
            f"{share:.1%} of the points are finite, and {wanted:.1%} of the depth under them lies within the cloud's "
            f"range of {low_m:g} to {high_m:g} m"
        )
    if not np.array_equal(rgb, frame.image[::stride, ::stride]):
        raise DemoFailure("the points have other colours than the image's pixels at their places")


def spread(items: Sequence[Any], most: int) -> list[Any]:
    """Choose at most `most` items, evenly from first to last."""
    picks = np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int))
    return [items[pick] for pick in picks]


def evaluate_scene(
    bag: str,
    frames: Sequence[TruthFrame],
    log: Mapping[str, Sequence[Mapping[str, Any]]],
    answers: Mapping[int, bags.Answer],
    infer: Infer,
    *,
    most_frames: int,
    progress: Callable[[], None] = lambda: None,
) -> SceneResult:
    """Check every answer to one input, and score up to `most_frames` of them, coarse and refined.

    Raises:
        DemoFailure: nothing came back, an answer does not fit, or it is not the engine's for this frame.

    """
    index_of = {row["stamp_ns"]: row["index"] for row in log["sent"] if row["bag"] == bag}
    answered = {stamp: answer for stamp, answer in answers.items() if stamp in index_of}
    if not answered:
        raise DemoFailure(f"the node answered none of the {len(index_of)} frames of {bag}")
    for stamp, answer in answered.items():
        check_answer(answer, frames[index_of[stamp]])
    distinct = {index_of[stamp]: stamp for stamp in answered}
    rows, results, differences = [], [], []
    for index in spread(sorted(distinct), most_frames):
        frame, answer = frames[index], answered[distinct[index]]
        refined_m = bags.pixels_of(answer.depth)
        here = infer(frame.image, frame.camera)
        scores = score_truth(frame.truth_m, {"coarse": here.coarse_depth_m, "refined": refined_m})
        rows.append({"kind": bag, "scores": scores})
        results.append((frame, refined_m, here.coarse_depth_m, answer))
        differences.append(_engine_difference(f"frame {index} of {bag}", refined_m, here.depth_m))
        progress()
    frame, refined_m, coarse_m, answer = results[len(results) // 2]
    correlation = log_depth_correlation(refined_m, frame.truth_m)
    if not correlation >= LEAST_CORRELATION:
        raise DemoFailure(f"the depth of {bag} does not match its truth: log-depth correlation {correlation:.2f}")
    xyz, rgb = bags.points_of(answer.points)
    return SceneResult(
        frame=frame,
        refined_m=refined_m,
        coarse_m=coarse_m,
        points_xyz_m=xyz,
        points_rgb=rgb,
        traffic=traffic_of(log, bag),
        scores=summarise(rows)["all"],
        scored_frames=len(rows),
        engine_difference=max(differences),
    )


def _engine_difference(name: str, published_m: NDArray[np.float32], here_m: NDArray[np.float32]) -> float:
    """Median relative difference of the pixels that are finite in both.

    Raises:
        DemoFailure: it is too large, or there are no such pixels.

    """
    both = np.isfinite(published_m) & np.isfinite(here_m)
    difference = float(np.median(np.abs(here_m[both] / published_m[both] - 1))) if both.any() else math.nan
    if not difference <= LARGEST_ENGINE_DIFFERENCE:
        raise DemoFailure(
            f"the node's depth of {name} is not the engine's for that picture: median difference {difference:.1%}"
        )
    return difference


def node_counters(diagnostics: Sequence[Any]) -> dict[str, str]:
    """Last values, by key, that the demo's node gave of itself on /diagnostics, where others may speak, too.

    Raises:
        DemoFailure: it has said nothing, or counts errors.

    """
    own = [s for message in diagnostics for s in message.status if s.hardware_id == bags.NODE_NAME]
    if not own:
        raise DemoFailure(f"{bags.NODE_NAME} has said nothing on {bags.DIAGNOSTICS_TOPIC}")
    counters = {item.key: item.value for item in own[-1].values}
    for key in ERROR_COUNTERS:
        count = counters.get(key, "an unknown number of")
        if count != "0":
            raise DemoFailure(f"{bags.NODE_NAME} counts {count} {key}, expected 0")
    return counters
