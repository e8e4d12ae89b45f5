from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from prv2_ros.cli.main import main
from prv2_ros.data.frames import list_frames, read_frame
from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.network.model import DepthModel


def _imagenet(folder: Path) -> Path:
    """Weights as the ImageNet file holds them, untrained."""
    path = folder / "imagenet.pth"
    torch.save(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), path)
    return path


def test_synth_then_train_then_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, run = tmp_path / "frames", tmp_path / "run"
    assert main(["synth", "-o", str(frames), "--count", "2", "--size", "96x64", "--kind", "room"]) == 0
    assert [read_frame(p).kind for p in list_frames(frames)] == ["room", "room"]
    weights = _imagenet(tmp_path)
    arguments = ["train", "-o", str(run), "--steps", "1", "--batch", "1", "--data", str(frames), "--name", "trial"]
    assert main([*arguments, "--encoder", str(weights)]) == 0
    assert isinstance(load_model(str(run / "trial.yaml")), DepthModel)
    assert str(run / "trial.yaml") in capsys.readouterr().out


def test_refiner_of_another_model_is_taken(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    main(["synth", "-o", str(frames), "--count", "1", "--size", "96x64", "--kind", "room"])
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(save_model(DepthModel(), tmp_path / f"start{seed}", "start"))
    common = ["train", "--steps", "1", "--batch", "1", "--data", str(frames), "-o", str(tmp_path / "run")]
    assert main([*common, "--init", str(models[0]), "--refiner", str(models[1])]) == 0
    mixed, first, second = (load_model(str(path)) for path in (tmp_path / "run" / "model.yaml", *models))
    assert torch.equal(mixed.refiner.head.weight, second.refiner.head.weight)
    assert not torch.equal(mixed.refiner.head.weight, first.refiner.head.weight)
    kept = "encoder.body.conv_stem.weight"
    assert torch.equal(mixed.coarse.state_dict()[kept], first.coarse.state_dict()[kept])


def test_synth_keeps_what_is_there(tmp_path: Path) -> None:
    arguments = ["synth", "-o", str(tmp_path), "--count", "1", "--size", "64x64", "--kind", "road"]
    assert main(arguments) == 0
    before = list_frames(tmp_path)[0].stat().st_mtime_ns
    assert main(arguments) == 0
    assert list_frames(tmp_path)[0].stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["synth", "--size", "big"], "size 'big': expected WIDTHxHEIGHT"),
        (["synth", "--kind", "moon", "--size", "64x64"], "'moon'"),
        (["train", "--stage", "dessert"], "'dessert'"),
        (["train", "--export-only"], "no checkpoint"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    weights = _imagenet(tmp_path)
    extra = ["--encoder", str(weights)] if arguments[0] == "train" else []
    assert main([*arguments, *extra, "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in error if "error:" in line]) == 1
    assert message in error[-1]
