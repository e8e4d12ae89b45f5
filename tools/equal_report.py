"""Measures and tabulates what tools/equal_training.py has trained."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from equal_data import Window, held_aside_windows, view_windows
from equal_networks import Contestant, PublishedModel, own_cost, published_cost
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.errors import InputError
from prv2_ros.evaluation import edges, metrics
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.network.coarse_own import CoarseLiteMaps
from prv2_ros.network.model import DepthModel

if TYPE_CHECKING:
    from equal_training import Run

COARSE = "coarse"

PUBLISHED_WIDTH = 256
"""Width of a ViT-L's maps, which the paper's figures are for."""

COLUMNS = {
    "abs_rel": ("AbsRel", 4),
    "abs_rel_median": ("AbsRel, median scaled", 4),
    "log_l1": ("log-L1", 4),
    "edge_abs_rel_median": ("edge AbsRel, median scaled", 4),
    "edge_mae_m": ("edge MAE (m)", 3),
    "soft_edge_error_m": ("SEE (m)", 3),
    "boundary_f1": ("boundary F1", 3),
}
"""Heading and decimals of each score."""

Scores = dict[str, float]


def score_window(depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> Scores:
    """Scores of one window, (H, W) metres both."""
    zone = edges.edge_zone(truth_m)
    aligned_m = metrics.align_median_scale(depth_m, truth_m)
    return {
        "abs_rel": metrics.abs_rel(depth_m, truth_m),
        "abs_rel_median": metrics.abs_rel(aligned_m, truth_m),
        "log_l1": metrics.log10_error(depth_m, truth_m) * math.log(10),
        "edge_abs_rel_median": edges.edge_abs_rel(aligned_m, truth_m, zone),
        "edge_mae_m": edges.edge_mae_m(depth_m, truth_m, zone),
        "soft_edge_error_m": edges.soft_edge_error_m(depth_m, truth_m, zone),
        "boundary_f1": edges.boundary_score(depth_m, truth_m).f1,
    }


def evaluate(run: Run, folder: Path) -> dict[str, dict[str, Scores]]:
    """Mean scores of each held-aside scene, by scene and network; windows of the size that was trained with."""
    size = run.settings.window_px
    found: dict[str, dict[str, list[Scores]]] = {}
    for scene, window in tqdm(list(held_aside_windows(folder, size)), desc="held aside", unit="window"):
        truth_m = np.exp(window.log_depth)
        for name, depth_m in predict(run, window).items():
            found.setdefault(scene, {}).setdefault(name, []).append(score_window(depth_m, truth_m))
    return {
        scene: {name: {key: mean([s[key] for s in rows]) for key in COLUMNS} for name, rows in of_scene.items()}
        for scene, of_scene in found.items()
    }


@torch.inference_mode()
def predict(run: Run, window: Window) -> dict[str, NDArray[np.float32]]:
    """Depth (H, W) in metres of one window, by network and from the coarse network alone."""
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.settings.bf16):
        view = view_windows(run.coarse, [window], run.device)
        logs = {COARSE: view.log_full_B1HW}
        for learner in run.learners:
            contestant = learner.contestant
            batch = contestant.batch([window], view)
            image = batch["image"].float().div_(255).contiguous(memory_format=torch.channels_last)
            refined = contestant.model.refine(image, batch["log_coarse"], batch["features"], batch["log_scale"])  # type: ignore[operator]
            logs[contestant.name] = refined.log_depth_B1HW
    return {name: torch.exp(log_depth[0, 0].float()).cpu().numpy() for name, log_depth in logs.items()}


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are known; NaN where none is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def difference(scenes: dict[str, dict[str, Scores]], first: str, second: str, key: str) -> tuple[float, float]:
    """Mean of `first - second` over the scenes where both are known, and its standard error."""
    found = np.array([of_scene[first][key] - of_scene[second][key] for of_scene in scenes.values()])
    found = found[np.isfinite(found)]
    spread = float(found.std(ddof=1) / math.sqrt(found.size)) if found.size > 1 else math.nan
    return (float(found.mean()) if found.size else math.nan), spread


def time_frames(run: Run, frame: str, patch_px: int) -> dict[str, dict[str, float]]:
    """Seconds of one frame by kind of network, each after one to warm up (published: one patch)."""
    image = np.random.default_rng(0).integers(0, 256, (*_frame_hw(frame), 3), np.uint8)
    camera = CameraModel.from_fov(image.shape[1], image.shape[0], 70)
    found: dict[str, dict[str, float]] = {}
    for learner in run.learners:
        contestant = learner.contestant
        if any(_alike(contestant, name) for name in found):
            continue
        engine = _engine(contestant, run.coarse, patch_px, run.device, PatchLayout())
        small = _engine(contestant, run.coarse, patch_px, run.device, PatchLayout(rows=1, columns=1))
        small.infer(image, camera)
        start, busy = time.perf_counter(), time.process_time()
        engine.infer(image, camera)
        found[contestant.name] = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - busy}
    return found


def _frame_hw(frame: str) -> tuple[int, int]:
    width, _, height = frame.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"frame {frame!r}: expected WIDTHxHEIGHT, for example 3840x2160, or 0")
    return int(height), int(width)


def _alike(contestant: Contestant, name: str) -> bool:
    """Whether the network costs what the named one does: the start of an encoder changes nothing."""
    return contestant.width is None and name.startswith("ours-")


def _engine(
    contestant: Contestant, coarse: CoarseLite, patch_px: int, device: torch.device, layout: PatchLayout
) -> DepthEngine | PublishedEngine:
    if isinstance(contestant.model, DepthModel):
        return DepthEngine(contestant.model, device=str(device))
    assert isinstance(contestant.model, PublishedModel)
    assert contestant.width is not None
    maps = CoarseLiteMaps(coarse, contestant.width)
    maps.projection = contestant.model.projection
    return PublishedEngine(maps, contestant.model.refiner, layout=layout, patch_px=patch_px, device=str(device))


def clock(device: torch.device) -> float:
    """Seconds of this process on a CPU, which others may use, too; seconds on a GPU, whose work is waited for."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def write_report(run: Run, held_aside: Path, frame: str, patch_px: int) -> Path:
    """Measure, write equal_training.json and equal_training.md, and give the path of the latter."""
    times = {} if frame == "0" else time_frames(run, frame, patch_px)
    scenes = evaluate(run, held_aside)
    samples = max(1, run.samples)
    networks = {}
    for learner in run.learners:
        contestant = learner.contestant
        names = [name for name in times if name == contestant.name or _alike(contestant, name)]
        cost = own_cost() if contestant.width is None else published_cost(contestant.width)
        networks[contestant.name] = {
            **dataclasses.asdict(cost),
            "steps_skipped": learner.skipped,
            "training_seconds_a_sample": learner.seconds / samples,
            "learning_rate": contestant.config.learning_rate,
            **(times[names[0]] if names else {}),
        }
    report = {
        "settings": run.identity(),
        "samples": run.samples,
        "steps": run.step,
        "minutes": run.elapsed / 60,
        "coarse_seconds_a_sample": run.coarse_seconds / samples,
        "machine": _machine(run.device),
        "frame": frame,
        "networks": networks,
        "published_width": dataclasses.asdict(published_cost(PUBLISHED_WIDTH)),
        "scenes": scenes,
    }
    path = run.folder / "equal_training.md"
    with whole_file(path.with_suffix(".json")) as file:
        file.write((json.dumps(report, indent=1, default=list) + "\n").encode())
    with whole_file(path) as file:
        file.write(markdown(report).encode())
    return path


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {torch.get_num_threads()} thread(s)"


