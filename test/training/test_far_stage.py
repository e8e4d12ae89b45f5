"""Stage `far`: the closer look's own network learns what is far, from windows as close as that look."""

from __future__ import annotations

import math
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from tiny_depth_model import small_model

from prv2_ros.cli.main import main
from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.errors import ConfigError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.training import losses, samples
from prv2_ros.training.config import STAGES, TrainConfig
from prv2_ros.training.feed import Feed
from prv2_ros.training.parts import set_training_mode
from prv2_ros.training.samples import coarse_sample, draw_close_window
from prv2_ros.training.stages import StageModule, coarse_step, far_step, parameter_groups, trained_part


@pytest.fixture(scope="module")
def open_ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of ground up to a hill 120 m away, under sky."""
    folder = tmp_path_factory.mktemp("open_ground")
    camera = CameraModel.from_fov(192, 128, 70)
    rows = np.linspace(-1, 1, 128, dtype=np.float32)[:, None]
    depth_m = np.where(rows > 0.1, 4 / np.maximum(rows, 0.01), np.where(rows > -0.2, 120, np.inf))
    for name in ("a", "b"):
        image = np.random.default_rng(ord(name)).integers(0, 256, (128, 192, 3), dtype=np.uint8)
        depth = np.broadcast_to(depth_m, (128, 192)).astype(np.float32)
        write_frame(folder, Frame(name=name, image=image, depth_m=depth, camera=camera, kind="road"))
    return folder


def test_truth_counts_where_it_is_far_or_sky_and_beside_that() -> None:
    metres = torch.full((1, 1, 80, 60), 3.0)
    metres[..., :10, :] = math.inf
    metres[..., 60, 20] = 22.5
    metres[..., 70, 50] = 21.5
    metres[..., 5:20, 50] = math.nan
    found = losses.far_and_beside(metres.log(), 22.0)
    expected = torch.full_like(found, math.nan)
    expected[..., 44:77, 4:37] = math.log(3)
    expected[..., 60, 20] = math.log(22.5)
    expected[..., 10:26, :] = math.log(3)
    expected[..., :10, :] = math.inf
    expected[..., 5:20, 50] = math.nan
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_what_is_near_alone_is_not_learnt_from() -> None:
    near = torch.full((2, 1, 40, 60), 5.0).log()
    assert losses.far_and_beside(near, 22.0).isnan().all()


@pytest.mark.parametrize("size", [(64, 160), (96, 96)])
def test_windows_are_closer_than_the_picture_and_lie_anywhere_across(size: tuple[int, int]) -> None:
    camera = CameraModel.from_fov(1280, 720, 70)
    windows = [draw_close_window(camera, size, np.random.default_rng(seed)) for seed in range(300)]
    largest = min(1280 / size[1], 720 / size[0])
    closer = [largest * size[1] / window.width for window in windows]
    assert 1.19 < min(closer) < 1.25
    assert 2.3 < max(closer) < 2.41
    for window in windows:
        assert 0 <= window.x <= 1280 - window.width
        assert 0 <= window.y <= 720 - window.height
        assert window.width / window.height == pytest.approx(size[1] / size[0], rel=0.01)
    assert min(window.x for window in windows) < 20
    assert max(window.x + window.width for window in windows) > 1260
    assert np.mean([window.y + window.height / 2 for window in windows]) == pytest.approx(360, abs=12)


def test_a_window_is_not_shown_larger_than_its_pixels_allow() -> None:
    camera = CameraModel.from_fov(1280, 720, 70)
    widths = {draw_close_window(camera, (576, 1024), np.random.default_rng(seed)).width for seed in range(100)}
    assert min(widths) == round(1024 / 1.4)
    assert 1000 < max(widths) <= 1280 / 1.2
    assert draw_close_window(camera, (1440, 2560), np.random.default_rng(0)).width == 1280
    assert draw_close_window(camera, (720, 1280), np.random.default_rng(3)).width < 1280


def test_a_sample_keeps_depth_and_focal_length_true() -> None:
    """Each row's depth is that of the row of the picture that the window has there."""
    camera = CameraModel.from_fov(192, 128, 70)
    depth_m = np.broadcast_to(np.arange(1, 129, dtype=np.float32)[:, None], (128, 192)).copy()
    frame = Frame(name="r", image=np.zeros((128, 192, 3), np.uint8), depth_m=depth_m, camera=camera, kind="road")
    for seed in range(10):
        with patch.object(samples, "recolour", lambda image, rng: image):
            sample = coarse_sample(frame, (64, 96), np.random.default_rng(seed), close=True)
        rows = np.exp(sample.log_depth[:, 0])
        per_row = (rows[-1] - rows[0]) / 63
        assert 1 / 1.21 > per_row / 2 > 1 / 2.45
        assert sample.f_px == pytest.approx(camera.fx / per_row, rel=0.03)


