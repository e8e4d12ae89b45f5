from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from prv2_ros.cli import main
from prv2_ros.cli.images import write_png
from prv2_ros.cli.predict import _folder_names
from prv2_ros.errors import DeviceError

FILES = ["cloud.ply", "depth.npy", "depth.png", "depth_mm.png"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A model on disk with random weights and a small coarse input."""
    import torch

    from prv2_ros.network.checkpoint import save_model
    from prv2_ros.network.model import DepthModel, ModelSpec

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    return str(save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), folder, "tiny"))


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a.png", (64, 96)), ("b.png", (70, 81))):
        write_png(folder / name, rng.integers(0, 256, (*size, 3), np.uint8))
    return folder


def run(*argv: object) -> int:
    return main.main(["predict", *map(str, argv), "--device", "cpu"])


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_one_image(model, pictures, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(pictures / "b.png", "-o", out, "--fov", 70, "--model", model, "--stride", 3) == 0
    assert names(out) == FILES
    depth_m = np.load(out / "depth.npy")
    assert depth_m.shape == (70, 81)
    assert depth_m.dtype == np.float32
    assert capsys.readouterr().out == f"wrote depth of {pictures / 'b.png'} to {out}\n"


def test_the_focal_length_scales_the_depth(model, pictures, tmp_path):
    for fx in (100, 200):
        assert run(pictures / "a.png", "-o", tmp_path / str(fx), "--fx", fx, "--model", model) == 0
    ratio = np.load(tmp_path / "200" / "depth.npy") / np.load(tmp_path / "100" / "depth.npy")
    np.testing.assert_allclose(ratio, 2, rtol=0.02)  # the refiner sees the depth, and may change it a little


def test_depth_beyond_the_limit_is_left_out(model, pictures, tmp_path):
    common = (pictures / "a.png", "--fov", 60, "--model", model)
    assert run(*common, "-o", tmp_path / "all") == 0
    limit_m = float(np.nanmedian(np.load(tmp_path / "all" / "depth.npy")))
    assert run(*common, "-o", tmp_path / "near", "--max-depth", limit_m) == 0
    depth_m = np.load(tmp_path / "near" / "depth.npy")
    assert np.isnan(depth_m).any()
    assert np.nanmax(depth_m) <= limit_m
    millimetres = cv2.imread(str(tmp_path / "near" / "depth_mm.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(millimetres == 0, np.isnan(depth_m))


@pytest.mark.parametrize("several", [False, True])
def test_depth_of_which_nothing_is_valid_is_told_of(model, pictures, tmp_path, caplog, several):
    images = [pictures / "a.png"] + several * [pictures / "b.png"]
    out = tmp_path / "out"
    assert run(*images, "-o", out, "--fov", 60, "--model", model, "--max-depth", 0.001) == 0
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        f"{path}: no pixel has valid depth with --max-depth 0.001: depth.npy is all NaN and cloud.ply empty"
        for path in images
    ]
    assert run(pictures / "a.png", "-o", out, "--fov", 60, "--model", model) == 0
    assert len(caplog.records) >= len(said)
    assert [record for record in caplog.records if record.levelname == "WARNING"][len(said) :] == []


def test_the_folder_is_made_before_the_model_is_loaded(pictures, monkeypatch, capsys):
    def loads(*_, **__):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("prv2_ros.inference.load.load_engine", loads)
    assert run(pictures / "a.png", "-o", pictures / "a.png" / "x", "--fov", 60) == 1
    assert "Not a directory; name a folder" in capsys.readouterr().err


def test_a_folder_of_bad_images_alone_leaves_nothing(model, pictures, tmp_path):
    for path in pictures.iterdir():
        path.write_bytes(b"no picture")
    assert run(pictures, "-o", tmp_path / "out", "--fov", 60, "--model", model) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_bad_images_goes_on_and_fails_at_the_end(model, pictures, tmp_path, capsys):
    (pictures / "broken.png").write_bytes((pictures / "a.png").read_bytes()[:40])
    write_png(pictures / "small.png", np.zeros((20, 90, 3), np.uint8))
    out = tmp_path / "out"
    assert run(pictures, "-o", out, "--fov", 70, "--model", model) == 1
    assert names(out) == ["a", "b"]
    assert names(out / "a") == FILES
    captured = capsys.readouterr()
    assert captured.out == f"wrote depth of 2 of 4 images to {out}\n"
    errors = [line for line in captured.err.splitlines() if line.startswith("prv2: error:")]
    assert len(errors) == 2
    assert "broken.png cannot be decoded" in errors[0]
    assert (
        "small.png: image has 90x20 px: both sides must have at least 64 px; enlarge it, and its intrinsics"
        in errors[1]
    )


@pytest.fixture
def short_of_memory(monkeypatch):
    """Let the GPU's memory run out with the picture that is 81 px wide."""
    import torch

    from prv2_ros.inference import engine

    tensor = engine.image_tensor

    def scarce(image_rgb, device):
        if image_rgb.shape[1] == 81:
            raise torch.cuda.OutOfMemoryError
        return tensor(image_rgb, device)

    monkeypatch.setattr(engine, "image_tensor", scarce)


@pytest.mark.usefixtures("short_of_memory")
def test_a_picture_that_the_memory_is_too_small_for_does_not_end_the_others(model, pictures, tmp_path, capsys):
    write_png(pictures / "c.png", np.zeros((64, 96, 3), np.uint8))
    out = tmp_path / "out"
    for images, code in (([pictures], 1), ([pictures / "b.png"], 1), ([pictures / "a.png"], 0)):
        assert run(*images, "-o", out, "--fov", 70, "--model", model) == code
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("prv2: error:")]
        told = (
            f"prv2: error: {pictures / 'b.png'}: the GPU's memory is too small for 81x70 px: give a smaller picture "
            "with the intrinsics of its size, or --device cpu"
        )
        assert errors == code * [told]
        if len(images) == 1 and images[0].is_dir():
            assert names(out) == ["a", "c"]
            assert captured.out == f"wrote depth of 2 of 3 images to {out}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-o", "out"], "needs the camera's focal length: give --fx FX"),
        (["-o", "out", "--fov", "60", "--stride", "0"], "--stride 0: must be at least 1"),
        (["-o", "out", "--fov", "60", "--max-depth", "nan"], "--max-depth nan: must be above 0"),
        (["-o", "a.png", "--fov", "60"], "output a.png is a file: name a folder"),
        (["-o", "a.png/x", "--fov", "60"], "output a.png/x: Not a directory; name a folder that can be written"),
        (
            ["-o", "out", "--fx", "0.5"],
            "a.png: fx = 0.5 px is no lens for 96x64 px: --fx, --fy, --cx and --cy are in pixels",
        ),
        (["-o", "out", "--fov", "60", "--model", "none"], "no model 'none'"),
        (["-o", "out", "--fov", "200"], "field of view 200.0 degrees: must lie between 0 and 180"),
        (["none.png", "-o", "out", "--fov", "60"], "image none.png does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(model, pictures, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(pictures)
    argv = argv if "--model" in argv else [*argv, "--model", model]
    assert run("a.png", *argv) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if line.startswith("prv2: error:")] == [errors[-1]]
    assert message in errors[-1]
    assert not (pictures / "out").exists()


