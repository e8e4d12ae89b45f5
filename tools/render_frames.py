"""Renders photo-like training frames with exact metric depth.

`python tools/render_frames.py OUT --start 2000 --scenes 10 --views 6` writes per frame NNNNN.jpg, NNNNN_depth.png
(uint16; depth_m = 0.1 * 1.00018 ** value along the optical axis, 0 = sky) and NNNNN.json (intrinsics in px, kind),
NNNNN being seed * 100 + view. `--tiles K` adds K tiles of 256 px a frame, NNNNN-0 and on, at 1.25 to 4 times the
frame's resolution where its depth has edges. Everything follows from the scene seed. Needs bpy 4.5 (CPython 3.11) and
OpenCV. Finished frames are kept.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

sys.path.insert(0, str(Path(__file__).parent))
from blender_halls import garage, hall, tabletop
from blender_materials import add_sky, make
from blender_mesh import make_object
from blender_models import load
from blender_output import shoot
from blender_parts import Builder
from blender_scenes import room
from blender_streets import street, yard
from blender_tiles import add_tiles
from frame_files import ASPECTS, FAR_M, check, frame_name, height_of, mark_tried, missing_views, write
from model_catalogue import Catalogue, Model
from scene_layout import Layout

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


def build(seed: int, kind: str, models: Catalogue | None) -> Layout:
    """Empties Blender and makes the scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    builder = Builder(seed, models)
    layout = KINDS[kind](builder)
    make_object(builder, {key: make(key, builder.rng) for key in builder.keys})
    add_models(builder)
    add_sky(builder.rng, layout.sky)
    return layout


def add_models(builder: Builder) -> None:
    """Ready-made models where the scene wants them; one that cannot be read is left out."""
    known: dict[Model, tuple[bpy.types.Mesh, np.ndarray] | None] = {}
    for model, place_of in builder.placed:
        if model not in known:
            try:
                known[model] = load(model, builder.rng)
            except (RuntimeError, ValueError):
                known[model] = None
        if known[model] is not None:
            mesh, matrix = known[model]
            item = bpy.data.objects.new(model.name, mesh)
            bpy.context.scene.collection.objects.link(item)
            item.matrix_world = Matrix((place_of @ matrix).tolist())


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
        # Half through wide lenses, as most robots' cameras are; a quarter through long ones.
        between = rng.choice([(max(low, 35), 52), (low, high), (50, min(high, 105)), (50, min(high, 105))])
        fov = rng.uniform(*between)
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
        bare = high_q < 2 * low_q and rng.random() < layout.skip_bare  # a lone wall teaches little
        if np.median(depths) > layout.near and low_q > 0.25 * layout.near and not bare:
            break
    return fov


def relight(layout: Layout, base: list[float], rng: random.Random) -> None:
    """Changes the lamps' powers for one view."""
    gain = math.exp(rng.gauss(0, 0.5))
    for lamp, power in zip(layout.lamps, base, strict=True):
        lamp.data.energy = power * gain * rng.choice([1, 1, 1, 0.1])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A scene that stands ready in Blender, and where its frames go."""

    seed: int
    kind: str
    layout: Layout
    lamps: list[float]
    """Power of each lamp as built."""

    camera: bpy.types.Object
    width: int
    height: int
    folder: Path
    """Where Blender leaves what it renders."""


def render_view(stage: Stage, view: int, out: Path, tiles: int) -> bool:
    """Renders one view, its tiles first; false where it shows little but what is too near."""
    seed, width, height = stage.seed, stage.width, stage.height
    rng = random.Random(seed * 1000 + view)
    fov = place(stage.camera, stage.layout, rng, width / height)
    relight(stage.layout, stage.lamps, rng)
    image, depth = shoot(stage.folder, width, height, rng)
    if np.median(depth) < 0.25 or (depth < 0.2).mean() > 0.3:
        return False
    f = width / 2 / math.tan(math.radians(fov) / 2)
    meta = {"seed": seed, "kind": stage.kind, "width": width, "height": height}
    meta |= {"fx": f, "fy": f, "cx": width / 2 - 0.5, "cy": height / 2 - 0.5}
    name = frame_name(seed, view)
    add_tiles(out, name, tiles, depth, meta, stage.folder, random.Random(seed * 1000 + view + 500))
    write(out, name, image, depth, meta)
    return True


def render_scene(seed: int, args: argparse.Namespace, log: TextIO) -> None:
    """Builds one scene and renders its missing views; one line to `log`."""
    missing = missing_views(args.out, seed, args.views, args.tiles)
    if not missing:
        return
    start = time.time()
    kind = args.kind or ORDER[seed % len(ORDER)]
    layout = build(seed, kind, args.catalogue)
    width = args.width_max
    height = height_of(width, random.Random(seed * 7 + 1).choice(ASPECTS))
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(
            seed=seed,
            kind=kind,
            layout=layout,
            lamps=[lamp.data.energy for lamp in layout.lamps],
            camera=prepare(width, height, args.samples, args.threads, folder),
            width=width,
            height=height,
            folder=Path(folder),
        )
        built = time.time() - start
        kept = sum(render_view(stage, view, args.out, args.tiles) for view in missing)
    mark_tried(args.out, seed, args.views, args.tiles)
    each = (time.time() - start) / max(kept, 1)
    line = f"scene {seed} {kind}: {kept} frames, built in {built:.1f} s, {each:.1f} s a frame"
    print(time.strftime("%H:%M:%S"), line, file=log, flush=True)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("out", type=Path)
    p.add_argument("--start", type=int, default=2000)
    p.add_argument("--scenes", type=int, default=4)
    p.add_argument("--views", type=int, default=6, help="of each scene, 100 at most")
    p.add_argument("--width-max", type=int, default=480, help="picture width in px")
    p.add_argument("--tiles", type=int, default=0, help="native tiles a frame, for the refiner")
    p.add_argument("--models", type=Path, help="folder of Sweet Home 3D catalogues (*.sh3f) to furnish scenes with")
    p.add_argument("--samples", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--kind", choices=sorted(KINDS))
    args = p.parse_args()
    try:
        check(args.views, args.width_max, args.tiles)
    except ValueError as error:
        p.error(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    log = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Blender prints a line per sample
    with tempfile.TemporaryDirectory() as work:
        try:
            args.catalogue = Catalogue(args.models, Path(work)) if args.models else None
        except (FileNotFoundError, zipfile.BadZipFile) as error:
            p.error(f"--models: {error}")
        for seed in range(args.start, args.start + args.scenes):
            try:
                render_scene(seed, args, log)
            except (RuntimeError, ValueError, IndexError, OSError, StopIteration) as error:
                print(f"scene {seed} dropped: {error!r}", file=log, flush=True)


if __name__ == "__main__":
    main()
