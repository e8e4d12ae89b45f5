"""Checked values of the node's parameters, as `parameter_table` describes them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prv2_ros.errors import ConfigError
from prv2_ros.ros.parameter_row import Value
from prv2_ros.ros.parameter_table import BY_NAME, TABLE

ROS_OWN_PREFIXES = ("use_sim_time", "qos_overrides.", "start_type_description_service")
"""Parameters that rclpy declares for every node; they are not in the table."""

_TYPO = 0.82
"""Likeness (difflib) from which a name counts as a misspelt one of the table. A forgotten unit (`max_rate`) has 0.84,
the `device_id` of other nodes 0.80."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Checked values of all parameters; one attribute for each row of `TABLE`."""

    autostart: bool
    model: str
    device: str
    precision: str
    compile: str
    max_tile_px: int
    far_look: float
    self_test: bool
    image_transport: str
    input_rectified: bool
    rectify: bool
    assumed_fov_deg: float
    require_calibration: bool
    camera_height_m: float
    camera_info_wait_s: float
    max_rate_hz: float
    max_latency_ms: float
    regions: str
    depth_encoding: str
    min_depth_m: float
    max_depth_m: float
    far_value: str
    min_confidence: float
    output_frame_id: str
    points_stride: int
    points_min_m: float
    points_max_m: float
    points_far_value: str
    input_timeout_s: float


def foreign_names(names: Iterable[str]) -> list[str]:
    """Names of parameters that are neither in the table nor rclpy's own: a node is given every global parameter.

    Raises:
        ConfigError: a name so like one of the table that it is probably misspelt.

    """
    foreign = sorted(name for name in names if name not in BY_NAME and not name.startswith(ROS_OWN_PREFIXES))
    for name in foreign:
        near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=_TYPO)
        if near:
            raise ConfigError(f"unknown parameter {name}: did you mean {near[0]}?")
    return foreign


def resolve(values: Mapping[str, object], base: Settings | None = None) -> Settings:
    """Check values by parameter name and return all settings; what is not given keeps `base` or the default.

    Names that are not in the table are passed over; see `foreign_names`.

    Raises:
        ConfigError: a value its row refuses, or a minimum that is not below its maximum.

    """
    chosen: dict[str, Value] = {row.field: row.default if base is None else getattr(base, row.field) for row in TABLE}
    for name, value in values.items():
        if name in BY_NAME:
            chosen[BY_NAME[name].field] = BY_NAME[name].check(value)
    settings = Settings(**chosen)  # type: ignore[arg-type]  # each value was checked against its row's type
    for low, high in (("min_depth_m", "max_depth_m"), ("points.min_m", "points.max_m")):
        low_m, high_m = (getattr(settings, BY_NAME[name].field) for name in (low, high))
        if low_m >= high_m:
            raise ConfigError(f"parameter {low} = {low_m} m: must be below {high} = {high_m} m")
    return settings
