"""The depth node: a managed (lifecycle) ROS 2 node that wires topics, parameters and the depth engine."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, Node, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo

from prv2_ros.errors import ConfigError, Prv2Error, missing_module
from prv2_ros.memory import release_memory
from prv2_ros.ros import qos
from prv2_ros.ros.declare import declare_parameters, foreign_qos_overrides
from prv2_ros.ros.diagnostics import PERIOD_S, Condition, DiagnosticsBuilder
from prv2_ros.ros.engines import EngineFactory, load_engine, why_slow
from prv2_ros.ros.inputs import Inputs
from prv2_ros.ros.intake import Intake
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.pipeline import Engine, Frame, FramePipeline
from prv2_ros.ros.publishing import KINDS, Publishers
from prv2_ros.ros.reporter import Reporter
from prv2_ros.ros.statistics import Statistics
from prv2_ros.ros.topics import output_topics
from prv2_ros.ros.worker import InferenceThread, NewestFrameWorker

_DEMAND_S = 0.1
"""Time between two looks at who subscribes (s)."""

_PATIENCE_S, _PATIENCE_AT_END_S = 30.0, 3.0
"""How long a frame under way is waited for (s): when the node is deactivated, and when the process ends."""

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class DepthNode(Node):
    """Metric depth of a camera's images: subscribes `image_raw` and `camera_info`, publishes what `Publishers` lists.

    Configure loads the model and creates the publishers, activate subscribes and starts the inference thread,
    deactivate stops both, cleanup frees the model. Images are taken in only while somebody subscribes to an output.
    Callbacks only check and hand on; inference, conversion and publishing run in the inference thread.
    """

    def __init__(
        self, engine_factory: EngineFactory = load_engine, thread: InferenceThread | None = None, **node_options: Any
    ) -> None:
        """Declare parameters; with `autostart` the node configures and activates itself once it is spun.

        Args:
            engine_factory: makes the engine when the node is configured.
            thread: where inference runs; nodes whose factories give them the same engine must share it.
            node_options: those of rclpy's Node.

        Raises:
            ConfigError: a parameter that is probably misspelt, or a value that is refused.

        """
        super().__init__("depth_node", **node_options)
        self.statistics = Statistics()
        self._engine_factory = engine_factory
        self._engine: Engine | None = None
        self._outputs: Publishers | None = None
        self._thread = thread or InferenceThread()
        self._holds = False
        self._worker: NewestFrameWorker[Frame] | None = None
        self._pipeline: FramePipeline | None = None
        self._state = "unconfigured"
        self._failure = ""
        self._reporter = Reporter(self.get_logger())
        self._settings = declare_parameters(self)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._intake = Intake(self.statistics, self._reporter)
        self._inputs = Inputs(self, self._on_image, self._on_info, self._on_lost, self._report_qos)
        self._diagnostics = DiagnosticsBuilder(self.get_fully_qualified_name())
        self._diagnostics_out = qos.publish_diagnostics(self, DiagnosticArray, self._report_qos)
        # Wall time: health must be seen also while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics_timer = self.create_timer(PERIOD_S, self._publish_diagnostics, clock=steady)
        self._demand_timer = self.create_timer(_DEMAND_S, self._follow_demand, clock=steady)
        self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers; a failure is logged and leaves the node unconfigured."""
        self._thread.hold()
        self._holds = True
        try:
            # In the thread that infers: what torch compiles and records may be of use to that thread alone.
            self._engine = self._thread.call(lambda: self._engine_factory(self._settings), self.context.ok)
            self._outputs = self._create_publishers()
            why = why_slow(self._engine, self._settings)
        except Exception as error:  # rclpy swallows it without a word
            self._release()
            return self._failed("configure", error)
        self._reporter.info(f"model {self._engine.model_name} on {self._engine.device}{why}")
        self._state, self._failure = "inactive", ""
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the publishers, start the inference thread and subscribe."""
        result = super().on_activate(state)
        try:
            self._start()
            foreign = foreign_qos_overrides(self)
            if foreign:
                text = f"no publisher or subscription of this node, ignored: {', '.join(foreign)}"
                self._reporter.warn_once("qos_overrides", text)
        except Exception as error:
            self._stop()
            super().on_deactivate(state)
            return self._failed("activate", error)
        self._state, self._failure = "active", ""
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and let the frame under way end; the one that waits counts as dropped."""
        self._stop()
        self._state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and the publishers."""
        self._release()
        self._state, self._failure = "unconfigured", ""
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from any state."""
        self._release()
        self._state, self._failure = "finalized", ""
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Back to unconfigured after a transition that raised."""
        return self.on_cleanup(state)

    def inference_ended(self, timeout_s: float) -> bool:
        """Whether the inference thread comes to its end in a time, once all nodes that it serves are destroyed."""
        return self._thread.join(timeout_s)

    def destroy_node(self) -> None:
        """Stop the inference thread before rclpy frees what it publishes with."""
        self._release()
        super().destroy_node()

    def _LifecycleNodeMixin__on_change_state(self, request: Any, response: Any) -> Any:
        """Refuse what the state does not allow; rclpy lets its error end the process, and every camera in it."""
        try:
            return super()._LifecycleNodeMixin__on_change_state(request, response)
        except RuntimeError as error:
            what = f"transition {request.transition.label or request.transition.id} refused when {self._state}"
            self._reporter.warn("transition", f"{what}: {str(error).splitlines()[0]}")
            response.success = False
            return response

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        if not self._settings.autostart or self._state != "unconfigured":
            return
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() != SUCCESS and self.context.ok():
                # Out of the executor's spin: a node that was to start by itself and cannot must not look alive.
                raise ConfigError(self._failure or f"cannot start: the node is {self._state}")

    def _failed(self, transition: str, error: Exception) -> TransitionCallbackReturn:
        if not self.context.ok():  # told to end while the model was loading: nothing is wrong
            return FAILURE
        told = str(error) if isinstance(error, Prv2Error) else missing_module(error)
        self._failure = f"cannot {transition}: {told or f'{type(error).__name__}: {error}'}"
        self._reporter.error(self._failure)
        return FAILURE

    def _create_publishers(self) -> Publishers:
        topics = output_topics(self, self._inputs.info_topic)
        created: dict[str, Any] = {}
        try:
            for field, kind in KINDS.items():
                topic = topics[field]
                options = qos.publisher_options(self.resolve_topic_name(topic), self._report_qos)
                created[field] = self.create_lifecycle_publisher(kind, topic, qos.reliable_output(), **options)
        except BaseException:  # a QoS override that is none, say: those before it must not stay advertised
            for publisher in created.values():
                self.destroy_publisher(publisher)
            raise
        return Publishers(**created)

    def _start(self) -> None:
        assert self._engine is not None
        assert self._outputs is not None
        self._intake.reset()
        self.statistics.restart()
        self._pipeline = FramePipeline(
            self._engine,
            self._outputs,
            self.statistics,
            self._reporter,
            self.get_clock(),
            running=self.context.ok,
            info_topic=self._inputs.info_topic,
        )
        self._worker = NewestFrameWorker(self._pipeline, self._thread)
        self._inputs.start(self._settings.image_transport)

    def _on_info(self, message: CameraInfo) -> None:
        self._intake.take_info(message, self._settings)
        settings = self._settings
        if self._inputs.looks_rectified and settings.rectify and not settings.input_rectified and any(message.d):
            text = "the images' topic is called rectified, and they are undistorted by D of the camera info"
            self._reporter.warn_once("rectified", f"{text}: set input_rectified, or rectify to false")

    def _on_lost(self, number: int) -> None:
        self.statistics.count("lost", number)

    def _on_image(self, message: Any) -> None:
        worker = self._worker
        if worker is None:
            return
        frame = self._intake.take_image(message, self._settings, self._wanted)
        if frame is not None and worker.submit(frame) is not None:
            self.statistics.count("dropped")

    def _wanted(self) -> bool:
        return self._outputs is not None and self._outputs.wanted(points=self._intake.is_calibrated)

    def _points_starve(self) -> bool:
        return self._outputs is not None and self._outputs.wanted(points=True) and not self._wanted()

    def _follow_demand(self) -> None:
        if self._state != "active":
            return
        if self._inputs.follow(self._wanted()):
            self.statistics.forget_input()
        if self._points_starve() and not self._inputs.takes_images:  # camera info has had its time
            text = f"points are subscribed, but there is no calibrated camera info{self._inputs.info_source}"
            self._reporter.warn_once("points", text)

    def _on_set_parameters(self, parameters: list[Any]) -> SetParametersResult:
        before = self._settings
        try:
            self._settings = resolve({p.name: p.value for p in parameters}, before)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._settings.max_latency_ms != before.max_latency_ms:
            self.statistics.forget_times()
        self._intake.reconsider(self._settings)
        return SetParametersResult(successful=True)

    def _report_qos(self, text: str) -> None:
        self._reporter.warn(f"qos {text}", text)

    def _publish_diagnostics(self) -> None:
        condition = Condition(
            state=self._state,
            engine=self._engine,
            settings=self._settings,
            calibrated=self._intake.is_calibrated,
            failure=self._failure,
            idle=not self._inputs.takes_images,
            points_starve=self._points_starve(),
            stalled_s=0.0 if self._worker is None else self._worker.stalled_s(),
            awaited_s=self._inputs.awaited_s,
            image_source=self._inputs.image_source,
            info_source=self._inputs.info_source,
        )
        stamp = self.get_clock().now().to_msg()
        self._diagnostics_out.publish(self._diagnostics.build(self.statistics.snapshot(), condition, stamp=stamp))

    def _stop(self) -> None:
        self._inputs.stop()
        worker, self._worker, pipeline, self._pipeline = self._worker, None, self._pipeline, None
        if worker is None or pipeline is None:
            return
        # When the process ends there is less patience: `ros2 launch` kills what takes longer than five seconds.
        patience_s = _PATIENCE_S if self.context.ok() else _PATIENCE_AT_END_S
        if worker.stop(patience_s) is not None:
            self.statistics.count("dropped")
        pipeline.stop(patience_s)
        if not worker.ended:  # the first frame of a model that is compiled takes minutes
            self._reporter.warn("stop", "stopped while a frame is still being processed; it will be dropped")

    def _release(self) -> None:
        self._stop()
        outputs, self._outputs = self._outputs, None
        if outputs is not None:
            for publisher in outputs.all():
                self.destroy_lifecycle_publisher(publisher)
        engine, self._engine = self._engine, None
        if engine is not None:
            device = engine.device
            del engine
            try:
                release_memory(device)
            except RuntimeError as error:  # a device that is broken must not keep the node from its end
                self._reporter.warn("release", f"memory of {device} was not given back: {error}")
        if self._holds:
            self._holds = False
            self._thread.let_go()
