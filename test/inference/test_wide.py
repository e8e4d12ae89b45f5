"""The smooth part of a refiner's changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prv2_ros.inference.wide import LARGEST, wide_part


@pytest.mark.parametrize("sigma", [0.8, 3.0])
def test_agrees_with_scipy_on_the_cells(sigma):
    change = np.random.default_rng(0).normal(0, 0.15, (96, 160)).astype(np.float32)
    cells = np.clip(change, -LARGEST, LARGEST).reshape(24, 4, 40, 4).mean((1, 3))
    smooth = ndimage.gaussian_filter(cells, sigma, mode="nearest", truncate=3.0)
    wide = wide_part(torch.from_numpy(change), (24, 40), sigma).numpy()
    # Between the cells' centres the map is bilinear: their mean over a cell's four middle pixels is the cell's own
    # value, but for its neighbours' bend.
    middle = wide.reshape(24, 4, 40, 4)[:, 1:3, :, 1:3].mean((1, 3))
    assert np.abs(middle - smooth)[1:-1, 1:-1].max() < 0.2 * np.abs(smooth).max()
    assert np.corrcoef(middle.ravel(), smooth.ravel())[0, 1] > 0.98


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(5, 90),
    width=st.integers(5, 90),
    value=st.floats(-0.19, 0.19),
    sigma=st.floats(0.3, 5.0),
)
def test_an_even_change_is_all_wide(height, width, value, sigma):
    wide = wide_part(torch.full((height, width), value), (8, 12), sigma)
    torch.testing.assert_close(wide, torch.full((height, width), value), atol=1e-6, rtol=1e-5)


def test_a_thin_thing_keeps_its_change_and_leaves_hardly_a_halo():
    change = torch.zeros(256, 256)
    change[:, 126:130] = -3.0  # a pole that the coarse depth took for the sky
    wide = wide_part(change, (64, 64), 3.0)
    assert wide.abs().max() < 0.2 * LARGEST
    assert wide[:, :64].abs().max() < 1e-4


def test_checkerboards_are_not_wide():
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    change = 0.1 * (1 - 2 * ((x // 4 + y // 4) % 2).float())
    wide = wide_part(change, (32, 32), 3.0)
    assert wide[40:-40, 40:-40].abs().max() < 1e-3  # nearer to the border, which repeats, the pattern is none


def test_what_is_no_number_counts_as_no_change_and_infinity_as_the_largest():
    change = torch.randn(64, 96, generator=torch.Generator().manual_seed(1)) * 0.1
    plain, odd = change.clone(), change.clone()
    for place, value, counts in ((10, torch.nan, 0.0), (20, torch.inf, LARGEST), (30, -torch.inf, -LARGEST)):
        odd[place, 40], plain[place, 40] = value, counts
    before = odd.clone()
    torch.testing.assert_close(wide_part(odd, (16, 24), 2.0), wide_part(plain, (16, 24), 2.0), rtol=0, atol=0)
    torch.testing.assert_close(odd, before, rtol=0, atol=0, equal_nan=True)
