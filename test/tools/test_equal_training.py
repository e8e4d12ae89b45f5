"""Side-by-side training of both refiners, on two scenes that are small enough for a test."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prv2_ros.data.frames import Frame
from prv2_ros.data.tiles import TileScene, write_tile_scene
from prv2_ros.errors import ConfigError, InputError, WeightsError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.inference.reference import crop_map
from prv2_ros.network import refiner_published
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.coarse_own import CoarseLiteMaps

sys.path.append(str(Path(__file__).parents[2] / "tools"))
equal_data, equal_networks, equal_report, equal_training = (
    importlib.import_module(f"equal_{name}") for name in ("data", "networks", "report", "training")
)

OVERVIEW_PX, SCALE, TILE_PX = (128, 96), 2, 64  # width and height


def write_scene(folder: Path, seed: int) -> None:
    """Boxes before a wall, seen whole and in two native tiles."""
    rng = np.random.default_rng(seed)
    width, height = SCALE * OVERVIEW_PX[0], SCALE * OVERVIEW_PX[1]
    depth_m = np.full((height, width), 8.0, np.float32)
    image = np.full((height, width, 3), 200, np.uint8)
    for _ in range(12):
        x, y = int(rng.integers(width - 40)), int(rng.integers(height - 40))
        depth_m[y : y + 40, x : x + 30] = rng.uniform(1, 6)
        image[y : y + 40, x : x + 30] = rng.integers(0, 256, 3)
    whole = CameraModel.from_fov(width, height, 60)
    tiles = [
        Frame(
            name=f"{seed:08d}-{k}",
            image=image[y : y + TILE_PX, x : x + TILE_PX],
            depth_m=depth_m[y : y + TILE_PX, x : x + TILE_PX],
            camera=whole.cropped(x, y, TILE_PX, TILE_PX),
            kind="boxes",
        )
        for k, (x, y) in enumerate([(16, 24), (140, 100)])
    ]
    overview = Frame(
        name=f"{seed:08d}",
        image=np.ascontiguousarray(image[::SCALE, ::SCALE]),
        depth_m=np.ascontiguousarray(depth_m[::SCALE, ::SCALE]),
        camera=whole.resized(*OVERVIEW_PX),
        kind="boxes",
    )
    folder.mkdir(exist_ok=True)
    write_tile_scene(folder, TileScene(overview=overview, tiles=tuple(tiles)))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Training and held-aside scenes."""
    root = tmp_path_factory.mktemp("scenes")
    for seed in range(2):
        write_scene(root / "data", seed)
    write_scene(root / "held", 9_100_000)
    return root / "data", root / "held"


def settings_of(data: Path, **changes: Any) -> Any:
    values = {
        "data": (str(data),),
        "networks": ("ours-random", "published-8"),
        "samples": 8,
        "batch": 2,
        "window_px": 32,
        "bf16": False,
    }
    return equal_training.Settings(**(values | changes))


def trained(settings: Any, folder: Path, *stops: int) -> Any:
    run = None
    for stop in (*stops, 0):
        run = equal_training.Run(settings, folder, torch.device("cpu"))
        run.train(stop_after=stop)
    return run


