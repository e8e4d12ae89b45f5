from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_depth_model import small_model

from prv2_ros.network.checkpoint import load_model, save_model

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "average_models.py"


@pytest.mark.parametrize(("part", "other"), [("coarse", "refiner"), ("refiner", "coarse")])
def test_one_part_is_the_mean_and_the_other_the_second_models(part: str, other: str, tmp_path: Path) -> None:
    paths = []
    for seed in (1, 2):
        model = small_model()
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
        if name.startswith(other) or not value.is_floating_point():
            assert torch.equal(value, second[name]), name
        else:
            torch.testing.assert_close(value, 0.25 * first[name] + 0.75 * second[name], rtol=2e-3, atol=2e-3)
    assert any(not torch.equal(value, second[name]) for name, value in mean.items())
