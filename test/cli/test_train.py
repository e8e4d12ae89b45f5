from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from tiny_depth_model import small_model

from prv2_ros.cli.main import main
from prv2_ros.data.frames import list_frames, read_frame
from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.network.model import VARIANTS, DepthModel
from prv2_ros.network.paths import config_folder
from prv2_ros.training.config import load_config
from prv2_ros.training.feed import Batch, Feed
from prv2_ros.training.loop import Trainer
from prv2_ros.training.stages import Figures, coarse_step


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
    assert main([*arguments, "--encoder", str(weights), "--variant", "s"]) == 0
    model = load_model(str(run / "trial.yaml"))
    assert isinstance(model, DepthModel)
    assert dataclasses.replace(model.spec, name="s") == VARIANTS["s"]
    assert str(run / "trial.yaml") in capsys.readouterr().out


def test_an_unknown_variant_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-o", str(tmp_path), "--variant", "xl"]) == 1
    assert "variant 'xl': expected one of s, m, l" in capsys.readouterr().err


def test_the_packages_own_configs_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    common = ["train", "-o", "run", "--data", "absent"]
    assert main([*common, "--config", "config/train/tiny.yaml"]) == 1
    assert "no folder absent" in capsys.readouterr().err, "the config was read"
    assert main([*common, "--config", "config/train/none.yaml"]) == 1
    assert "training config config/train/none.yaml: " in capsys.readouterr().err
    (tmp_path / "config" / "train").mkdir(parents=True)
    (tmp_path / "config" / "train" / "tiny.yaml").write_text("stage: odd")
    assert main([*common, "--config", "config/train/tiny.yaml"]) == 1
    assert "stage 'odd'" in capsys.readouterr().err, "one's own comes first"


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
    assert torch.equal(mixed.refiner.offset.weight, second.refiner.offset.weight)
    assert not torch.equal(mixed.refiner.offset.weight, first.refiner.offset.weight)
    kept = "scale_head.0.weight"
    assert torch.equal(mixed.coarse.state_dict()[kept], first.coarse.state_dict()[kept])


