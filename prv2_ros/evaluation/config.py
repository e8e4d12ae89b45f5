"""What an evaluation is, read from YAML."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from prv2_ros.errors import ConfigError
from prv2_ros.evaluation.records import TRUTH_KINDS

_T = TypeVar("_T")


def camera_name(image_topic: str) -> str:
    """`/front/image_raw/compressed` -> `/front`."""
    parts = image_topic.rstrip("/").split("/")
    if parts[-1] == "compressed":
        parts = parts[:-1]
    return "/".join(parts[:-1]) or "/"


@dataclass(frozen=True, kw_only=True)
class CameraTopics:
    """One camera whose topics are named instead of found; what is left out is found."""

    image: str
    """Topic of sensor_msgs/Image or CompressedImage."""

    name: str = ""
    """Name in the report; empty: the namespace of the image topic."""

    camera_info: str = ""
    """Topic of sensor_msgs/CameraInfo; empty: `camera_info` in the image's namespace."""

    truth: str = ""
    """Topic of the truth: a depth image, PointCloud2 or DisparityImage; empty: found as the README says."""

    truth_frame: str = ""
    """Frame the truth is in, where its header does not say so; empty: as the header says."""

    input_rectified: bool | None = None
    """Whether the image is rectified already, so that P describes it; None: where its name has `rect`."""

    @property
    def report_name(self) -> str:
        """`name`, or what stands in for it."""
        return self.name or camera_name(self.image)


@dataclass(frozen=True, kw_only=True)
class TruthConfig:
    """Where truth comes from and which of it counts."""

    kind: str = "auto"
    """`depth`, `lidar` or `disparity`; `auto` takes the first of these that the camera has."""

    tolerance_ms: float = 50.0
    """Largest distance between the stamps of image and truth. Motion between the two is not compensated."""

    offset_ms: float = 0.0
    """Added to the stamps of the truth: what its clock lags behind the camera's."""

    min_m: float = 0.1
    """Nearer truth is left out (m)."""

    max_m: float = 80.0
    """Farther truth is left out (m); the last range of the report ends here, too."""

    hidden_window_deg: tuple[float, float] = (0.2, 0.6)
    """Half width and half height of the window of `geometry.projection.remove_hidden` (LiDAR only); 0, 0 keeps all."""

    hidden_ratio: float = 1.1
    """Depth ratio from which a nearer point hides one behind it."""

    def __post_init__(self) -> None:
        """Refuse values that leave no truth."""
        object.__setattr__(self, "hidden_window_deg", tuple(float(v) for v in self.hidden_window_deg))
        if self.kind not in ("auto", *TRUTH_KINDS):
            raise ConfigError(f"truth.kind {self.kind!r}: expected one of auto, {', '.join(TRUTH_KINDS)}")
        if not 0 <= self.tolerance_ms < math.inf or not math.isfinite(self.offset_ms):
            raise ConfigError(
                f"truth.tolerance_ms {self.tolerance_ms}, offset_ms {self.offset_ms}: must be finite, the tolerance "
                "not below 0"
            )
        if not 0 < self.min_m < self.max_m < math.inf:
            raise ConfigError(f"truth.min_m {self.min_m}, max_m {self.max_m}: expected 0 < min_m < max_m, both finite")
        if len(self.hidden_window_deg) != 2 or not all(0 <= v < 45 for v in self.hidden_window_deg):
            raise ConfigError(f"truth.hidden_window_deg {self.hidden_window_deg}: expected two angles of 0 to 45")
        if not 1 < self.hidden_ratio < math.inf:
            raise ConfigError(f"truth.hidden_ratio {self.hidden_ratio}: must be above 1 (1.1 is 10% farther)")


