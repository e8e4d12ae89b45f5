"""Starts the depth node for one camera or several, and RViz where asked for.

    ros2 launch prv2_ros depth.launch.py camera_name:=front params_file:=my.yaml
    ros2 launch prv2_ros depth.launch.py camera_name:=front,left,right

A node lives in `<namespace>/<camera_name>` and subscribes `image_raw` and `camera_info` there. `ros2 launch` takes no
empty value: `camera_name:=/` leaves that part out. Several cameras share one process and its model.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.logging import get_logger
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchContext, LaunchDescription

# Beside this file's folder, in the source tree as in share/prv2_ros.
CONFIG = Path(__file__).resolve().parent.parent / "config"

ARGUMENTS = {
    "namespace": ("", "Namespace in front of camera_name; where it begins with /, a pushed one is left"),
    "camera_name": ("camera", "Last part of the node's namespace, / for none; several cameras: front,left,right"),
    "image": ("image_raw", "Image topic to subscribe; a compressed one without its /compressed"),
    "image_transport": ("", "raw or compressed; empty leaves it to params_file"),
    "camera_info": ("", "CameraInfo topic to subscribe; empty: the one beside the images"),
    "params_file": (str(CONFIG / "depth.yaml"), "YAML file with the node's parameters"),
    "model": ("", "Weights to load; empty leaves it to params_file"),
    "device": ("", "Compute device; empty leaves it to params_file"),
    "input_rectified": ("", "The images are rectified already; empty leaves it to params_file"),
    "max_latency_ms": ("", "Time that inference aims at (ms), 0 for no limit; empty leaves it to params_file"),
    "camera_height_m": ("", "Height above the ground (m) to check the scale by; empty leaves it to params_file"),
    "output_frame_id": (
        "",
        "Optical frame of the outputs where the images name another; empty leaves it to params_file",
    ),
    "autostart": ("", "Configure and activate without a lifecycle manager; empty leaves it to params_file"),
    "use_sim_time": ("", "Take time from /clock; empty leaves it to params_file"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "use_rviz": ("false", "Start RViz with config/depth.rviz, for the first camera"),
    "rviz_frame": ("", "RViz's fixed frame: the frame_id of the images; empty leaves it to config/depth.rviz"),
}

PARAMETER_TYPES = {
    "image_transport": str,
    "model": str,
    "device": str,
    "input_rectified": bool,
    "max_latency_ms": float,
    "camera_height_m": float,
    "output_frame_id": str,
    "autostart": bool,
    "use_sim_time": bool,
}
"""Arguments that stand above the parameter of the same name in any file, where they are given."""


def camera_names(context: LaunchContext) -> list[str]:
    """The cameras of `camera_name`, without slashes around them."""
    cameras = [name.strip().strip("/") for name in context.launch_configurations["camera_name"].split(",")]
    if len(cameras) == 1:
        return cameras
    if not all(cameras):
        raise ValueError(f"camera_name:={','.join(cameras)} names an empty camera among others")
    for name in ("image", "camera_info"):
        topic = context.launch_configurations[name]
        if topic.startswith("/"):
            raise ValueError(f"{name}:={topic} would be the topic of every camera: leave the / at its beginning out")
    return cameras


def camera_namespace(context: LaunchContext, camera: str) -> str:
    """`<namespace>/<camera>` without empty parts: relative, so that a pushed namespace stands in front of it."""
    namespace = context.launch_configurations["namespace"]
    parts = (namespace.strip("/"), camera)
    return ("/" if namespace.startswith("/") else "") + "/".join(part for part in parts if part)


def given_parameters(context: LaunchContext) -> dict[str, bool | float | str]:
    """Parameters that were set as launch arguments, in their types."""
    return {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind).evaluate(context)
        for name, kind in PARAMETER_TYPES.items()
        if context.launch_configurations[name]
    }


def as_words(given: dict[str, bool | float | str]) -> list[str]:
    """Parameters as the executable takes them: among the `parameters` of launch_ros a file would win here and there."""
    texts = (f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in given.items())
    return [word for text in texts for word in ("--set", text)]


def warn_of_other_names(path: Path, cameras: list[str]) -> None:
    """Tell of a file with no section that could be the node's: ROS leaves such a section out without a word."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")).items()
        # A section without parameters of its own is a namespace, with those of nodes below it.
        sections = [str(key) if "ros__parameters" in value else f"/{key}/*" for key, value in content]
    except (AttributeError, TypeError, UnicodeDecodeError, yaml.YAMLError):
        return  # the node says what is wrong with it
    alone = not any(cameras)  # in the root namespace, perhaps
    if not any("*" in key or "/" in key.strip("/") or (alone and key.strip("/") == "depth_node") for key in sections):
        get_logger("depth.launch").warning(
            f"{path} has sections for {', '.join(sections) or 'nothing'}: none is for this node; name it /**: or by "
            f"its full name, as /{cameras[0] or 'robot'}/depth_node:"
        )


def remappings(context: LaunchContext) -> list[tuple[str, str]]:
    """Topics that were given, and the camera info beside the images, which RViz would not find by itself.

    A rule for what was not given would stand in the way of a `SetRemap` around the launch file.
    """
    image, info = (context.launch_configurations[name] for name in ("image", "camera_info"))
    rules = []
    if image != ARGUMENTS["image"][0]:
        rules.append(("image_raw", image))
        beside, slash, _ = image.rpartition("/")
        info = info or f"{beside}{slash}camera_info"
    return [*rules, ("camera_info", info)] if info else rules


def start_nodes(context: LaunchContext) -> list[Node]:
    """The process of the depth nodes, and RViz in the namespace of the first."""
    cameras, given = camera_names(context), given_parameters(context)
    path = context.launch_configurations["params_file"]
    if not Path(path).is_file():  # launch_ros says so in the log, and starts the node with its defaults
        raise ValueError(f"params_file:={path}: no such file")
    warn_of_other_names(Path(path), cameras)
    # The executable puts the cameras that it is given below its own namespace. Several nodes have no one name, which
    # launch_ros would give the parameters to.
    below, named, name = ("", cameras, None) if len(cameras) > 1 else (cameras[0], [], "depth_node")
    of_rviz = {name: value for name, value in given.items() if name == "use_sim_time"}
    topics = remappings(context)
    frame = context.launch_configurations["rviz_frame"]
    depth = Node(
        package="prv2_ros",
        executable="depth_node",
        name=name,
        namespace=camera_namespace(context, below),
        output="screen",
        parameters=[LaunchConfiguration("params_file")],
        remappings=topics,
        arguments=[*named, *as_words(given), "--ros-args", "--log-level", LaunchConfiguration("log_level")],
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        namespace=camera_namespace(context, cameras[0]),
        arguments=["-d", str(CONFIG / "depth.rviz"), *(["-f", frame] if frame else [])],
        parameters=[of_rviz] if of_rviz else [],
        remappings=topics,
        condition=IfCondition(LaunchConfiguration("use_rviz")),
    )
    return [depth, rviz]


def generate_launch_description() -> LaunchDescription:
    """Entry point of `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])
