"""Launch file and configs: arguments agree with the parameter table and the README; files name topics that exist."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from prv2_ros.ros.parameter_table import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
DEPTH_LAUNCH = ROOT / "launch" / "depth.launch.py"
PROMISED = {
    "namespace",
    "camera_name",
    "image",
    "camera_info",
    "params_file",
    "image_transport",
    "input_rectified",
    "max_latency_ms",
    "camera_height_m",
    "output_frame_id",
    "model",
    "device",
    "use_sim_time",
    "log_level",
    "autostart",
    "use_rviz",
    "rviz_frame",
}


def literal(name: str) -> Any:
    """The plain part of a constant of the launch file; calls inside it become None."""

    class Plain(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            return ast.Constant(None)

        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.Constant(node.id)

    for node in ast.parse(DEPTH_LAUNCH.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(ast.unparse(Plain().visit(node.value)))
    raise AssertionError(f"no {name} in {DEPTH_LAUNCH}")


def test_arguments_are_the_promised_ones_and_described() -> None:
    arguments = literal("ARGUMENTS")
    assert set(arguments) == PROMISED
    assert all(len(description) > 10 for _, description in arguments.values())


def test_arguments_that_set_parameters_name_rows_of_their_type() -> None:
    kinds = {"str": "string", "bool": "bool", "float": "double"}
    typed = literal("PARAMETER_TYPES")
    assert set(typed) & PROMISED == set(typed)
    own = {name: kind for name, kind in typed.items() if name != "use_sim_time"}  # rclpy declares that one
    assert {name: kinds[kind] for name, kind in own.items()} == {name: BY_NAME[name].kind for name in own}
    # Empty means "as in params_file": a default here would override the YAML without a word.
    assert all(literal("ARGUMENTS")[name][0] == "" for name in typed)


def test_readme_names_every_launch_argument() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(PROMISED) if f"`{name}`" not in text] == []


def test_rviz_config_shows_topics_of_the_node() -> None:
    displays = yaml.safe_load((ROOT / "config" / "depth.rviz").read_text())["Visualization Manager"]["Displays"]
    assert {display["Topic"]["Value"] for display in displays} == {"points", "depth/image_rect", "rgb/image_rect_color"}


def test_fast_dds_profile_has_room_for_a_4k_image() -> None:
    tree = ET.parse(ROOT / "config" / "fastdds_large_data.xml")
    space = {"d": "http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles"}
    assert int(tree.findtext(".//d:segment_size", namespaces=space)) >= 4 * 3840 * 2160 * 3
    assert {e.text for e in tree.findall(".//d:type", space)} == {"SHM", "UDPv4"}


LARGE = """
import array, sys, threading, time
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
rclpy.init()
node, got = rclpy.create_node("large"), []
node.create_subscription(Image, "large", lambda m: got.append(len(m.data)), 2)
publisher = node.create_publisher(Image, "large", 2)
while not publisher.get_subscription_count():
    rclpy.spin_once(node, timeout_sec=0.1)
publisher.publish(Image(data=array.array("B", bytes(3840 * 2160 * 3))))
end = time.monotonic() + 20
while not got and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print(got)
"""


def test_fast_dds_accepts_the_profile_and_carries_a_4k_image() -> None:
    pytest.importorskip("rclpy", reason="needs rclpy")
    environment = os.environ | {"FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config" / "fastdds_large_data.xml")}
    done = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, timeout=120, env=environment, check=True
    )
    assert done.stdout.strip() == "[24883200]"
    assert "XMLPARSER" not in done.stderr
