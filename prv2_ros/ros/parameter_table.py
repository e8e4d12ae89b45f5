"""The node's parameters, in one table.

Descriptors, validation, the YAML check and the README table all come from `TABLE`; nothing else in the package
states a default, a range or a description. This file needs no ROS, so that documentation and tests can read the
table anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from prv2_ros.inference.regions import NO_REGIONS, REGIONS_FORM, parse_regions
from prv2_ros.ros.parameter_row import Parameter

INPUT_FRAME = "input"
"""Value of `output_frame_id` that keeps the frame of the images."""

TABLE: tuple[Parameter, ...] = (
    Parameter(
        name="autostart",
        default=True,
        read_only=True,
        description="Configure and activate without a lifecycle manager.",
    ),
    Parameter(
        name="model",
        default="default",
        read_only=True,
        description="Weights: `default`, the name of an installed model or the path of its .yaml.",
    ),
    Parameter(
        name="device",
        default="auto",
        read_only=True,
        description="Compute device: `auto` (CUDA where it works, else the CPU), `cpu`, `cuda` or `cuda:N`.",
    ),
    Parameter(
        name="precision",
        default="auto",
        read_only=True,
        description="Number format of the network: `auto` picks what the device does well.",
        choices=("auto", "float32", "bfloat16", "float16"),
    ),
    Parameter(
        name="compile",
        default="off",
        read_only=True,
        description="`default` lets torch compile the network, `cuda-graphs` also replays it as one launch; "
        "the first frame of each size, the self-test's among them, then takes up to minutes.",
        choices=("off", "default", "cuda-graphs"),
    ),
    Parameter(
        name="max_tile_px",
        default=768,
        unit="px",
        low=256,
        high=4096,
        step=32,
        read_only=True,
        description="Largest side of a tile that is refined at once, which bounds memory; smaller ones take longer in "
        "all. Published models have tiles of their own.",
    ),
    Parameter(
        name="far_look",
        default=12.0,
        low=0.0,
        high=24.0,
        read_only=True,
        description="Area, relative to the network's usual input, at which it looks once more at pictures that show "
        "something beyond 36 m, for what is far (a third upright, the rest mirrored); 0 for no such look, else at "
        "least 3. It takes this many times as long as the usual look. Not of published models.",
    ),
    Parameter(
        name="self_test",
        default=True,
        read_only=True,
        description="Compare the depth of a drawn picture with what is stored with the weights, and do not start where "
        "the device computes something else.",
    ),
    Parameter(
        name="image_transport",
        default="raw",
        read_only=True,
        description="`raw` subscribes to `image_raw`, `compressed` to `image_raw/compressed` (JPEG or PNG), which "
        "moves along where `image_raw` is remapped.",
        choices=("raw", "compressed"),
    ),
    Parameter(
        name="input_rectified",
        default=False,
        description="The images are rectified already: use P of the camera info, not K and D.",
    ),
    Parameter(
        name="rectify",
        default=True,
        description="Undistort raw images first, so that depth and its camera info are rectified; "
        "false keeps the depth aligned with the raw image and passes K and D on.",
    ),
    Parameter(
        name="assumed_fov_deg",
        default=60.0,
        unit="deg",
        low=10.0,
        high=150.0,
        description="Horizontal field of view taken while no calibrated camera info is known; no points then.",
    ),
    Parameter(
        name="require_calibration",
        default=False,
        description="Skip frames while no calibrated camera info is known, instead of assuming a field of view.",
    ),
    Parameter(
        name="camera_height_m",
        default=0.0,
        unit="m",
        low=0.0,
        high=100.0,
        description="Height of the camera above the ground, which depth is held against once a second, with a warning "
        "in the diagnostics where its scale is below 0.8 or above 1.25; 0 where it is not known.",
    ),
    Parameter(
        name="camera_info_wait_s",
        default=1.0,
        unit="s",
        low=0.0,
        high=60.0,
        description="How long frames are skipped after the first one while the first camera info is awaited.",
    ),
    Parameter(
        name="max_rate_hz",
        default=0.0,
        unit="Hz",
        low=0.0,
        high=1000.0,
        description="Highest rate at which frames are processed; 0 for no limit.",
    ),
    Parameter(
        name="max_latency_ms",
        default=0.0,
        unit="ms",
        low=0.0,
        high=60000.0,
        description="Time that inference aims at; 0 for no limit. The look at what is far comes first, where it fits; "
        "then tiles are refined best first until the time is spent, and the rest keeps the coarse depth, which is "
        "computed in any case. A frame of up to `max_tile_px` a side is one "
        "tile: lower that for a finer choice. From arrival to publication a frame may also wait for the one before, or "
        "for other cameras of the process.",
    ),
    Parameter(
        name="regions",
        default=NO_REGIONS,
        unit="px",
        form=REGIONS_FORM,
        parse=parse_regions,
        description="Regions of interest in the depth image, refined first where `max_latency_ms` limits the time.",
    ),
    Parameter(
        name="depth_encoding",
        default="32FC1",
        choices=("32FC1", "16UC1"),
        description="Depth image format: 32FC1 in metres (NaN invalid), or 16UC1 in millimetres "
        "(0 invalid, ends at 65.535 m).",
    ),
    Parameter(
        name="min_depth_m",
        default=0.05,
        unit="m",
        low=0.0,
        high=1000.0,
        description="Depth below this is published as invalid.",
    ),
    Parameter(
        name="max_depth_m",
        default=250.0,
        unit="m",
        low=0.01,
        high=10000.0,
        description="Depth above this is published as `far_value`. The sky is predicted at about 250 m and more: with "
        "a limit beyond that it is published as depth.",
    ),
    Parameter(
        name="far_value",
        default="nan",
        choices=("nan", "inf", "max"),
        description="What depth beyond `max_depth_m`, as most of the sky, becomes: nan (invalid), inf (REP-117: "
        "nothing in range) or max (`max_depth_m`); in 16UC1 both nan and inf are 0.",
    ),
    Parameter(
        name="min_confidence",
        default=0.0,
        low=0.0,
        high=1.0,
        description="Depth less sure than this is published as invalid, in the cloud, too, and most of the sky with "
        "it, which is seldom sure; 0 keeps all. Confidence lies between 0.135 and 0.99.",
    ),
    Parameter(
        name="output_frame_id",
        default=INPUT_FRAME,
        description="Frame of all outputs: `input` for the images' own, or the name of the camera's optical frame "
        "where they are stamped with another, as that of its body.",
    ),
    Parameter(
        name="points.stride",
        default=2,
        unit="px",
        low=1,
        high=64,
        description="One point for each block of stride x stride pixels.",
    ),
    Parameter(
        name="points.min_m",
        default=0.05,
        unit="m",
        low=0.0,
        high=1000.0,
        description="Points nearer than this are NaN in the cloud.",
    ),
    Parameter(
        name="points.max_m",
        default=100.0,
        unit="m",
        low=0.01,
        high=10000.0,
        description="Points farther than this become `points.far_value`.",
    ),
    Parameter(
        name="points.far_value",
        default="nan",
        choices=("nan", "max"),
        description="What points beyond `points.max_m` become: nan, or max for a point at `points.max_m`, by which a "
        "costmap or an octree sees that the way there is free; let it mark obstacles only nearer than that. What "
        "`min_confidence` leaves out stays NaN.",
    ),
    Parameter(
        name="input_timeout_s",
        default=2.0,
        unit="s",
        low=0.1,
        high=3600.0,
        description="Diagnostics warn when no image arrived for this long.",
    ),
)

BY_NAME: Mapping[str, Parameter] = {row.name: row for row in TABLE}
