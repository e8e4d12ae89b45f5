"""`prv2 replay`: a bag published live, by `prv2_ros.ros.replay` in a process of its own."""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from prv2_ros.errors import InputError

_DESCRIPTION = """\
Publish a bag (rosbag2 or ROS 1) through rclpy: at its own speed, a multiple of it, or as fast as a node takes it.
Messages keep their stamps; /clock carries the time of recording, for nodes with use_sim_time. Images, camera infos and
clouds of topics that another node publishes are left to it: start the depth node first, and its depth is not mixed with
the bag's."""


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
    if not arguments.rate > 0:  # JSON has no NaN
        raise InputError(f"--rate {arguments.rate}: must be above 0")
    if importlib.util.find_spec("rclpy") is None:
        raise InputError("prv2 replay needs rclpy: source a ROS 2 installation, or run scripts/setup.sh")
    options = {
        "bag": str(arguments.bag),
        "rate": arguments.rate if math.isfinite(arguments.rate) else 1e300,
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
        player.wait()  # the terminal has interrupted it, too
        raise
