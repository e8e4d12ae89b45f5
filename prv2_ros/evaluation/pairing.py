"""Which truth and which camera info belong to an image: those whose stamps are nearest."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prv2_ros.evaluation.config import TruthConfig


@dataclass(frozen=True, kw_only=True)
class PlannedFrame:
    """One image with everything that belongs to it, by where it lies in the bag."""

    stamp_ns: int
    image_ns: int
    """When the image was recorded (ns)."""

    truth_stamp_ns: int
    truth_ns: int
    """When the truth was recorded (ns)."""

    info: int
    """Place of its camera info in the bag's list of them."""


def pair_stamps(
    images: Sequence[tuple[int, int]],
    truths: Sequence[tuple[int, int]],
    infos: Sequence[tuple[int, int]],
    config: TruthConfig,
) -> tuple[list[PlannedFrame], list[tuple[int, str]]]:
    """Pair every image with the nearest truth within the tolerance, and the nearest camera info at any distance.

    Args:
        images: (stamp, time of recording) of each image (ns).
        truths: (stamp, time of recording) of each truth message (ns); one may serve several images.
        infos: (stamp, place in the list of camera infos) of each camera info; one at least.
        config: tolerance and offset.

    Returns:
        The frames in the order of their stamps, and (stamp, reason) of each image left out.

    """
    offset_ns, tolerance_ns = round(config.offset_ms * 1e6), config.tolerance_ms * 1e6
    truths, infos = sorted(truths), sorted(infos)
    truth_stamps, info_stamps = [stamp + offset_ns for stamp, _ in truths], [stamp for stamp, _ in infos]
    frames: list[PlannedFrame] = []
    left_out: list[tuple[int, str]] = []
    too_far: list[tuple[int, int]] = []
    last: int | None = None
    for stamp, recorded in sorted(images):
        if stamp == last:
            left_out.append((stamp, "another image of this camera has the same stamp; the first one counts"))
            continue
        last = stamp
        nearest = _nearest(truth_stamps, stamp)
        distance_ns = truth_stamps[nearest] - stamp
        if abs(distance_ns) > tolerance_ns:
            too_far.append((stamp, distance_ns))
            continue
        frames.append(
            PlannedFrame(
                stamp_ns=stamp,
                image_ns=recorded,
                truth_stamp_ns=truths[nearest][0],
                truth_ns=truths[nearest][1],
                info=infos[_nearest(info_stamps, stamp)][1],
            )
        )
    hint = "raise truth.tolerance_ms"
    if too_far and not frames:
        median_ms = float(np.median([distance for _, distance in too_far])) / 1e6
        hint = (
            f"the clocks are apart: set truth.offset_ms (about {config.offset_ms - median_ms:.0f}) or, where both were "
            "recorded on one machine, stamps: bag"
        )
    left_out += [
        (stamp, f"nearest truth is {distance / 1e6:+.1f} ms away, beyond {config.tolerance_ms:g} ms: {hint}")
        for stamp, distance in too_far
    ]
    return frames, sorted(left_out)


def _nearest(values: Sequence[int], wanted: int) -> int:
    """Place of the value nearest to `wanted` in a sorted sequence that is not empty; the earlier of two."""
    after = bisect_left(values, wanted)
    if after == 0:
        return 0
    if after == len(values) or wanted - values[after - 1] <= values[after] - wanted:
        return after - 1
    return after
