"""Parts that the node tests share: an engine whose depth and delay are known, messages, a partner node."""

from __future__ import annotations

import array
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from prv2_ros.errors import InputError
from prv2_ros.ros.node import DepthNode
from prv2_ros.types import DepthResult


class PlaneEngine:
    """An engine that says every pixel is `depth_m` away, after `delay_s`; refuses images below 8 px, as engines do."""

    device = "cpu"
    model_name = "plane"

    def __init__(self, depth_m: float = 2.0, delay_s: float = 0.0, confidence: float | None = None) -> None:
        self.depth_m, self.delay_s, self.confidence = depth_m, delay_s, confidence
        self.options: dict[str, Any] = {}
        self.calls: list[tuple[np.ndarray, Any]] = []
        self.keep = 4
        self.inside = self.most_inside = 0

    def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> DepthResult:
        if min(image_rgb.shape[:2]) < 8:
            raise InputError(f"image of {image_rgb.shape[1]}x{image_rgb.shape[0]} px is too small")
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        time.sleep(self.delay_s)
        self.inside -= 1
        self.calls = [*self.calls, (image_rgb.copy(), camera)][-self.keep :]
        self.options = options
        depth = np.full(image_rgb.shape[:2], self.depth_m, np.float32)
        sure = options["confidence"] and self.confidence is not None
        confidence = np.full_like(depth, self.confidence) if sure else None
        return DepthResult(depth_m=depth, coarse_depth_m=depth, confidence=confidence)


def image_message(pixels: np.ndarray, encoding: str = "rgb8", *, sec: int = 0, nanosec: int = 0) -> Image:
    """An Image of (H, W[, C]) pixels, tightly packed, in the frame `camera_optical_frame`."""
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels[0].nbytes
    message.data = array.array("B", pixels.tobytes())
    message.header.frame_id = "camera_optical_frame"
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    return message


def compressed_message(data: bytes, kind: str = "jpeg") -> CompressedImage:
    message = CompressedImage(format=kind, data=array.array("B", data))
    message.header.frame_id = "camera_optical_frame"
    return message


def info_message(
    width: int, height: int, *, f_px: float = 50.0, d: tuple[float, ...] = (), model: str = "plumb_bob"
) -> Any:
    """A CameraInfo of a centred camera with square pixels."""
    cx, cy = (width - 1) / 2, (height - 1) / 2
    message = CameraInfo(width=width, height=height, distortion_model=model, d=list(d))
    message.k = np.array([f_px, 0, cx, 0, f_px, cy, 0, 0, 1.0])
    message.p = np.array([f_px, 0, cx, 0, 0, f_px, cy, 0, 0, 0, 1.0, 0])
    message.r = np.eye(3).ravel()
    message.header.frame_id = "camera_optical_frame"
    return message


def reliable(depth: int = 10) -> QoSProfile:
    return QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=depth, reliability=QoSReliabilityPolicy.RELIABLE)


class Partner:
    """Publishes the inputs and keeps what the outputs bring."""

    KINDS: ClassVar = {"depth/image_rect": Image, "depth/camera_info": CameraInfo, "points": PointCloud2}
    ASKED_FOR: ClassVar = {"confidence": Image, "rgb/image_rect_color": Image}
    """Topics that are subscribed only where a test names them."""

    def __init__(
        self, context: Any, *, listen: tuple[str, ...] = tuple(KINDS), keep: bool = True, namespace: str = ""
    ) -> None:
        self.node = Node("partner", context=context, namespace=namespace or None)
        self.images = self.node.create_publisher(Image, "image_raw", reliable())
        self.compressed = self.node.create_publisher(CompressedImage, "image_raw/compressed", reliable())
        self.infos = self.node.create_publisher(CameraInfo, "camera_info", reliable())
        self.transitions = self.node.create_client(ChangeState, "depth_node/change_state")
        self.received: dict[str, list[Any]] = {topic: [] for topic in (*self.KINDS, *self.ASKED_FOR, "/diagnostics")}
        self.arrivals: list[float] = []
        self.keep = keep
        for topic in listen:
            kind = (self.KINDS | self.ASKED_FOR)[topic]
            self.node.create_subscription(kind, topic, self._keeper(topic), reliable())
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._keeper("/diagnostics"), reliable())

    def _keeper(self, topic: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            if topic == "depth/image_rect":
                self.arrivals.append(time.monotonic())
            if self.keep or topic == "/diagnostics":
                self.received[topic].append(message)

        return keep

    @property
    def depths(self) -> list[Image]:
        return self.received["depth/image_rect"]

    def status(self) -> dict[str, str]:
        """Values of the latest diagnostics."""
        return {pair.key: pair.value for pair in self.received["/diagnostics"][-1].status[0].values}


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0, what: str = "condition") -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"{what} not met within {timeout_s} s"
        time.sleep(0.01)


