"""The node's entry on /diagnostics."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.statistics import Snapshot

PERIOD_S = 1.0
"""Time between two entries (s)."""

STALLED_S = 10.0
"""How long frames may be in hand without one being done (s), before that is an error."""

_WRONG = 1.25
"""Factor by which the depth's scale may be off, by the camera's height, without a warning."""

_OVER, _FRAMES = 1.25, 10
"""By what factor half of the frames may exceed `max_latency_ms` without a warning, once so many were published."""

_LOST_SHARE = 0.2
"""Share of the images that may be lost on the way without a warning; best effort loses some."""


def device_memory_mib(device: Any) -> float:
    """Memory in use (MiB): what torch holds on a CUDA device, elsewhere the resident set of this process."""
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        return float(torch.cuda.memory_reserved(device)) / 2**20
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the node knows of itself at one moment, beside its counts and timings."""

    state: str
    """Lifecycle state label."""

    settings: Settings
    """Values of the parameters."""

    calibrated: bool
    """False where the latest camera info, or its absence, leaves the scale assumed."""

    engine: Any | None = None
    """The loaded engine, None where not configured."""

    failure: str = ""
    """Why the node could not be configured or activated."""

    idle: bool = False
    """True where images are not taken in, as nobody subscribes to what is made of them."""

    points_starve: bool = False
    """True where somebody subscribes to the points, and they cannot be made."""

    stalled_s: float = 0.0
    """For how long there have been frames and none was done (s)."""

    awaited_s: float = math.inf
    """For how long images have been subscribed (s)."""

    image_source: str = ""
    """Topic of the images, and who publishes it, in words."""

    info_source: str = ""
    """Likewise of the camera info."""


class DiagnosticsBuilder:
    """Makes the status from snapshots; remembers the last one, so that only new errors warn."""

    def __init__(self, node_name: str) -> None:
        self._name = f"{node_name}: depth"
        self._hardware_id = node_name
        self._last_errors = self._last_lost = self._last_received = self._last_failed = 0

    def build(self, snapshot: Snapshot, node: Condition, *, stamp: Any) -> DiagnosticArray:
        """Return a DiagnosticArray with one status, `stamp` (builtin_interfaces/Time) in its header.

        The level is ERROR where the node gives no depth for a reason of its own, WARN where its inputs are at fault.
        """
        status = DiagnosticStatus(name=self._name, hardware_id=self._hardware_id)
        active = node.state == "active"
        counted = self._problems_of_counts(snapshot)
        problems = [*_problems_of_images(snapshot, node), *counted]
        problems += [*_problems_of_scale(snapshot, node), *_problems_of_time(snapshot, node)]
        faults = [node.failure] if node.failure else []
        if active and snapshot.failure:
            faults.append(f"inference fails: {snapshot.failure}")
        if node.stalled_s > STALLED_S:
            faults.append(f"no frame was done for {node.stalled_s:.0f} s")
        told = faults + problems if active else faults
        status.level = DiagnosticStatus.WARN if told else DiagnosticStatus.OK
        if faults:
            status.level = DiagnosticStatus.ERROR
        well = "idle: no subscriber" if node.idle else f"{snapshot.rate_hz:.1f} Hz"
        status.message = "; ".join(told) or (well if active else node.state)
        values = _values(snapshot, node)
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp
        return array

    def _problems_of_counts(self, snapshot: Snapshot) -> list[str]:
        """What is new since the last time."""
        counts, problems = snapshot.counts, []
        errors = counts.errors - counts.inference_errors + counts.info_errors
        new_errors, self._last_errors = errors - self._last_errors, errors
        new_lost, self._last_lost = counts.lost - self._last_lost, counts.lost
        received, self._last_received = counts.received - self._last_received, counts.received
        failed, self._last_failed = counts.inference_errors - self._last_failed, counts.inference_errors
        if failed and not snapshot.failure:  # else it is a fault, told by itself
            frames = f"{failed} frame{'s' * (failed != 1)}"
            problems.append(f"inference failed for {frames} in the last {PERIOD_S:g} s: {snapshot.last_failure}")
        if new_errors:
            problems.append(f"{new_errors} bad messages in the last {PERIOD_S:g} s")
        if new_lost > _LOST_SHARE * (received + new_lost):
            problems.append(
                f"{new_lost} of {received + new_lost} images lost on the way in the last {PERIOD_S:g} s: large ones "
                "want config/fastdds_large_data.xml in every process that shares them"
            )
        return problems


