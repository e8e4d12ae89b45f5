from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import ConfigError
from prv2_ros.network.model import STRIDE_PX, DepthModel, ModelSpec

MODEL = DepthModel()


@pytest.mark.parametrize(
    ("image", "expected"),
    [((1920, 1080), (288, 512)), ((3840, 2160), (288, 512)), ((640, 480), (320, 448)), ((741, 500), (320, 480))],
)
def test_network_size_is_about_288x512_in_the_images_shape(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert MODEL.network_size(*image) == expected


@given(width=st.integers(64, 8000), height=st.integers(64, 8000))
def test_network_size_is_a_multiple_of_the_stride_and_bounded(width: int, height: int) -> None:
    h, w = MODEL.network_size(width, height)
    assert h % STRIDE_PX == 0
    assert w % STRIDE_PX == 0
    assert min(h, w) >= STRIDE_PX
    if 0.2 < width / height < 5:
        assert 0.7 < h * w / MODEL.spec.coarse_area_px < 1.35
        assert abs((w / h) / (width / height) - 1) < 0.2


@pytest.mark.parametrize("area", [-1.0, 0.05, 17.0, float("nan")])
def test_a_second_look_that_no_picture_has_is_refused(area: float) -> None:
    with pytest.raises(ConfigError, match=r"second_look .*: must be 0 \(one look alone\) or from 0.1 to 16"):
        ModelSpec(second_look=area)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coarse_widths": 5}, r"coarse_widths = 5: expected a list, such as \[5\]"),
        ({"coarse_widths": ("a", 1, 2, 3)}, r"coarse_widths\[0\] = 'a': expected a whole number"),
        ({"coarse_widths": (48, 64)}, r"coarse_widths \[48, 64\]: must be four numbers from 1 to 4096"),
        ({"refiner_widths": (0, 8, 8, 8)}, r"refiner_widths \[0, 8, 8, 8\]: must be four numbers from 1"),
        ({"refiner_shrink": 3}, "refiner_shrink 3: must be 1 or 2"),
        ({"coarse_area_px": "big"}, "coarse_area_px = 'big': expected a whole number"),
        ({"coarse_area_px": 0}, "coarse_area_px 0: must be from 1024 to 16777216; 147456 is usual"),
        ({"second_look": "2"}, "second_look = '2': expected a number"),
        ({"coarse_encoder": None}, "coarse_encoder = None: expected text"),
    ],
)
def test_what_no_network_is_built_with_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        ModelSpec(**changes)


def test_widths_become_a_tuple() -> None:
    assert ModelSpec(coarse_widths=[16, 16, 24, 32]).coarse_widths == (16, 16, 24, 32)  # type: ignore[arg-type]
