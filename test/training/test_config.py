from __future__ import annotations

from pathlib import Path

import pytest

from prv2_ros.errors import ConfigError
from prv2_ros.network.paths import config_folder
from prv2_ros.training.config import STAGES, TrainConfig, load_config


@pytest.mark.parametrize("stage", STAGES)
def test_the_packaged_configs_load(stage: str) -> None:
    assert load_config(config_folder() / "train" / f"{stage}.yaml").stage == stage


def test_overrides_win_and_none_is_no_override(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("batch: 3\ndata: [a, b]\nsizes: [[64, 96]]\n")
    config = load_config(path, batch=5, seed=None)
    assert (config.batch, config.seed, config.data, config.sizes) == (5, 0, ("a", "b"), ((64, 96),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bacth: 3", "unknown bacth; known are"),
        ("stage: dessert", "'dessert': expected one of coarse, noise, refiner, end_to_end"),
        ("batch: 0", "batch 0"),
        ("accumulate: 3\ncheckpoint_every: 10", "accumulate 3.*divide checkpoint_every 10"),
        ("sizes: [[100, 96]]", "100x96.*multiples of 32"),
        ("data: [a]\ndata_shares: [1, 2]", "2 data_shares for 1"),
        ("data: [a]\ndata_shares: [0]", r"data_shares \[0\]: none may be negative, nor all zero"),
        ("checkpoint_every: 0", "checkpoint_every 0"),
        ("warmup: 1.0", "warmup 1.0"),
        ("ema: 2", "ema 2"),
        ("loss_stride: 3", "loss_stride 3: must be 1, 2 or 4"),
        ("relative: 1.5", "relative 1.5: must be from 0 to 1"),
        ("accumulate: 2\ncheckpoint_every: 10\nsteps: 5", "accumulate 2.*divide.*steps 5"),
        ("patch: [100, 96]", "100x96.*multiples of 32"),
        ("patch: 160", "training config"),
        ("patches: ring", "'ring': expected one of single, pair, group"),
        ("overlap: 1.0", "overlap 1.0"),
        ("consistency: 1.0", "needs patches that overlap"),
        ("window_px: 2", "window_px 2"),
        ("bf16: true\nfp16: true", "choose one"),
        ("- 1", "expected a mapping"),
        ("a: [", "training config"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")


def test_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        TrainConfig().batch = 3  # type: ignore[misc]
