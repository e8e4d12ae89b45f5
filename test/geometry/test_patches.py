from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import ConfigError, InputError
from prv2_ros.geometry.patches import Patch, PatchLayout, RunningMean, patch_weight


@pytest.mark.parametrize(("mode", "count"), [("m1", 16), ("m2", 49), ("r0", 49), ("r15", 64)])
def test_number_of_patches_is_the_papers(mode: str, count: int) -> None:
    first, later = PatchLayout(mode=mode).patches(448)
    assert len(first) == 16
    assert len(first) + len(later) == count


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), mode=st.sampled_from(["m1", "m2", "r7"]))
def test_patches_lie_on_the_merged_map_and_the_first_grid_covers_it(rows: int, columns: int, mode: str) -> None:
    patch_px = 32
    first, later = PatchLayout(rows=rows, columns=columns, mode=mode).patches(patch_px)
    covered = np.zeros((rows * patch_px, columns * patch_px), int)
    for patch in first:
        covered[patch.top : patch.top + patch_px, patch.left : patch.left + patch_px] += 1
    assert (covered == 1).all()
    for patch in later:
        assert 0 <= patch.top <= (rows - 1) * patch_px
        assert 0 <= patch.left <= (columns - 1) * patch_px


def test_random_patches_follow_from_the_seed() -> None:
    one, same, other = (PatchLayout(mode="r9", seed=seed).patches(64)[1][33:] for seed in (3, 3, 4))
    assert one == same
    assert one != other
    assert len(one) == 9


def test_box_of_a_patch_is_its_share_of_the_image() -> None:
    assert Patch(top=224, left=112).box_xywh(224, (448, 448), (480, 640)) == (160.0, 240.0, 320.0, 240.0)


def test_weight_is_a_box_with_soft_sides() -> None:
    weight = patch_weight(224)
    assert weight.shape == (224, 224)
    assert weight.min() == 0.0
    assert weight.max() == 1.0
    np.testing.assert_allclose(weight, weight[::-1, ::-1], atol=1e-6)
    np.testing.assert_allclose(weight, weight.T, atol=1e-6)
    middle = weight[112]
    assert (np.diff(middle[:112]) >= -1e-6).all()
    assert middle[33] == pytest.approx(0.5, abs=0.05), "the box's side, 15% in, is where the weight is half"
    assert middle[60:164].min() > 0.97
    # A sixteenth of the patch outside of the box's side, one sigma of a blur that ends at two.
    assert middle[19] == pytest.approx(0.142, abs=0.02)


def test_running_mean_is_the_weighted_mean_where_patches_are_averaged_in() -> None:
    layout, patch_px = PatchLayout(rows=2, columns=2, mode="r3"), 64
    first, later = layout.patches(patch_px)
    rng = np.random.default_rng(0)
    values = [rng.uniform(1, 9, (patch_px, patch_px)).astype(np.float32) for _ in [*first, *later]]
    merged = RunningMean(layout, patch_px)
    total, count = np.zeros((128, 128)), np.zeros((128, 128))
    plain = np.zeros((128, 128))
    for k, (patch, value) in enumerate(zip([*first, *later], values, strict=True)):
        where = slice(patch.top, patch.top + patch_px), slice(patch.left, patch.left + patch_px)
        total[where] += patch_weight(patch_px) * value
        count[where] += patch_weight(patch_px)
        if k < len(first):
            plain[where] = value
            merged.write(patch, value)
        else:
            merged.add(patch, value)
    expected = np.where(count > 1e-3, total / np.maximum(count, 1e-9), merged.depth_m)
    np.testing.assert_allclose(merged.depth_m, expected, rtol=2e-4)
    untouched = np.isclose(count, 0) & np.isclose(merged.depth_m, plain)
    assert untouched.any(), "what only the first grid sees keeps its values"


def test_blended_patches_have_one_size_and_weights_that_sum_to_one() -> None:
    layout = PatchLayout(rows=3, columns=4, mode="blend", overlap_px=24)
    grid = layout.blend_grid(96)
    total = np.zeros((3 * 96, 4 * 96), np.float32)
    for tile in grid:
        total[tile.y : tile.y + 96, tile.x : tile.x + 96] += grid.weight(tile)
    assert (total == 1).all()
    assert len(grid) > 12


def test_wrong_layouts_are_named() -> None:
    with pytest.raises(ConfigError, match="patch grid 0x4: both numbers must be at least 1"):
        PatchLayout(rows=0)
    with pytest.raises(ConfigError, match="patch mode 'm3': expected m1, m2, blend or rN"):
        PatchLayout(mode="m3")
    for changes in ({"seed": -1}, {"overlap_px": -1}):
        with pytest.raises(ConfigError, match=r"-1.*neither may be negative"):
            PatchLayout(**changes)
    for changes, told in (({"rows": "4"}, "rows = '4': expected a whole"), ({"mode": 1}, "mode = 1: expected text")):
        with pytest.raises(ConfigError, match=told):
            PatchLayout(**changes)
    with pytest.raises(ConfigError, match="patches of 64 px: overlap = 64 px"):
        PatchLayout(mode="blend").blend_grid(64)
    with pytest.raises(InputError, match=r"grid of 4x4 patches does not fit an image of 640x100 px.*fewer rows"):
        PatchLayout().check_image(100, 640)


def test_rows_of_a_layout_are_held_against_the_height() -> None:
    PatchLayout(rows=2, columns=4).check_image(64, 128)
    for height, width in ((63, 128), (64, 127)):
        with pytest.raises(InputError, match=f"grid of 2x4 patches does not fit an image of {width}x{height} px"):
            PatchLayout(rows=2, columns=4).check_image(height, width)