@dataclass(frozen=True, kw_only=True)
class Extrinsic:
    """A transform that the bag lacks, or that replaces the one in /tf_static: `child` as seen from `parent`.

    It replaces one that leads the other way round, too.
    """

    parent: str
    child: str
    xyz_m: tuple[float, ...]
    """Origin of `child` in `parent` (m)."""

    quaternion_xyzw: tuple[float, ...] = (0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse numbers that make no transform."""
        for name, length in (("xyz_m", 3), ("quaternion_xyzw", 4)):
            values = getattr(self, name)
            if not isinstance(values, (list, tuple)) or len(values) != length:
                raise ConfigError(
                    f"extrinsics {self.parent} to {self.child}: {name} {values}: expected {length} numbers"
                )
            object.__setattr__(self, name, tuple(float(v) for v in values))


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """One run of `prv2 evaluate`; every field can stand in the YAML file."""

    models: tuple[str, ...] = ("default",)
    """Models to evaluate; the others are compared with the first."""

    device: str = "auto"
    precision: str = "auto"

    max_depth_m: float = math.inf
    """Predictions beyond this are invalid (m) and drop out of every score but coverage. Without a limit, what is taken
    for sky counts as far too far; with one, a model that takes objects for sky seems better than it is."""

    threads: int = 0
    """CPU threads of one worker, part of the fingerprint: sums may differ in their last digits with another number.
    0 takes 4, or as many as there are. With `--workers N`, N times this many are busy."""

    rectify: bool = True
    """Undistort and rotate raw images with K, D, R, P before inference, as the node does."""

    cameras: tuple[CameraTopics, ...] = ()
    """Cameras by topic; empty: all that are found."""

    truth: TruthConfig = dataclasses.field(default_factory=TruthConfig)

    extrinsics: tuple[Extrinsic, ...] = ()
    """Transforms beside those of /tf_static, or in the place of those between the same two frames."""

    stamps: str = "header"
    """`header`: messages belong together by the stamps in their headers; `bag`: by when they were recorded."""

    points_stride: int = 4
    """Step between the pixels that become points of the output bag."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be run with, and settle those that depend on the machine."""
        if not self.models or len(set(self.models)) != len(self.models):
            raise ConfigError(f"models {list(self.models)}: name at least one, each once")
        if not self.max_depth_m > 0:
            raise ConfigError(f"max_depth_m {self.max_depth_m}: must be above 0 (.inf for no limit)")
        if self.threads < 0 or self.points_stride < 1:
            raise ConfigError(f"threads {self.threads}, points_stride {self.points_stride}: must be positive")
        if self.stamps not in ("header", "bag"):
            raise ConfigError(f"stamps {self.stamps!r}: expected header or bag")
        names = [camera.image for camera in self.cameras]
        if len(set(names)) != len(names):
            raise ConfigError(f"cameras: image topics {names}: each may stand once")
        _check_names(self.cameras)
        if self.threads == 0:
            object.__setattr__(self, "threads", min(4, len(os.sched_getaffinity(0))))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, defaults filled in; a `max_depth_m` without limit, which JSON lacks, is None."""
        values: dict[str, Any] = dataclasses.asdict(self)
        return values | {"max_depth_m": self.max_depth_m if math.isfinite(self.max_depth_m) else None}


def _check_names(cameras: tuple[CameraTopics, ...]) -> None:
    """Refuse cameras that the report and the output bag could not tell apart."""
    taken: dict[str, str] = {}
    for camera in cameras:
        name = camera.report_name.rstrip("/")  # as the topics of the output bag begin
        if name in taken:
            raise ConfigError(
                f"cameras: {taken[name]} and {camera.image} would both be named {camera.report_name}: give each a "
                "`name` of its own"
            )
        taken[name] = camera.image


def load_config(path: Path | None, **overrides: Any) -> EvaluationConfig:
    """Read a YAML file; overrides that are not None win.

    Raises:
        ConfigError: the file is missing or no mapping, or a key is unknown or of another type.

    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"evaluation config {path}: {' '.join(str(error).split())}") from error
        values = dict(_mapping(loaded if loaded is not None else {}, str(path)))
    values.update({key: value for key, value in overrides.items() if value is not None})
    if "truth" in values:
        values["truth"] = _build(TruthConfig, values["truth"], "truth")
    for name, kind in (("cameras", CameraTopics), ("extrinsics", Extrinsic)):
        if name in values:
            values[name] = tuple(_build(kind, entry, name) for entry in _sequence(values[name], name))
    if "models" in values:
        values["models"] = tuple(str(name) for name in _sequence(values["models"], "models"))
    return _build(EvaluationConfig, values, "evaluation config")


def _build(kind: type[_T], values: Any, what: str) -> _T:
    """Make a dataclass of a mapping; its fields keep their types."""
    given = _mapping(values, what)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(str(key) for key in set(given) - set(known))
    if unknown:
        raise ConfigError(f"{what}: unknown {', '.join(unknown)}; known are {', '.join(known)}")
    for name, value in given.items():
        declared = str(known[name].type)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {
            "str": isinstance(value, str),
            "float": number,
            "int": number and isinstance(value, int),
            "bool": isinstance(value, bool),
            "bool | None": value is None or isinstance(value, bool),
        }.get(declared, True)
        if not fits:
            raise ConfigError(f"{what}: {name} = {value!r}: expected {declared}")
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{what}: {error}") from error


def _mapping(values: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{what}: expected a mapping of fields, found {type(values).__name__}")
    return values


def _sequence(values: Any, what: str) -> list[Any]:
    if not isinstance(values, (list, tuple)):
        raise ConfigError(f"{what}: expected a list, found {type(values).__name__}")
    return list(values)
