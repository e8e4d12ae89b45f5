"""Makes `ros_fakes` importable beside the tests, and keeps them off other people's ROS topics."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
# Before the first rclpy.init: tests neither hear nor disturb nodes on the default domain, nor a parallel run.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
