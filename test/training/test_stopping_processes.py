"""A run of several processes, or with processes that load its batches, is stopped as one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from tiny_depth_model import small_model

import prv2_ros
from prv2_ros.cli.main import main
from prv2_ros.network.checkpoint import save_model


def _config(place: Path) -> Path:
    values = {"stage": "coarse", "sizes": [[64, 64]], "batch": 2, "workers": 1, "threads": 1, "device": "cpu"}
    path = place / "config.yaml"
    path.write_text(yaml.safe_dump({**values, "accumulate": 2, "checkpoint_every": 100000}))
    return path


def _stop_a_run(command: list[str], run: Path, number: signal.Signals, *, group: bool) -> tuple[int, str]:
    """Start a process, send it (or all of its group) a signal after the first row; its exit code and output."""
    path = os.pathsep.join([str(Path(prv2_ros.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell has its jobs in the background ignore it, and so would the run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 200
        while not (run / "log.jsonl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, _ = process.communicate(timeout=100)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said


def _step(run: Path) -> int:
    return int(torch.load(run / "checkpoint.pt", weights_only=True)["step"])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_processes_of_a_run_is_no_error_of_those_that_load(
    number: signal.Signals, code: int, frames: Path, tmp_path: Path
) -> None:
    run, start = tmp_path / "run", save_model(small_model(), tmp_path, "start")
    common = ["train", "--config", str(_config(tmp_path)), "--data", str(frames), "--init", str(start), "-o", str(run)]
    command = [sys.executable, "-m", "prv2_ros.cli.main", *common, "--steps", "100000"]
    returned, said = _stop_a_run(command, run, number, group=True)
    assert returned == code, said
    assert "Traceback" not in said
    assert "error" not in said
    step = _step(run)
    assert f"prv2: stopped at step {step}, which {run / 'checkpoint.pt'} holds" in said
    assert step % 2 == 0
    assert main([*common, "--steps", str(step + 2)]) == 0
    assert _step(run) == step + 2


@pytest.mark.slow
def test_a_signal_to_torchrun_stops_all_processes_at_one_step(frames: Path, tmp_path: Path) -> None:
    run, start = tmp_path / "run", save_model(small_model(), tmp_path, "start")
    common = ["train", "--config", str(_config(tmp_path)), "--data", str(frames), "--init", str(start), "-o", str(run)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "prv2_ros.cli.main", *common, "--steps", "100000"]
    began = time.monotonic()
    returned, said = _stop_a_run(command, run, signal.SIGTERM, group=False)
    assert returned != 0
    assert said.count("prv2: stopped at step") == 1, said
    assert time.monotonic() - began < 250
    step = _step(run)
    assert f"stopped at step {step}" in said
    assert step % 2 == 0


_ONE_STOPS = """
import json, sys, torch
from pathlib import Path
from short_runs import short_config, start_run
from prv2_ros.errors import InputError
from prv2_ros.training.distributed import current_world, joined
from prv2_ros.training.feed import Feed
frames, folder = Path(sys.argv[1]), Path(sys.argv[2])
with joined(torch.device("cpu")):
    rank = current_world().rank
    trainer = start_run(short_config(frames, steps=20, checkpoint_every=100), folder)
    def batches(_):
        for n, batch in enumerate(Feed(trainer.config, rank=rank)):
            if n == 3 and rank == 1:
                raise InputError("frame 7 is damaged")
            yield batch
    trainer._batches = batches
    try:
        trainer.run()
    except InputError as error:
        (folder / f"{rank}.json").write_text(json.dumps([type(error).__name__, str(error), trainer.step]))
"""


@pytest.mark.slow
def test_all_processes_stop_where_one_has_an_error(frames: Path, tmp_path: Path) -> None:
    program = tmp_path / "one.py"
    program.write_text(_ONE_STOPS)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    roots = [str(Path(prv2_ros.__file__).parents[1]), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [*launcher, str(program), str(frames), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    other = "another process of this run was stopped or got no batch: see what it says"
    assert json.loads((tmp_path / "0.json").read_text()) == ["InputError", other, 3]
    assert json.loads((tmp_path / "1.json").read_text()) == ["InputError", "frame 7 is damaged", 3]
    assert _step(tmp_path) == 3
