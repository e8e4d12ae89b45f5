"""Makes `ros_fakes` of the node tests importable: these tests read real messages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))
