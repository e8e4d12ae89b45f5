"""The executable: which nodes a command line makes, and several cameras over one model in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
import rclpy
from rclpy.executors import SingleThreadedExecutor
from ros_fakes import Partner, image_message, info_message

from prv2_ros.errors import ConfigError
from prv2_ros.ros.main import camera_namespaces, make_nodes

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("cameras", "arguments", "expected"),
    [
        (["front", "left"], [], ["/front", "/left"]),
        (["/a/front", "left/"], ["--ros-args", "-r", "__ns:=/robot"], ["/a/front", "/robot/left"]),
        (["cams/left"], ["--ros-args", "-r", "__ns:=/robot/"], ["/robot/cams/left"]),
        (["/"], ["--ros-args", "-r", "__ns:=/robot"], ["/"]),
    ],
)
def test_cameras_stand_below_the_process_s_namespace(
    cameras: list[str], arguments: list[str], expected: list[str]
) -> None:
    assert camera_namespaces(cameras, arguments) == expected


@pytest.mark.parametrize(
    ("cameras", "text"),
    [
        (["front", "rear cam"], r"camera 'rear cam' is no namespace \(.*\): use letters, digits, _ and /"),
        (["front", "1st"], "camera '1st' is no namespace"),
        (["front", "/front/"], "camera /front is named twice"),
    ],
)
def test_wrong_cameras_are_refused(cameras: list[str], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        camera_namespaces(cameras, [])


def names(arguments: list[str]) -> list[str]:
    rclpy.init(args=arguments)
    try:
        nodes = make_nodes(arguments)
        found = [node.get_fully_qualified_name() for node in nodes]
        assert len({node._thread for node in nodes}) == 1
        for node in nodes:
            node.destroy_node()
        return found
    finally:
        rclpy.shutdown()


def test_a_command_line_makes_its_nodes() -> None:
    rules = ["--ros-args", "-r", "__ns:=/robot", "-p", "autostart:=false"]
    assert names(rules) == ["/robot/depth_node"]
    assert names(["front", "/left", *rules]) == ["/robot/front/depth_node", "/left/depth_node"]
    assert names(["front", "rear", "--ros-args", "-r", "__node:=depth", "--"]) == ["/front/depth", "/rear/depth"]


def test_what_is_set_stands_above_files_and_parameters(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(
        "/**:\n  ros__parameters: {max_latency_ms: 300, far_value: nan, autostart: false, points.stride: 3}\n"
        "/front/depth_node:\n  ros__parameters: {points.stride: 4}\n"
    )
    ros = ["--ros-args", "--params-file", str(file), "-p", "max_latency_ms:=200.0"]
    given = ["--set", "max_latency_ms=100", "--set", "far_value=max", "--set", "points.stride=6"]
    for cameras in ([], ["front", "left"]):
        arguments = [*cameras, *given, *ros]
        rclpy.init(args=arguments)
        try:
            for node in make_nodes(arguments):
                settings = node._settings
                assert (settings.max_latency_ms, settings.far_value, settings.points_stride) == (100.0, "max", 6)
                assert settings.autostart is False
                node.destroy_node()
        finally:
            rclpy.shutdown()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("max_latency_ms", "expected NAME=VALUE"),
        ("max_latency=3", "the node has no parameter 'max_latency'"),
        ("max_latency_ms=fast", "expected a value of type double"),
        ("points.stride=2.5", "expected a value of type int"),
        ("use_sim_time=5", "expected a value of type bool"),
    ],
)
def test_what_cannot_be_set_is_told(text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"--set {text}: {fault}"):
        make_nodes(["--set", text])


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prv2_ros.ros.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_help_names_the_cameras_and_a_wrong_one_gets_one_line() -> None:
    told = run("--help")
    assert told.returncode == 0
    assert "usage: depth_node [-h] [--set NAME=VALUE] [camera ...]" in told.stdout
    wrong = run("front", "front")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.splitlines()[-1] == "error: camera /front is named twice"
    assert "Traceback" not in wrong.stderr


STUCK = """
import sys, threading, time
from prv2_ros.ros import main as program
from prv2_ros.ros import node as node_module
node_module._PATIENCE_AT_END_S = 0.2

class Stuck:
    device, model_name = "cpu", "stuck"
    def infer(self, image, camera, **options):
        import logging, torch
        logging.getLogger("prv2_ros.inference.batches").warning("said below")
        print("inside", flush=True)
        matrix = torch.rand(512, 512)
        while True:
            matrix = matrix @ matrix / 512

program.SharedEngines = lambda: (lambda settings: Stuck())
sys.exit(program.main(["/cam", "/other", "--ros-args", "-p", "camera_info_wait_s:=0.0"]))
"""


@pytest.mark.parametrize("signals", [1, 2])
def test_a_process_ends_cleanly_around_an_inference_that_does_not(signals: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    context = rclpy.Context()
    rclpy.init(context=context)
    partner = Partner(context, namespace="/cam", listen=("depth/image_rect",))
    try:
        os.set_blocking(process.stdout.fileno(), False)
        end = time.monotonic() + 120
        while not process.stdout.read() and time.monotonic() < end:
            assert process.poll() is None, "the process ended"
            partner.images.publish(image_message(np.zeros((48, 64, 3), np.uint8)))
            time.sleep(0.2)
        for _ in range(signals):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        partner.node.destroy_node()
        context.try_shutdown()
    assert process.returncode == 0
    assert b"Traceback" not in said
    assert b"terminate" not in said
    assert b"[cam.depth_node]: said below" in said


def test_a_parameter_of_rclpy_s_own_that_is_wrong_gets_one_line() -> None:
    wrong = run("--ros-args", "-p", "use_sim_time:=5")
    assert wrong.returncode == 1
    assert [line for line in wrong.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in wrong.stderr


def test_cameras_of_one_process_answer_each_with_its_own() -> None:
    command = [sys.executable, "-m", "prv2_ros.ros.main", "left", "/right", "--ros-args", "-p", "device:=cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    context = rclpy.Context()
    rclpy.init(context=context)
    partners = [
        Partner(context, namespace=namespace, listen=("depth/image_rect",)) for namespace in ("/left", "/right")
    ]
    executor = SingleThreadedExecutor(context=context)
    for partner in partners:
        executor.add_node(partner.node)
    pixels = np.random.default_rng(1).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    try:
        end = time.monotonic() + 240
        while not all(partner.depths for partner in partners) and time.monotonic() < end:
            assert process.poll() is None, "the process ended"
            for second, (partner, width) in enumerate(zip(partners, (128, 112), strict=True), start=1):
                partner.infos.publish(info_message(width, 96))
                partner.images.publish(image_message(np.ascontiguousarray(pixels[:, :width]), sec=second))
            for _ in range(5):
                executor.spin_once(0.1)
        answers = [{(depth.width, depth.header.stamp.sec) for depth in partner.depths} for partner in partners]
        assert answers == [{(128, 1)}, {(112, 2)}]
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        executor.shutdown()
        for partner in partners:
            partner.node.destroy_node()
        context.try_shutdown()
    assert process.returncode == 0
    assert said.count("model default on cpu") == 2
    assert "Traceback" not in said
