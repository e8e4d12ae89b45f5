"""Renders photo-like training frames with exact metric depth.

`python tools/render_frames.py OUT --start 2000 --scenes 10 --views 6` writes per frame NNNNN.jpg, NNNNN_depth.png
(uint16; depth_m = 0.1 * 1.00018 ** value along the optical axis, 0 = sky) and NNNNN.json (intrinsics in px, kind),
NNNNN being seed * 100 + view. Everything follows from the scene seed. Needs bpy 4.5 (CPython 3.11) and OpenCV.
Finished frames are kept.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

import bpy
import cv2
import numpy as np
from mathutils import Euler, Vector

sys.path.insert(0, str(Path(__file__).parent))
from blender_halls import garage, hall, tabletop
from blender_materials import add_sky, make
from blender_parts import Builder
from blender_scenes import Layout, room
from blender_streets import street, yard

LOG_STEP = math.log(1.00018)
FAR_M = 500.0
KINDS = {"room": room, "garage": garage, "street": street, "tabletop": tabletop, "hall": hall, "yard": yard}
ORDER = (
    "street",
    "garage",
    "room",
    "street",
    "tabletop",
    "room",
    "yard",
    "garage",
    "street",
    "room",
    "hall",
    "tabletop",
)


def build(seed: int, kind: str) -> Layout:
    """Empties Blender and makes the scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    builder = Builder(seed)
    layout = KINDS[kind](builder)
    builder.finish({key: make(key, builder.rng) for key in builder.keys})
    add_sky(builder.rng, layout.sky)
    return layout


def prepare(width: int, height: int, samples: int, threads: int, folder: str) -> bpy.types.Object:
    """Render settings, depth and linear colour outputs; returns the camera."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    camera.data.clip_start, camera.data.clip_end, camera.data.sensor_fit = 0.02, 1000, "HORIZONTAL"
    render, cycles = scene.render, scene.cycles
    render.engine, render.resolution_x, render.resolution_y, render.resolution_percentage = "CYCLES", width, height, 100
    render.use_persistent_data, render.threads_mode, render.threads = True, "FIXED", threads
    cycles.samples, cycles.use_denoising, cycles.max_bounces, cycles.use_adaptive_sampling = samples, True, 2, False
    cycles.use_light_tree, cycles.sampling_pattern = False, "TABULATED_SOBOL"
    cycles.denoising_prefilter, cycles.denoising_quality = "NONE", "BALANCED"
    cycles.sample_clamp_indirect, cycles.caustics_reflective, cycles.caustics_refractive = 6, False, False
    scene.view_layers[0].use_pass_z = True
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    source, sink = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeOutputFile")
    sink.base_path, sink.format.file_format, sink.format.color_depth = folder, "OPEN_EXR", "32"
    sink.file_slots.clear()
    for name, output in (("depth", "Depth"), ("linear", "Image")):
        sink.file_slots.new(name)
        tree.links.new(source.outputs[output], sink.inputs[name])
    final = tree.nodes.new("CompositorNodeComposite")
    tree.links.new(source.outputs["Image"], final.inputs["Image"])
    return camera


def place(camera: bpy.types.Object, layout: Layout, rng: random.Random, aspect: float) -> float:
    """Puts the camera where rays meet neither the inside of a thing nor only a near one.

    Returns the horizontal field of view (deg).
    """
    low, high = layout.lens
    for _ in range(40):
        eye, target = layout.shot(rng)
        fov = rng.uniform(max(low, 35), 52) if rng.random() < 0.55 else rng.uniform(low, high)
        look = (Vector(target) - Vector(eye)).to_track_quat("-Z", "Y").to_matrix()
        turn = look @ Euler((rng.gauss(0, 0.03), rng.gauss(0, 0.03), rng.gauss(0, 0.035))).to_matrix()
        camera.location, camera.rotation_euler = eye, turn.to_euler()
        camera.data.angle = math.radians(fov)
        bpy.context.view_layer.update()
        graph, t = bpy.context.evaluated_depsgraph_get(), math.tan(math.radians(fov) / 2)
        depths = []
        for u in np.linspace(-0.9, 0.9, 9):
            for v in np.linspace(-0.9, 0.9, 7):
                ray = Vector((u * t, v * t / aspect, -1.0))
                hit, point, *_ = bpy.context.scene.ray_cast(graph, Vector(eye), (turn @ ray).normalized())
                depths.append(-(turn.transposed() @ (point - Vector(eye))).z if hit else FAR_M)
        low_q, high_q = np.quantile(depths, [0.03, 0.9])
        bare = high_q < 2 * low_q and rng.random() < 0.9  # a lone wall teaches little
        if np.median(depths) > layout.near and low_q > 0.25 * layout.near and not bare:
            break
    return fov


def read_exr(path: Path, width: int, height: int) -> np.ndarray:
    """Float32 (height, width, 4), top row first."""
    image = bpy.data.images.load(str(path))
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    path.unlink()
    return pixels.reshape(height, width, 4)[::-1]


def expose(linear: np.ndarray, rng: random.Random) -> None:
    """View transform and exposure about the picture's mean brightness, a bit over or under at random."""
    view = bpy.context.scene.view_settings
    view.view_transform = rng.choice(["AgX", "Filmic", "Standard"])
    level = float(np.exp(np.log(linear[..., :3].mean(2) + 1e-4).mean()))
    aim = {"AgX": 0.16, "Filmic": 0.16, "Standard": 0.2}[view.view_transform]
    view.exposure = max(-9.0, min(9.0, math.log2(aim / level) + rng.gauss(0, 0.55)))


