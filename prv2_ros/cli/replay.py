"""`prv2 replay`: a bag published live, by `prv2_ros.ros.replay` in a process of its own."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from prv2_ros.errors import InputError

_DESCRIPTION = """\
Publish a bag (rosbag2 or ROS 1) through rclpy: at its own speed, a multiple of it, or as fast as a node takes it.
Messages keep their stamps; /clock carries the time of recording, for nodes with use_sim_time. Images, camera infos and
clouds of topics that another node publishes are left to it: start the depth node first, and its depth is not mixed with
the bag's."""

_AT_ONCE_S = 1.0  # a player that the terminal has interrupted, too, ends within this
_PATIENCE_S = 5.0


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("replay", help="publish a bag live (needs ROS 2)", description=_DESCRIPTION)
    parser.add_argument("bag", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or .bag")
    parser.add_argument("--rate", type=float, default=1.0, metavar="FACTOR", help="times the original speed, or inf")
    parser.add_argument(
        "--follow",
        default="",
        metavar="TOPIC",
        help="after each camera image wait until TOPIC (such as /camera/depth/camera_info; the bag's own is left out) "
        "has its stamp, not for its time; of several cameras name the node's with --topic",
    )
    parser.add_argument("--follow-timeout", type=float, default=10.0, metavar="S", help="longest wait (s, default 10)")
    parser.add_argument("--loop", action="store_true", help="start again at the end, until interrupted")
    parser.add_argument("--delay", type=float, default=4.0, metavar="S", help="before the first message (s, default 4)")
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="NAME",
        help="publish only this, even where another node publishes it; repeatable",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the player and pass its exit code on.

    Raises:
        InputError: rclpy is not installed, or options that cannot be used.

    """
    if not arguments.rate > 0:
        raise InputError(f"--rate {arguments.rate}: must be above 0")
    if not 0 <= arguments.delay < math.inf:
        raise InputError(f"--delay {arguments.delay}: must be a number of seconds, 0 or more")
    if not arguments.follow_timeout > 0:
        raise InputError(f"--follow-timeout {arguments.follow_timeout}: must be above 0")
    if importlib.util.find_spec("rclpy") is None:
        raise InputError("prv2 replay needs rclpy: source a ROS 2 installation, or run scripts/setup.sh")
    options = {
        "bag": str(arguments.bag),
        "rate": arguments.rate,
        "follow": arguments.follow,
        "follow_timeout_s": arguments.follow_timeout,
        "loop": arguments.loop,
        "delay_s": arguments.delay,
        "topics": arguments.topic,
    }
    # A process of its own: nothing but prv2_ros.ros imports rclpy, and `prv2` works without ROS.
    player = subprocess.Popen([sys.executable, "-m", "prv2_ros.ros.replay", json.dumps(options)])
    try:
        return player.wait()
    except KeyboardInterrupt:
        # A second signal would break into the end of a player that the terminal has interrupted, too.
        _wait(_AT_ONCE_S, player)
        raise
    finally:
        # SIGINT first: SIGTERM invalidates what rclpy publishes with, of which the player would complain.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if player.poll() is None:
                player.send_signal(number)
                _wait(_PATIENCE_S, player)


def _wait(seconds: float, player: subprocess.Popen[bytes]) -> None:
    with suppress(subprocess.TimeoutExpired):
        player.wait(seconds)
