"""What a model starts from, and what a run that goes on takes from its checkpoint."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import timm
import torch
from tiny_depth_model import small_model

from prv2_ros.cli.main import main
from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.network.model import VARIANTS, DepthModel


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    main(["synth", "-o", str(folder), "--count", "1", "--size", "96x64", "--kind", "plain"])
    return folder


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    main(["synth", "-o", str(folder), "--tiles", "--count", "1", "--kind", "plain"])
    return folder


def _train(data: Path, run: Path, *options: str, stage: str = "coarse", more: str = "") -> list[str]:
    config = run.parent / f"{stage}.yaml"
    config.write_text(f"stage: {stage}\nsizes: [[64, 64]]\nbatch: 1\nworkers: 0\nsteps: 1\ndevice: cpu\n{more}")
    return ["train", "--config", str(config), "--data", str(data), "-o", str(run), *options]


def _error(capsys: pytest.CaptureFixture[str]) -> str:
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("prv2: error: ")
    assert "unforeseen" not in error
    return error


def _equal(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[name]) for name, value in first.state_dict().items())


def test_a_run_goes_on_and_is_exported_from_the_model_it_began_with(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, other = (save_model(small_model(seed), tmp_path, name) for seed, name in ((0, "start"), (1, "other")))
    run, same = tmp_path / "run", tmp_path / "same"
    assert main(_train(frames, run, "--init", str(start), "--steps", "2")) == 0
    two = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").unlink()
    assert main(["train", "-o", str(run), "--export-only"]) == 0
    assert (run / "model.safetensors").read_bytes() == two
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    fault = f"its run began with --init {start}, and the model of this call has other weights where stage coarse trains"
    for options in (["--steps", "4"], ["--export-only"]):
        assert main(_train(frames, run, "--init", str(other), *options)) == 1
        assert fault in _error(capsys)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    shutil.copytree(run, same)
    assert main(_train(frames, run, "--steps", "4")) == 0
    assert main(_train(frames, same, "--steps", "4", "--init", str(start))) == 0
    four = (run / "model.safetensors").read_bytes()
    assert four != two
    assert four == (same / "model.safetensors").read_bytes()


def test_a_refiner_is_exported_over_the_coarse_network_that_it_learnt_on(tiles: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    coarse, refiner = (save_model(small_model(seed), tmp_path, str(seed)) for seed in (0, 1))
    assert main(_train(tiles, run, "--init", str(coarse), "--refiner", str(refiner), stage="refiner")) == 0
    made = (run / "model.safetensors").read_bytes()
    assert main(["train", "-o", str(run), "--export-only", "--name", "again"]) == 0
    assert (run / "again.safetensors").read_bytes() == made
    assert _equal(load_model(str(run / "again.yaml")).coarse, load_model(str(coarse)).coarse)


def test_a_model_that_started_afresh_is_made_again(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, run = tmp_path / "imagenet.pth", tmp_path / "run"
    torch.save(timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict(), weights)
    options = ["--variant", "s", "--encoder", str(weights), "--seed", "5"]
    assert main(_train(frames, run, *options, "--steps", "1")) == 0
    made = (run / "model.safetensors").read_bytes()
    assert main(["train", "-o", str(run), "--export-only"]) == 0
    assert (run / "model.safetensors").read_bytes() == made
    capsys.readouterr()
    assert main(["train", "-o", str(run), "--export-only", "--variant", "l"]) == 1
    began = f"no --init (--variant s --encoder {weights} --seed 5)"
    assert f"its run began with {began}, and the model of this call has another architecture (ref" in _error(capsys)
    weights.unlink()
    assert main(["train", "-o", str(run), "--export-only"]) == 1
    assert f"the run in {run} goes on from {began}, which cannot be made again (weights " in _error(capsys)


def test_a_model_that_is_gone_is_asked_for(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, run = save_model(small_model(), tmp_path, "start"), tmp_path / "run"
    assert main(_train(frames, run, "--init", str(start), "--steps", "1")) == 0
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (start, start.with_suffix(".safetensors")):
        shutil.move(path, moved)
    assert main(["train", "-o", str(run), "--export-only"]) == 1
    error = _error(capsys)
    assert f"the run in {run} goes on from --init {start}, which cannot be made again (no model '{start}'" in error
    assert "pass --init with the model that it began with" in error
    assert main(["train", "-o", str(run), "--export-only", "--init", str(moved / "start.yaml")]) == 0


def test_a_damaged_checkpoint_is_one_line(frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    for options in ([], ["--export-only"]):
        assert main(_train(frames, tmp_path, *options)) == 1
        assert f"checkpoint {tmp_path / 'checkpoint.pt'} cannot be read" in _error(capsys)


def test_options_for_a_fresh_model_are_refused_beside_another_one(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, run = save_model(DepthModel(VARIANTS["s"]), tmp_path, "start"), tmp_path / "run"
    common = _train(frames, run, "--init", str(start), "--steps", "1")
    assert main([*common, "--variant", "m"]) == 1
    assert (
        f"--variant m: --init {start} is of another size (refiner mobilenetv4_conv_small, widths [24, 32, 48, 64])"
        in (_error(capsys))
    )
    assert main([*common, "--encoder", "e.pth"]) == 1
    assert f"--encoder e.pth: --init {start} has encoders; leave one of the two out" in _error(capsys)
    assert not run.exists()
    assert main([*common, "--variant", "s"]) == 0


def test_a_refiner_of_another_size_starts_over_the_coarse_network_of_a_model(tiles: Path, tmp_path: Path) -> None:
    """As it does over `default`; no ImageNet weights are asked for, as none of its encoders has some."""
    coarse, run = small_model(), tmp_path / "run"
    coarse.spec = dataclasses.replace(coarse.spec, second_look=0.0, coarse_area_px=96 * 128)
    given = save_model(coarse, tmp_path, "given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prv2_ros.cli.train._imagenet", lambda _: pytest.fail("ImageNet weights were asked for"))
        assert main(_train(tiles, run, "--variant", "s", "--coarse", str(given), stage="noise")) == 0
    made = load_model(str(run / "model.yaml"))
    refiner = {f: getattr(VARIANTS["s"], f) for f in ("refiner_encoder", "refiner_widths", "refiner_shrink")}
    assert made.spec == dataclasses.replace(coarse.spec, name="model", **refiner)
    assert _equal(made.coarse, load_model(str(given)).coarse)
    assert main(["train", "-o", str(run), "--export-only", "--name", "again"]) == 0
    assert (run / "again.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


def test_the_coarse_network_of_another_model_is_taken_beside_init(frames: Path, tmp_path: Path) -> None:
    first, second = (save_model(small_model(seed), tmp_path, str(seed)) for seed in (0, 1))
    run = tmp_path / "run"
    assert main(_train(frames, run, "--init", str(first), "--coarse", str(second), "--steps", "1")) == 0
    made = load_model(str(run / "model.yaml"))
    assert _equal(made.refiner, load_model(str(first)).refiner)
    kept = "coarse.scale_head.0.weight"  # no stage but `confidence` trains it
    assert torch.equal(made.get_parameter(kept), load_model(str(second)).get_parameter(kept))
    assert not torch.equal(made.get_parameter(kept), load_model(str(first)).get_parameter(kept))


def test_pseudo_labels_are_made_by_the_teacher_beside_init(frames: Path, tmp_path: Path) -> None:
    start, teacher = (save_model(small_model(seed), tmp_path, name) for seed, name in ((0, "start"), (1, "teacher")))
    run, more = tmp_path / "run", "patch: [64, 64]\nwindow_px: 16\n"
    assert main(_train(frames, run, "--init", str(start), "--teacher", str(teacher), stage="real", more=more)) == 0
    (labels,) = run.glob("pseudo_labels_*")
    assert labels.name.startswith("pseudo_labels_teacher_")


def test_random_kernels_are_not_held_fixed_and_a_line_says_so(
    tiles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, given = tmp_path / "run", save_model(small_model(), tmp_path, "given")
    options = ["--variant", "l", "--coarse", str(given)]
    with caplog.at_level("INFO"):
        assert main(_train(tiles, run, *options, stage="noise", more="fixed_depthwise: true\n")) == 0
    said = [record.getMessage() for record in caplog.records]
    line = "refiner.encoder starts from random weights: all of it learns, whatever `frozen` and `fixed_depthwise` say"
    assert line in said
    torch.manual_seed(0)
    drawn = DepthModel(VARIANTS["l"]).refiner
    learnt = torch.load(run / "checkpoint.pt", weights_only=True)["part"]
    kernel = "encoder.body.stages_0.blocks.0.conv_dw.weight"
    assert not torch.equal(drawn.get_parameter(kernel), learnt[kernel])