def encode(depth: np.ndarray) -> np.ndarray:
    """Logarithmic uint16 code, 0 for sky."""
    valid = (depth > 0.02) & (depth < FAR_M)
    code = np.round(np.log(np.clip(depth, 0.1, None) / 0.1) / LOG_STEP)
    return np.where(valid, np.clip(code, 1, 65535), 0).astype(np.uint16)


def relight(layout: Layout, base: list[float], rng: random.Random) -> None:
    """Changes the lamps' powers for one view."""
    gain = math.exp(rng.gauss(0, 0.5))
    for lamp, power in zip(layout.lamps, base, strict=True):
        lamp.data.energy = power * gain * rng.choice([1, 1, 1, 0.1])


def write(out: Path, name: str, image: np.ndarray, depth: np.ndarray, meta: dict[str, object]) -> None:
    """Writes the three files whole; the picture last, so that it marks a finished frame."""
    packed = cv2.imencode(".png", encode(depth), [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()
    quality = 75 + int(name) * 7919 % 21
    photo = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    for suffix, content in (("_depth.png", packed), (".json", json.dumps(meta).encode()), (".jpg", photo)):
        part = out / f".{name}{suffix}.part"
        part.write_bytes(content)
        os.replace(part, out / f"{name}{suffix}")


def views(seed: int, args: argparse.Namespace, log: TextIO) -> None:
    """Builds one scene and renders its missing views; one line to `log`."""
    done = args.out / f".scene{seed}"
    if done.exists():
        return
    start = time.time()
    kind = args.kind or ORDER[seed % len(ORDER)]
    layout = build(seed, kind)
    base = [lamp.data.energy for lamp in layout.lamps]
    setup = random.Random(seed * 7 + 1)
    width = args.width_max
    height = round(width / setup.choice([16 / 9, 4 / 3, 1.5, 16 / 9]) / 2) * 2
    kept = 0
    with tempfile.TemporaryDirectory() as folder:
        camera = prepare(width, height, args.samples, args.threads, folder)
        built = time.time() - start
        for view in range(args.views):
            name = f"{seed * 100 + view:05d}"
            if (args.out / f"{name}.jpg").exists():
                continue
            rng = random.Random(seed * 1000 + view)
            fov = place(camera, layout, rng, width / height)
            relight(layout, base, rng)
            bpy.ops.render.render()
            depth = read_exr(next(Path(folder).glob("depth*.exr")), width, height)[..., 0]
            expose(read_exr(next(Path(folder).glob("linear*.exr")), width, height), rng)
            if np.median(depth) < 0.25 or (depth < 0.2).mean() > 0.3:
                continue
            shown = Path(folder) / "shown.png"
            bpy.context.scene.render.image_settings.file_format = "PNG"
            bpy.data.images["Render Result"].save_render(str(shown))
            f = width / 2 / math.tan(math.radians(fov) / 2)
            meta = {
                "seed": seed,
                "kind": kind,
                "width": width,
                "height": height,
                "fx": f,
                "fy": f,
                "cx": width / 2 - 0.5,
                "cy": height / 2 - 0.5,
            }
            write(args.out, name, cv2.imread(str(shown)), depth, meta)
            kept += 1
    done.touch()
    spent = time.time() - start
    each = spent / max(kept, 1)
    line = f"scene {seed} {kind}: {kept} frames, built in {built:.1f} s, {each:.1f} s a frame"
    print(time.strftime("%H:%M:%S"), line, file=log, flush=True)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("--start", type=int, default=2000)
    p.add_argument("--scenes", type=int, default=4)
    p.add_argument("--views", type=int, default=6)
    p.add_argument("--width-max", type=int, default=480, help="picture width in px")
    p.add_argument("--samples", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--kind", choices=sorted(KINDS))
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    log = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender prints a line per sample
    for seed in range(args.start, args.start + args.scenes):
        try:
            views(seed, args, log)
        except (RuntimeError, ValueError, IndexError, OSError, StopIteration) as error:
            print(f"scene {seed} dropped: {error!r}", file=log, flush=True)


if __name__ == "__main__":
    main()
