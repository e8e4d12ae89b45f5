"""Scores of a model over a set of frames with known depth, beside what knows nothing of the picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.calibration import Counts, calibrate, calibration_counts, merge_counts
from prv2_ros.evaluation.ceiling import with_perfect_edges
from prv2_ros.evaluation.floors import floors
from prv2_ros.evaluation.frames import TruthFrame, is_dense
from prv2_ros.evaluation.report import Depths, score_constant, score_truth, summarise
from prv2_ros.geometry.camera import CameraModel

CONFIDENCE = "confidence"
"""Among predicted depths: no variant, but how sure `refined` is of each pixel."""

Predictor = Callable[[NDArray[np.uint8], CameraModel], Depths]
"""From an image (H, W, 3) uint8 RGB and its camera to depths (H, W) in metres by variant."""


def engine_predictor(model: str, device: str, precision: str = "auto") -> Predictor:
    """Predict with an engine; variants `coarse` and `refined`, and the confidence of the latter where there is one.

    Raises:
        WeightsError: no usable weights.
        DeviceError: no usable device.

    """
    from prv2_ros.inference.config import EngineConfig
    from prv2_ros.inference.load import load_engine

    # No limit: what is taken for sky must count as far too far, not drop out as invalid.
    engine = load_engine(model, device, precision, config=EngineConfig(max_depth_m=math.inf))

    def predict(image_rgb: NDArray[np.uint8], camera: CameraModel) -> Depths:
        result = engine.infer(image_rgb, camera, coarse=True, confidence=True)
        depths = {"refined": result.depth_m}
        if result.coarse_depth_m is not None:
            depths = {"coarse": result.coarse_depth_m} | depths
        if result.confidence is not None:
            depths[CONFIDENCE] = result.confidence
        return depths

    return predict


def score_set(
    frames: Iterable[TruthFrame],
    predict: Predictor,
    *,
    max_depth_m: float = math.inf,
    constant: bool = True,
    tick: Callable[[str], None] = lambda name: None,
) -> dict[str, Any]:
    """Score every frame beside its floors.

    Where the truth is dense, `coarse with perfect edges` is what sharpening alone could make of the coarse depth.

    Args:
        frames: the set; read one by one.
        predict: gives the depths that are scored.
        max_depth_m: truth beyond it counts as sky.
        constant: whether to score the constant of the set, too, the median of its frames' medians, for which all truth
            is kept in memory to the end.
        tick: called with the name of each frame that is done.

    Returns:
        A block of `report.markdown`: `frames` (name, kind and scores of each), `summary`, and `calibration` of the
        confidence over all frames (empty where there is none).

    """
    rows: list[dict[str, Any]] = []
    counts: list[Counts] = []
    truths_m: list[NDArray[np.float32]] = []
    for frame in frames:
        depths = dict(predict(frame.image, frame.camera))
        confidence = depths.pop(CONFIDENCE, None)
        # Once for all: what is fitted to the truth or counted over it must not see what is not scored.
        truth_m = np.where(frame.truth_m > max_depth_m, np.float32(np.inf), frame.truth_m)
        if confidence is not None:
            counts.append(calibration_counts(depths["refined"], truth_m, confidence))
        scores = score_truth(truth_m, depths) | score_truth(truth_m, floors(truth_m))
        if "coarse" in depths and is_dense(truth_m):
            scores |= score_truth(truth_m, {"coarse with perfect edges": with_perfect_edges(depths["coarse"], truth_m)})
        rows.append({"name": frame.name, "kind": frame.kind, "scores": scores})
        if constant:
            truths_m.append(truth_m)
        tick(frame.name)
    if constant:
        for row, of_constant in zip(rows, score_constant(truths_m), strict=True):
            row["scores"]["constant"] = of_constant
    calibration = calibrate(merge_counts(counts)) if counts else {}
    return {"frames": rows, "summary": summarise(rows) if rows else {}, "calibration": calibration}


def plain(value: Any) -> Any:
    """Copy for JSON, which has no NaN: None in its place."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
