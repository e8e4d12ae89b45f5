"""Imports point down only, and nothing below `prv2_ros.ros` needs ROS."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "prv2_ros"

BASE = {"config_fields", "errors", "files", "jpeg", "memory", "png", "types"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "types": {"errors"},
    "files": {"errors"},
    "config_fields": {"errors"},
    "jpeg": {"errors"},
    "png": {"errors"},
    "memory": set(),
    "geometry": BASE,
    "messages": BASE | {"geometry"},
    "data": BASE | {"geometry"},
    "network": BASE | {"geometry"},
    "inference": BASE | {"geometry", "network"},
    "evaluation": BASE | {"geometry", "messages", "network", "inference"},
    "training": BASE | {"geometry", "network", "data", "evaluation.metrics"},
    "cli": BASE | {"geometry", "messages", "network", "inference", "evaluation", "data", "training"},
    "ros": BASE | {"geometry", "messages", "network", "inference"},
}
"""What each layer may import besides itself; a dotted name opens that one module."""

ROS_MODULES = {
    "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs", "geometry_msgs", "launch", "launch_ros",
    "lifecycle_msgs", "message_filters", "rcl_interfaces", "rclpy", "rosgraph_msgs", "sensor_msgs", "sensor_msgs_py",
    "std_msgs", "tf2_ros",
}  # fmt: skip


def layer_of(module: str) -> str:
    """`prv2_ros.geometry.camera` -> `geometry`; the package itself has no layer."""
    return module.split(".")[1] if "." in module else ""


def imported_modules(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Every module that the source imports, at its top or inside a function, as an absolute dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                anchor = parts[: len(parts) - node.level + is_package]
                base = ".".join([*anchor, base] if base else anchor)
            # `from prv2_ros.evaluation import metrics` names the module only together with the alias.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def may_import(layer: str, target: str) -> bool:
    """Whether a module of `layer` may import the absolute name `target` of this package."""
    below = target.removeprefix("prv2_ros").lstrip(".")
    if not below or below.split(".")[0] not in ALLOWED:  # the package itself, or a name it defines
        return True
    own = below == layer or below.startswith(f"{layer}.")
    return own or any(below == name or below.startswith(f"{name}.") for name in ALLOWED[layer])


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """What the module imports and its layer forbids."""
    layer = layer_of(module)
    found = []
    for target in imported_modules(source, module, is_package=is_package):
        ours = target.split(".")[0] == "prv2_ros"
        if (ours and layer and not may_import(layer, target)) or (
            layer != "ros" and target.split(".")[0] in ROS_MODULES
        ):
            found.append(f"{module} imports {target}")
        if not layer and ours:  # __init__ stays importable in no time and without torch
            found.append(f"{module} imports {target}")
    return found


def modules() -> list[tuple[Path, str, bool]]:
    """(path, dotted name, is a package's __init__) of every module."""
    listed = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        is_package = parts[-1] == "__init__"
        listed.append((path, ".".join(parts[:-1] if is_package else parts), is_package))
    return listed


def test_every_import_points_down():
    found = [
        line
        for path, module, is_package in modules()
        for line in violations(path.read_text(encoding="utf-8"), module, is_package=is_package)
    ]
    assert not found, "\n".join(found)


def test_every_layer_has_a_rule():
    present = {layer_of(module) for _, module, _ in modules()} - {""}
    assert present == set(ALLOWED)


@pytest.mark.parametrize(
    ("module", "source", "refused"),
    [
        ("prv2_ros.geometry.camera", "import prv2_ros.network.model", True),
        ("prv2_ros.geometry.camera", "from prv2_ros import network", True),
        ("prv2_ros.geometry.camera", "from ..network import model", True),
        ("prv2_ros.geometry.camera", "from . import tiles", False),
        ("prv2_ros.geometry.camera", "from prv2_ros.errors import InputError", False),
        ("prv2_ros.network.model", "def f():\n    from prv2_ros.inference import engine", True),
        ("prv2_ros.network.model", "import sensor_msgs.msg", True),
        ("prv2_ros.ros.node", "from sensor_msgs.msg import Image", False),
        ("prv2_ros.ros.node", "from prv2_ros.training import loop", True),
        ("prv2_ros.training.loop", "from prv2_ros.evaluation import metrics", False),
        ("prv2_ros.training.loop", "from prv2_ros.evaluation.metrics import abs_rel", False),
        ("prv2_ros.training.loop", "from prv2_ros.evaluation.report import write", True),
        ("prv2_ros.cli.predict", "from prv2_ros.ros import node", True),
        ("prv2_ros", "from prv2_ros.inference.engine import DepthEngine", True),
    ],
)
def test_the_rules_refuse_what_they_should(module: str, source: str, refused: bool):
    assert bool(violations(source, module)) is refused


def test_everything_below_ros_imports_where_ros_is_absent():
    names = [module for _, module, _ in modules() if layer_of(module) != "ros"]
    # `launch` and others are common words, so only the import by this process is refused, not the file's existence.
    program = f"""
import importlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(ROS_MODULES)!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Blocked())
try:
    import rclpy
except ModuleNotFoundError:
    pass
else:
    sys.exit("rclpy was not blocked")
for name in {names!r}:
    importlib.import_module(name)
print(len({names!r}), "modules")
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == f"{len(names)} modules"