def test_a_short_run_learns_writes_its_files_and_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.loop._LOG_EVERY", 5)
    frames = tmp_path / "frames"
    main(["synth", "-o", str(frames), "--count", "4", "--size", "144x96", "--kind", "room"])
    start = save_model(small_model(), tmp_path, "start")
    tiny = yaml.safe_load((config_folder() / "train" / "tiny.yaml").read_text())
    common = ["train", "--config", str(config_folder() / "train" / "tiny.yaml"), "--init", str(start)]
    common += ["--data", str(frames)]
    assert main([*common, "-o", str(tmp_path / "whole")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == tiny["steps"]
    assert rows[-1]["loss"] < 0.95 * rows[0]["loss"], "a running mean, which is slow"
    batch = next(iter(Feed(load_config(config_folder() / "train" / "tiny.yaml", data=[str(frames)]), 1000)))
    with torch.no_grad():
        before, after = (
            float(coarse_step(load_model(str(path)), batch)[0]) for path in (start, tmp_path / "whole" / "model.yaml")
        )
    assert after < 0.85 * before
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {
        "checkpoint.pt", "log.jsonl", "model.safetensors", "model.yaml",
    }  # fmt: skip

    advance = Trainer._advance

    def interrupted(self: Trainer, batch: Batch) -> Figures:
        if self.step == 15:
            raise KeyboardInterrupt
        return advance(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_advance", interrupted)
        assert main([*common, "-o", str(tmp_path / "parts")]) == 130
    assert main([*common, "-o", str(tmp_path / "parts")]) == 0
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert files[0] == files[1], "stopped and resumed, to the last bit"


@pytest.mark.parametrize(
    ("stage", "source", "message"),
    [
        ("coarse", "{}/nowhere", "no folder {}/nowhere: give one that `prv2 synth` wrote"),
        ("coarse", "{}/empty", "no frames in {}/empty: looked for NNNNN.json"),
        ("refiner", "{}/empty", "no frames in {}/empty: looked for NNNNN.json"),
        ("refiner", "kitti:{}/empty:train", "wrote, and kitti:{}/empty:train is none"),
        ("end_to_end", "kity:{}/empty", "unknown data set 'kity': choose one of"),
        ("real", "kitti:{}/empty:test", "kitti has no split 'test': choose one of train"),
        ("coarse", "kitti:{}/empty:train", "{}/empty"),
    ],
)
def test_sources_are_listed_before_anything_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    source: str,
    message: str,
) -> None:
    def builds(_: object) -> None:
        raise AssertionError("the model was made")

    monkeypatch.setattr("prv2_ros.cli.train._model", builds)
    (tmp_path / "empty").mkdir()
    run = tmp_path / "run"
    assert main(["train", "-o", str(run), "--stage", stage, "--data", source.format(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prv2: error: ")
    assert message.format(tmp_path) in line
    assert not run.exists()


def test_an_error_of_a_worker_process_is_one_line_and_leaves_no_empty_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, run = tmp_path / "frames", tmp_path / "run"
    assert main(["synth", "-o", str(frames), "--count", "1", "--size", "96x64", "--kind", "plain"]) == 0
    (frames / "00000000.jpg").write_bytes(b"no picture")
    capsys.readouterr()
    start = str(save_model(small_model(), tmp_path, "start"))
    arguments = ["train", "-o", str(run), "--init", start, "--data", str(frames), "--steps", "1", "--batch", "1"]
    assert main([*arguments, "--device", "cpu"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"prv2: error: frame {frames / '00000000.jpg'} cannot be read")
    assert "Traceback" not in error
    assert not run.exists()


class _Idle:
    """Stands for the trainer where training is beside the point."""

    is_finished = False

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def run(self) -> None:
        pass


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "no --data: scenes are rendered as training goes, for 3600 s"),
        (["--seconds", "90"], "no --data: scenes are rendered as training goes, for 90 s"),
        (["--steps", "20"], "no --data: scenes are rendered as training goes, for 20 steps"),
        (["--stage", "refiner"], None),  # it refuses to go on without
        (["--data", "FRAMES"], None),
    ],
)
def test_rendering_instead_of_data_is_told_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: list[str],
    line: str | None,
) -> None:
    monkeypatch.setattr("prv2_ros.training.loop.Trainer", _Idle)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "00000000.json").touch()
    options = [str(tmp_path / "frames") if option == "FRAMES" else option for option in options]
    start = str(save_model(small_model(), tmp_path, "start"))
    with caplog.at_level("INFO"):
        assert main(["train", "-o", str(tmp_path / "run"), "--init", start, "--device", "cpu", *options]) == 0
    said = [record.getMessage() for record in caplog.records if "--data" in record.getMessage()]
    assert said == ([] if line is None else [line])


def test_data_without_a_source_is_wrong_usage_and_the_help_says_what_none_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["train", "-o", str(tmp_path / "run"), "--data"])
    assert ended.value.code == 2
    assert "--data: expected at least one argument" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "where neither names any, scenes are rendered as training goes" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.png", "a.png: neither a .safetensors nor a file of torch.save"),
        ("none.pth", "none.pth cannot be read (No such file or directory)"),
        ("a.safetensors", "a.safetensors: tensors are told apart by their order"),
    ],
)
def test_an_encoder_file_that_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    if name != "none.pth":
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    assert main(["train", "-o", str(tmp_path / "run"), "--encoder", str(tmp_path / name), "--variant", "s"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("prv2: error: ")
    assert "unforeseen" not in error
    assert message in error
    assert not (tmp_path / "run").exists()


def test_real_stage_makes_its_labels_with_the_starting_model(tmp_path: Path) -> None:
    frames, run = tmp_path / "frames", tmp_path / "run"
    main(["synth", "-o", str(frames), "--count", "1", "--size", "128x96", "--kind", "room"])
    start = save_model(small_model(), tmp_path, "start")
    config = tmp_path / "real.yaml"
    config.write_text(
        "stage: real\nsteps: 1\nbatch: 1\nsizes: [[64, 96]]\npatch: [64, 64]\nworkers: 0\nwindow_px: 16\n"
        "device: cpu\ncheckpoint_every: 1\n"
    )
    common = ["train", "--config", str(config), "--data", str(frames), "-o", str(run)]
    assert main([*common, "--init", str(start)]) == 0
    (labels,) = run.glob("pseudo_labels_start_*")
    assert [path.name[8:] for path in labels.glob("*.png")] == ["_00000000.png"]
    trained, before = load_model(str(run / "model.yaml")), load_model(str(start))
    assert not torch.equal(trained.refiner.offset.weight, before.refiner.offset.weight)


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
        (["train", "--stage", "real"], "pass --teacher or --init"),
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
