from __future__ import annotations

import math

import pytest

from prv2_ros.errors import ConfigError
from prv2_ros.inference.config import EngineConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"assumed_fov_deg": 0}, "assumed_fov_deg = 0: must lie between 0 and 180"),
        ({"assumed_fov_deg": math.nan}, "assumed_fov_deg = nan"),
        ({"max_depth_m": -1.0}, "max_depth_m = -1.0: must be positive"),
        ({"max_depth_m": math.nan}, "max_depth_m = nan"),
        ({"max_tile_px": 700}, "max_tile_px = 700: must be a multiple of 32"),
        ({"max_tile_px": 96}, "max_tile_px = 96: .*at least 128"),
        ({"max_tile_px": 256, "overlap_px": 65}, r"overlap_px = 65: .*a quarter of max_tile_px \(64\)"),
        ({"overlap_px": -1}, "overlap_px = -1"),
        ({"wide_cells": -0.5}, r"wide_cells = -0.5: must lie between 0 \(off\) and 32"),
        ({"wide_cells": math.nan}, "wide_cells = nan"),
        ({"farther": -0.1}, r"farther = -0.1: must be 0 or more \(inf for no bound\)"),
        ({"farther": math.nan}, "farther = nan"),
        ({"metric_from_m": 0.0}, r"metric_from_m = 0.0: must be positive \(inf for nowhere\)"),
        ({"metric_from_m": math.nan}, "metric_from_m = nan"),
        ({"tile_batch": -2}, "tile_batch = -2: must be 0"),
        ({"regions": ((1, 2, 3, 4), (0, 0, 5, 0))}, r"region \(0, 0, 5, 0\): expected left, top, width and height"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        EngineConfig(**changes)


def test_the_ends_of_the_ranges_are_allowed():
    config = EngineConfig(max_depth_m=math.inf, max_tile_px=128, overlap_px=32, tile_batch=1)
    assert config.overlap_px == 32
