"""One camera of one bag, from its messages to records: the unit of work that a process or a cluster node takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import DeviceMemoryError, InputError
from prv2_ros.evaluation.cameras import CameraPlan
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.frames import is_dense
from prv2_ros.evaluation.predictions import ModelIdentity, Prediction, PredictionCache, frame_fingerprint
from prv2_ros.evaluation.records import FrameKey, FrameRecord, SkippedFrame
from prv2_ros.evaluation.scoring import score_frame
from prv2_ros.evaluation.streaming import StreamedFrame, stream_frames
from prv2_ros.evaluation.temporal import tile_consistency
from prv2_ros.evaluation.truth import truth_depth
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.messages.bags import Bag
from prv2_ros.messages.camera_info import info_content, is_uncalibrated
from prv2_ros.messages.images import message_to_rgb
from prv2_ros.messages.view import View, ViewCache
from prv2_ros.types import DepthResult

_LONGEST_STEP = 1.5
"""Frames further apart than this many times the camera's usual step do not follow one another."""

_Map = NDArray[np.float32]


class Engine(Protocol):
    """What the evaluation needs of an engine."""

    def infer(
        self,
        image_rgb: NDArray[np.uint8],
        camera: CameraModel | None = None,
        *,
        coarse: bool = True,
        confidence: bool = False,
        keep_tiles: bool = False,
    ) -> DepthResult:
        """Return the depth of an (H, W, 3) uint8 RGB image."""


