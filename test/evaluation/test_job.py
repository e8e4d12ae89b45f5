"""What a job makes of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bag_samples import Samples, ScaledTruth, picture, scaled_truth

from prv2_ros.evaluation import job
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.predictions import ModelIdentity
from prv2_ros.evaluation.run import Options, evaluate, score_bags


def test_a_model_is_loaded_as_it_was_identified(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    asked: list[Any] = []
    monkeypatch.setattr("prv2_ros.inference.load.load_engine", lambda *given, config: asked.append((*given, config)))
    for name in ("benchmark", "deterministic"):
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))
    model = ModelIdentity(name="ours", sha256="", device="cuda:1 (NVIDIA X)", precision="bfloat16", fingerprint="f")
    job.load_model_engine(model, EvaluationConfig(max_depth_m=80.0, threads=torch.get_num_threads()))
    ((*given, config),) = asked
    assert (given, config.max_depth_m) == (["ours", "cuda:1", "bfloat16"], 80.0)


def test_raw_pictures_stay_raw_where_they_are_not_to_be_rectified(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Watching(ScaledTruth):
        def infer(self, image_rgb: np.ndarray, camera: Any = None, **options: bool) -> Any:
            seen.append((image_rgb, camera.is_distorted))
            return super().infer(image_rgb, camera, **options)

    lens = (-0.2, 0.03, 0.0, 0.0, 0.0)
    bag = Samples(truth="lidar", frames=1, distortion=lens).write(tmp_path / "drive")
    options = Options(output=tmp_path / "out", load_engine=lambda model, config: Watching())
    score_bags([bag], EvaluationConfig(rectify=False), options)
    ((image, is_distorted),) = seen
    assert is_distorted
    np.testing.assert_array_equal(image, picture(0))


def test_the_report_finds_its_pictures_in_another_cache(tmp_path: Path) -> None:
    bag = Samples(frames=1).write(tmp_path / "drive")
    options = Options(output=tmp_path / "out", cache=tmp_path / "cache", load_engine=scaled_truth)
    evaluate([bag], EvaluationConfig(), options)
    assert not (tmp_path / "out" / "predictions").exists()
    assert "is gone from" not in (tmp_path / "out" / "index.html").read_text()
