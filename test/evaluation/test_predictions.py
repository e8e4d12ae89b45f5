"""What the fingerprint of a prediction covers."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import pytest

import prv2_ros
from prv2_ros.evaluation import predictions
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.predictions import identify_model

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
