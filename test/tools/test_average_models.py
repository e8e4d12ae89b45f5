from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_depth_model import SPEC, small_model

from prv2_ros.network.checkpoint import load_model, save_model
from prv2_ros.network.model import DepthModel

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import average_models

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "average_models.py"


@pytest.mark.parametrize("part", ["coarse", "refiner", "far"])
def test_one_part_is_the_mean_and_the_others_the_second_models(part: str, tmp_path: Path) -> None:
    paths = []
    for seed in (1, 2):
        model = small_model()
        model.add_far_network()
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        paths.append(save_model(model, tmp_path, f"model{seed}"))
    subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, paths), "--part", part, "--share", "0.25", "-o", str(tmp_path)],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    first, second, mean = (load_model(str(path)).state_dict() for path in (*paths, tmp_path / "model.yaml"))
    for name, value in mean.items():
        if not name.startswith(f"{part}.") or not value.is_floating_point():
            assert torch.equal(value, second[name]), name
        else:
            torch.testing.assert_close(value, 0.25 * first[name] + 0.75 * second[name], rtol=2e-3, atol=2e-3)
    assert any(not torch.equal(value, second[name]) for name, value in mean.items())


@pytest.mark.parametrize(
    ("first", "share", "message"),
    [
        ("missing.yaml", "0.5", "no model 'missing.yaml'"),
        ("wide.yaml", "0.5", "coarse of wide.yaml: the weights are of another architecture"),
        ("small.yaml", "7", "share 7.0: give 0 .* to 1"),
        ("small.yaml", "nan", "share nan: give 0"),
    ],
)
def test_what_cannot_be_averaged_is_one_line(
    first: str, share: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(small_model(), tmp_path, "small")
    save_model(DepthModel(dataclasses.replace(SPEC, coarse_widths=(16, 16, 24, 48))), tmp_path, "wide")
    assert average_models.main([first, "small.yaml", "--share", share, "-o", "out"]) == 1
    error = capsys.readouterr().err
    assert re.match(f"average_models: {message}", error)
    assert error.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize("pair", [("with.yaml", "without.yaml"), ("without.yaml", "with.yaml")])
def test_a_part_that_one_model_lacks_is_one_line(
    pair: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    model = small_model()
    save_model(model, tmp_path, "without")
    model.add_far_network()
    save_model(model, tmp_path, "with")
    assert average_models.main([*pair, "--part", "far", "-o", "out"]) == 1
    assert capsys.readouterr().err == (
        "average_models: without.yaml has no network for what is far: leave out --part far\n"
    )
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(small_model(), tmp_path, "small")
    Path("out").touch()
    assert average_models.main(["small.yaml", "small.yaml", "-o", "out"]) == 1
    assert capsys.readouterr().err.startswith("average_models: ")