@contextlib.contextmanager
def narrow_network() -> Iterator[None]:
    """The published F2C is 32 to 512 channels wide at any width of the coarse maps; a test needs no more than 8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refiner_published, "_F2C_WIDTHS", (4, 4, 4, 8, 8, 8))
        patch.setattr(refiner_published, "_CLIMB_WIDTHS", (4, 4, 4, 8, 8))
        yield


@pytest.fixture
def narrow() -> Iterator[None]:
    with narrow_network():
        yield


@pytest.fixture(scope="module")
def run(folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    with narrow_network():
        return trained(settings_of(folders[0]), tmp_path_factory.mktemp("run"))


def test_both_learn_from_the_same_number_of_samples(run: Any) -> None:
    assert (run.samples, run.step, run.progress()) == (8, 4, 1.0)
    row = json.loads((run.folder / "log.jsonl").read_text().splitlines()[-1])
    assert row["step"] == 4
    for name in ("ours-random", "published-8"):
        assert math.isfinite(row[f"{name}.loss"])
        assert row[f"{name}.all_coarse"] == row["ours-random.all_coarse"]  # one coarse depth, one truth


def test_the_loss_of_both_falls_on_the_same_windows(run: Any, narrow: None) -> None:
    settings = dataclasses.replace(run.settings, window_px=64, published_rate=2e-3, clip_norm=5.0)
    source = equal_data.Windows([Path(name) for name in settings.data], 64, 0)
    windows = [source[0], source[1]]
    view = equal_data.view_windows(run.coarse, windows, run.device)
    for name in settings.networks:
        contestant = equal_networks.build(name, run.coarse, 1, settings.published_rate)
        learner = equal_training.Learner(contestant, settings, run.device)
        losses = [float(learner.step(contestant.batch(windows, view), 1.0)["loss"]) for _ in range(15)]
        assert min(losses[-3:]) < 0.9 * losses[0], (name, losses)
        assert learner.skipped == 0


def test_a_stopped_run_ends_with_the_same_weights(run: Any, narrow: None, tmp_path: Path) -> None:
    again = trained(run.settings, tmp_path, 2)
    for ours, theirs in zip(run.learners, again.learners, strict=True):
        for name, value in ours.average.state.items():
            assert torch.equal(value, theirs.average.state[name]), (ours.contestant.name, name)


def test_a_run_of_other_settings_is_refused(run: Any) -> None:
    with pytest.raises(WeightsError, match=r"another run \(seed 0, now 1\): name another folder"):
        equal_training.Run(dataclasses.replace(run.settings, seed=1), run.folder, run.device)


def test_the_report_has_every_row(run: Any, folders: tuple[Path, Path]) -> None:
    text = equal_report.write_report(run, folders[1], "256x192", 32).read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    names = [line.split(" | ")[0].removeprefix("| ") for line in rows]
    assert names == [
        "network", "---", "coarse, upsampled", "ours-random", "published-8",
        "published-256, the full width: not trained",
        "difference", "---", "ours-random less published-8",
    ]  # fmt: skip
    assert len({line.count("|") for line in rows[:6]}) == 1
    report = json.loads((run.folder / "equal_training.json").read_text())
    assert set(report["scenes"]) == {"09100000"}
    assert all(math.isfinite(v) for v in report["scenes"]["09100000"]["published-8"].values())
    assert all(found["seconds"] > 0 for found in report["networks"].values())


def test_the_crops_equal_the_published_inference(folders: tuple[Path, Path]) -> None:
    """Cropped before their projection and around the window alone, against whole maps of CoarseLiteMaps, cropped after.

    `crop_map` crops to the size of the whole map, so the window has as many pixels a side as the overview.
    """
    coarse = load_model("default").coarse.eval().requires_grad_(False)
    torch.manual_seed(0)
    maps = CoarseLiteMaps(coarse, 8)
    scene = equal_data.read_tile(equal_data.list_tiles(folders[0])[0])
    window = equal_data.cut(scene, 8, 0, 32)
    overview = np.ascontiguousarray(window.overview[:, :96])
    square = dataclasses.replace(window, overview=overview, image=np.zeros((96, 96, 3), np.uint8))
    view = equal_data.view_windows(coarse, [square], torch.device("cpu"))
    x, y, w, h = square.box_xywh
    box = torch.tensor([[0.0, x, y, x + w, y + h]])
    image = torch.from_numpy(square.overview)[None].permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        whole = maps(image, torch.tensor([square.f_px]))
        for k, feature in enumerate(whole.features):
            expected = crop_map(feature, box, 96)
            torch.testing.assert_close(maps.projection[k](view.maps[k]), expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(view.depth_m_B1HW, crop_map(whole.depth_m_B1hw, box, 96), rtol=1e-5, atol=1e-5)


def test_a_window_and_its_box_show_the_same_place(folders: tuple[Path, Path]) -> None:
    windows = equal_data.Windows([folders[0]], 32, 3)
    scenes = [equal_data.read_tile(tile) for tile in windows.tiles]
    found = [windows[n] for n in range(8)]
    assert {window.flip for window in found} == {True, False}
    for window in found:
        x, y, w, h = (round(SCALE * value) for value in window.box_xywh)
        assert (w, h) == (32, 32)
        whole_m = next(s.overview.depth_m for s in scenes if np.array_equal(s.overview.image, window.overview))
        under_m = whole_m.repeat(SCALE, 0).repeat(SCALE, 1)[y : y + h, x : x + w][:, :: -1 if window.flip else 1]
        assert np.mean(np.abs(np.log(under_m) - window.log_depth) < 1e-3) > 0.9  # an edge is a pixel off at half size


def test_tiles_of_a_scene_that_was_cut_short_are_left_out(tmp_path: Path) -> None:
    write_scene(tmp_path, 0)
    whole = equal_data.list_tiles(tmp_path)
    write_scene(tmp_path, 1)
    (tmp_path / "00000001.json").unlink()  # the overview's, which is written last
    assert equal_data.list_tiles(tmp_path) == whole
    (tmp_path / "00000000.json").unlink()
    with pytest.raises(InputError, match="no tiles in"):
        equal_data.list_tiles(tmp_path)


def test_windows_larger_than_a_tile_are_refused_before_training(folders: tuple[Path, Path], tmp_path: Path) -> None:
    error = "tile .* of 64x64 px is smaller than windows of 96 px"
    with pytest.raises(InputError, match=error):
        equal_data.Windows([folders[0]], 96, 0)
    with pytest.raises(InputError, match=error):
        equal_data.check_sizes(equal_data.list_tiles(folders[1]), 96)


def test_held_aside_tiles_too_small_for_the_windows_end_a_run_before_it_begins(
    folders: tuple[Path, Path], tmp_path: Path, capsys: Any
) -> None:
    given = ["--data", str(folders[0]), "--held-aside", str(folders[1]), "--samples", "6", "--window-px", "96"]
    assert equal_training.main([*given, "-o", str(tmp_path / "o")]) == 1
    assert capsys.readouterr().err.startswith("equal_training: error: tile 09100000-0 of 64x64 px is smaller")
    assert not (tmp_path / "o").exists()


def test_windows_cover_a_held_aside_tile(folders: tuple[Path, Path]) -> None:
    assert len(list(equal_data.held_aside_windows(folders[1], 32))) == 2 * 4
    assert equal_data._starts(256, 160) == [0, 96]
    assert equal_data._starts(256, 256) == [0]


def test_the_work_at_the_published_width_is_that_of_the_paper() -> None:
    cost = equal_networks.published_cost(256)
    assert cost.gflop == pytest.approx(16 * 1161.5, rel=0.03)  # per patch, counted on the authors' code
    assert equal_networks.own_cost().gflop < cost.gflop / 40


def test_the_difference_is_paired_by_scene() -> None:
    scenes = {str(k): {"a": {"x": 1.0 + k}, "b": {"x": 0.9 + k}} for k in range(4)}
    scenes["4"] = {"a": {"x": math.nan}, "b": {"x": 3.0}}
    assert equal_report.difference(scenes, "a", "b", "x") == pytest.approx((0.1, 0.0), abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"samples": 0}, "samples 0, minutes 0.0: give one of them"),
        ({"samples": 13}, "batch 2: must be at least 2 .* and divide samples 13"),
        ({"window_px": 40}, "window_px 40: must be a multiple of 32"),
        ({"networks": ()}, "networks none: give at least one"),
    ],
)
def test_settings_that_cannot_be_trained_are_refused(tmp_path: Path, changes: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        settings_of(tmp_path, **changes)


@pytest.mark.parametrize("name", ["theirs", "ours-tired", "published-7", "published-wide"])
def test_an_unknown_network_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"network '{name}': expected ours-random"):
        equal_networks.build(name, torch.nn.Identity(), 0)


def test_scenes_on_both_sides_are_refused(folders: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(InputError, match="scene 00000000 is in"):
        equal_data.check_apart([str(folders[0])], folders[0])
    arguments = [
        "--data",
        str(folders[0]),
        "--held-aside",
        str(folders[0]),
        "-o",
        str(tmp_path / "o"),
        "--samples",
        "6",
    ]
    assert equal_training.main(arguments) == 1
    assert capsys.readouterr().err.startswith("equal_training: error: scene 00000000 is in")
    assert not (tmp_path / "o").exists()
