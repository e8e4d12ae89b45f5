"""What an evaluation found: one record per frame and model, what was left out, and what was compared.

The seam between running (`pipeline.py`) and reporting (`summary.py`, `html_report.py`). Everything turns into plain
JSON values and back without loss; a score that does not exist (NaN) is `null` there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRUTH_KINDS = ("depth", "lidar", "disparity")
"""Where truth comes from: a depth image, projected LiDAR points or a disparity image."""


@dataclass(frozen=True, kw_only=True, order=True)
class FrameKey:
    """One image of one camera of one bag; orders by bag, camera and stamp."""

    bag: str
    """Name of the bag (its folder or file name without suffix, made unique where two are alike)."""

    camera: str
    """Name of the camera such as `/front`: the namespace of its image topic."""

    stamp_ns: int
    """Stamp in the image's header (ns)."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"bag": self.bag, "camera": self.camera, "stamp_ns": self.stamp_ns}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FrameKey:
        """Rebuild from what `to_json` returned."""
        return cls(bag=values["bag"], camera=values["camera"], stamp_ns=int(values["stamp_ns"]))


@dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """Scores of one model on one frame."""

    key: FrameKey

    model: str
    """The model as it was named on the command line or in the configuration."""

    image_size: tuple[int, int]
    """(width, height) of the image that was scored, px."""

    truth_kind: str
    """One of `TRUTH_KINDS`."""

    truth_px: int
    """Pixels that have truth."""

    scores: Mapping[str, float]
    """Scores over all pixels with truth by name; NaN where a score does not exist for this frame."""

    by_range: Mapping[str, Mapping[str, float]]
    """Scores of the pixels in each range of true depth, by the range's name (`0-5`, in metres)."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further JSON values of this frame: counts for the calibration of confidence, scale, flicker."""

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock milliseconds of the prediction by stage, as measured when it was made."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; NaN and infinite scores become None."""
        return {
            **self.key.to_json(),
            "model": self.model,
            "image_size": list(self.image_size),
            "truth_kind": self.truth_kind,
            "truth_px": self.truth_px,
            "scores": _finite(self.scores),
            "by_range": {name: _finite(scores) for name, scores in self.by_range.items()},
            "extra": _plain(self.extra),
            "timings_ms": _finite(self.timings_ms),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FrameRecord:
        """Rebuild from what `to_json` returned; a score of None becomes NaN."""
        width, height = values["image_size"]
        return cls(
            key=FrameKey.from_json(values),
            model=values["model"],
            image_size=(int(width), int(height)),
            truth_kind=values["truth_kind"],
            truth_px=int(values["truth_px"]),
            scores=_numbers(values["scores"]),
            by_range={name: _numbers(scores) for name, scores in values["by_range"].items()},
            extra=dict(values["extra"]),
            timings_ms=_numbers(values["timings_ms"]),
        )


@dataclass(frozen=True, kw_only=True)
class SkippedFrame:
    """An image, a camera or a whole bag that gave no record, and why."""

    bag: str

    camera: str
    """Name of the camera; empty where the whole bag is meant."""

    stamp_ns: int | None
    """Stamp of the image (ns); None where the camera or the bag is meant."""

    reason: str
    """Why, and the way out, in one line."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"bag": self.bag, "camera": self.camera, "stamp_ns": self.stamp_ns, "reason": self.reason}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SkippedFrame:
        """Rebuild from what `to_json` returned."""
        stamp_ns = values["stamp_ns"]
        return cls(
            bag=values["bag"],
            camera=values["camera"],
            stamp_ns=None if stamp_ns is None else int(stamp_ns),
            reason=values["reason"],
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything one run found, in an order that does not depend on workers: by bag, camera, stamp, model."""

    records: tuple[FrameRecord, ...]
    skipped: tuple[SkippedFrame, ...]

    bags: tuple[dict[str, Any], ...]
    """One per bag: `name`, `path`, `sha256` of its fingerprint, `cameras`, `frames`, `error` (None where it was read).
    Where camera info, truth and extrinsics came from lies under `sources`, by camera."""

    models: tuple[dict[str, Any], ...]
    """One per model: `name`, `sha256` of its weights, `device`, `precision`; the first is what others compare with."""

    versions: dict[str, Any]
    """Versions of this package, Python and the libraries that figures depend on."""

    command: str
    """The command as it was typed."""

    config: dict[str, Any]
    """The evaluation's configuration, defaults filled in."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "records": [record.to_json() for record in self.records],
            "skipped": [frame.to_json() for frame in self.skipped],
            "bags": [dict(bag) for bag in self.bags],
            "models": [dict(model) for model in self.models],
            "versions": dict(self.versions),
            "command": self.command,
            "config": dict(self.config),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Evaluation:
        """Rebuild from what `to_json` returned."""
        return cls(
            records=tuple(FrameRecord.from_json(record) for record in values["records"]),
            skipped=tuple(SkippedFrame.from_json(frame) for frame in values["skipped"]),
            bags=tuple(dict(bag) for bag in values["bags"]),
            models=tuple(dict(model) for model in values["models"]),
            versions=dict(values["versions"]),
            command=values["command"],
            config=dict(values["config"]),
        )


def _finite(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in scores.items()}


def _numbers(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in scores.items()}


def _plain(value: Any) -> Any:
    """`value` with mappings as dicts, sequences as lists and floats that JSON lacks as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