def _problems_of_images(snapshot: Snapshot, node: Condition) -> list[str]:
    if node.idle:
        return []
    if snapshot.input_age_s is None:
        if node.awaited_s <= node.settings.input_timeout_s:  # a viewer has come back, say
            return []
        return [f"no image yet{node.image_source}"]
    if snapshot.input_age_s > node.settings.input_timeout_s:
        return [f"no image for {snapshot.input_age_s:.1f} s{node.image_source}"]
    return []


def _problems_of_scale(snapshot: Snapshot, node: Condition) -> list[str]:
    problems, scale = [], _scale(snapshot, node)
    if not node.calibrated and (node.points_starve or snapshot.input_age_s is not None):
        result = "no depth until there is one" if node.settings.require_calibration else "scale is assumed, no points"
        problems.append(f"no calibrated camera info{node.info_source}: {result}")
    if scale is not None and not 1 / _WRONG < scale < _WRONG:
        problems.append(f"depth is {scale:.2f} times what it should be by the camera's height (camera_height_m)")
    return problems


def _problems_of_time(snapshot: Snapshot, node: Condition) -> list[str]:
    """A limit that nothing can keep: what comes before the tiles takes longer, or the model knows no limit."""
    limit_ms, took_ms = node.settings.max_latency_ms, snapshot.inference_p50_ms
    if not limit_ms or took_ms is None or snapshot.inference_frames < _FRAMES or took_ms <= _OVER * limit_ms:
        return []
    why = "the coarse depth alone takes that" if snapshot.refined_p50 == 0 else "tiles are not left out for it"
    return [f"inference takes {took_ms:.0f} ms, more than max_latency_ms = {limit_ms:g}: {why}"]


def _scale(snapshot: Snapshot, node: Condition) -> float | None:
    """How many times farther than by the camera's height depth is; None where one of them is not known."""
    if snapshot.height_p50_m is None or node.settings.camera_height_m <= 0:
        return None
    return snapshot.height_p50_m / node.settings.camera_height_m


def _values(snapshot: Snapshot, node: Condition) -> dict[str, str]:
    counts, engine, scale = snapshot.counts, node.engine, _scale(snapshot, node)
    return {
        "rate (Hz)": f"{snapshot.rate_hz:.2f}",
        "latency p50 (ms)": _number(snapshot.latency_p50_ms),
        "latency p95 (ms)": _number(snapshot.latency_p95_ms),
        "stamp age p50 (ms)": _number(snapshot.stamp_age_p50_ms),
        "inference p50 (ms)": _number(snapshot.inference_p50_ms),
        "depth scale by camera height": "none" if scale is None else f"{scale:.3f}",
        "tiles refined p50 (%)": _number(None if snapshot.refined_p50 is None else 100 * snapshot.refined_p50),
        "input age (s)": "none" if snapshot.input_age_s is None else f"{snapshot.input_age_s:.2f}",
        "frames in": str(counts.received),
        "frames out": str(counts.published),
        "frames dropped": str(counts.dropped),
        "frames skipped": str(counts.skipped),
        "frames with errors": str(counts.errors),
        "inference errors": str(counts.inference_errors),
        "frames lost on the way": str(counts.lost),
        "frames with another's camera info": str(counts.info_foreign),
        "camera infos in": str(counts.info_received),
        "camera infos with errors": str(counts.info_errors),
        "device": "none" if engine is None else str(engine.device),
        "device memory (MiB)": "0" if engine is None else f"{device_memory_mib(engine.device):.0f}",
        "model": "none" if engine is None else str(engine.model_name),
        "frames in hand since (s)": f"{node.stalled_s:.1f}",
        "state": node.state,
        "calibrated": str(node.calibrated).lower(),
    }


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"
