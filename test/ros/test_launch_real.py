"""Real launch starts the real nodes.

`launch` and `launch_ros` come with ROS (apt), not from PyPI; without them these tests are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
DEPTH_LAUNCH = ROOT / "launch" / "depth.launch.py"

needs_launch = pytest.mark.skipif(
    # Of launch itself nothing can be told by its name: this repository's own folder launch/ answers to it.
    any(importlib.util.find_spec(name) is None for name in ("launch_ros", "rclpy")),
    reason="needs launch and launch_ros (part of a ROS 2 installation, not on PyPI)",
)


@needs_launch
@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_every_launch_file_loads(path: Path) -> None:
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    description = get_launch_description_from_python_launch_file(str(path))
    assert {argument.name for argument in description.get_launch_arguments()} >= {"namespace", "params_file"}


def started(pushed: str, remapped: tuple[str, str] | None = None, **arguments: str) -> tuple[Any, Any]:
    """The launch file's nodes (depth, RViz) as launch_ros would run them below a pushed namespace, and a SetRemap."""
    from launch_ros.actions import PushRosNamespace, SetRemap

    from launch import LaunchContext

    spec = importlib.util.spec_from_file_location("depth_launch", DEPTH_LAUNCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = LaunchContext()
    if pushed:
        PushRosNamespace(pushed).execute(context)
    if remapped:
        SetRemap(*remapped).execute(context)
    defaults = {name: default for name, (default, _) in module.ARGUMENTS.items()}
    context.launch_configurations.update(defaults | arguments)
    nodes = module.start_nodes(context)
    for node in nodes:
        node._perform_substitutions(context)  # all but starting the process
    return nodes[0], nodes[1]


@needs_launch
@pytest.mark.parametrize(
    ("pushed", "arguments", "expected"),
    [
        ("", {}, "/camera"),
        ("robot1", {}, "/robot1/camera"),
        ("robot1", {"namespace": "front"}, "/robot1/front/camera"),
        ("robot1", {"namespace": "/abs"}, "/abs/camera"),
        ("robot1", {"namespace": "/"}, "/camera"),
        ("robot1", {"camera_name": ""}, "/robot1"),
        ("robot1", {"camera_name": "/"}, "/robot1"),
        ("", {"camera_name": "/"}, "/"),
        ("", {"camera_name": ""}, "/"),
        ("", {"namespace": "camera/camera", "camera_name": "color"}, "/camera/camera/color"),
    ],
)
def test_namespace_is_below_a_pushed_one(pushed: str, arguments: dict[str, str], expected: str) -> None:
    for node in started(pushed, **arguments):
        assert node.expanded_node_namespace == expected


def words(node: Any) -> list[str]:
    """The plain words of a node's command line."""
    from launch.substitutions import TextSubstitution

    return [part.text for word in node.cmd for part in word if isinstance(part, TextSubstitution)]


@needs_launch
def test_several_cameras_share_a_process() -> None:
    depth, rviz = started("robot1", namespace="rig", camera_name="front, left/", image="color/image")
    assert words(depth)[:3] == ["front", "left", "--ros-args"]
    assert depth.expanded_node_namespace == "/robot1/rig"
    assert rviz.expanded_node_namespace == "/robot1/rig/front"
    one, _ = started("robot1", camera_name="front")
    assert words(one)[0] == "--ros-args"


@needs_launch
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"camera_name": "a,,b"}, "camera_name:=a,,b names an empty camera among others"),
        ({"camera_name": "a,b", "image": "/cam/image"}, "image:=/cam/image would be the topic of every camera"),
        ({"camera_name": "a,b", "camera_info": "/info"}, "camera_info:=/info would be the topic of every camera"),
    ],
)
def test_wrong_cameras_are_refused(arguments: dict[str, str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        started("", **arguments)


@needs_launch
def test_a_parameter_file_that_is_not_there_is_refused() -> None:
    """launch_ros would start the node with its defaults."""
    with pytest.raises(ValueError, match=r"params_file:=/none/my\.yaml: no such file"):
        started("", params_file="/none/my.yaml")


@needs_launch
@pytest.mark.parametrize(
    ("sections", "camera", "told"),
    [
        ("/**", "front", False),
        ("/front/depth_node", "front", False),
        ("front", "front", False),  # with the node below it
        ("/*/depth_node", "front,left", False),
        ("depth_node", "/", False),
        ("depth_node", "front", True),
        ("other_node", "/", True),
    ],
)
def test_a_file_without_a_section_for_the_node_is_told(
    tmp_path: Path, sections: str, camera: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from launch import logging

    said: list[str] = []
    monkeypatch.setattr(logging.get_logger("depth.launch"), "warning", said.append)
    path = tmp_path / "my.yaml"
    inner = "ros__parameters: {max_latency_ms: 123.0}"
    inner = f"{inner}\n" if sections != "front" else f"depth_node: {{{inner}}}\n"
    path.write_text(f"{sections}:\n  {inner}")
    started("", camera_name=camera, params_file=str(path))
    assert bool(said) == told
    assert not told or f"{path} has sections for {sections}: none is for this node; name it /**:" in said[0]


@needs_launch
def test_arguments_are_handed_on_above_the_file() -> None:
    depth, rviz = started("", device="cpu", autostart="False", max_latency_ms="200", use_sim_time="true")
    expected = ["device=cpu", "max_latency_ms=200.0", "autostart=false", "use_sim_time=true"]
    assert words(depth)[: 2 * len(expected)] == [word for text in expected for word in ("--set", text)]
    assert "--set" not in words(rviz)
    with pytest.raises(ValueError, match="fast"):
        started("", max_latency_ms="fast")


@needs_launch
def test_topics_and_frame_are_handed_on() -> None:
    depth, rviz = started("", image="/cam/image", camera_info="/cam/info", rviz_frame="cam_optical", use_rviz="true")
    topics = [("image_raw", "/cam/image"), ("camera_info", "/cam/info")]
    assert depth.expanded_remapping_rules == rviz.expanded_remapping_rules == topics
    assert words(rviz)[words(rviz).index("-f") + 1] == "cam_optical"
    beside, plain = started("", image="/cam/color/image")
    assert beside.expanded_remapping_rules[1] == ("camera_info", "/cam/color/camera_info")
    assert "-f" not in words(plain)


@needs_launch
def test_inputs_are_renamed_from_around_the_launch_file_too() -> None:
    """A rule of the launch file's own for the camera info would keep it from following the images."""
    assert not started("")[0].expanded_remapping_rules
    rule = ("image_raw", "/cam/image")
    assert started("", rule)[0].expanded_remapping_rules == [rule]
    assert started("", rule, camera_info="/info")[0].expanded_remapping_rules == [rule, ("camera_info", "/info")]


RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import PushRosNamespace, SetParameter
arguments = [tuple(text.split(":=", 1)) for text in sys.argv[2:]]
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
# As a bringup of several robots does: a namespace is pushed, and every node gets the global parameters.
around = [PushRosNamespace("fleet"), SetParameter("wheel_radius", 0.4)]
service.include_launch_description(
    LaunchDescription([*around, IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An ament prefix with this package's executable, as colcon would install it."""
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "prv2_ros").touch()
    executable = tmp_path / "lib" / "prv2_ros" / "depth_node"
    executable.parent.mkdir(parents=True)
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} -m prv2_ros.ros.main "$@"\n')
    executable.chmod(0o755)
    return tmp_path


@needs_launch
@pytest.mark.parametrize("cameras", [["front"], ["front", "left"]])
def test_real_launch_starts_the_nodes_with_their_arguments(prefix: Path, tmp_path: Path, cameras: list[str]) -> None:
    import rclpy
    from rcl_interfaces.srv import GetParameters

    params = tmp_path / "params.yaml"
    # A whole number, and a section for one node alone, would stand above what launch_ros hands on as parameters.
    params.write_text(
        "/**:\n  ros__parameters:\n    device: cuda:7\n    model: from-yaml\n    max_latency_ms: 300\n"
        "    points:\n      stride: 5\n/fleet/robot/front/depth_node:\n  ros__parameters:\n    device: cuda:9\n"
    )
    found = os.environ.get("AMENT_PREFIX_PATH", "")
    environment = os.environ | {
        "AMENT_PREFIX_PATH": f"{prefix}:{found}" if found else str(prefix),
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
    }
    arguments = [
        "namespace:=robot",
        f"camera_name:={','.join(cameras)}",
        f"params_file:={params}",
        "device:=cpu",
        "autostart:=false",
        "max_latency_ms:=200",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(DEPTH_LAUNCH), *arguments, "use_sim_time:=true"],
        env=environment,
        start_new_session=True,
    )
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asker", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        for camera in cameras:
            client = node.create_client(GetParameters, f"/fleet/robot/{camera}/depth_node/get_parameters")
            assert client.wait_for_service(60), "the node did not come up"
            names = ["device", "model", "points.stride", "autostart", "use_sim_time", "max_depth_m", "max_latency_ms"]
            future = client.call_async(GetParameters.Request(names=names))
            end = time.monotonic() + 30
            while not future.done() and time.monotonic() < end:
                executor.spin_once(0.1)
            device, model, stride, autostart, sim_time, far, limit = future.result().values
            assert (device.string_value, model.string_value, stride.integer_value) == ("cpu", "from-yaml", 5)
            assert (autostart.bool_value, sim_time.bool_value, far.double_value) == (False, True, 250.0)
            assert limit.double_value == 200.0
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