def test_its_batches_are_of_close_windows(open_ground: Path) -> None:
    values = {"data": (str(open_ground),), "batch": 16, "sizes": ((64, 96),), "workers": 0}
    f_px = {
        stage: next(iter(Feed(TrainConfig(stage=stage, **values))))["f_px"]  # type: ignore[arg-type]
        for stage in ("coarse", "far")
    }
    whole = CameraModel.from_fov(192, 128, 70).fx / 2
    assert f_px["coarse"].min() == pytest.approx(whole, rel=1e-3)
    assert f_px["far"].min() > 1.19 * whole


def test_a_model_without_the_network_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^stage far: this model has no network for what is far"):
        trained_part(small_model(), "far")


def test_the_loss_is_the_coarse_networks_of_what_counts(open_ground: Path) -> None:
    model = small_model()
    model.add_far_network()
    model.eval()
    batch = next(iter(Feed(TrainConfig(stage="far", data=(str(open_ground),), batch=2, sizes=((64, 96),)))))
    masked = batch | {"log_depth": losses.far_and_beside(batch["log_depth"], 22.0)}
    assert masked["log_depth"].isnan().any()
    assert masked["log_depth"].isfinite().any()
    everywhere = TrainConfig(stage="far", far_from_m=1e-3)
    with torch.no_grad():
        assert float(far_step(model, batch)[0]) == float(coarse_step(model, masked)[0])
        assert float(far_step(model, batch, everywhere)[0]) == float(coarse_step(model, batch)[0])


def test_it_alone_learns_and_its_norms_stay(open_ground: Path) -> None:
    model = small_model()
    model.add_far_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    config = TrainConfig(stage="far", data=(str(open_ground),), batch=2, sizes=((64, 96),), frozen=())
    set_training_mode(model, config)
    optimizer = torch.optim.SGD(parameter_groups(model, config), lr=0.1)
    StageModule(model, config)(next(iter(Feed(config))))[0].backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith("far.") and "running" not in name and "scale_head" not in name for name in changed)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "far"])
def test_no_other_stage_changes_it(stage: str) -> None:
    model = small_model()
    model.add_far_network()
    set_training_mode(model, TrainConfig(stage=stage, frozen=()))
    assert model.far is not None
    assert not model.far.training
    assert not any(parameter.requires_grad for parameter in model.far.parameters())
    assert any(parameter.requires_grad for parameter in model.parameters())


def test_the_command_adds_the_network_and_goes_on_with_it(open_ground: Path, tmp_path: Path) -> None:
    start = save_model(small_model(), tmp_path, "start")
    config = tmp_path / "far.yaml"
    config.write_text("stage: far\nsizes: [[64, 96]]\nbatch: 2\nworkers: 0\n")
    command = ["train", "--config", str(config), "--data", str(open_ground), "-o", str(tmp_path / "run")]
    assert main([*command, "--init", str(start), "--steps", "1"]) == 0
    assert main([*command, "--steps", "2"]) == 0, "from the checkpoint alone"
    before, after = load_model(str(start)), load_model(str(tmp_path / "run" / "model.yaml"))
    assert after.far is not None
    for name, value in before.coarse.state_dict().items():
        assert torch.equal(value, after.coarse.state_dict()[name])
    assert not torch.equal(after.far.head.weight, after.coarse.head.weight)
    assert main(["train", "-o", str(tmp_path / "run"), "--export-only", "--name", "again"]) == 0
    assert torch.equal(load_model(str(tmp_path / "run" / "again.yaml")).far.head.weight, after.far.head.weight)  # type: ignore[union-attr]
    again = [*command[:-1], str(tmp_path / "more"), "--init", str(tmp_path / "run" / "model.yaml"), "--steps", "1"]
    assert main(again) == 0, "a network that is there learns on"


def test_a_coarse_network_brings_the_one_for_what_is_far(open_ground: Path, tmp_path: Path) -> None:
    """Else the model would have one of another kind than its coarse network, which nobody could load."""
    model = small_model(1)
    model.add_far_network()
    with_far, without = save_model(model, tmp_path, "with"), save_model(small_model(2), tmp_path, "without")
    for init, coarse in ((without, with_far), (with_far, without)):
        run = tmp_path / f"over_{coarse.stem}"
        command = ["train", "--stage", "coarse", "--steps", "1", "--data", str(open_ground), "-o", str(run)]
        assert main([*command, "--init", str(init), "--coarse", str(coarse)]) == 0
        found, wanted = load_model(str(run / "model.yaml")).far, load_model(str(coarse)).far
        assert (found is None) is (wanted is None)
        if found is not None and wanted is not None:
            assert torch.equal(found.head.weight, wanted.head.weight)


def test_it_needs_a_coarse_network_that_has_learnt(
    open_ground: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--stage", "far", "--data", str(open_ground), "--steps", "1", "-o", str(tmp_path / "r")]) == 1
    assert "stage far begins with a trained coarse network: pass --init or --coarse" in capsys.readouterr().err


def test_without_pictures_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = save_model(small_model(), tmp_path, "start")
    run = ["train", "--stage", "far", "--init", str(start), "--steps", "1", "-o", str(tmp_path / "run")]
    assert main(run) == 1
    assert not (tmp_path / "run").exists()
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("stage far needs --data: pictures of 1280 px or wider (`prv2 synth --size 1280x720`)")
    )
