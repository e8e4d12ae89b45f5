"""The drawn picture, what is stored of a model's answer to it, and an engine that answers otherwise."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from prv2_ros.errors import DeviceError, WeightsError
from prv2_ros.inference import self_test
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.checkpoint import save_model
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.types import DepthResult


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path_factory.mktemp("models"), "tiny")
    self_test.record(str(path))
    return path


class Scaled:
    """An engine whose metres are another's, times a factor."""

    dtype = torch.float16

    def __init__(self, engine: DepthEngine, factor: float) -> None:
        self._engine, self._factor = engine, factor
        self.device, self.model_name = engine.device, engine.model_name

    def infer(self, *args: object, **options: object) -> DepthResult:
        result = self._engine.infer(*args, **options)  # type: ignore[arg-type]
        return DepthResult(depth_m=result.depth_m * np.float32(self._factor))


def test_every_machine_draws_the_same_picture() -> None:
    image = self_test.picture()
    assert (image.shape, image.dtype) == ((192, 256, 3), np.uint8)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == "c8888b7f394bdc7b"


def test_what_is_recorded_is_what_the_engine_answers(model: Path) -> None:
    engine = DepthEngine.load(str(model), "cpu", "float32")
    kept = self_test.stored(str(model))
    assert kept is not None
    np.testing.assert_allclose(kept, self_test.answer(engine), atol=6e-4)
    assert self_test.check(engine, str(model)) < 1e-3
    described = yaml.safe_load(model.read_text())
    assert list(described) == ["weights", "sha256", "model", "self_test"]


def test_cells_are_means_of_log_depth_with_far_and_sky_at_the_limit() -> None:
    class Steps:
        def infer(self, image: np.ndarray, *_: object, **options: object) -> DepthResult:
            depth = np.full(image.shape[:2], 2.0, np.float32)
            depth[:16, :32] = 8.0  # half of the first cell
            depth[-32:, -32:] = np.nan
            depth[-32:, :32] = 1e6
            return DepthResult(depth_m=depth)

    cells = self_test.answer(Steps())  # type: ignore[arg-type]
    assert cells.shape == (6, 8)
    assert cells[0, 0] == pytest.approx(math.log(4))
    assert cells[-1, -1] == cells[-1, 0] == pytest.approx(math.log(250))
    assert cells[2, 3] == pytest.approx(math.log(2))


@pytest.mark.parametrize("factor", [1.1, 0.5, math.nan])
def test_another_scale_is_refused_and_told(model: Path, factor: float) -> None:
    engine = Scaled(DepthEngine.load(str(model), "cpu", "float32"), factor)
    told = "" if math.isnan(factor) else f" in float16 gives {factor:.2f} times the depth that is stored"
    with pytest.raises(DeviceError, match=rf"self-test: .*tiny\.yaml on cpu{told}"):
        self_test.check(engine, str(model))  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [slice(0, 64), slice(160, 192)])
def test_a_part_that_is_lost_is_told(model: Path, rows: slice) -> None:
    class Torn(Scaled):
        def infer(self, *args: object, **options: object) -> DepthResult:
            depth = super().infer(*args, **options).depth_m
            depth[rows] = np.nan
            return DepthResult(depth_m=depth)

    engine = Torn(DepthEngine.load(str(model), "cpu", "float32"), 1.0)
    message = r"tiny\.yaml on cpu in float16 gives another depth in a part of the picture than is stored"
    with pytest.raises(DeviceError, match=message):
        self_test.check(engine, str(model))  # type: ignore[arg-type]


def test_a_small_difference_is_let_pass(model: Path) -> None:
    engine = Scaled(DepthEngine.load(str(model), "cpu", "float32"), 1.03)
    assert self_test.check(engine, str(model)) == pytest.approx(math.log(1.03), abs=1e-3)  # type: ignore[arg-type]


def test_a_model_without_an_answer_has_nothing_to_compare_with(model: Path, tmp_path: Path) -> None:
    bare = save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path, "bare")
    assert self_test.stored(str(bare)) is None
    assert self_test.check(DepthEngine.load(str(model), "cpu", "float32"), str(bare)) is None


@pytest.mark.parametrize("kept", [[[1.0, 2.0]], "deep", [[float("nan")] * 8] * 6, [[1.0] * 8] * 5 + [[1.0]]])
def test_an_answer_that_is_none_is_refused(tmp_path: Path, kept: object) -> None:
    path = save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path, "odd")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"self_test": kept}))
    with pytest.raises(WeightsError, match=r"odd\.yaml: self_test holds no 6 rows of 8 numbers; leave it out"):
        self_test.stored(str(path))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_packaged_model_answers_as_it_did(precision: str) -> None:
    difference = self_test.check(DepthEngine.load("default", "cpu", precision), "default")
    assert difference is not None
    assert difference < (0.01 if precision == "float32" else self_test.TOLERANCE)


@pytest.mark.parametrize("far_look", [0.0, 3.0, 24.0])
def test_the_packaged_model_answers_so_whatever_its_closer_look_is(far_look: float) -> None:
    """A node that runs without the look, or with another one, must start."""
    engine = DepthEngine.load("default", "cpu", "float32", config=EngineConfig(far_look=far_look))
    difference = self_test.check(engine, "default")
    assert difference is not None
    assert difference < 0.001
