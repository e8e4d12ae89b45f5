from __future__ import annotations

import torch

from prv2_ros.data import textures


def _bank() -> torch.Tensor:
    return textures.bank(torch.device("cpu"))[..., :3].float() / 255


def test_bank_holds_every_kind_with_all_mip_levels() -> None:
    texels = sum((256 >> level) ** 2 for level in range(8))
    assert textures.bank(torch.device("cpu")).shape == (textures.KINDS * textures.VARIANTS, texels, 4)
    assert float(_bank()[:, : 256 * 256].std(dim=1).min()) > 0.01, "a texture without any structure"


def test_coarser_levels_are_means_of_finer_ones() -> None:
    bank = _bank()
    fine = bank[7, : 256 * 256].view(256, 256, 3)
    coarse = bank[7, 256 * 256 : 256 * 256 + 128 * 128].view(128, 128, 3)
    torch.testing.assert_close(coarse[5, 9], fine[10:12, 18:20].mean((0, 1)), atol=1 / 255, rtol=0)


def test_sample_repeats_and_meets_texel_centres() -> None:
    ids = torch.tensor([3, 3, 3])
    u = torch.tensor([10.5 / 256, 1 + 10.5 / 256, -2 + 10.5 / 256])
    v = torch.full((3,), 20.5 / 256)
    found = textures.sample(ids, u, v, torch.ones(3))
    expected = _bank()[3, 20 * 256 + 10]
    torch.testing.assert_close(found, expected[:, None].expand(3, 3), atol=2e-3, rtol=0)


def test_a_large_footprint_gives_the_mean() -> None:
    bank = _bank()
    found = textures.sample(torch.tensor([0]), torch.tensor([0.3]), torch.tensor([0.7]), torch.tensor([1e4]))
    assert float((found[:, 0] - bank[0, : 256 * 256].mean(0)).abs().max()) < 0.25
    near = textures.sample(torch.tensor([0]), torch.tensor([0.3]), torch.tensor([0.7]), torch.tensor([128.0]))
    torch.testing.assert_close(found, near)


def test_printed_edges_stay_a_pixel_wide_where_texels_cover_many() -> None:
    """Along 80 pixels of a tenth of a texel, crisp squares of a board have one grey pixel an edge at most."""
    count = 80
    ids = torch.full((count,), textures.CHECKER * textures.VARIANTS)
    u = 28 / 256 + torch.arange(count) / 2560
    v, texels = torch.full((count,), 10.5 / 256), torch.full((count,), 0.1)
    soft, crisp = (textures.sample(ids, u, v, texels, 1, crisp=crisp)[0] for crisp in (False, True))
    grey = [int(((value > 0.02) & (value < 0.98)).sum()) for value in (soft, crisp)]
    assert grey[0] >= 8
    assert grey[1] <= 1
    assert set(crisp.round().tolist()) == {0.0, 1.0}


def test_crisp_lookups_change_nothing_where_texels_are_smaller_than_pixels_nor_soft_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = torch.rand(2, 64, generator=generator)
    for kind, texels in ((textures.POSTER, 1.0), (textures.TEXT, 3.0), (textures.NOISE, 0.1)):
        ids, footprint = torch.full((64,), kind * textures.VARIANTS), torch.full((64,), texels)
        found = textures.sample(ids, u, v, footprint, crisp=True)
        assert torch.equal(found, textures.sample(ids, u, v, footprint))
