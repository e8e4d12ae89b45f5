"""Focal length as an input of a coarse network that had none."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_depth_model import SPEC

from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.network.model import DepthModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import add_lens


@pytest.fixture
def before(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return save_model(DepthModel(dataclasses.replace(SPEC, coarse_lens=False)), tmp_path, "before")


def test_it_answers_as_before_and_learns_from_the_focal_length(before: Path, tmp_path: Path) -> None:
    assert add_lens.main([str(before), "-o", str(tmp_path), "--name", "after"]) == 0
    old, new = (load_model(str(tmp_path / f"{name}.yaml")) for name in ("before", "after"))
    assert not old.spec.coarse_lens
    assert new.spec.coarse_lens
    image, f_px = torch.rand(2, 3, 64, 96), torch.tensor([200.0, 900.0])
    with torch.no_grad():
        torch.testing.assert_close(
            new.predict_coarse(image, f_px).log_depth_B1hw, old.predict_coarse(image, f_px).log_depth_B1hw
        )
    new.coarse(image, f_px).log_depth_B1hw.sum().backward()
    assert new.coarse.lens is not None
    assert all(level.weight.grad.abs().sum() > 0 for level in new.coarse.lens.levels)


def test_a_model_of_before_the_choice_has_no_lens(before: Path) -> None:
    """Its description does not say."""
    described = yaml.safe_load(before.read_text())
    del described["model"]["coarse_lens"]
    before.write_text(yaml.safe_dump(described))
    assert not load_model(str(before)).spec.coarse_lens


def test_a_model_that_has_it_is_refused(before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_lens.main([str(before), "-o", str(tmp_path), "--name", "after"])
    capsys.readouterr()
    assert add_lens.main([str(tmp_path / "after.yaml"), "-o", str(tmp_path / "again")]) == 1
    assert capsys.readouterr().err.endswith("its coarse network is told the focal length already\n")
    assert not (tmp_path / "again").exists()
