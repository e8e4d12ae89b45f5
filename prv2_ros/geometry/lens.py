"""Lens models by the names that ROS and calibration tools give them."""

from __future__ import annotations

from collections.abc import Iterable

from prv2_ros.errors import InputError

_POLYNOMIAL = ("", "plumb_bob", "rational_polynomial", "thin_prism", "tilted_thin_prism")
_FISHEYE = ("equidistant", "fisheye")


def lens(name: str, coefficients: Iterable[float]) -> tuple[bool, tuple[float, ...]]:
    """Read a distortion model and its D as OpenCV does: the number of coefficients says which polynomial it is.

    Zeros are no distortion, however many: drivers fill D up. A fisheye without any is an ideal one, not a pinhole.

    Args:
        name: `distortion_model` of sensor_msgs/CameraInfo, in letters of either case; empty is `plumb_bob`.
        coefficients: D; `none` has none, whatever stands there.

    Returns:
        `fisheye` and `distortion` of a `CameraModel`, which knows how many coefficients there may be.

    Raises:
        InputError: a model that OpenCV has not.

    """
    model = name.strip().lower()
    if model not in (*_POLYNOMIAL, *_FISHEYE, "none"):
        raise InputError(
            f"distortion_model {name[:40]!r} is unknown: expected plumb_bob, rational_polynomial, equidistant or none"
        )
    distortion = tuple(float(v) for v in coefficients)
    is_ideal = model == "none" or not any(distortion)
    return model in _FISHEYE, () if is_ideal else distortion
