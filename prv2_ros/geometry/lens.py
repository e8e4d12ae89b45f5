"""Lens models by the names that ROS and calibration tools give them."""

from __future__ import annotations

from collections.abc import Iterable

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import DISTORTION_LENGTHS

_POLYNOMIAL = ("", "plumb_bob", "rational_polynomial", "thin_prism", "tilted_thin_prism")
_FISHEYE = ("equidistant", "fisheye")


def lens(name: str, coefficients: Iterable[float]) -> tuple[bool, tuple[float, ...]]:
    """Read a distortion model and its D as OpenCV does: the number of coefficients says which polynomial it is.

    Zeros are no distortion, however many: drivers fill D up, some (a RealSense T265's) beyond what the lens takes. A
    fisheye without any is an ideal one, not a pinhole.

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
    return model in _FISHEYE, () if is_ideal else _without_filling(distortion, model in _FISHEYE)


def _without_filling(distortion: tuple[float, ...], fisheye: bool) -> tuple[float, ...]:
    """Cut zeros off the end of a D that is longer than the lens takes; any other D stays as it is."""
    lengths = (4,) if fisheye else DISTORTION_LENGTHS[1:]
    needed = max(i for i, value in enumerate(distortion, 1) if value)
    fitting = [n for n in lengths if needed <= n <= len(distortion)]
    return distortion if len(distortion) in lengths or not fitting else distortion[: fitting[0]]