def logged(capfd: Any, text: str) -> Callable[[], bool]:
    """Tell whether a text was logged since the last look, or before.

    From stderr, as /rosout did not reach the partner within 20 s in one run of many.
    """
    seen: list[str] = []

    def found() -> bool:
        seen.append(capfd.readouterr().err)
        return text in "".join(seen)

    return found


class Live:
    """A DepthNode and a partner, each spun by its own executor, in a ROS context of their own."""

    def __init__(
        self, node: DepthNode, partner: Partner, errors: list[BaseException], executor: SingleThreadedExecutor
    ) -> None:
        self.node, self.partner, self.errors, self.executor = node, partner, errors, executor

    @property
    def counts(self) -> Any:
        return self.node.statistics.snapshot().counts

    def settled(self) -> bool:
        """True where every image that arrived has an outcome."""
        c = self.counts
        return c.received == c.published + c.dropped + c.skipped + c.errors

    def wait_ready(self) -> None:
        """Wait until inputs and outputs are connected both ways."""
        partner = self.partner
        wait_until(
            lambda: (
                (partner.images.get_subscription_count() or partner.compressed.get_subscription_count())
                and partner.infos.get_subscription_count()
            ),
            what="node subscribed",
        )
        wait_until(lambda: all(s.get_publisher_count() for s in _outputs(partner)), what="partner subscribed")
        time.sleep(0.2)  # each side learns of the match for itself

    def send_info(self, message: CameraInfo) -> None:
        before = self.counts.info_received
        self.partner.infos.publish(message)
        wait_until(lambda: self.counts.info_received > before, what="camera info arrived")


_TRIGGERS = {
    Transition.TRANSITION_CONFIGURE: "trigger_configure",
    Transition.TRANSITION_ACTIVATE: "trigger_activate",
    Transition.TRANSITION_DEACTIVATE: "trigger_deactivate",
    Transition.TRANSITION_CLEANUP: "trigger_cleanup",
}


def change_state(live: Live, transition: int) -> bool:
    """Have the node make a transition in its executor's thread, where rclpy's service does it for a lifecycle manager.

    Over that service, as `ask_for_state` does it, a client in the node's own process now and then does not find it.
    """
    task = live.executor.create_task(getattr(live.node, _TRIGGERS[transition]))
    wait_until(task.done, what="transition")
    return bool(task.result() == TransitionCallbackReturn.SUCCESS)


def ask_for_state(live: Live, transition: int) -> bool:
    """Ask the node for a transition, as a lifecycle manager does: over one client that is found once."""
    client = live.partner.transitions
    assert client.service_is_ready() or client.wait_for_service(20)
    future = client.call_async(ChangeState.Request(transition=Transition(id=transition)))
    wait_until(future.done, what="transition")
    return bool(future.result().success)


def _outputs(partner: Partner) -> list[Any]:
    return [
        _Count(partner.node, s.topic_name)
        for s in partner.node.subscriptions
        if s.topic_name not in ("/diagnostics", "/rosout")
    ]


class _Count:
    def __init__(self, node: Node, topic: str) -> None:
        self._node, self._topic = node, topic

    def get_publisher_count(self) -> int:
        return self._node.count_publishers(self._topic)


@contextlib.contextmanager
def live_node(
    engine: Any = None,
    parameters: dict[str, Any] | None = None,
    *,
    listen: tuple[str, ...] = tuple(Partner.KINDS),
    keep: bool = True,
    namespace: str = "",
    remap: tuple[str, ...] = (),
) -> Iterator[Live]:
    """Start a node with an engine and a partner; `parameters` and `remap` (`from:=to`) as if on the command line."""
    context = rclpy.Context()
    rclpy.init(context=context)
    chosen = {"camera_info_wait_s": 0.0} | (parameters or {})
    overrides = [Parameter(name, value=value) for name, value in chosen.items()]
    factory = {} if engine is None else {"engine_factory": lambda settings: engine}
    threads, executors, errors, nodes = [], [], [], []
    try:
        rules = ["--ros-args", *(word for rule in remap for word in ("-r", rule))] if remap else None
        options: dict[str, Any] = {"namespace": namespace or None, "cli_args": rules, **factory}
        node = DepthNode(context=context, parameter_overrides=overrides, **options)
        nodes.append(node)
        partner = Partner(context, listen=listen, keep=keep)
        nodes.append(partner.node)
        for each in nodes:
            executor = SingleThreadedExecutor(context=context)
            executor.add_node(each)
            executors.append(executor)
            threads.append(threading.Thread(target=_spin, args=(executor, errors), daemon=True))
            threads[-1].start()
        yield Live(node, partner, errors, executors[0])
    finally:
        for executor in executors:
            executor.shutdown()
        for thread in threads:
            thread.join(10)
        for each in nodes:
            each.destroy_node()
        context.try_shutdown()


def _spin(executor: SingleThreadedExecutor, errors: list[BaseException]) -> None:
    try:
        executor.spin()
    except Exception as error:
        errors.append(error)
