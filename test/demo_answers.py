"""Made-up frames and what a node would answer to them, for the tests of the demo's parts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.pointcloud import depth_to_points

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))
from demo import bags  # noqa: E402

WIDTH, HEIGHT = 320, 200
CAMERA = CameraModel(width=WIDTH, height=HEIGHT, fx=300.0, fy=300.0, cx=159.5, cy=99.5)
SENT_NS = 1_700_000_000_000_000_000


def frame_of(index: int) -> TruthFrame:
    """A wall at 8 m with a box at 3 m that moves, under a strip of sky."""
    truth = np.full((HEIGHT, WIDTH), 8.0, np.float32)
    truth[80:160, 60 + 10 * index : 160 + 10 * index] = 3.0
    truth[:30] = np.inf
    image = np.random.default_rng(index).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return TruthFrame(name=str(index), kind="drive", image=image, truth_m=truth, camera=CAMERA)


@dataclass
class Depths:
    depth_m: NDArray[np.float32]
    coarse_depth_m: NDArray[np.float32]


def infer(image: NDArray[np.uint8], camera: CameraModel) -> Depths:
    """Refined: 10% too far everywhere, the sky beyond the cloud's range. Coarse: the same, smeared."""
    truth = next(f.truth_m for f in map(frame_of, range(4)) if np.array_equal(f.image, image))
    refined = np.where(np.isinf(truth), np.float32(150), truth * np.float32(1.1))
    return Depths(refined, cv2.blur(refined, (9, 9)))


def points_message(depth: NDArray[np.float32], image: NDArray[np.uint8], stamp: int) -> Any:
    types = bags.STORE.types
    rows = np.zeros((HEIGHT // 2, WIDTH // 2), np.dtype([("xyz", "<f4", 3), ("rgb", "<u4")]))
    rows["xyz"] = depth_to_points(depth, CAMERA, stride=2, max_m=100.0)
    r, g, b = np.moveaxis(image[::2, ::2].astype(np.uint32), -1, 0)
    rows["rgb"] = r << 16 | g << 8 | b
    field = types["sensor_msgs/msg/PointField"]
    return types["sensor_msgs/msg/PointCloud2"](
        header=bags.header(stamp), height=HEIGHT // 2, width=WIDTH // 2,
        fields=[field(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate(("x", "y", "z", "rgb"))],
        is_bigendian=False, point_step=16, row_step=16 * (WIDTH // 2), data=rows.view(np.uint8).ravel(), is_dense=False,
    )  # fmt: skip


def answer_to(frame: TruthFrame, stamp: int) -> bags.Answer:
    depth = infer(frame.image, CAMERA).depth_m
    return bags.Answer(
        stamp_ns=stamp,
        depth=bags.image_message(depth, "32FC1", stamp),
        info=bags.info_message(CAMERA, stamp),
        points=points_message(depth, frame.image, stamp),
    )


Exchanged = tuple[list[TruthFrame], dict[str, list[dict[str, Any]]], dict[int, bags.Answer]]
"""Frames, the client's log, and answers by stamp (ns)."""


def exchange() -> Exchanged:
    """Six frames sent in 0.1 s steps, of which the first, third and sixth came back after 250 ms."""
    frames = [frame_of(index) for index in range(4)]
    order = [0, 1, 2, 3, 2, 1]
    sent = [{"bag": "drive", "index": i, "stamp_ns": SENT_NS + k * 10**8} for k, i in enumerate(order)]
    sent.append({"bag": "photo", "index": 0, "stamp_ns": SENT_NS - 10**9})
    answers = {sent[k]["stamp_ns"]: answer_to(frames[order[k]], sent[k]["stamp_ns"]) for k in (0, 2, 5)}
    received = [{"topic": bags.DEPTH_TOPIC, "stamp_ns": s, "received_ns": s + 250_000_000} for s in answers]
    return frames, {"sent": sent, "received": received}, answers