def markdown(report: dict[str, Any]) -> str:
    """The tables, with what is needed to read and repeat them."""
    settings, scenes, networks = report["settings"], report["scenes"], report["networks"]
    precision = "bfloat16" if settings["bf16"] else "float32"
    summary = (
        f"{report['samples']:,} windows of {settings['window_px']} px ({report['steps']:,} steps of "
        f"{settings['batch']}, from {settings['tiles']:,} tiles, seed {settings['seed']}) in "
        f"{report['minutes']:.1f} min, {precision}, {report['machine']}. Means over {len(scenes)} held-aside scenes."
    )
    rows = [_row(COARSE, scenes, None, report)] + [
        _row(name, scenes, found, report) for name, found in networks.items()
    ]
    full = report["published_width"]
    paper = (
        f"| published-{PUBLISHED_WIDTH}, the full width: not trained |{' - |' * len(COLUMNS)} "
        f"{full['parameters_millions']:.1f} | {full['gflop']:,.0f} | - | - |"
    )
    heading = ["network", *(title for title, _ in COLUMNS.values()), "parameters (M)", "GFLOP 4K", "s 4K", "s a sample"]
    lines = [
        summary,
        "",
        f"| {' | '.join(heading)} |",
        f"| {' | '.join('---' for _ in heading)} |",
        *rows,
        *([] if f"published-{PUBLISHED_WIDTH}" in networks else [paper]),
    ]
    ours = [name for name in networks if name.startswith("ours-")]
    pairs = [(a, b) for a in ours for b in networks if b not in ours]
    if pairs:
        lines += ["", *_differences(scenes, networks, pairs)]
    return "\n".join(lines) + "\n"


def _row(
    name: str, scenes: dict[str, dict[str, Scores]], found: dict[str, float] | None, report: dict[str, Any]
) -> str:
    cells = [f"{mean([s[name][key] for s in scenes.values()]):.{digits}f}" for key, (_, digits) in COLUMNS.items()]
    if found is None:
        return f"| coarse, upsampled | {' | '.join(cells)} | - | - | - | {report['coarse_seconds_a_sample']:.2f} |"
    seconds = f"{found['seconds']:.1f} ({found['cpu_seconds']:.1f} CPU)" if "seconds" in found else "-"
    cells += [f"{found['parameters_millions']:.1f}", f"{found['gflop']:,.0f}", seconds]
    return f"| {name} | {' | '.join(cells)} | {found['training_seconds_a_sample']:.2f} |"


def _differences(
    scenes: dict[str, dict[str, Scores]], networks: dict[str, Any], pairs: Sequence[tuple[str, str]]
) -> list[str]:
    """Table of first minus second, scene by scene, with standard errors."""
    heading = ["difference", *(title for title, _ in COLUMNS.values()), "work"]
    lines = [f"| {' | '.join(heading)} |", f"| {' | '.join('---' for _ in heading)} |"]
    for first, second in pairs:
        cells = []
        for key, (_, digits) in COLUMNS.items():
            value, error = difference(scenes, first, second, key)
            cells.append(f"{value:+.{digits}f} ± {error:.{digits}f}")
        ratio = networks[second]["gflop"] / networks[first]["gflop"]
        lines.append(f"| {first} less {second} | {' | '.join(cells)} | 1/{ratio:.0f} |")
    return lines
