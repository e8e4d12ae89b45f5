"""From a bag's topics to cameras: image, camera info and truth that belong together, frame by frame.

Found by convention. A camera is a namespace with `camera_info` and an image beside it (`X/camera_info` and
`X/image_raw`, or `X/image_raw/compressed`); depth images are no camera. `truth_topics` finds its truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import ConfigError, InputError
from prv2_ros.evaluation.bag_index import COMPRESSED, IMAGE, INFO, BagIndex, frame_name, transform_between
from prv2_ros.evaluation.config import CameraTopics, EvaluationConfig, camera_name
from prv2_ros.evaluation.pairing import PlannedFrame, pair_stamps
from prv2_ros.evaluation.records import SkippedFrame
from prv2_ros.evaluation.truth_topics import (
    NO_DEPTH_WORDS,
    NODE_PICTURE,
    find_topic,
    find_truth,
    has_word,
    topics_told,
)
from prv2_ros.geometry.projection import rigid_transform
from prv2_ros.messages.camera_info import says_rectified
from prv2_ros.messages.depth_images import DEPTH_ENCODINGS

_IMAGE_NAMES = (
    "image_raw", "image_color", "image", "image_mono", "image_rect_color", "image_rect", "image_rect_mono", "rgb",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CameraPlan:
    """One camera of a bag, ready to be streamed."""

    name: str
    image_topic: str
    info_topic: str
    truth_topic: str
    truth_kind: str
    input_rectified: bool
    t_camera_truth: NDArray[np.float64]
    """(4, 4) from the truth's frame to the camera's optical frame; the identity unless the truth is LiDAR."""

    infos: list[Any]
    frames: list[PlannedFrame]
    """In the order of their stamps."""

    source: dict[str, Any]
    """Topics and frames, for the report."""


def find_cameras(bag: str, index: BagIndex, config: EvaluationConfig) -> tuple[list[CameraPlan], list[SkippedFrame]]:
    """Plan every camera of a bag.

    Returns:
        The cameras in order of name, and what was left out: whole cameras (`stamp_ns` None) and single images.

    """
    skipped: list[SkippedFrame] = []
    plans: list[CameraPlan] = []
    for wanted in config.cameras or _by_convention(index):
        name = wanted.report_name
        try:
            plan, left_out = _plan(bag, name, wanted, index, config)
        except (InputError, ConfigError) as error:
            skipped.append(SkippedFrame(bag=bag, camera=name, stamp_ns=None, reason=str(error)))
            continue
        plans.append(plan)
        skipped += left_out
    if not plans and not skipped:
        reason = "no image topic was found; name them under cameras in the configuration. " + topics_told(index)
        skipped.append(SkippedFrame(bag=bag, camera="", stamp_ns=None, reason=reason))
    return sorted(plans, key=lambda plan: plan.name), skipped


def _by_convention(index: BagIndex) -> list[CameraTopics]:
    """One image topic a namespace, raw before compressed and `image_raw` before others."""
    best: dict[str, tuple[tuple[int, int, str], str]] = {}
    for name, found in index.topics.items():
        kind = found.topic.msgtype
        if kind not in (IMAGE, COMPRESSED) or found.encoding in DEPTH_ENCODINGS or not found.entries:
            continue
        is_transport = name.endswith("/compressed")
        last = name.removesuffix("/compressed").rsplit("/", 1)[-1]
        namespace = camera_name(name)
        has_info = f"{namespace.rstrip('/')}/camera_info" in index.topics
        is_other = has_word(name, ("depth", *NO_DEPTH_WORDS))
        if is_other or (not has_info and last not in _IMAGE_NAMES) or _is_node_picture(name, index):
            continue
        order = _IMAGE_NAMES.index(last) if last in _IMAGE_NAMES else len(_IMAGE_NAMES)
        rank = (order, int(is_transport), name)
        if namespace not in best or rank < best[namespace][0]:
            best[namespace] = (rank, name)
    return [CameraTopics(image=topic) for _, (_, topic) in sorted(best.items())]


def _is_node_picture(name: str, index: BagIndex) -> bool:
    """Whether images are what the node has made of those of the camera around them; they would be a second camera."""
    around, picture, _ = name.rpartition(f"/{NODE_PICTURE}")
    return bool(picture) and f"{around}/camera_info" in index.topics


def _plan(
    bag: str, name: str, wanted: CameraTopics, index: BagIndex, config: EvaluationConfig
) -> tuple[CameraPlan, list[SkippedFrame]]:
    image = find_topic(index, wanted.image, (IMAGE, COMPRESSED), "image")
    info_topic = wanted.camera_info or f"{camera_name(wanted.image).rstrip('/')}/camera_info"
    if info_topic not in index.topics and not wanted.camera_info:
        raise InputError(
            f"{wanted.image} has no camera info: {info_topic} is not in the bag; name its topic under cameras in the "
            "configuration, or record it"
        )
    find_topic(index, info_topic, (INFO,), "camera info")
    truth, kind = find_truth(index, wanted, image, config)
    truth_frame = wanted.truth_frame or truth.frame_id
    camera_frame = image.frame_id or index.topics[info_topic].frame_id
    t_camera_truth = _extrinsics(index, config, kind, truth.topic.name, camera_frame, truth_frame)
    input_rectified = says_rectified(wanted.image) if wanted.input_rectified is None else wanted.input_rectified
    if input_rectified and kind == "depth" and not wanted.truth:
        _check_rectified(index, truth.topic.name, info_topic)
    plan = CameraPlan(
        name=name,
        image_topic=wanted.image,
        info_topic=info_topic,
        truth_topic=truth.topic.name,
        truth_kind=kind,
        input_rectified=input_rectified,
        t_camera_truth=t_camera_truth,
        infos=index.infos,
        frames=[],
        source={
            "image": wanted.image,
            "camera_info": info_topic,
            "truth": truth.topic.name,
            "truth_kind": kind,
            "camera_frame": camera_frame,
            "truth_frame": truth_frame,
            "T_camera_truth": t_camera_truth.tolist(),
        },
    )
    frames, left_out = pair_stamps(image.entries, truth.entries, index.info_of[info_topic], config.truth)
    skipped = [SkippedFrame(bag=bag, camera=name, stamp_ns=stamp, reason=reason) for stamp, reason in left_out]
    return replace(plan, frames=frames), skipped


def _check_rectified(index: BagIndex, topic: str, info_topic: str) -> None:
    """Refuse depth that was found for a rectified image and belongs to the raw one, as its name tells.

    For a raw image `truth_depth` tells by the view; that of a rectified image no longer knows the lens.
    """
    infos = [index.infos[place] for place in {place for _, place in index.info_of[info_topic]}]
    if not says_rectified(topic) and any(_moves_pixels(info) for info in infos):
        raise InputError(
            f"truth {topic} is not rectified and the image of a distorted camera is: record rectified truth (a topic "
            "with `rect` in its name) or, where this one is, set truth under cameras in the configuration to it"
        )


def _moves_pixels(info: Any) -> bool:
    """Whether rectification undoes a lens (D) or a turn (R; left at zero it is none)."""
    turn = np.reshape(info.r, (3, 3))
    return any(info.d) or bool(turn.any() and not np.allclose(turn, np.eye(3), atol=1e-9))


def _extrinsics(
    index: BagIndex, config: EvaluationConfig, kind: str, topic: str, camera_frame: str, truth_frame: str
) -> NDArray[np.float64]:
    if not camera_frame or not truth_frame:
        raise InputError(
            f"{topic} or its camera has no frame_id, so how they lie to one another is unknown: set truth_frame under "
            "cameras in the configuration"
        )
    transforms = dict(index.transforms)
    for extrinsic in config.extrinsics:
        parent, child = frame_name(extrinsic.parent), frame_name(extrinsic.child)
        transforms.pop((child, parent), None)  # else the bag's own would still lead there, the other way round
        transforms[parent, child] = rigid_transform(extrinsic.xyz_m, extrinsic.quaternion_xyzw)
    if frame_name(camera_frame) == frame_name(truth_frame):
        return np.eye(4)
    if kind != "lidar":
        raise InputError(
            f"truth {topic} is in frame {truth_frame!r}, the image in {camera_frame!r}: {kind} is compared pixel by "
            f"pixel and must be registered to the image; where it is, set truth_frame: {camera_frame}"
        )
    transform = transform_between(transforms, camera_frame, truth_frame)
    if transform is None:
        frames = sorted({name for pair in transforms for name in pair})
        raise InputError(
            f"no transform leads from {truth_frame!r} ({topic}) to {camera_frame!r}: /tf_static knows "
            f"{', '.join(frames[:12]) or 'no frames'}; add extrinsics to the configuration"
        )
    return transform
