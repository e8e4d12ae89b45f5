"""What the fingerprint of a prediction covers."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import prv2_ros
from prv2_ros.evaluation import predictions
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.predictions import (
    ModelIdentity,
    Prediction,
    PredictionCache,
    frame_fingerprint,
    identify_model,
)

PACKAGE = Path(prv2_ros.__file__).parent


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's sources, of which `code_hash` tells."""
    copy = tmp_path / "prv2_ros"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(predictions.prv2_ros, "__file__", str(copy / "__init__.py"))
    return copy


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("types.py", True),
        ("jpeg.py", True),  # which pictures are refused
        ("evaluation/temporal.py", True),  # the tile consistency is stored
        ("geometry/tiles.py", True),
        ("inference/engine.py", True),
        ("evaluation/metrics.py", False),  # scored anew each time
        ("ros/node.py", False),
    ],
)
def test_the_sources_that_a_prediction_runs_through_decide_its_fingerprint(
    copied: Path, name: str, counts: bool
) -> None:
    code_hash = predictions.code_hash.__wrapped__  # as a new process finds it
    before = code_hash()
    assert code_hash() == before
    with (copied / name).open("a") as file:
        file.write("# another line\n")
    assert (code_hash() != before) == counts


def test_a_limit_of_depth_decides_it_and_none_is_a_limit_too() -> None:
    configs = [EvaluationConfig(device="cpu", max_depth_m=limit_m) for limit_m in (math.inf, 200.0, 80.0)]
    found = [identify_model("default", config).fingerprint for config in configs]
    assert len(set(found)) == 3
    again = dataclasses.replace(configs[0], max_depth_m=math.inf)
    assert identify_model("default", again).fingerprint == found[0]


@pytest.mark.parametrize(("field", "values"), [("threads", (1, 2)), ("precision", ("float32", "bfloat16"))])
def test_threads_and_precision_decide_it(field: str, values: tuple[object, object]) -> None:
    configs = [EvaluationConfig(**{"device": "cpu", "threads": 1, field: value}) for value in values]
    assert len({identify_model("default", config).fingerprint for config in configs}) == 2


@pytest.mark.parametrize("package", ["timm", "transformers"])
def test_the_packages_that_networks_are_built_of_decide_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = predictions.versions.__wrapped__  # as a new process finds it
    monkeypatch.setattr(predictions, "versions", versions)
    real = importlib.metadata.version

    def fingerprint(installed: str | None) -> str:
        def version(name: str) -> str:
            if name != package:
                return real(name)
            if installed is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return installed

        monkeypatch.setattr(importlib.metadata, "version", version)
        assert versions().get(package) == installed
        return identify_model("default", EvaluationConfig(device="cpu")).fingerprint

    assert len({fingerprint(installed) for installed in (None, "1.0", "1.1")}) == 3


def test_every_file_that_a_description_names_decides_it(tmp_path: Path) -> None:
    config = EvaluationConfig(device="cpu")
    description = tmp_path / "model.yaml"
    description.write_text(
        "{kind: published, coarse: {weights: folder, projection: maps.pth}, refiner: {weights: other.yaml}}"
    )
    (tmp_path / "other.yaml").write_text("{weights: last.pth}")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    seen = set()
    for file in ("folder/config.json", "folder/deep/model.safetensors", "last.pth", "maps.pth"):
        for content in (b"one", b"two"):
            (tmp_path / file).write_bytes(content)
            found = identify_model(str(description), config)
            seen |= {found.sha256, found.fingerprint}
    description.write_text(description.read_text() + "\n# a remark")
    assert len(seen | {identify_model(str(description), config).sha256}) == 17


def test_message_camera_and_view_decide_the_fingerprint_of_a_frame() -> None:
    frames = {frame_fingerprint(*parts) for parts in ((b"a", 1, 2), (b"b", 1, 2), (b"a", 3, 2), (b"a", 1, 3))}
    assert len(frames) == 4
    assert frame_fingerprint(b"a", 1, 2) in frames


MODEL = ModelIdentity(name="m", sha256="", device="cpu", precision="float32", fingerprint="ab" * 32)


def test_what_is_stored_is_what_was_returned(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path)
    depth_m = np.array([[1.5, np.nan, 1 / 3]], np.float32)
    given = Prediction(depth_m=depth_m, confidence=depth_m / 10, consistency={"x": math.nan}, timings_ms={"total": 2.5})
    stored, loaded = cache.store(MODEL, "frame", given), cache.load(MODEL, "frame")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.depth_m, depth_m)
    assert stored.confidence is not None
    assert loaded.confidence is not None
    np.testing.assert_array_equal(loaded.confidence, stored.confidence)
    np.testing.assert_allclose(loaded.confidence, depth_m / 10, atol=5e-4)
    assert math.isnan(loaded.consistency["x"])
    assert loaded.timings_ms == {"total": 2.5}
    cache.store(MODEL, "plain", Prediction(depth_m=depth_m))
    plain = cache.load(MODEL, "plain")
    assert plain is not None
    assert plain.confidence is None


def test_a_prediction_that_is_missing_cut_or_altered_is_none(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path)
    assert cache.load(MODEL, "frame") is None
    cache.store(MODEL, "frame", Prediction(depth_m=np.arange(12, dtype=np.float32).reshape(3, 4)))
    path = cache.path(MODEL, "frame")
    whole = path.read_bytes()
    number = whole.index(np.float32(7).tobytes())
    for damaged in (b"", whole[:-5], whole[: number + 2], whole[:number] + b"?" + whole[number + 1 :]):
        path.write_bytes(damaged)
        assert cache.load(MODEL, "frame") is None
    path.write_bytes(whole)
    assert cache.load(MODEL, "frame") is not None


def test_a_flipped_bit_anywhere_in_the_file_gives_what_was_stored_or_none(tmp_path: Path) -> None:
    cache = PredictionCache(tmp_path)
    depth_m = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    cache.store(MODEL, "frame", Prediction(depth_m=depth_m, confidence=depth_m / 16, timings_ms={"total": 5.0}))
    path = cache.path(MODEL, "frame")
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        found = cache.load(MODEL, "frame")
        if found is not None:
            np.testing.assert_array_equal(found.depth_m, depth_m)
            assert found.confidence is not None
            np.testing.assert_array_equal(found.confidence, depth_m / 16)
            assert found.timings_ms == {"total": 5.0}
