"""Frames that several training tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from prv2_ros.data import tiles
from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.data.synthetic import render


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three frames of 192x128 px."""
    folder = tmp_path_factory.mktemp("frames")
    for seed in range(3):
        made = render(seed, 192, 128, kind="room")
        write_frame(
            folder,
            Frame(name=f"{seed:08d}", image=made.image, depth_m=made.depth_m, camera=made.camera, kind=made.kind),
        )
    return folder


@pytest.fixture(scope="session")
def tile_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a scene with two tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    tiles.write_tile_scene(folder, tiles.render(1, count=2))
    return folder
