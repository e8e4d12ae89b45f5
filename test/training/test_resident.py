from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from prv2_ros.data.frames import (
    Frame,
    decode_depth,
    encode_depth,
    list_frames,
    read_coded_frame,
    read_frame,
    write_frame,
)
from prv2_ros.data.synthetic import render
from prv2_ros.errors import ConfigError, InputError
from prv2_ros.network.align import network_focal
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.training import samples
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.loop import Trainer
from prv2_ros.training.resident import (
    Draft,
    FramePool,
    ResidentFeed,
    make_batch,
    recolour_batch,
    resident_folders,
)
from prv2_ros.training.samples import ColourChange, Window, coarse_sample, draw_colour_change, recolour

CPU = torch.device("cpu")


def _config(folder: Path, **changes: object) -> TrainConfig:
    values = {"data": (str(folder),), "batch": 2, "sizes": ((96, 128), (128, 96)), "workers": 2, "device": "cpu"}
    return TrainConfig(resident=True, **(values | changes))  # type: ignore[arg-type]


def _write(folder: Path, seed: int, width: int, height: int) -> None:
    made = render(seed, width, height, kind="room")
    write_frame(
        folder, Frame(name=f"{seed:08d}", image=made.image, depth_m=made.depth_m, camera=made.camera, kind="room")
    )


@pytest.mark.parametrize("stage", ["coarse", "far"])
@pytest.mark.parametrize("size", [(96, 128), (160, 192), (64, 128), (256, 160)])
def test_windows_are_those_of_the_samples_that_a_cpu_makes(frames: Path, size: tuple[int, int], stage: str) -> None:
    """The same draws give the same picture and truth, but for the filter and what the truth's borders round to."""
    feed = ResidentFeed(_config(frames, sizes=(size,), stage=stage), 0, CPU)
    paths = list_frames(frames)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        draft = feed._draft(size, np.random.default_rng(seed))
        rng.choice(1, p=[1.0])
        frame = read_frame(paths[int(rng.integers(len(paths)))])
        plain = dataclasses.replace(draft, colours=ColourChange())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(samples, "recolour", lambda image, rng: image)
            wanted = coarse_sample(frame, size, rng, close=stage == "far")
        batch = make_batch(feed.pool, [plain], size, torch.Generator())
        assert batch["image"].shape == (1, 3, *size)
        assert float(batch["f_px"]) == pytest.approx(wanted.f_px, rel=1e-6)
        found = batch["log_depth"][0, 0].numpy()
        same = np.isclose(found, wanted.log_depth, atol=0.02)  # ties go to the one pixel or the other
        assert same.mean() > 0.95
        difference = batch["image"][0].permute(1, 2, 0).numpy().astype(float) - wanted.image
        assert abs(difference.mean()) < 0.5
        assert np.abs(difference).mean() < 4.0


def test_pool_keeps_frames_of_several_sizes_as_they_are(tmp_path: Path) -> None:
    for seed, width, height in ((0, 160, 96), (1, 96, 128)):
        _write(tmp_path, seed, width, height)
    pool = FramePool((128, 160), CPU)
    for path in list_frames(tmp_path):
        coded = read_coded_frame(path)
        slot = pool.add(coded, path)
        height, width = coded.code.shape
        np.testing.assert_array_equal(pool.images([slot])[0, :height, :width], coded.image)
        rows, columns = torch.arange(height)[None], torch.arange(width)[None]
        with np.errstate(divide="ignore"):
            wanted = np.log(decode_depth(coded.code))
        np.testing.assert_allclose(pool.log_depth([slot], rows, columns)[0, 0], wanted, atol=1e-5)
    assert len(pool) == 2


