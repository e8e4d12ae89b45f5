from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_depth_model import small_model

from prv2_ros.errors import ConfigError
from prv2_ros.network.checkpoint import load_model, save_model
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


def test_a_network_for_what_is_far_is_a_copy_of_the_coarse_one_that_learns_by_itself() -> None:
    model = small_model().eval()
    picture, f_px = torch.rand(1, 3, 64, 96), torch.tensor([90.0])
    with torch.no_grad():
        before = model.predict_far(picture, f_px).log_depth_B1hw
        assert torch.equal(before, model.predict_coarse(picture, f_px).log_depth_B1hw), "none: the coarse one's"
        model.add_far_network()
        assert model.spec.far_network
        assert torch.equal(before, model.predict_far(picture, f_px).log_depth_B1hw)
        assert model.far is not None
        model.far.head.bias += 1
        torch.testing.assert_close(model.predict_far(picture, f_px).log_depth_B1hw, before + 1)
        assert torch.equal(before, model.predict_coarse(picture, f_px).log_depth_B1hw)
    kept = model.far
    model.add_far_network()
    assert model.far is kept, "one that is there stays"


def test_a_network_for_what_is_far_is_written_and_read(tmp_path: Path) -> None:
    model = small_model()
    model.add_far_network()
    assert model.far is not None
    with torch.no_grad():
        model.far.head.bias.fill_(2.5)
    found = load_model(str(save_model(model, tmp_path, "with")))
    assert found.spec.far_network
    assert found.far is not None
    assert found.far.head.bias.tolist() == [2.5]
    without = save_model(small_model(), tmp_path, "without")
    assert load_model(str(without)).far is None
    described = yaml.safe_load(without.read_text())
    del described["model"]["far_network"]  # as models of before it say
    without.write_text(yaml.safe_dump(described))
    assert load_model(str(without)).far is None