LoadEngine = Callable[[ModelIdentity, EvaluationConfig], Engine]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker needs; it can be pickled."""

    bag: str
    path: Path
    plan: CameraPlan
    config: EvaluationConfig
    models: tuple[ModelIdentity, ...]
    cache: Path
    score_only: bool = False
    """Score what was predicted before and never load a network."""

    load_engine: LoadEngine | None = None
    """Makes the engine of a model; None loads the model (`load_model_engine`)."""

    @property
    def name(self) -> str:
        """Bag and camera."""
        return f"{self.bag}{self.plan.name}"


@dataclass(kw_only=True)
class JobResult:
    """What a job found."""

    records: list[FrameRecord]
    skipped: list[SkippedFrame]
    predicted: int = 0
    """Predictions that were made."""

    reused: int = 0
    """Predictions that were there already."""


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """`messages.view.ViewSettings` of one camera."""

    input_rectified: bool
    rectify: bool
    assumed_fov_deg: float = 60.0


def load_model_engine(model: ModelIdentity, config: EvaluationConfig) -> Engine:
    """Load a model, with as many CPU threads as the configuration says and deterministic GPU kernels."""
    import torch

    from prv2_ros.inference.config import EngineConfig
    from prv2_ros.inference.load import load_engine

    torch.set_num_threads(config.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    engine_config = EngineConfig(max_depth_m=config.max_depth_m)
    device = model.device.split(" ")[0]  # as chosen when the model was identified, on every node the same
    return load_engine(model.name, device, model.precision, config=engine_config)


class Engines:
    """Engines that a process has loaded, kept from job to job."""

    def __init__(self) -> None:
        self._loaded: dict[str, Engine] = {}

    def get(self, model: ModelIdentity, job: Job) -> Engine:
        """Load at the first call: a run whose predictions are all there loads none."""
        if model.fingerprint not in self._loaded:
            load = job.load_engine or load_model_engine
            self._loaded[model.fingerprint] = load(model, job.config)
        return self._loaded[model.fingerprint]


def run_job(job: Job, engines: Engines, tick: Callable[[], None]) -> JobResult:
    """Predict and score every frame of a camera.

    Args:
        job: the work.
        engines: where loaded engines are kept.
        tick: called once a frame.

    Returns:
        Records in the order of stamps, for each frame in the order of models.

    Raises:
        StorageError: the disk is full.
        WeightsError: a model cannot be loaded.
        DeviceError: a device cannot be used.

    """
    result = JobResult(records=[], skipped=[])
    runner = _Runner(job, engines, result)

    def skip(stamp_ns: int, reason: str) -> None:
        result.skipped.append(SkippedFrame(bag=job.bag, camera=job.plan.name, stamp_ns=stamp_ns, reason=reason))

    done = 0
    try:
        with Bag(job.path) as bag:
            for frame in stream_frames(bag, job.plan, job.config.stamps):
                try:
                    runner.take(bag, frame)
                except _Unusable as error:
                    skip(frame.planned.stamp_ns, str(error))
                done += 1
                tick()
    except InputError as error:  # the bag itself: what was scored so far counts
        for planned in job.plan.frames[done:]:
            skip(planned.stamp_ns, str(error))
    return result


class _Unusable(Exception):
    """A frame that gives no record; its text says why."""


class FrameReader:
    """Turns the messages of one camera into arrays."""

    def __init__(self, plan: CameraPlan, config: EvaluationConfig) -> None:
        self.options = ViewOptions(input_rectified=plan.input_rectified, rectify=config.rectify)
        self._plan, self._config = plan, config
        self._views = ViewCache()

    def info(self, frame: StreamedFrame) -> Any:
        """Camera info of a frame.

        Raises:
            InputError: it says that the camera is not calibrated.

        """
        info = self._plan.infos[frame.planned.info]
        if is_uncalibrated(info):
            raise InputError(f"camera info on {self._plan.info_topic}: K is zero, the camera is not calibrated")
        return info

    def fingerprint(self, frame: StreamedFrame) -> str:
        """Fingerprint of all that the network sees of a frame."""
        assert frame.image is not None
        return frame_fingerprint(frame.image.data, info_content(self.info(frame)), self.options)

    def view(self, frame: StreamedFrame, width: int, height: int) -> View:
        """Geometry of a frame whose image has this size."""
        return self._views.get(self.info(frame), width, height, self.options)

    def image(self, bag: Bag, frame: StreamedFrame) -> tuple[NDArray[np.uint8], View]:
        """(H, W, 3) RGB image as the network sees it, and its geometry."""
        assert frame.image is not None
        raw = message_to_rgb(bag.message(frame.image))
        view = self.view(frame, raw.shape[1], raw.shape[0])
        return np.ascontiguousarray(view.rectified(raw)), view

    def truth(self, bag: Bag, frame: StreamedFrame, view: View) -> _Map:
        """(H, W) true depth in metres."""
        assert frame.truth is not None
        return truth_depth(bag.message(frame.truth), self._plan, view, self._config.truth)


class _Runner:
    """Predicts and scores frame after frame; keeps the frame before for the scores over time."""

    def __init__(self, job: Job, engines: Engines, result: JobResult) -> None:
        self._job, self._engines, self._result = job, engines, result
        self._cache = PredictionCache(job.cache)
        self._reader = FrameReader(job.plan, job.config)
        self._previous: dict[str, tuple[int, _Map, _Map]] = {}
        stamps = [frame.stamp_ns for frame in job.plan.frames]
        self._longest_ns = _LONGEST_STEP * float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0

    def take(self, bag: Bag, frame: StreamedFrame) -> None:
        if frame.image is None or frame.truth is None:
            raise _Unusable("its messages could not be read a second time: the bag changes or is damaged")
        try:
            predictions = self._predictions(bag, frame)
            height, width = next(iter(predictions.values())).depth_m.shape
            truth_m = self._reader.truth(bag, frame, self._reader.view(frame, width, height))
        except (InputError, DeviceMemoryError) as error:
            raise _Unusable(str(error)) from error
        for model in self._job.models:
            self._score(model.name, predictions[model.name], truth_m, frame)

    def _predictions(self, bag: Bag, frame: StreamedFrame) -> dict[str, Prediction]:
        key = self._reader.fingerprint(frame)
        found: dict[str, Prediction] = {}
        image: tuple[NDArray[np.uint8], View] | None = None
        for model in self._job.models:
            prediction = self._cache.load(model, key)
            if prediction is not None:
                self._result.reused += 1
            elif self._job.score_only:
                raise InputError(f"no prediction of {model.name} is stored, and --score-only makes none")
            else:
                image = image or self._reader.image(bag, frame)
                prediction = self._cache.store(model, key, self._infer(model, *image))
                self._result.predicted += 1
            found[model.name] = prediction
        return found

    def _infer(self, model: ModelIdentity, image_rgb: NDArray[np.uint8], view: View) -> Prediction:
        engine = self._engines.get(model, self._job)
        result = engine.infer(image_rgb, view.camera, coarse=False, confidence=True, keep_tiles=True)
        return Prediction(
            depth_m=view.mask_outside(result.depth_m),
            confidence=result.confidence,
            consistency=tile_consistency(result.tiles) if result.tiles else {},
            timings_ms=dict(result.timings_ms),
        )

    def _before(self, model: str, stamp_ns: int) -> tuple[_Map, _Map] | None:
        """Prediction and truth of the frame before; None after a gap, where a frame is missing."""
        if model not in self._previous:
            return None
        before_ns, depth_m, truth_m = self._previous[model]
        return (depth_m, truth_m) if stamp_ns - before_ns <= self._longest_ns else None

    def _score(self, model: str, prediction: Prediction, truth_m: _Map, frame: StreamedFrame) -> None:
        planned, plan = frame.planned, self._job.plan
        scored = score_frame(
            prediction.depth_m,
            truth_m,
            dense=plan.truth_kind != "lidar" and is_dense(truth_m),
            confidence=prediction.confidence,
            previous=self._before(model, planned.stamp_ns),
        )
        self._previous[model] = (planned.stamp_ns, prediction.depth_m, truth_m)
        extra: Mapping[str, Any] = {
            **scored.extra,
            "truth_offset_ms": (planned.truth_stamp_ns - planned.stamp_ns) / 1e6 + self._job.config.truth.offset_ms,
        }
        self._result.records.append(
            FrameRecord(
                key=FrameKey(bag=self._job.bag, camera=plan.name, stamp_ns=planned.stamp_ns),
                model=model,
                image_size=(truth_m.shape[1], truth_m.shape[0]),
                truth_kind=plan.truth_kind,
                truth_px=int(np.count_nonzero(np.isfinite(truth_m) & (truth_m > 0))),
                scores={**scored.scores, **prediction.consistency},
                by_range=scored.by_range,
                extra=extra,
                timings_ms=prediction.timings_ms,
            )
        )
