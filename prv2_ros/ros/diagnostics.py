"""The node's entry on /diagnostics."""

from __future__ import annotations

import os
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from prv2_ros.ros.statistics import Snapshot

PERIOD_S = 1.0
"""Time between two entries (s)."""


def device_memory_mib(device: Any) -> float:
    """Memory in use (MiB): what torch holds on a CUDA device, elsewhere the resident set of this process."""
    if getattr(device, "type", "cpu") == "cuda":
        import torch

        return float(torch.cuda.memory_reserved(device)) / 2**20
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class DiagnosticsBuilder:
    """Makes the status from snapshots; remembers the last one, so that only new errors warn."""

    def __init__(self, node_name: str) -> None:
        self._name = f"{node_name}: depth"
        self._hardware_id = node_name
        self._last_errors = 0

    def build(
        self,
        snapshot: Snapshot,
        *,
        stamp: Any,
        state: str,
        engine: Any | None,
        input_timeout_s: float,
        calibrated: bool,
        failure: str = "",
        idle: bool = False,
    ) -> DiagnosticArray:
        """Return a DiagnosticArray with one status.

        Args:
            snapshot: counts and timings.
            stamp: builtin_interfaces/Time of the header.
            state: lifecycle state label.
            engine: the loaded engine, None where not configured.
            input_timeout_s: age of the last image beyond which the level is WARN.
            calibrated: False where the latest camera info, or its absence, leaves the scale assumed.
            failure: why the node could not be configured or activated.
            idle: True where images are not taken in, as nobody subscribes to what is made of them.

        The level is ERROR where the node gives no depth for a reason of its own, WARN where its inputs are at fault.

        """
        status = DiagnosticStatus(name=self._name, hardware_id=self._hardware_id)
        problems = self._problems(snapshot, state, input_timeout_s, calibrated, idle)
        faults = [failure] if failure else []
        if state == "active" and snapshot.failure:
            faults.append(f"inference fails: {snapshot.failure}")
        status.level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
        if faults:
            status.level = DiagnosticStatus.ERROR
        well = "idle: no subscriber" if idle else f"{snapshot.rate_hz:.1f} Hz"
        status.message = "; ".join(faults + problems) or (well if state == "active" else state)
        values = _values(snapshot, engine) | {"state": state, "calibrated": str(calibrated).lower()}
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp
        return array

    def _problems(
        self, snapshot: Snapshot, state: str, input_timeout_s: float, calibrated: bool, idle: bool
    ) -> list[str]:
        counts = snapshot.counts
        errors = counts.errors - counts.inference_errors + counts.info_errors
        new_errors, self._last_errors = errors - self._last_errors, errors
        if state != "active":
            return []
        problems = []
        if idle:
            pass  # no image is awaited
        elif snapshot.input_age_s is None:
            problems.append("no image yet")
        elif snapshot.input_age_s > input_timeout_s:
            problems.append(f"no image for {snapshot.input_age_s:.1f} s")
        if new_errors:
            problems.append(f"{new_errors} bad messages in the last {PERIOD_S:g} s")
        if snapshot.input_age_s is not None and not calibrated:
            problems.append("no calibrated camera info: scale is assumed, no points")
        return problems


def _values(snapshot: Snapshot, engine: Any | None) -> dict[str, str]:
    counts = snapshot.counts
    return {
        "rate (Hz)": f"{snapshot.rate_hz:.2f}",
        "latency p50 (ms)": _number(snapshot.latency_p50_ms),
        "latency p95 (ms)": _number(snapshot.latency_p95_ms),
        "stamp age p50 (ms)": _number(snapshot.stamp_age_p50_ms),
        "inference p50 (ms)": _number(snapshot.inference_p50_ms),
        "tiles refined p50 (%)": _number(None if snapshot.refined_p50 is None else 100 * snapshot.refined_p50),
        "input age (s)": "none" if snapshot.input_age_s is None else f"{snapshot.input_age_s:.2f}",
        "frames in": str(counts.received),
        "frames out": str(counts.published),
        "frames dropped": str(counts.dropped),
        "frames skipped": str(counts.skipped),
        "frames with errors": str(counts.errors),
        "inference errors": str(counts.inference_errors),
        "camera infos in": str(counts.info_received),
        "camera infos with errors": str(counts.info_errors),
        "device": "none" if engine is None else str(engine.device),
        "device memory (MiB)": "0" if engine is None else f"{device_memory_mib(engine.device):.0f}",
        "model": "none" if engine is None else str(engine.model_name),
    }


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"
