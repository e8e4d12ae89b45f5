"""Makes the helpers beside it importable from every folder of tests, and frees hypothesis from the clock."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.append(str(Path(__file__).parent))

# A machine that is busy for a moment has found no bug.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
