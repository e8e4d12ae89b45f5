"""scripts/test.sh and scripts/colcon.sh on a package of a few files, beside ROS 2's own pytest plugins.

The launch_testing of Humble has a hook whose argument pytest 8.1 has dropped, so that pytest ends where it is loaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COLCON = Path(sys.executable).with_name("colcon")

COPIED = (
    "setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md", ".gitignore", "resource/prv2_ros",
    "scripts/test.sh", "scripts/colcon.sh",
    "prv2_ros/__init__.py", "prv2_ros/errors.py", "prv2_ros/network/__init__.py", "prv2_ros/network/paths.py",
)  # fmt: skip
HOOKS = "def pytest_pycollect_makemodule(path, parent):\n    pass\n"
TESTS = """
def test_has_the_plugins_that_pyproject_names_and_no_other(pytestconfig):
    names = {"timeout", "hypothesispytest", "launch_testing"}
    assert {name for name in names if pytestconfig.pluginmanager.has_plugin(name)} == names - {"launch_testing"}
"""

needs_colcon = pytest.mark.skipif(
    not COLCON.exists() or shutil.which("git") is None, reason="needs colcon beside this Python, and git"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package with the real build files; its set-up leaves a note."""
    root = tmp_path / "project"
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for folder in ("launch", "config", "models"):
        (root / folder).mkdir()
        (root / folder / f"empty.{'launch.py' if folder == 'launch' else 'yaml'}").touch()
    (root / "scripts" / "setup.sh").write_text(f"touch {root}/set_up\n")
    (root / "test").mkdir()
    for name in ("test_package.py", "test_layers.py"):  # those that colcon.sh runs
        (root / "test" / name).write_text(TESTS)
    (root / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "python3", "colcon"):
        original = COLCON if name == "colcon" else Path(sys.executable)
        (root / ".venv" / "bin" / name).write_text(f'#!/bin/sh\nexec "{original}" "$@"\n')
        (root / ".venv" / "bin" / name).chmod(0o755)
    return root


@pytest.fixture
def ros_environment(tmp_path: Path) -> dict[str, str]:
    """Where a package with Humble's hooks is on the path, as where ROS 2 is sourced."""
    packages = tmp_path / "ros"
    described = packages / "launch_testing-1.0.9.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: launch_testing\nVersion: 1.0.9\n")
    (described / "entry_points.txt").write_text("[pytest11]\nlaunch_testing = humbles_launch_hooks\n")
    (packages / "humbles_launch_hooks.py").write_text(HOOKS)
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")} | {"PYTHONPATH": path}


def run_script(project: Path, name: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", f"scripts/{name}"], cwd=project, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (project / "set_up").exists(), "set-up comes first"
    return done.stdout


@pytest.mark.skipif(
    tuple(map(int, pytest.__version__.split(".")[:2])) < (8, 1), reason="this pytest knows the argument still"
)
def test_pytest_alone_ends_at_humbles_hooks(project: Path, ros_environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pytest"]
    done = subprocess.run(command, cwd=project, env=ros_environment, capture_output=True, text=True, timeout=100)
    assert done.returncode != 0, "what the scripts do against it is not needed any more"
    assert "Argument(s) {'path'} are declared in the hookimpl" in done.stderr + done.stdout


def test_test_sh_loads_the_plugins_that_are_needed(project: Path, ros_environment: dict[str, str]) -> None:
    assert "2 passed" in run_script(project, "test.sh", ros_environment)


@pytest.mark.skipif(
    not COLCON.exists() or shutil.which("git") is None, reason="needs colcon beside this Python, and git"
)
def test_colcon_sh_loads_the_plugins_that_are_needed(project: Path, ros_environment: dict[str, str]) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    assert "2 tests, 0 errors, 0 failures, 0 skipped" in run_script(project, "colcon.sh", ros_environment)


@pytest.mark.skipif(
    not COLCON.exists() or shutil.which("git") is None, reason="needs colcon beside this Python, and git"
)
def test_colcon_sh_refuses_console_scripts_that_are_tied_to_one_python(
    project: Path, ros_environment: dict[str, str]
) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    settings = project / "setup.cfg"
    settings.write_text(settings.read_text().replace("executable = /usr/bin/env python3\n", ""))
    command = ["bash", "scripts/colcon.sh"]
    done = subprocess.run(command, cwd=project, env=ros_environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1
    assert "colcon: depth_node is tied to one Python" in done.stderr
