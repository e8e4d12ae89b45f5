"""Two processes take the step that one would take with the doubled batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tiny_depth_model import small_model

import prv2_ros
from prv2_ros.cli.main import main
from prv2_ros.network.checkpoint import save_model
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.distributed import SyncedNorm, World, current_world
from prv2_ros.training.feed import Feed

SETTINGS = {
    "stage": "coarse",
    "steps": 2,
    "accumulate": 2,
    "checkpoint_every": 2,
    "sizes": [[64, 64], [64, 96]],
    "frozen": [],
    "learning_rate": 1e-3,
    "threads": 1,
    "workers": 0,
    "device": "cpu",
    "ema": 0.9,
}


def _arguments(place: Path, model: Path, frames: Path, batch: int) -> list[str]:
    config = place / "config.yaml"
    config.write_text(yaml.safe_dump(SETTINGS))
    common = ["train", "--config", str(config), "--init", str(model), "--data", str(frames)]
    return [*common, "--batch", str(batch), "-o", str(place / "run")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_equal_one_with_the_doubled_batch(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.loop._LOG_EVERY", 1)
    model = save_model(small_model(), tmp_path, "start")
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert main(_arguments(one, model, frames, 4)) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "prv2_ros.cli.main", *_arguments(two, model, frames, 2)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("model.yaml") == 1, "one process writes and says so"
    first, second = (torch.load(place / "run" / "checkpoint.pt", weights_only=True) for place in (one, two))
    assert second["step"] == first["step"] == 2
    for name, value in first["figures"].items():
        assert float(second["figures"][name]) == pytest.approx(float(value), rel=1e-5), name
    for key, value in first["part"].items():
        if "running_" in key:
            torch.testing.assert_close(second["part"][key], value, rtol=1e-3, atol=1e-5, msg=key)
    # The only step's gradients, as Adam keeps them; the weights would show rounding made into whole steps. A pixel at
    # the kink of an L1 loss turns with the order of a sum: one process with its batch reordered is 0.2% off.
    moments = [place["optimizer"]["state"] for place in (first, second)]
    assert moments[0].keys() == moments[1].keys()
    for key in moments[0]:
        one_process, two_processes = (moment[key]["exp_avg"] for moment in moments)
        assert (two_processes - one_process).norm() <= 5e-3 * one_process.norm() + 1e-9, key
    assert max(float(moment["exp_avg"].abs().max()) for moment in moments[0].values()) > 1e-4
    rows = (one / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["step"] == 2


_TALK = """
import torch
from prv2_ros.training.distributed import current_world, joined
with joined(torch.device("cpu")):
    world = current_world()
    value = world.from_first(world.rank + 1.5)
    mean = world.mean({"loss": torch.tensor(float(world.rank))})
    world.barrier()
    print(f"{world.rank} of {world.size}: {value} {float(mean['loss'])} {world.first}\\n", end="", flush=True)
assert current_world().size == 1
"""


@pytest.mark.slow
def test_processes_see_the_clock_of_the_first_and_the_mean_of_all(tmp_path: Path) -> None:
    program = tmp_path / "talk.py"
    program.write_text(_TALK)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(Path(prv2_ros.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*launcher, str(program)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(done.stdout.split("\n")) == ["", "0 of 2: 1.5 0.5 True", "1 of 2: 1.5 0.5 False"]


def test_processes_share_the_samples_of_a_batch(frames: Path) -> None:
    def batches(size: int, rank: int) -> dict[str, torch.Tensor]:
        config = TrainConfig(data=(str(frames),), batch=size, sizes=((64, 64), (64, 96)), workers=0, seed=3)
        return next(iter(Feed(config, 5, rank=rank)))

    whole = batches(4, 0)
    for key, value in whole.items():
        assert torch.equal(torch.cat([batches(2, rank)[key] for rank in range(2)]), value), key


def test_norm_of_one_process_is_batch_norm() -> None:
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d(3)
    torch.nn.init.normal_(norm.weight)
    synced = SyncedNorm.of(norm)
    assert set(synced.state_dict()) == set(norm.state_dict())
    assert synced.weight is norm.weight
    assert synced.running_mean is norm.running_mean
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(synced.eval()(x), norm.eval()(x))
    assert not SyncedNorm.of(norm).training, "one that is held fixed stays so"


def test_alone_there_is_nothing_to_share() -> None:
    world = current_world()
    assert world == World(rank=0, size=1)
    assert world.first
    assert world.from_first(1.5) == 1.5
    assert world.mean({"loss": torch.tensor(2.0)}) == {"loss": torch.tensor(2.0)}
