"""Whole evaluations of bags whose every depth is known."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import bag_samples
import numpy as np
import pytest
from bag_samples import Samples, scaled_truth

from prv2_ros.errors import InputError, StorageError
from prv2_ros.evaluation.config import EvaluationConfig, load_config
from prv2_ros.evaluation.run import Options, Outcome, evaluate, score_bags
from prv2_ros.types import TileDepth


def options(folder: Path, **changes: Any) -> Options:
    return Options(**({"output": folder, "load_engine": scaled_truth, "command": "prv2 evaluate"} | changes))


def run(bag: Path, folder: Path, config: EvaluationConfig | None = None, **changes: Any) -> Outcome:
    return evaluate([bag], config or load_config(None), options(folder, **changes))


def report(folder: Path) -> Any:
    content = json.loads((folder / "report.json").read_text())
    for bag in content["bags"]:
        del bag["path"]
    return content


@pytest.mark.parametrize("truth", ["depth", "millimetres", "compressed", "lidar", "disparity"])
@pytest.mark.parametrize("storage", ["mcap", "ros1"])
def test_every_truth_in_every_kind_of_bag_gives_the_error_that_was_put_in(
    tmp_path: Path, truth: str, storage: str
) -> None:
    bag = Samples(truth=truth, storage=storage).write(tmp_path / ("drive.bag" if storage == "ros1" else "drive"))
    outcome = score_bags([bag], load_config(None), options(tmp_path / "out"))
    assert not outcome.evaluation.skipped
    assert [r.key.stamp_ns for r in outcome.evaluation.records] == [
        bag_samples.FIRST_NS + i * bag_samples.PERIOD_NS for i in range(3)
    ]
    for record in outcome.evaluation.records:
        assert record.key.camera == "/front"
        assert record.truth_kind == {"millimetres": "depth", "compressed": "depth"}.get(truth, truth)
        assert record.scores["abs_rel"] == pytest.approx(0.1, rel=2e-3 if truth == "lidar" else 1e-3)
        assert record.scores["abs_rel_median"] < 1e-3
        assert record.truth_px == pytest.approx((16 * 24) if truth == "lidar" else 64 * 96, abs=4)


def test_the_same_bag_gives_the_same_bytes_and_the_second_run_loads_no_network(tmp_path: Path) -> None:
    bag = Samples(cameras=("/left", "/right"), compressed_images=True).write(tmp_path / "drive")
    first = run(bag, tmp_path / "a")
    assert (first.predicted, first.reused) == (6, 0)
    once = (tmp_path / "a" / "report.json").read_bytes()
    again = run(bag, tmp_path / "a", load_engine=bag_samples.refuses, score_only=True)
    assert (again.predicted, again.reused) == (0, 6)
    assert (tmp_path / "a" / "report.json").read_bytes() == once
    run(bag, tmp_path / "b")
    assert report(tmp_path / "b") == report(tmp_path / "a")
    # A renamed copy finds its predictions: the content decides, not the name.
    bag.rename(tmp_path / "renamed")
    moved = run(tmp_path / "renamed", tmp_path / "c", cache=tmp_path / "a" / "predictions")
    assert (moved.predicted, moved.reused) == (0, 6)


def test_tiles_that_disagree_are_scored_and_the_stored_figure_is_used_again(tmp_path: Path) -> None:
    bag = Samples().write(tmp_path / "drive")

    class Tiled(bag_samples.ScaledTruth):
        def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> Any:
            result = super().infer(image_rgb, camera)
            halves = (result.depth_m[:, :60], result.depth_m[:, 40:] * np.float32(1.02))
            tiles = tuple(TileDepth(y=0, x=40 * k, depth_m=half) for k, half in enumerate(halves))
            return replace(result, tiles=tiles)

    for changes in ({"load_engine": lambda m, c: Tiled()}, {"load_engine": bag_samples.refuses, "score_only": True}):
        outcome = score_bags([bag], load_config(None), options(tmp_path / "out", **changes))
        for record in outcome.evaluation.records:
            assert record.scores["tile_consistency_log"] == pytest.approx(np.log(1.02), rel=1e-3)


def test_score_only_without_predictions_says_so(tmp_path: Path) -> None:
    bag = Samples().write(tmp_path / "drive")
    with pytest.raises(InputError, match="no frame could be scored: no prediction of default is stored"):
        run(bag, tmp_path / "out", score_only=True)


def test_workers_give_the_report_of_one_process_and_a_killed_one_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRV2_TEST_DIES_ONCE", str(tmp_path / "died"))
    bag = Samples(cameras=("/left", "/right"), frames=4).write(tmp_path / "drive")
    run(bag, tmp_path / "one")
    outcome = run(bag, tmp_path / "two", workers=2, load_engine=bag_samples.dies_once)
    assert (tmp_path / "died").exists()
    assert report(tmp_path / "two") == report(tmp_path / "one")
    assert outcome.reused >= 2, "what the dead worker had predicted is used"


def test_a_worker_that_dies_every_time_costs_its_camera_alone(tmp_path: Path) -> None:
    bag = Samples(cameras=("/left", "/right"), frames=1).write(tmp_path / "drive")
    outcome = score_bags([bag], load_config(None), options(tmp_path, workers=2, load_engine=bag_samples.always_dies))
    assert [entry.camera for entry in outcome.failures] == ["/left", "/right"]
    assert "worker died 3 times (exit code -9; out of memory?)" in outcome.failures[0].reason


def test_killed_half_way_and_run_again_the_result_is_the_same(tmp_path: Path) -> None:
    bag = Samples(frames=5).write(tmp_path / "drive")
    program = f"""
