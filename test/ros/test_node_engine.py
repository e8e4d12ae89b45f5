"""The node as its own process with the real engine and the packaged weights, seen from another process."""

from __future__ import annotations

import inspect
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

ROOT = Path(__file__).resolve().parents[2]

needs_weights = pytest.mark.skipif(
    not list((ROOT / "models").glob("*.safetensors")), reason="needs the packaged weights in models/"
)


def test_every_engine_can_be_called_as_the_node_calls_it() -> None:
    """The node loads whichever engine a model asks for, and is itself not type-checked."""
    from prv2_ros.inference.engine import DepthEngine
    from prv2_ros.inference.published import PublishedEngine
    from prv2_ros.ros.pipeline import Engine

    wanted, *engines = (
        {name: parameter.kind for name, parameter in inspect.signature(kind.infer).parameters.items()}
        for kind in (Engine, DepthEngine, PublishedEngine)
    )
    assert all(wanted.items() <= engine.items() for engine in engines)


@needs_weights
def test_process_with_real_engine_answers_images_with_metric_depth() -> None:
    from prv2_ros.inference.engine import DepthEngine

    pixels = np.zeros((96, 160, 3), np.uint8)
    pixels[48:] = (90, 110, 70)  # ground below, dark wall above
    pixels[:48] = np.random.default_rng(0).integers(0, 60, (48, 160, 3), dtype=np.uint8)
    image, info = image_message(pixels, sec=77, nanosec=5), info_message(160, 96, f_px=140.0)
    command = [sys.executable, "-m", "prv2_ros.ros.main", "--ros-args", "-p", "device:=cpu", "-p", "precision:=float32"]
    process = subprocess.Popen(command, cwd=ROOT)
    context = rclpy.Context()
    rclpy.init(context=context)
    partner = Partner(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(partner.node)
    try:
        end = time.monotonic() + 240
        while not partner.received["points"] and time.monotonic() < end:
            assert process.poll() is None, "the node ended"
            partner.infos.publish(info)
            partner.images.publish(image)
            for _ in range(5):
                executor.spin_once(0.1)
        depth, points = partner.depths[-1], partner.received["points"][-1]
        assert depth.header == image.header
        metres = np.frombuffer(depth.data, "<f4").reshape(96, 160)
        assert (points.height, points.width) == (48, 80)
        engine = DepthEngine.load("default", "cpu", "float32")
        from prv2_ros.geometry.camera import CameraModel

        camera = CameraModel(width=160, height=96, fx=140.0, fy=140.0, cx=79.5, cy=47.5)
        expected = engine.infer(pixels, camera).depth_m
        np.testing.assert_allclose(metres, expected, rtol=1e-3)
        assert 0.1 < np.nanmedian(metres) < 200
    finally:
        process.terminate()
        assert process.wait(60) == 0
        executor.shutdown()
        partner.node.destroy_node()
        context.try_shutdown()
