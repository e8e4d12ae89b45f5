"""Truth messages to the depth that a perfect model would answer, pixel by pixel.

Motion between the stamp of the truth and that of the image is not compensated, nor the turning of a LiDAR during its
sweep: `truth_offset_ms` of every record says how far the stamps are apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.cameras import CameraPlan
from prv2_ros.evaluation.config import TruthConfig
from prv2_ros.geometry.projection import depth_of_points, project_points, remove_hidden
from prv2_ros.messages.camera_info import says_rectified
from prv2_ros.messages.depth_images import depth_in_metres, disparity_in_metres
from prv2_ros.messages.point_clouds import cloud_points
from prv2_ros.messages.view import View


def truth_depth(message: Any, plan: CameraPlan, view: View, config: TruthConfig) -> NDArray[np.float32]:
    """Depth along z at every pixel of the image as the model sees it.

    Args:
        message: the truth.
        plan: kind of truth, and where it stands.
        view: geometry of the image.
        config: range of depth, and the rule that removes hidden points.

    Returns:
        (H, W) metres: NaN unknown, +inf sky (depth images only).

    Raises:
        InputError: a message that does not fit the image, or truth of which nothing falls into it.

    """
    if plan.truth_kind == "lidar":
        return _lidar_depth(message, plan, view, config)
    depth_m = depth_in_metres(message) if plan.truth_kind == "depth" else disparity_in_metres(message)
    if depth_m.shape != (view.height, view.width):
        raise InputError(
            f"truth {plan.truth_topic} has {depth_m.shape[1]}x{depth_m.shape[0]} px, the image {view.width}x"
            f"{view.height} px: record truth that is registered to the image"
        )
    is_rectified = plan.truth_kind == "disparity" or says_rectified(plan.truth_topic)
    if view.resamples and not is_rectified:
        raise InputError(
            f"truth {plan.truth_topic} is not rectified and the image of a distorted camera is: set rectify: false, or "
            "record rectified truth (a topic with `rect` in its name)"
        )
    if is_rectified and view.camera.is_distorted:
        raise InputError(f"truth {plan.truth_topic} is rectified and the image is not: set rectify: true")
    depth_m = view.mask_outside(depth_m)  # the picture is empty there, and so is the prediction
    depth_m[(depth_m < config.min_m) | ((depth_m > config.max_m) & np.isfinite(depth_m))] = np.nan
    if not np.isfinite(depth_m).any():
        raise InputError(f"truth {plan.truth_topic} has no pixel from {config.min_m:g} to {config.max_m:g} m")
    return depth_m


def _lidar_depth(message: Any, plan: CameraPlan, view: View, config: TruthConfig) -> NDArray[np.float32]:
    points_m = cloud_points(message)
    turned = view.rotation @ plan.t_camera_truth[:3, :3]
    moved = view.rotation @ plan.t_camera_truth[:3, 3]
    with np.errstate(invalid="ignore"):
        camera_m = points_m @ turned.T + moved
    pixels = project_points(camera_m, view.camera)
    depth_m = depth_of_points(pixels, camera_m[:, 2], view.width, view.height)
    depth_m = remove_hidden(depth_m, view.camera, window_deg=config.hidden_window_deg, ratio=config.hidden_ratio)
    depth_m = view.mask_outside(depth_m)
    with np.errstate(invalid="ignore"):
        depth_m[(depth_m < config.min_m) | (depth_m > config.max_m)] = np.nan
    if not np.isfinite(depth_m).any():
        raise InputError(
            f"none of the {len(points_m)} points of {plan.truth_topic} ({plan.source['truth_frame']!r}) falls into the "
            f"image of {plan.source['camera_frame']!r} at {config.min_m:g} to {config.max_m:g} m: check the extrinsics "
            "(the optical frame has z forward, y down)"
        )
    return depth_m
