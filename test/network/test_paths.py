"""Models and configuration are found wherever the package is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.network import paths

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PRV2_MODELS", raising=False)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)


def install(prefix: Path, library: str, monkeypatch: pytest.MonkeyPatch, *, share: bool = True) -> None:
    """Pretend that the module lies in `prefix`/`library`/prv2_ros/network."""
    module = prefix / library / "prv2_ros" / "network" / "paths.py"
    module.parent.mkdir(parents=True)
    shutil.copy(paths.__file__, module)
    monkeypatch.setattr(paths, "__file__", str(module))
    monkeypatch.setattr(paths.sys, "prefix", str(prefix.parent / "elsewhere"))
    if share:
        for name in ("models", "config"):
            (prefix / "share" / "prv2_ros" / name).mkdir(parents=True)


def test_checkout():
    assert paths.models_folder() == ROOT / "models"
    assert paths.config_folder() == ROOT / "config"


@pytest.mark.parametrize(
    "library",
    [
        "lib/python3.11/site-packages",
        "lib/python3.10/dist-packages",
        "lib/python3/dist-packages",
        "local/lib/python3.12/dist-packages",
        "",  # pip install --target
    ],
)
def test_prefix_of_the_module_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str):
    install(tmp_path / "install", library, monkeypatch)
    assert paths.models_folder() == tmp_path / "install" / "share" / "prv2_ros" / "models"
    assert paths.config_folder() == tmp_path / "install" / "share" / "prv2_ros" / "config"


def test_symlinked_workspace_leads_to_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "prv2_ros").symlink_to(ROOT / "prv2_ros")
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "build" / "prv2_ros" / "network" / "paths.py"))
    monkeypatch.setattr(paths.sys, "prefix", str(tmp_path))
    assert paths.models_folder() == ROOT / "models"


def test_ament_prefix_path_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "code", "lib/python3.11/site-packages", monkeypatch, share=False)
    for name in ("overlay", "underlay"):
        (tmp_path / name / "share" / "prv2_ros" / "models").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}/empty:{tmp_path}/overlay:{tmp_path}/underlay")
    assert paths.models_folder() == tmp_path / "overlay" / "share" / "prv2_ros" / "models"


def test_python_prefix_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "code", "lib/python3.11/site-packages", monkeypatch, share=False)
    (tmp_path / "elsewhere" / "share" / "prv2_ros" / "models").mkdir(parents=True)
    assert paths.models_folder() == tmp_path / "elsewhere" / "share" / "prv2_ros" / "models"


def test_environment_names_another_models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRV2_MODELS", str(tmp_path))
    assert paths.models_folder() == tmp_path


def test_wrong_environment_is_refused_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRV2_MODELS", str(tmp_path / "missing"))
    with pytest.raises(WeightsError, match=r"PRV2_MODELS is '.*missing', which is not a folder; correct it or unset"):
        paths.models_folder()


def test_nothing_found_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path / "bare", "lib/python3.11/site-packages", monkeypatch, share=False)
    with pytest.raises(WeightsError, match=r"no models folder: tried .*bare/share/prv2_ros/models.*set PRV2_MODELS"):
        paths.models_folder()
    with pytest.raises(ConfigError, match=r"no config folder: tried .*bare/share/prv2_ros/config"):
        paths.config_folder()
