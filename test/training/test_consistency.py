from __future__ import annotations

import pytest
import torch

from prv2_ros.training.consistency import consistency_error, consistency_loss, overlap_differences

CORNERS = torch.tensor([[[0, 0], [16, 0], [0, 24], [16, 24]]])
"""Four patches of 32x32 px (x, y) that overlap by 16 columns and by 8 rows."""


def _cut(whole: torch.Tensor, side: int = 32, stride: int = 1) -> torch.Tensor:
    parts = [
        whole[:, y // stride : (y + side) // stride, x // stride : (x + side) // stride] for x, y in CORNERS[0].tolist()
    ]
    return torch.stack(parts)[None]


def test_patches_of_one_map_agree() -> None:
    patches = _cut(torch.rand(1, 56, 48, generator=torch.Generator().manual_seed(0)))
    assert consistency_loss(patches, CORNERS).item() == 0
    assert consistency_error(patches, CORNERS).item() == 0


def test_every_pixel_that_two_patches_show_counts() -> None:
    patches = torch.zeros(1, 4, 1, 32, 32)
    for k, value in enumerate((0.0, 1.0, 3.0, 7.0)):
        patches[:, k] = value
    # Pixels shared by 01, 02, 03, 12, 13, 23 and how far these patches are apart.
    areas = [16 * 32, 32 * 8, 16 * 8, 16 * 8, 32 * 8, 16 * 32]
    apart = [1, 3, 7, 2, 6, 4]
    assert [d.numel() for d in overlap_differences(patches, CORNERS)] == [sum(areas)]
    expected = sum(a * d for a, d in zip(areas, apart, strict=True)) / sum(areas)
    assert consistency_error(patches, CORNERS).item() == pytest.approx(expected)
    squares = sum(a * d * d for a, d in zip(areas, apart, strict=True)) / sum(areas)
    assert consistency_loss(patches, CORNERS).item() == pytest.approx(squares)


def test_a_patch_is_compared_where_it_lies_and_not_cell_by_cell() -> None:
    whole = torch.rand(1, 56, 48, generator=torch.Generator().manual_seed(1))
    patches = _cut(whole)
    patches[0, 3, 0, 31, 31] += 5.0  # the corner that no other patch shows
    assert consistency_loss(patches, CORNERS).item() == 0
    patches[0, 3, 0, 0, 0] += 5.0  # seen by all four
    assert consistency_error(patches, CORNERS).item() == pytest.approx(3 * 5.0 / 1792)


def test_features_count_at_their_stride() -> None:
    patches = torch.zeros(1, 4, 1, 32, 32)
    features = _cut(torch.rand(5, 7, 6, generator=torch.Generator().manual_seed(2)), stride=8)
    assert features.shape == (1, 4, 5, 4, 4)
    assert consistency_loss(patches, CORNERS, features, feature_stride=8).item() == 0
    features[0, 0] += 2.0  # the first patch shares 2x4, 4x1 and 2x1 cells; the others share as many among themselves
    assert consistency_loss(patches, CORNERS, features, feature_stride=8).item() == pytest.approx(4 * 14 / 28)


def test_a_batch_split_in_two_costs_what_it_costs_whole() -> None:
    patches = torch.rand(2, 2, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    corners = torch.tensor([[[0, 0], [4, 0]], [[0, 0], [28, 28]]])  # hardly anything in common, and nearly all
    for measure in (consistency_loss, consistency_error):
        parts = [measure(patches[k : k + 1], corners[k : k + 1]).item() for k in range(2)]
        assert measure(patches, corners).item() == pytest.approx(sum(parts) / 2)


def test_patches_apart_cost_nothing_and_give_no_gradient() -> None:
    patches = torch.rand(1, 2, 1, 32, 32, requires_grad=True)
    loss = consistency_loss(patches, torch.tensor([[[0, 0], [40, 0]]]))
    loss.backward()
    assert loss.item() == 0
    assert not patches.grad.any()


def test_gradients_are_those_of_finite_differences() -> None:
    patches = torch.rand(1, 4, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    corners = torch.tensor([[[0, 0], [2, 0], [0, 3], [2, 3]]])
    assert torch.autograd.gradcheck(lambda p: consistency_loss(p, corners), (patches,))
