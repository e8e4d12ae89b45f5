"""Names and coefficients of lenses, as OpenCV takes them."""

from __future__ import annotations

import math

import pytest

from prv2_ros.errors import InputError
from prv2_ros.geometry.lens import lens

FOUR = (0.1, -0.02, 0.001, 0.002)


@pytest.mark.parametrize(
    "name", ["", "plumb_bob", "Plumb_Bob", "rational_polynomial", "thin_prism", "tilted_thin_prism"]
)
@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_polynomials_go_by_their_number_of_coefficients(name: str, count: int) -> None:
    assert lens(name, [0.1] * count) == (False, (0.1,) * count)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 6, 8, 20])
def test_zeros_are_no_distortion_however_many(count: int) -> None:
    assert lens("plumb_bob", [0.0] * count) == (False, ())
    assert lens("equidistant", [0.0] * count) == (True, ())


@pytest.mark.parametrize("name", ["equidistant", "fisheye", "Fisheye", " equidistant "])
def test_a_fisheye(name: str) -> None:
    assert lens(name, FOUR) == (True, FOUR)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("equidistant", (*FOUR, 0.0), FOUR),  # as a RealSense T265 sends it
        ("fisheye", (*FOUR[:2], *[0.0] * 12), (*FOUR[:2], 0.0, 0.0)),
        ("plumb_bob", (*FOUR, 0.0, 0.0), FOUR),
        ("plumb_bob", (*FOUR, 0.3, 0.0, 0.0), (*FOUR, 0.3)),
        ("rational_polynomial", (*[0.1] * 7, *[0.0] * 9), (*[0.1] * 7, 0.0)),
        ("plumb_bob", (*FOUR, 0.3, 0.4), (*FOUR, 0.3, 0.4)),  # left to the camera to refuse, as the next ones
        ("equidistant", (*FOUR, 0.3), (*FOUR, 0.3)),
        ("plumb_bob", FOUR[:3], FOUR[:3]),
    ],
)
def test_zeros_behind_what_the_lens_takes_are_left_out(
    name: str, given: tuple[float, ...], kept: tuple[float, ...]
) -> None:
    assert lens(name, given) == (name in ("equidistant", "fisheye"), kept)


def test_none_has_no_distortion_whatever_stands_there() -> None:
    assert lens("none", FOUR) == (False, ())


def test_what_is_no_number_is_left_to_the_camera_to_refuse() -> None:
    fisheye, distortion = lens("plumb_bob", [math.nan, 0, 0, 0])
    assert not fisheye
    assert math.isnan(distortion[0])


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^distortion_model 'double_sphere' is unknown: expected plumb_bob, .* or none$"
    ):
        lens("double_sphere", FOUR)
