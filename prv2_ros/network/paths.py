"""Where the package's models and configuration lie: in a checkout, a colcon workspace or a pip installation."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from prv2_ros.errors import ConfigError, WeightsError

PACKAGE = "prv2_ros"


def models_folder() -> Path:
    """Return the folder with the weights that come with the package.

    The environment variable PRV2_MODELS names another one. Otherwise the first of these that exists is taken:
    `models/` beside the package in a checkout, `share/prv2_ros/models` of the prefix this module is installed in, of
    each prefix in AMENT_PREFIX_PATH, and of `sys.prefix`.

    Raises:
        WeightsError: PRV2_MODELS names no folder, or none of these places has one.
    """
    chosen = os.environ.get("PRV2_MODELS")
    if chosen:
        folder = Path(chosen).expanduser()
        if not folder.is_dir():
            raise WeightsError(f"PRV2_MODELS is {chosen!r}, which is not a folder; correct it or unset it")
        return folder
    found = _first_folder("models")
    if found is None:
        raise WeightsError(f"no models folder: tried {_tried('models')}; reinstall {PACKAGE} or set PRV2_MODELS")
    return found


def config_folder() -> Path:
    """Return the folder with the package's YAML, RViz and DDS profile files, looked for as `models_folder` does.

    Raises:
        ConfigError: none of the places has it.
    """
    found = _first_folder("config")
    if found is None:
        raise ConfigError(f"no config folder: tried {_tried('config')}; reinstall {PACKAGE}")
    return found


def _first_folder(name: str) -> Path | None:
    return next((base / name for base in _share_folders() if (base / name).is_dir()), None)


def _tried(name: str) -> str:
    return ", ".join(str(base / name) for base in _share_folders())


def _share_folders() -> Iterator[Path]:
    """Folders that may hold models/ and config/, nearest to this very module first."""
    # A symlinked workspace (colcon --symlink-install) resolves to the checkout, a copied one stays in its prefix.
    seen: set[Path] = set()
    for base in _candidates(Path(__file__).absolute().parents[1], Path(__file__).resolve().parents[1]):
        if base not in seen:
            seen.add(base)
            yield base


def _candidates(*package_folders: Path) -> Iterator[Path]:
    for package in package_folders:
        if (package.parent / "package.xml").is_file():
            yield package.parent
        # <prefix>/lib/python3.x/site-packages/prv2_ros, or dist-packages at another depth, or <prefix>/prv2_ros, as
        # `pip install --target` has it: look at several above.
        for prefix in list(package.parents)[:5]:
            yield prefix / "share" / PACKAGE
    for prefix_text in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix_text:
            yield Path(prefix_text) / "share" / PACKAGE
    yield Path(sys.prefix) / "share" / PACKAGE