def test_pool_goes_on_in_another_allocation_and_keeps_far_depth_and_sky(
    frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.resident._CHUNK", 2)
    coded = read_coded_frame(list_frames(frames)[0])
    pool = FramePool(coded.code.shape, CPU)
    depths_m = (0.5, 60.0, 9000.0, np.inf, 3.0)
    for k, depth_m in enumerate(depths_m):
        code = encode_depth(np.full(coded.code.shape, depth_m, np.float32))
        image = np.full_like(coded.image, k)
        assert pool.add(dataclasses.replace(coded, code=code, image=image), k) == k
    rows = columns = torch.zeros(5, 1, dtype=torch.int64)
    found = pool.log_depth([4, 3, 2, 1, 0], rows, columns).flatten()
    np.testing.assert_allclose(found, np.log(depths_m[::-1]), atol=2e-4)
    assert pool.images([4, 3, 2, 1, 0])[:, 5, 7, 1].tolist() == [4, 3, 2, 1, 0]


def test_what_lies_beyond_a_small_frame_on_its_canvas_is_not_seen(tmp_path: Path) -> None:
    _write(tmp_path, 0, 96, 64)
    frame = dataclasses.replace(read_coded_frame(list_frames(tmp_path)[0]), image=np.full((64, 96, 3), 200, np.uint8))
    pool = FramePool((160, 160), CPU)
    pool.add(frame, "small")
    draft = Draft(slot=0, window=Window(x=0, y=0, width=96, height=64), flipped=False, colours=ColourChange())
    for size in ((64, 96), (128, 192), (32, 64)):
        assert (make_batch(pool, [draft], size, torch.Generator())["image"] == 200).all()


def test_a_frame_larger_than_the_first_ones_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, 0, 96, 64)
    path = list_frames(tmp_path)[0]
    with pytest.raises(InputError, match=r"96x64 px, and the largest frame at the start had 80x64; begin with one of"):
        FramePool((64, 80), CPU).add(read_coded_frame(path), path)


def test_colours_change_as_on_a_cpu() -> None:
    smooth = np.linspace(30, 220, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint8)
    seen = 0
    for seed in range(40):
        change = draw_colour_change(np.random.default_rng(seed))
        if change.noise:
            continue
        seen += 1
        wanted = recolour(smooth, np.random.default_rng(seed))
        found = recolour_batch(torch.from_numpy(smooth).permute(2, 0, 1)[None].float(), [change], torch.Generator())
        np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), wanted, atol=3.0)
    assert seen > 20


def test_each_picture_of_a_batch_has_its_own_colours() -> None:
    images = torch.randint(0, 256, (6, 3, 24, 32), generator=torch.Generator().manual_seed(0)).float()
    changes = [
        ColourChange(),
        ColourChange(gain=(0.5, 1.0, 1.5), gamma=1.3),
        ColourChange(contrast=0.6, saturation=0.2),
        ColourChange(order=(2, 0, 1)),
        ColourChange(blur_px=1.1),
        ColourChange(blur_px=0.4),
    ]
    together = recolour_batch(images, changes, torch.Generator())
    for k, change in enumerate(changes):
        alone = recolour_batch(images[k : k + 1], [change], torch.Generator())
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=1e-3)
        assert torch.allclose(alone, images[k], atol=1e-3) == (k == 0)


def test_noise_is_as_strong_as_asked() -> None:
    grey = torch.full((2, 3, 64, 64), 128.0)
    found = recolour_batch(grey, [ColourChange(noise=6.0), ColourChange()], torch.Generator().manual_seed(0))
    assert float(found[0].std()) == pytest.approx(6.0, rel=0.05)
    assert float((found[1] - 128).abs().max()) < 1e-3


def test_batches_follow_from_seed_and_number(frames: Path) -> None:
    def batches(first: int, count: int, **changes: object) -> list[dict[str, torch.Tensor]]:
        feed = iter(ResidentFeed(_config(frames, **changes), first, CPU))
        return [next(feed) for _ in range(count)]

    for a, b in zip(batches(2, 2), batches(0, 4)[2:], strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(batches(0, 1)[0]["image"], batches(0, 1, seed=1)[0]["image"])


def test_processes_share_the_samples_of_a_batch_and_not_the_noise(
    frames: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch(size: int, rank: int) -> dict[str, torch.Tensor]:
        return next(iter(ResidentFeed(_config(frames, batch=size), 5, CPU, rank=rank)))

    whole, parts = batch(4, 0), [batch(2, rank) for rank in range(2)]
    for name in ("log_depth", "f_px"):
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), whole[name], equal_nan=True)

    monkeypatch.setattr("prv2_ros.training.resident.draw_colour_change", lambda rng: ColourChange(noise=9.0))
    monkeypatch.setattr("prv2_ros.training.resident.sample_rngs", lambda config, n, rank: [np.random.default_rng(0)])
    first, second = (batch(1, rank)["image"] for rank in range(2))
    assert not torch.equal(first, second), "the same picture, but for its noise"


