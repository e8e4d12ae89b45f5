from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from prv2_ros.errors import ConfigError
from prv2_ros.network.paths import config_folder
from prv2_ros.training.config import STAGES, TrainConfig, load_config

CONFIGS = sorted((config_folder() / "train").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_packaged_config_loads_with_as_many_sources_as_it_has_shares(path: Path) -> None:
    values = yaml.safe_load(path.read_text())
    sources = [f"source{k}" for k in range(len(values.get("data_shares", [0])))]
    config = load_config(path, data=sources)
    assert config.data == tuple(sources)
    for name in set(values) - {"sizes", "patch"}:
        found = getattr(config, name)
        assert (list(found) if isinstance(found, tuple) else found) == values[name]


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
        ("stage: far\nfar_from_m: 0", "far_from_m 0: must be above 0"),
        ("stage: far\nlikelihood: 0.1", "likelihood 0.1: nothing reads the scale of stage far; leave it out"),
        ("steps: -1", "steps -1: must be at least 0"),
        ("seconds: 0", "seconds 0: must be above 0"),
        ("seconds: .nan", "seconds nan: must be finite"),
        ("steps: 10\nseconds: .inf", "seconds inf: must be finite"),
        ("workers: -1", "workers -1: must be at least 0"),
        ("threads: 0", "threads 0: must be at least 1"),
        ("seed: -1", "seed -1: must be at least 0"),
        ("seed: 4294967296", "seed 4294967296: must be below 4294967296"),
        ("learning_rate: 0", "learning_rate 0: must be above 0"),
        ("learning_rate: .inf", "learning_rate inf: must be finite"),
        ("encoder_rate: -0.1", "encoder_rate -0.1: must be at least 0"),
        ("coarse_rate: .nan", "coarse_rate nan: must be finite"),
        ("clip_norm: 0.0", "clip_norm 0.0: must be above 0"),
        ("weight_decay: -0.1", "weight_decay -0.1: must be at least 0"),
        ("pseudo: -1", "pseudo -1: must be at least 0"),
        ("warmup_from: 1.5", "warmup_from 1.5: must be from 0 to 1"),
        ("sizes: []", "name at least one"),
        ("data: [a]\ndata_shares: [.nan]", r"data_shares \[nan\]: .* all are finite"),
        ("frozen: blocks.0", r"frozen = 'blocks.0': expected a list, such as \[blocks.0\]"),
        ("frozen:", "frozen = None: expected a list in brackets"),
        ("data: runs/frames", r"data = 'runs/frames': expected a list, such as \[runs/frames\]"),
        ("bf16: 'no'", "bf16 = 'no': expected true or false"),
        ("sizes: [[256, 384, 3]]", r"sizes\[0\] = \[256, 384, 3\]: expected 2 entries, found 3"),
        ("accumulate: 3\ncheckpoint_every: 10", "accumulate 3.*divide checkpoint_every 10"),
        ("sizes: [[100, 96]]", "100x96.*multiples of 32"),
        ("data: [a]\ndata_shares: [1, 2]", "2 data_shares for 1"),
        ("data: [a]\ndata_shares: [0]", r"data_shares \[0\]: none may be negative, nor all zero"),
        ("checkpoint_every: 0", "checkpoint_every 0"),
        ("warmup: 1.0", "warmup 1.0"),
        ("ema: 2", "ema 2"),
        ("loss_stride: 3", "loss_stride 3: must be 1, 2 or 4"),
        ("relative: 1.5", "relative 1.5: must be from 0 to 1"),
        ("metric_from_m: -1.0", "metric_from_m -1.0: must be at least 0"),
        ("accumulate: 2\ncheckpoint_every: 10\nsteps: 5", "accumulate 2.*divide.*steps 5"),
        ("patch: [100, 96]", "100x96.*multiples of 32"),
        ("patch: 160", "training config: patch = 160: expected a list in brackets"),
        ("patches: ring", "'ring': expected one of single, pair, group"),
        ("overlap: 1.0", "overlap 1.0"),
        ("consistency: 1.0", "needs patches that overlap"),
        ("window_px: 2", "window_px 2"),
        ("bf16: true\nfp16: true", "choose one"),
        ("- 1", "expected a mapping"),
        ("a: [", "training config"),
        ("2: 1\ntrue: 3", "unknown 2, True; known are"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_seconds_that_are_asked_for_replace_the_files_steps(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("steps: 10\nseconds: 60.0\n")
    assert load_config(path).steps == 10
    clocked = load_config(path, seconds=5.0, steps=None)
    assert (clocked.steps, clocked.seconds) == (0, 5.0)
    assert load_config(path, seconds=5.0, steps=20).steps == 20


def test_a_rate_in_yaml_1_1s_blind_spot_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("learning_rate: 1e-3\n")
    assert isinstance(yaml.safe_load(path.read_text())["learning_rate"], str)
    assert load_config(path).learning_rate == 1e-3


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    for content in (b"\xff\xfe\x00", b"a: [\n- b: {"):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"training config .*c\.yaml: ") as error:
            load_config(path)
        assert "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")


def test_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        TrainConfig().batch = 3  # type: ignore[misc]
