"""The executable `depth_node`: one camera's node, or several cameras' nodes over one model in one process."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.utilities import remove_ros_args
from rclpy.validate_namespace import validate_namespace

from prv2_ros.errors import ConfigError, Prv2Error
from prv2_ros.memory import keep_freed_memory
from prv2_ros.ros import qos
from prv2_ros.ros.engines import SharedEngines
from prv2_ros.ros.given import given_parameters
from prv2_ros.ros.node import DepthNode
from prv2_ros.ros.reporter import RosLogs
from prv2_ros.ros.worker import InferenceThread

_NAMESPACE_RULE = "__ns:="
_PACKAGE = "prv2_ros"

_PATIENCE_S = 0.5
"""How long the inference thread is waited for at the end (s), beyond what each node has waited."""


def camera_namespaces(cameras: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Full namespaces of cameras, relative names below the namespace that `-r __ns:=` in `arguments` gives.

    Raises:
        ConfigError: a name that is no namespace, or the same one twice.

    """
    rules = [text.removeprefix(_NAMESPACE_RULE) for text in arguments if text.startswith(_NAMESPACE_RULE)]
    base = rules[0].rstrip("/") if rules else ""
    full = [(name if name.startswith("/") else f"{base}/{name}").rstrip("/") or "/" for name in cameras]
    for name, namespace in zip(cameras, full, strict=True):
        try:
            validate_namespace(namespace)
        except NameValidationException as error:
            reason = str(error).splitlines()[0].rstrip(":")
            raise ConfigError(f"camera {name!r} is no namespace ({reason}): use letters, digits, _ and /") from None
        if full.count(namespace) > 1:
            raise ConfigError(f"camera {namespace} is named twice")
    return full


def make_nodes(arguments: Sequence[str]) -> list[DepthNode]:
    """Make the nodes that the command line (without the program's name) asks for.

    Raises:
        ConfigError: a camera's name or a parameter is wrong, or one that was given with --set.

    """
    parser = argparse.ArgumentParser(
        prog="depth_node",
        description="Metric depth from camera images. ROS arguments follow --ros-args; README.md lists the parameters.",
    )
    about = "namespace of a camera, as front or /robot/front; several share this process and its model (default: one)"
    parser.add_argument("camera", nargs="*", help=about)
    above = "a parameter that stands above every file and -p; may be given more than once"
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=above)
    options = parser.parse_args(remove_ros_args(["depth_node", *arguments])[1:])
    cameras, given = options.camera, given_parameters(options.set)
    if not cameras:
        return [DepthNode(parameter_overrides=given)]
    thread, engines = InferenceThread(), SharedEngines()
    nodes: list[DepthNode] = []
    try:
        for namespace in camera_namespaces(cameras, arguments):
            # A node's own rule comes before the process's, which would put all nodes into one namespace.
            rule = ["--ros-args", "-r", f"{_NAMESPACE_RULE}{namespace}"]
            nodes.append(DepthNode(engines, thread, cli_args=rule, parameter_overrides=given))
    except BaseException:
        for node in nodes:
            node.destroy_node()
        raise
    return nodes


def end(nodes: Sequence[DepthNode], code: int) -> int:
    """Destroy the nodes and return the exit code; ends the process where an inference does not come to its end."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None  # a second Ctrl-C would break in here
    logs = logging.getLogger(_PACKAGE)
    for handler in [each for each in logs.handlers if isinstance(each, RosLogs)]:
        logs.removeHandler(handler)
    for node in nodes:
        try:
            node.destroy_node()
        except Exception as error:  # the others are to end in order
            print(f"error: {node.get_name()} did not end in order: {error}", file=sys.stderr)
            code = code or 1
    if rclpy.ok():
        rclpy.shutdown()
    if not all(node.inference_ended(_PATIENCE_S) for node in nodes):
        # The interpreter must not be taken down around a thread that is inside torch: that ends in SIGABRT.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    if is_main:
        signal.signal(signal.SIGINT, before)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; 1, with one line on stderr, where a node cannot start."""
    nodes: list[DepthNode] = []
    code = 0
    try:
        qos.publish_asynchronously()
        keep_freed_memory()
        rclpy.init(args=arguments)
        nodes = make_nodes(sys.argv[1:] if arguments is None else arguments)
        logging.getLogger(_PACKAGE).addHandler(RosLogs(nodes[0].get_logger()))
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (Prv2Error, RuntimeError, ParameterException) as error:  # a broken YAML, say, is a RuntimeError of rclpy
        if not nodes or rclpy.ok():  # else what was under way when the signal came could not end
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            code = 1
    finally:
        code = end(nodes, code)
    return code


if __name__ == "__main__":
    sys.exit(main())