def test_folders_are_drawn_by_their_shares(tmp_path: Path) -> None:
    folders = (tmp_path / "a", tmp_path / "b")
    for k, folder in enumerate(folders):
        folder.mkdir()
        _write(folder, k, 160, 96)

    def drawn(shares: tuple[float, ...]) -> list[int]:
        data = tuple(str(folder) for folder in folders)
        feed = ResidentFeed(_config(folders[0], data=data, data_shares=shares), 0, CPU)
        return [feed._draft((96, 128), np.random.default_rng(seed)).slot for seed in range(40)]

    assert set(drawn((0.0, 2.0))) == {1}
    assert 20 < sum(slot == 0 for slot in drawn((9.0, 1.0))) < 40


def test_focal_length_of_pixels_that_are_not_square_is_that_of_inference(tmp_path: Path) -> None:
    _write(tmp_path, 0, 160, 96)
    coded = read_coded_frame(list_frames(tmp_path)[0])
    pool = FramePool((96, 160), CPU)
    pool.add(dataclasses.replace(coded, camera=dataclasses.replace(coded.camera, fx=120.0, fy=150.0)), "oblong")
    draft = Draft(slot=0, window=Window(x=0, y=0, width=150, height=90), flipped=False, colours=ColourChange())
    found = float(make_batch(pool, [draft], (64, 96), torch.Generator())["f_px"])
    assert found == pytest.approx(network_focal(120.0, 150.0, (90, 150), (64, 96)), rel=1e-6)
    assert found == pytest.approx(np.sqrt(120.0 * 96 / 150 * 150.0 * 64 / 90), rel=1e-6)


def test_what_cannot_be_resident_says_why(frames: Path) -> None:
    with pytest.raises(ConfigError, match=r"resident is for stages coarse and far, not for refiner: leave it out"):
        _config(frames, stage="refiner")
    with pytest.raises(ConfigError, match=r"resident needs --data: folders that `prv2 synth` wrote"):
        resident_folders(_config(frames, data=()))
    with pytest.raises(ConfigError, match=r"resident: kitti:/data:train is no folder that `prv2 synth` wrote"):
        resident_folders(_config(frames, data=("kitti:/data:train",)))


def test_a_run_trains_from_the_pool(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DepthModel(ModelSpec(name="t", coarse_widths=(16, 16, 16, 16), coarse_area_px=16384))
    before = {name: value.clone() for name, value in model.coarse.state_dict().items()}
    trainer = Trainer(model, _config(frames, steps=3), tmp_path / "run")
    trainer.run()
    assert trainer.step == 3
    assert any(not torch.equal(before[name], value) for name, value in model.coarse.state_dict().items())


def test_unknown_depth_is_neither_sky_nor_far(frames: Path) -> None:
    coded = read_coded_frame(list_frames(frames)[0])
    pool = FramePool(coded.code.shape, CPU)
    depth_m = np.full(coded.code.shape, 1e9, np.float32)  # beyond the largest code
    depth_m[0], depth_m[1] = np.nan, np.inf
    pool.add(dataclasses.replace(coded, code=encode_depth(depth_m)), "holes")
    rows, columns = torch.arange(3)[None], torch.zeros(1, 1, dtype=torch.int64)
    unknown, sky, far = pool.log_depth([0], rows, columns).flatten().tolist()
    assert np.isnan(unknown)
    assert sky == np.inf
    assert far == pytest.approx(np.log(13_270), abs=1e-3)
