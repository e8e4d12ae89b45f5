from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from prv2_ros.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bag_samples import Samples

# As test/ros/conftest.py does: nobody else's topics.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

ROOT = Path(__file__).resolve().parents[2]


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for_clock() -> None:
    """Wait until somebody publishes /clock."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rosgraph_msgs.msg import Clock

    context = rclpy.Context()
    rclpy.init(context=context)
    node, executor = rclpy.create_node("waits", context=context), SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[Clock] = []
    node.create_subscription(Clock, "/clock", heard.append, 10)
    end = time.monotonic() + 60
    while not heard and time.monotonic() < end:
        executor.spin_once(0.1)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    assert heard


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group", "code", "said"),
    [
        (signal.SIGINT, False, 130, "prv2: interrupted\n"),
        (signal.SIGINT, True, 130, "prv2: interrupted\n"),
        (signal.SIGTERM, False, 143, ""),
    ],
)
def test_a_signal_ends_the_player_too(
    tmp_path: Path, number: signal.Signals, group: bool, code: int, said: str
) -> None:
    pytest.importorskip("rclpy", reason="needs rclpy and the message packages")
    bag = Samples(frames=3).write(tmp_path / "a")
    process = subprocess.Popen(
        [sys.executable, "-m", "prv2_ros.cli.main", "replay", str(bag), "--loop", "--delay", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell has its jobs in the background ignore it, and so would the run.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for_clock()
        (player,) = children(process.pid)
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(30) == code
        assert not Path(f"/proc/{player}").exists(), "the player is left"
        assert process.communicate() == ("", said)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("delay", ["inf", "nan", "-1"])
def test_a_delay_that_never_ends_is_refused(capsys: pytest.CaptureFixture[str], delay: str) -> None:
    assert main.main(["replay", "nowhere", f"--delay={delay}"]) == 1
    told = f"prv2: error: --delay {float(delay)}: must be a number of seconds, 0 or more\n"
    assert capsys.readouterr().err == told


def options_of_player(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """Give the options that the player of a bag `nowhere` starts with."""
    pytest.importorskip("rclpy", reason="needs rclpy and the message packages")
    from prv2_ros.ros.replay import ReplayOptions

    given: list[ReplayOptions] = []
    start = subprocess.Popen

    def notes(command: list[str]) -> subprocess.Popen[bytes]:
        given.append(ReplayOptions(**json.loads(command[-1])))
        return start([sys.executable, "-c", ""])

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", notes)
        assert main.main(["replay", "nowhere", *arguments]) == 0
    (options,) = given
    return options


@pytest.mark.parametrize("rate", ["inf", "0.5"])
def test_the_rate_reaches_the_player_as_it_is(monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    assert options_of_player(monkeypatch, "--rate", rate).rate == float(rate)


def test_every_other_option_reaches_the_player_too(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = options_of_player(monkeypatch)
    assert (usual.bag, usual.rate, usual.follow, usual.loop, list(usual.topics)) == ("nowhere", 1.0, "", False, [])
    words = [
        "--follow",
        "/depth",
        "--follow-timeout",
        "3",
        "--loop",
        "--delay",
        "0.5",
        "--topic",
        "/a",
        "--topic",
        "/b",
    ]
    chosen = options_of_player(monkeypatch, *words)
    assert (chosen.follow, chosen.follow_timeout_s, chosen.loop, chosen.delay_s) == ("/depth", 3.0, True, 0.5)
    assert list(chosen.topics) == ["/a", "/b"]
