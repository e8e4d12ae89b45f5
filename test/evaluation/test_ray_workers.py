"""A Ray cluster of two workers on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bag_samples
import pytest
from bag_samples import Samples

from prv2_ros.errors import InputError
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.run import Options, evaluate, score_bags

pytest.importorskip("ray", reason="the package ray is not installed")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ray")
    port, *agents = free_ports(5)
    tests = Path(bag_samples.__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests)])}
    environment |= {"PRV2_TEST_DIES_ONCE": str(folder / "died"), "RAY_USAGE_STATS_ENABLED": "0"}
    # A busy machine takes longer than Ray's 30 s.
    environment |= {"RAY_raylet_start_wait_time_s": "200", "RAY_agent_register_timeout_ms": "200000"}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", "--num-cpus=2"]
    command += ["--block", "--include-dashboard=false", "--object-store-memory=80000000"]
    command += ["--node-ip-address=127.0.0.1"]
    # With ports of their own Ray does not wait 15 s for its agents to write theirs down, which a busy machine outlasts.
    names = ("dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export")
    command += [f"--{name}-port={agent}" for name, agent in zip(names, agents, strict=True)]
    with open(folder / "log", "w") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 200
        while "Ray runtime started" not in (folder / "log").read_text():
            if head.poll() is not None or time.monotonic() > end:  # Ray gives up where a machine is very busy
                pytest.skip(f"Ray did not start a cluster here: {(folder / 'log').read_text().strip()[-200:]}")
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        head.terminate()
        try:
            head.wait(60)
        except subprocess.TimeoutExpired:
            head.kill()


@pytest.mark.slow
def test_a_cluster_gives_the_report_of_one_machine_although_a_worker_dies(tmp_path: Path, cluster: str) -> None:
    bag = Samples(cameras=("/left", "/right"), frames=4).write(tmp_path / "drive")
    config = load_config(None, threads=1)
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    evaluate([bag], config, Options(output=alone, load_engine=bag_samples.scaled_truth))
    evaluate([bag], config, Options(output=spread, ray=cluster, load_engine=bag_samples.dies_once))
    reports = [json.loads((folder / "report.json").read_text()) for folder in (alone, spread)]
    assert reports[0] == reports[1]


def test_an_address_without_a_cluster_is_told(tmp_path: Path) -> None:
    bag = Samples(frames=1).write(tmp_path / "drive")
    with pytest.raises(InputError, match=r"--ray 127\.0\.0\.1:1: no cluster there .*start one with `ray start --head`"):
        score_bags([bag], load_config(None), Options(output=tmp_path / "out", ray="127.0.0.1:1"))
