"""scripts/setup.sh in a small copy of the project: what it keeps, what a broken run leaves, what a second run does.

The copy's lock file holds nothing to download. Packages come through PYTHONPATH, as ROS 2 brings its own, so that
set-up takes them for the machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import setuptools

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = next(Path(path) for path in sys.path if path.endswith("site-packages"))
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)

pytestmark = pytest.mark.skipif(
    subprocess.run([BASE_PYTHON, "-c", "import ensurepip"], capture_output=True, check=False).returncode != 0,
    reason="this Python has no ensurepip",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy with the real scripts and the real package, and lock files without packages from an index."""
    copy = tmp_path / "project"
    for name in ("scripts", "prv2_ros", "resource", "requirements"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("lock.txt", "lock_numpy1.txt"):
        (copy / "requirements" / name).write_text(
            "# left out where they are there already\ntorch==0.0.1\nnvidia-nothing==0.0.1\nros-jazzy-rclpy==0.0.1\n"
        )
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python3").write_text(f'#!/bin/sh\nexec "{BASE_PYTHON}" "$@"\n')
    (tools / "python3").chmod(0o755)
    return copy


def run_setup(project: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("ROS_", "AMENT_", "PRV2_"))}
    inherited |= {
        "PATH": f"{project.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(PACKAGES),
        "PIP_NO_INDEX": "1",
    }
    return subprocess.run(
        ["bash", "scripts/setup.sh", *options],
        cwd=project,
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def complete(project: Path) -> bool:
    return (project / ".venv" / ".prv2_complete").is_file()


@pytest.mark.slow
def test_keeps_what_the_machine_has_and_believes_no_broken_run(project: Path):
    pytest.importorskip("rclpy")
    sourced = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": sys.prefix}
    locks = [project / "requirements" / name for name in ("lock.txt", "lock_numpy1.txt")]
    good = locks[0].read_text()
    for lock in locks:
        lock.write_text(good + "not-there==1.0\n")
    broken = run_setup(project, **sourced)
    assert broken.returncode != 0
    assert "not-there" in broken.stderr
    assert not complete(project)
    (project / ".venv" / "left_over").touch()

    for lock in locks:
        lock.write_text(good)
    mended = run_setup(project, **sourced)
    assert mended.returncode == 0, mended.stderr
    assert complete(project)
    assert not (project / ".venv" / "left_over").exists()

    # The lock's torch and rclpy do not exist, so they would have failed had they been asked for.
    assert "ROS 2 sourced: true; torch of its own: true" in mended.stderr
    assert "include-system-site-packages = true" in (project / ".venv" / "pyvenv.cfg").read_text()
    assert list((project / ".venv").glob("lib/python3.*/site-packages/torch*")) == []
    assert (project / ".venv" / "bin" / "prv2").exists()

    # The same again: nothing to do, and nothing asked of pip.
    (project / ".venv" / "left_over").touch()
    again = run_setup(project, **sourced)
    assert (again.returncode, again.stderr) == (0, "setup: .venv is up to date\n")
    assert (project / ".venv" / "left_over").exists()


def test_an_activated_venv_is_no_python_to_build_on(project: Path):
    (project / "requirements" / "lock.txt").write_text("not-there==1.0\n")
    inside = project / ".venv" / "bin"
    inside.mkdir(parents=True)
    (inside / "python3").write_text(f'#!/bin/sh\ntouch {project}/asked\nexec "{BASE_PYTHON}" "$@"\n')
    (inside / "python3").chmod(0o755)
    path = f"{inside}:{project.parent / 'bin'}:{os.environ['PATH']}"
    done = run_setup(project, "--fresh", PATH=path, VIRTUAL_ENV=str(inside.parent))
    assert "make no virtual environment" not in done.stderr
    assert "not-there" in done.stderr, "it got as far as pip"
    assert not (project / "asked").exists()


def test_refuses_the_torch_of_another_virtual_environment(project: Path):
    """`.venv` would not see it, which only showed once all else was installed."""
    other = project.parent / "other"
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(other)], check=True)
    (packages,) = other.glob("lib/python3.*/site-packages")
    stubs(packages, "torch", "torchvision")
    path = f"{other}/bin:{project.parent / 'bin'}:{os.environ['PATH']}"
    done = run_setup(project, PATH=path, VIRTUAL_ENV=str(other), PYTHONPATH="")
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: {other}/bin/python3 is that of a virtual environment, and its torch cannot be shared with .venv: "
        "leave it (deactivate), or set PRV2_PYTHON to a Python outside of one\n"
    )
    assert not (project / ".venv").exists()