import sys
sys.path[:0] = {[str(Path(bag_samples.__file__).parent)]!r}
import bag_samples
from pathlib import Path
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.run import Options, evaluate
evaluate([Path({str(bag)!r})], load_config(None),
         Options(output=Path({str(tmp_path / "out")!r}), load_engine=bag_samples.dies_once))
"""
    environment = {**os.environ, "PRV2_TEST_DIES_ONCE": str(tmp_path / "died")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (tmp_path / "out" / "report.json").exists()
    stored = sorted((tmp_path / "out").rglob("*.npz"))
    assert len(stored) == 2, "frames 0 and 1 were finished when it died in frame 2"
    outcome = run(bag, tmp_path / "out")
    assert (outcome.predicted, outcome.reused) == (3, 2)
    run(bag, tmp_path / "whole")
    assert report(tmp_path / "out") == report(tmp_path / "whole")


def test_a_damaged_prediction_is_made_again(tmp_path: Path) -> None:
    bag = Samples(frames=2).write(tmp_path / "drive")
    run(bag, tmp_path / "out")
    first, second = sorted((tmp_path / "out").rglob("*.npz"))
    content = bytearray(first.read_bytes())
    content[2000] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:100])
    outcome = run(bag, tmp_path / "out")
    assert (outcome.predicted, outcome.reused) == (2, 0)


def test_a_bag_that_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    good = Samples(frames=2).write(tmp_path / "good")
    bad = Samples(frames=2).write(tmp_path / "bad")
    (file,) = bad.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:-200])
    outcome = evaluate([bad, good], load_config(None), options(tmp_path / "out"))
    assert len(outcome.evaluation.records) == 2
    (failure,) = outcome.failures
    assert failure.bag == "bad"
    assert "cut short" in failure.reason
    assert "mcap recover" in failure.reason
    assert [fact["error"] is None for fact in outcome.evaluation.bags] == [False, True]


def test_a_full_disk_stops_the_run_in_one_line_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    bag = Samples(frames=3).write(tmp_path / "drive")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # a write beyond it fails as one on a full disk does
    try:
        with pytest.raises(StorageError, match=r"\.npz cannot be written: the disk is full; free space, or choose"):
            run(bag, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


def test_predictions_that_would_not_fit_are_refused_before_any_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = Samples().write(tmp_path / "drive")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match=r"take up to 0\.0 GB and .* has 0\.0 GB free"):
        run(bag, tmp_path / "out")


class TwoSizes(Samples):
    """The rear camera's info is that of the whole sensor, ten times as wide and high as its images."""

    def info(self, frame_id: str, stamp: int) -> Any:
        message = super().info(frame_id, stamp)
        if frame_id == "rear_optical":
            message.width, message.height = 10 * message.width, 10 * message.height
            message.k[:8], message.p[:11] = 10 * message.k[:8], 10 * message.p[:11]
        return message