def test_a_calibration_of_another_shape_names_the_image(model, pictures, tmp_path, capsys):
    calibration = tmp_path / "camera.json"
    calibration.write_text('{"width": 640, "height": 480, "k": [500, 0, 320, 0, 500, 240, 0, 0, 1]}')
    assert run(pictures / "a.png", "-o", tmp_path / "out", "--camera-info", calibration, "--model", model) == 1
    error = capsys.readouterr().err
    assert f"{pictures / 'a.png'}: the calibration is for 640x480 px and the image has 96x64 px" in error
    assert "EXIF" not in error


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["x/a.png", "x/b.jpg"], ["a", "b"]),
        (["x/a.png", "x/a.jpg"], ["a_png", "a_jpg"]),
        (["x/a.png", "y/a.png", "z/a.png"], ["a_png", "a_png_2", "a_png_3"]),
    ],
)
def test_folder_names_are_unique(paths, expected):
    assert _folder_names([Path(p) for p in paths]) == expected


def test_the_parser_has_no_surprises():
    parser = argparse.ArgumentParser()
    from prv2_ros.cli.predict import add_parser

    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["predict", "a", "-o", "b"])
    assert (arguments.device, arguments.model, arguments.max_depth, arguments.stride) == ("auto", "default", 200.0, 1)


def test_a_picture_turned_by_exif_needs_the_calibration_of_the_turned_one(model, tmp_path, capsys):
    done, data = cv2.imencode(".jpg", np.zeros((64, 96, 3), np.uint8))
    assert done
    tag = bytes.fromhex("ffe10022") + b"Exif\0\0MM\0*" + bytes.fromhex("00000008000101120003000000010006000000000000")
    (tmp_path / "turned.jpg").write_bytes(data[:2].tobytes() + tag + data[2:].tobytes())
    calibration = tmp_path / "camera.json"
    calibration.write_text('{"width": 96, "height": 64, "k": [80, 0, 48, 0, 80, 32, 0, 0, 1]}')
    common = (tmp_path / "turned.jpg", "-o", tmp_path / "out", "--model", model, "--camera-info", calibration)
    assert run(*common) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "is for 96x64 px and the image has 64x96 px" in error
    assert "sides are swapped: pictures are turned as their EXIF orientation says" in error
    calibration.write_text('{"width": 64, "height": 96, "k": [80, 0, 32, 0, 80, 48, 0, 0, 1]}')
    assert run(*common) == 0


def test_the_help_says_what_becomes_of_turned_pictures_and_where_millimetres_end(capsys):
    with pytest.raises(SystemExit):
        main.main(["predict", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "turned as their EXIF orientation says" in told
    assert "beyond 65.535 m" in told


def test_options_of_the_engine_reach_it(pictures, tmp_path, monkeypatch):
    asked = []

    def load_engine(*given, config):
        asked.append((*given, config.compile, config.max_depth_m))
        raise DeviceError("enough")

    monkeypatch.setattr("prv2_ros.inference.load.load_engine", load_engine)
    options = ("--model", "m", "--precision", "bfloat16", "--compile", "default", "--max-depth", 80)
    assert run(pictures / "a.png", "-o", tmp_path / "out", "--fov", 60, *options) == 1
    assert asked == [("m", "cpu", "bfloat16", "default", 80.0)]