def test_leaves_the_venv_of_another_checkout_alone(project: Path):
    other = project.parent / "other" / ".venv"
    other.mkdir(parents=True)
    (project / ".venv").symlink_to(other)
    for options in ((), ("--fresh",)):
        done = run_setup(project, *options)
        assert done.returncode == 1
        assert done.stderr == (
            f"setup: .venv is a link to {other}: remove it, or run this in the checkout it belongs to\n"
        )
    assert (project / ".venv").is_symlink()
    assert list(other.iterdir()) == []


def test_refuses_a_python_that_is_too_old_or_missing(project: Path):
    done = run_setup(project, PRV2_PYTHON="/bin/false")
    assert done.returncode == 1
    assert done.stderr == "setup: PRV2_PYTHON=/bin/false is no Python 3.10 to 3.12\n"
    assert not (project / ".venv").exists()


def test_refuses_an_unknown_option(project: Path):
    done = run_setup(project, "--frsh")
    assert done.returncode == 1
    assert done.stderr == "setup: unknown option --frsh; the only one is --fresh\n"


SOURCED = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
LOADED = (
    "cv2", "numpy", "timm", "safetensors", "yaml", "rosbags", "skimage", "tqdm", "pytest", "rclpy", "sensor_msgs.msg",
    "diagnostic_msgs.msg",
)  # fmt: skip
"""What set-up loads in the end, torch and torchvision aside."""
STUB = '__version__ = "1.0"\nclass cuda:\n    is_available = staticmethod(lambda: False)\n'


def stubs(folder: Path, *modules: str) -> Path:
    """Modules that can be imported and hold nothing."""
    for module in modules:
        for depth in range(module.count(".") + 1):
            package = folder.joinpath(*module.split(".")[: depth + 1])
            package.mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").write_text(STUB)
    return folder


def wheel(folder: Path, name: str) -> None:
    """A wheel of version 0.0.1 with one module that holds nothing."""
    folder.mkdir(exist_ok=True)
    described = f"{name}-0.0.1.dist-info"
    with zipfile.ZipFile(folder / f"{name}-0.0.1-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", STUB)
        archive.writestr(f"{described}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n")
        archive.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{described}/RECORD", "")


@pytest.mark.slow
def test_a_torch_that_comes_to_the_machine_later_is_noticed(project: Path):
    for name in ("lock.txt", "lock_numpy1.txt"):
        (project / "requirements" / name).write_text("# of the index\ntorch==0.0.1\ntorchvision==0.0.1\n")
    machine = stubs(project.parent / "machine", *LOADED)
    for path in Path(setuptools.__file__).parents[1].glob("*"):  # it builds the package
        if path.name.startswith(("setuptools", "pkg_resources", "_distutils_hack")):
            (machine / path.name).symlink_to(path)
    wheels = project.parent / "wheels"
    for name in ("torch", "torchvision"):
        wheel(wheels, name)
    environment = SOURCED | {"PIP_FIND_LINKS": str(wheels)}
    first = run_setup(project, PYTHONPATH=str(machine), **environment)
    assert first.returncode == 0, first.stderr
    assert "torch of its own: false" in first.stderr
    assert list((project / ".venv").glob("lib/python3.*/site-packages/torch.py"))
    again = run_setup(project, PYTHONPATH=str(machine), **environment)
    assert again.stderr == "setup: .venv is up to date\n"

    jetson = stubs(project.parent / "jetson", "torch", "torchvision")
    later = run_setup(project, PYTHONPATH=f"{machine}:{jetson}", **environment)
    assert later.returncode == 0, later.stderr
    assert "torch of its own: true" in later.stderr
    assert not list((project / ".venv").glob("lib/python3.*/site-packages/torch.py")), "would hide the machine's"


def test_refuses_a_sourced_ros_that_this_python_cannot_import(project: Path):
    done = run_setup(project, PYTHONPATH=str(project), **SOURCED)
    assert done.returncode == 1
    assert done.stderr == (
        f"setup: ROS 2 jazzy is sourced, but {project.parent}/bin/python3 is no Python 3.10 to 3.12 that can import "
        "its rclpy: to use that ROS 2, leave conda or pyenv, or set PRV2_PYTHON=/usr/bin/python3; to use ROS 2 from "
        "PyPI, run this where none is sourced\n"
    )
    assert not (project / ".venv").exists()


@pytest.mark.parametrize("environment", [{}, SOURCED], ids=["without ROS", "ROS sourced"])
def test_refuses_a_torch_without_its_torchvision(project: Path, environment: dict[str, str]):
    machine = stubs(project.parent / "machine", "torch", "rclpy")
    done = run_setup(project, PYTHONPATH=str(machine), **environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"setup: {project.parent}/bin/python3 has a torch of its own, but no torchvision")
    assert done.stderr.count("\n") == 1
    assert "install the torchvision made for that torch" in done.stderr
    assert not (project / ".venv").exists()
