from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from prv2_ros.errors import ConfigError
from prv2_ros.evaluation.config import CameraTopics, EvaluationConfig, Extrinsic, TruthConfig, camera_name, load_config
from prv2_ros.evaluation.job import load_model_engine
from prv2_ros.evaluation.predictions import ModelIdentity
from prv2_ros.network.paths import config_folder


def test_the_file_in_config_names_every_field_at_its_default() -> None:
    path = config_folder() / "evaluate.yaml"
    assert load_config(path) == EvaluationConfig()
    values = yaml.safe_load(path.read_text())
    assert set(values) == {field.name for field in fields(EvaluationConfig)}
    assert set(values["truth"]) == {field.name for field in fields(TruthConfig)}


def test_a_full_file_is_read_and_options_win(tmp_path: Path) -> None:
    text = """
models: [a, b]
cameras: [{image: /front/image_raw, truth: /lidar, input_rectified: true}]
truth: {kind: lidar, tolerance_ms: 20, hidden_window_deg: [0, 0]}
extrinsics: [{parent: cam, child: lidar, xyz_m: [1, 2, 3]}]
"""
    (tmp_path / "e.yaml").write_text(text)
    config = load_config(tmp_path / "e.yaml", models=["c"], device=None)
    assert (config.models, config.device) == (("c",), "auto")
    assert config.cameras[0].input_rectified is True
    assert config.truth == TruthConfig(kind="lidar", tolerance_ms=20, hidden_window_deg=(0.0, 0.0))
    assert config.extrinsics == (Extrinsic(parent="cam", child="lidar", xyz_m=(1.0, 2.0, 3.0)),)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[1]", "expected a mapping of fields, found list"),
        ("a: [", "evaluation config .*e.yaml: while parsing"),
        ("speed: 1", "evaluation config: unknown speed; known are models, device"),
        ("truth: {kind: radar}", "truth.kind 'radar': expected one of auto, depth, lidar, disparity"),
        ("truth: {max_m: far}", "truth: max_m = 'far': expected float"),
        ("truth: {min_m: 9, max_m: 3}", "expected 0 < min_m < max_m"),
        ("truth: {hidden_window_deg: 3}", "truth: 'int' object is not iterable"),
        ("truth: {hidden_ratio: 1}", "truth.hidden_ratio 1: must be above 1"),
        ("cameras: {image: /a}", "cameras: expected a list, found dict"),
        ("cameras: [{name: /a}]", "cameras: .*missing 1 required keyword-only argument: 'image'"),
        ("cameras: [{image: /a}, {image: /a}]", r"image topics \['/a', '/a'\]: each may stand once"),
        (
            "cameras: [{image: /a/image_raw}, {image: /a/image_rect_color}]",
            "cameras: /a/image_raw and /a/image_rect_color would both be named /a: give each a `name` of its own",
        ),
        ("cameras: [{image: /a/raw}, {image: /b/raw, name: /a/}]", "/a/raw and /b/raw would both be named /a/: give"),
        ("extrinsics: [{parent: a, child: b, xyz_m: [1]}]", r"extrinsics a to b: xyz_m \[1\]: expected 3 numbers"),
        ("models: [a, a]", r"models \['a', 'a'\]: name at least one, each once"),
        ("stamps: receipt", "stamps 'receipt': expected header or bag"),
        ("max_depth_m: .nan", r"max_depth_m nan: must be above 0 \(.inf for no limit\)"),
        ("threads: -1", "threads -1, points_stride 4: must be positive"),
        ("rectify: 1", "evaluation config: rectify = 1: expected bool"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(ConfigError, match=line):
        load_config(tmp_path / "e.yaml")


def test_names_of_cameras() -> None:
    assert camera_name("/front/image_raw/compressed") == "/front"
    assert camera_name("/rig/front/image_raw") == "/rig/front"
    assert camera_name("/image_raw") == "/"
    raw, straight = "/front/image_raw", "/front/image_rect_color"
    two = EvaluationConfig(cameras=(CameraTopics(image=raw), CameraTopics(image=straight, name="/front_rect")))
    assert [camera.report_name for camera in two.cameras] == ["/front", "/front_rect"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluation config .*none\.yaml: .*No such file"):
        load_config(tmp_path / "none.yaml")


def test_numbers_of_the_report_hold_every_setting() -> None:
    values: dict[str, Any] = load_config(None).to_json()
    assert values["truth"]["tolerance_ms"] == 50.0
    assert values["threads"] >= 1


def test_no_prediction_is_too_far_to_count_unless_a_limit_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is taken for sky is an error, and one that grows with the distance."""
    seen: list[float] = []
    monkeypatch.setattr("prv2_ros.inference.load.load_engine", lambda *_args, config: seen.append(config.max_depth_m))
    model = ModelIdentity(name="m", sha256="", device="cpu", precision="float32", fingerprint="")
    (tmp_path / "e.yaml").write_text("max_depth_m: 80")
    for path in (None, tmp_path / "e.yaml"):
        load_model_engine(model, load_config(path, device="cpu"))
    assert seen == [math.inf, 80]


def test_a_depth_without_limit_is_valid_json(tmp_path: Path) -> None:
    for text, told in (("max_depth_m: .inf", None), ("max_depth_m: 200.0", 200.0)):
        (tmp_path / "e.yaml").write_text(text)
        values = json.loads(json.dumps(load_config(tmp_path / "e.yaml").to_json(), allow_nan=False))
        assert values["max_depth_m"] == told
