"""A made-up evaluation: two bags, three cameras, two models whose scores are known, and pictures to go with it."""

from __future__ import annotations

import functools
import math

import numpy as np

from prv2_ros.evaluation.pictures import FramePictures
from prv2_ros.evaluation.records import Evaluation, FrameKey, FrameRecord, SkippedFrame
from prv2_ros.evaluation.scoring import RANGES_M, score_frame

CAMERAS = ("/front", "/left", "/rear <wide> & very_long_name_of_a_camera_that_must_wrap_on_a_phone")
SIZE = (48, 64)


def pictures(key: FrameKey, model: str) -> FramePictures:
    """A ramp of depth from 1 to 80 m with a box before it.

    The new model is 5% too far, any other 20%, and each 10% more on the left camera.
    """
    height, width = SIZE
    generator = np.random.default_rng(key.stamp_ns // 10**8 + len(key.camera))
    ramp = np.geomspace(80, 1, height)[:, None] * np.ones((1, width))
    factor = (1.05 if model == "new" else 1.2) + 0.1 * (key.camera == "/left")
    noise = np.exp(generator.normal(0, 0.05, SIZE))
    ramp[16:32, 20:40] /= 2
    truth = ramp if key.camera == "/front" else np.where(generator.random(SIZE) < 0.3, ramp, 0)
    image = np.repeat((255 * ramp / 80).astype(np.uint8)[..., None], 3, 2)
    return FramePictures(image=image, depth_m=(ramp * factor * noise).astype(np.float32), truth_m=truth.astype("f4"))


def record(key: FrameKey, model: str) -> FrameRecord:
    """The frame's pictures, scored; the new model also has a confidence."""
    seen = pictures(key, model)
    confidence = np.full(SIZE, math.exp(-0.1), np.float32) if model == "new" else None
    found = score_frame(seen.depth_m, seen.truth_m, dense=key.camera == "/front", confidence=confidence)
    return FrameRecord(
        key=key,
        model=model,
        image_size=(SIZE[1], SIZE[0]),
        truth_kind="depth" if key.camera == "/front" else "lidar",
        truth_px=int((seen.truth_m > 0).sum()),
        scores=found.scores,
        by_range=found.by_range,
        extra={**found.extra, "truth_offset_ms": -12.5 if key.camera == "/left" else 2.0},
        timings_ms={"coarse": 10.0 + key.stamp_ns % 7, "refine": 20.0, "total": 31.0},
    )


@functools.cache
def evaluation(*, frames: int = 6, bags: int = 1, models: tuple[str, ...] = ("old", "new")) -> Evaluation:
    """Records in order, with three things left out."""
    names = [f"drive_{i}" for i in range(bags)]
    keys = [
        FrameKey(bag=bag, camera=camera, stamp_ns=1_700_000_000_000_000_000 + i * 100_000_000)
        for bag in names
        for camera in CAMERAS
        for i in range(frames)
    ]
    return Evaluation(
        records=tuple(record(key, model) for key in keys for model in models),
        skipped=(
            SkippedFrame(bag="drive_0", camera="/left", stamp_ns=5, reason="no truth within 50 ms (nearest 73.5 ms)"),
            SkippedFrame(bag="drive_0", camera="/left", stamp_ns=4, reason="no truth within 50 ms (nearest 90 ms)"),
            SkippedFrame(bag="broken", camera="", stamp_ns=None, reason="broken: no metadata.yaml <b>"),
        ),
        bags=tuple(
            {"name": name, "path": f"/data/{name}", "sha256": "ab" * 32, "cameras": list(CAMERAS), "error": None}
            for name in names
        ),
        models=tuple({"name": name, "sha256": "cd" * 32, "device": "cpu", "precision": "float32"} for name in models),
        versions={"prv2_ros": "1.0", "python": "3.11"},
        command="prv2 evaluate /data/drive_0 --model old --model new -o out",
        config={"tolerance_ms": 50, "ranges": len(RANGES_M)},
    )