def test_every_camera_takes_the_space_of_its_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = TwoSizes(cameras=("/front", "/rear")).write(tmp_path / "drive")
    needed = 6 * 3 * 96 * 64 * (1 + 100)  # the front camera at the rear one's size would take nearly twice that
    for free, line in ((needed - 1, r"take up to 0\.0 GB"), (needed, None)):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr("shutil.disk_usage", lambda path, usage=usage: usage)
        with pytest.raises(StorageError, match=line) if line else nullcontext():
            assert len(score_bags([bag], load_config(None), options(tmp_path / "out")).evaluation.records) == 6


def test_predictions_of_other_models_save_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bag = Samples().write(tmp_path / "drive")
    run(bag, tmp_path / "out")
    (folder,) = (tmp_path / "out" / "predictions").iterdir()
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert run(bag, tmp_path / "out").reused == 3
    folder.rename(folder.with_name("0" * 24))
    with pytest.raises(StorageError, match=r"take up to 0\.0 GB and .* has 0\.0 GB free"):
        run(bag, tmp_path / "out")


def test_clocks_apart_are_told_with_the_offset_that_mends_them(tmp_path: Path) -> None:
    bag = Samples(truth_delay_ns=7_000_000_000).write(tmp_path / "drive")
    with pytest.raises(InputError, match=r"the clocks are apart: set truth\.offset_ms \(about -6900\)"):
        run(bag, tmp_path / "out")
    config = replace(load_config(None), truth=replace(load_config(None).truth, offset_ms=-7000.0))
    assert len(run(bag, tmp_path / "out", config).evaluation.records) == 3


def test_truth_recorded_long_after_its_image_still_meets_it(tmp_path: Path) -> None:
    bag = Samples(truth="lidar", frames=6, late_ns=450_000_000).write(tmp_path / "drive")
    outcome = score_bags([bag], load_config(None), options(tmp_path / "out"))
    assert [r.scores["abs_rel"] for r in outcome.evaluation.records] == pytest.approx([0.1] * 6, rel=2e-3)


@pytest.mark.parametrize(
    ("samples", "config", "line"),
    [
        (Samples(with_info=False), {}, "/front/image_raw has no camera info: /front/camera_info is not in the bag"),
        (Samples(truth="none"), {}, "no truth for /front/image_raw: looked for depth, lidar, disparity"),
        (Samples(truth="lidar", with_tf=False), {}, "no transform leads from 'lidar' .*; add extrinsics"),
        (
            Samples(),
            {"cameras": [{"image": "/front/camera_info"}]},
            "image topic /front/camera_info is sensor_msgs/msg/CameraInfo: expected sensor_msgs/msg/Image or",
        ),
        (Samples(), {"cameras": [{"image": "/rear/image_raw"}]}, "image topic /rear/image_raw is not in the bag. Its"),
        (
            Samples(truth="lidar", with_tf=False),
            {"extrinsics": [{"parent": "front_optical", "child": "lidar", "xyz_m": [0, 0, -500]}]},
            "none of the 385 points of /lidar/points .* falls into the image .*: check the extrinsics",
        ),
        (
            Samples(),
            {"cameras": [{"image": "/front/image_raw", "truth_frame": "rear"}]},
            "truth /front/depth/image_rect is in frame 'rear', the image in 'front_optical': .* registered",
        ),
    ],
)
def test_what_is_wrong_with_a_bag_is_named_with_the_way_out(
    tmp_path: Path, samples: Samples, config: dict[str, Any], line: str
) -> None:
    import yaml

    bag = samples.write(tmp_path / "drive")
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=f"^no frame could be scored: {line}"):
        run(bag, tmp_path / "out", load_config(tmp_path / "e.yaml"))


def test_the_same_bag_twice_is_refused(tmp_path: Path) -> None:
    bag = Samples().write(tmp_path / "drive")
    with pytest.raises(InputError, match="is named twice"):
        score_bags([bag, tmp_path / "." / "drive"], load_config(None), options(tmp_path / "out"))


def test_a_distorted_camera_is_rectified_as_in_the_node(tmp_path: Path) -> None:
    bag = Samples(truth="lidar", distortion=(-0.2, 0.03, 0.0, 0.0, 0.0)).write(tmp_path / "drive")
    seen: list[np.ndarray] = []

    class Watching(bag_samples.ScaledTruth):
        def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> Any:
            assert not camera.is_distorted
            seen.append(image_rgb)
            return super().infer(image_rgb, camera)

    score_bags([bag], load_config(None), options(tmp_path / "out", load_engine=lambda m, c: Watching()))
    assert len(seen) == 3
    assert not np.array_equal(seen[0], bag_samples.picture(0))
