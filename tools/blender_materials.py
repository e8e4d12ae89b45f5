"""Procedural materials and light for the frame renderer; every value is drawn from the scene's random generator."""

from __future__ import annotations

import math
import random

import bpy

# key: (textures to choose from, texture scale per metre, darkest grey, roughness, metallic, bump)
RECIPES: dict[
    str, tuple[tuple[str, ...], tuple[float, float], tuple[float, float], tuple[float, float], float, float]
] = {
    "paint": (("none", "none", "noise"), (1, 6), (0.75, 0.95), (0.25, 0.8), 0, 0.03),
    "carpaint": (("none",), (1, 1), (0.9, 1), (0.12, 0.35), 0.1, 0),
    "plastic": (("none", "none", "noise"), (5, 60), (0.6, 0.95), (0.2, 0.6), 0, 0.05),
    "metal": (("none", "noise", "wave"), (3, 40), (0.5, 0.95), (0.12, 0.5), 1, 0.05),
    "rust": (("noise", "voronoi"), (3, 25), (0.2, 0.5), (0.5, 0.9), 0.5, 0.3),
    "rubber": (("none", "noise"), (20, 80), (0.6, 1), (0.6, 0.95), 0, 0.1),
    "wood": (("wood",), (1.5, 8), (0.35, 0.8), (0.3, 0.75), 0, 0.08),
    "fabric": (("checker", "noise", "wave", "voronoi", "none"), (6, 120), (0.45, 0.95), (0.8, 1), 0, 0.2),
    "rug": (("voronoi", "checker", "wave", "brick"), (2, 14), (0.15, 0.7), (0.9, 1), 0, 0.25),
    "wall": (("none", "none", "noise", "tile", "brick", "wave"), (1.2, 5), (0.7, 0.97), (0.5, 0.95), 0, 0.06),
    "plain": (("none",), (1, 1), (0.9, 1), (0.4, 0.95), 0, 0),
    "brick": (("brick", "brick", "tile", "noise"), (1.5, 3.5), (0.35, 0.75), (0.7, 1), 0, 0.4),
    "concrete": (("noise", "voronoi", "noise"), (0.6, 8), (0.45, 0.85), (0.5, 0.95), 0, 0.15),
    "floor": (
        ("wood", "tile", "tile", "noise", "checker", "brick", "none"),
        (0.8, 5),
        (0.5, 0.9),
        (0.15, 0.7),
        0,
        0.06,
    ),
    "asphalt": (("noise", "voronoi"), (8, 60), (0.55, 0.85), (0.7, 0.95), 0, 0.3),
    "soil": (("noise", "voronoi"), (0.7, 12), (0.25, 0.6), (0.85, 1), 0, 0.6),
    "grass": (("noise",), (4, 40), (0.25, 0.6), (0.8, 1), 0, 0.8),
    "rock": (("noise", "voronoi"), (1, 9), (0.3, 0.7), (0.6, 1), 0, 0.7),
    "leaf": (("none", "noise"), (2, 20), (0.5, 0.9), (0.4, 0.8), 0, 0),
    "bark": (("wave", "noise"), (3, 15), (0.3, 0.6), (0.85, 1), 0, 0.7),
    "skin": (("none",), (1, 1), (0.9, 1), (0.45, 0.6), 0, 0),
    "glass": (("none",), (1, 1), (0.9, 1), (0.03, 0.15), 0.6, 0),
    "paper": (("noise", "none", "brick"), (8, 60), (0.6, 0.95), (0.5, 0.9), 0, 0.02),
    "art": (("voronoi", "noise", "checker", "wave", "brick"), (2, 25), (0.0, 0.3), (0.2, 0.8), 0, 0),
    "glow": (("none",), (1, 1), (1, 1), (0.5, 0.5), 0, 0),
    "mark": (("noise",), (5, 30), (0.6, 0.9), (0.6, 0.9), 0, 0.05),
}
BUSY: dict[str, tuple[str, ...]] = {
    "paint": ("cells", "noise", "tile", "wave"),
    "plastic": ("cells", "print", "noise", "checker"),
    "fabric": ("cells", "checker", "wave", "brick", "print"),
    "wall": ("cells", "brick", "tile", "noise", "wave", "print"),
    "floor": ("cells", "tile", "wood", "checker", "brick", "noise"),
    "paper": ("print", "brick", "cells"),
    "asphalt": ("cells",),
    "concrete": ("cells", "tile"),
}
"""What else busy surfaces of a key are patterned with: prints and cells have hard edges."""

BUSY_SHARE = 0.6
"""Share of surfaces with a floor under their contrast: real surfaces hold several times the edges of painted ones."""

NEVER_BUSY = ("glow", "glass", "plain", "skin", "carpaint", "leaf", "mark", "art")
NODE = {
    "cells": "ShaderNodeTexVoronoi",
    "print": "ShaderNodeTexVoronoi",
    "noise": "ShaderNodeTexNoise",
    "voronoi": "ShaderNodeTexVoronoi",
    "wave": "ShaderNodeTexWave",
    "checker": "ShaderNodeTexChecker",
    "brick": "ShaderNodeTexBrick",
    "tile": "ShaderNodeTexBrick",
    "wood": "ShaderNodeTexWave",
}


def make(key: str, rng: random.Random) -> bpy.types.Material:
    """Material for a key such as "wood" or "wood2" (a trailing digit only asks for another draw)."""
    base = key.rstrip("0123456789")
    textures, scales, lows, roughs, metallic, bump = RECIPES[base]
    material = bpy.data.materials.new(key)
    material.use_nodes = True
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = rng.uniform(*roughs)
    shader.inputs["Metallic"].default_value = metallic
    tint = tree.nodes.new("ShaderNodeVertexColor")
    tint.layer_name = "tint"
    if key == "glow":
        tree.links.new(tint.outputs["Color"], shader.inputs["Emission Color"])
        shader.inputs["Emission Strength"].default_value = rng.uniform(1, 5)
        material.cycles.emission_sampling = (
            "NONE"  # area lamps carry the light; sampling these too costs a third of the time
        )
    if key == "carpaint":
        shader.inputs["Coat Weight"].default_value = 0.7
    busy = base not in NEVER_BUSY and rng.random() < BUSY_SHARE
    kind = rng.choice([k for k in textures if k != "none"] + [*BUSY.get(base, ())] if busy else textures)
    colour = tint.outputs["Color"]
    low = rng.uniform(0.03, 0.35) if busy else rng.uniform(*lows)
    if kind != "none":
        scale = math.exp(rng.uniform(*map(math.log, scales)))
        if busy:  # what is finer than a pixel is flat again
            scale = min(scale, math.exp(rng.uniform(0, math.log(20))))
        pattern = _pattern(tree, kind, scale, rng)
        colour = _multiply(tree, colour, _ramp(tree, pattern, low, rng, key == "art" or kind == "print", busy))
        if busy:  # and detail for cameras close by
            fine = _pattern(tree, "noise", scale * rng.uniform(6, 20), rng)
            colour = _multiply(tree, colour, _ramp(tree, fine, rng.uniform(0.2, 0.7), rng, False, busy))
        if bump and rng.random() < 0.6:
            _bump(tree, pattern, shader, bump * rng.uniform(0.3, 1.2))
    if rng.random() < 0.6 and key not in ("glow", "glass", "art", "plain"):
        kind, scale = rng.choice(["noise", "noise", "cells"]) if busy else "noise", math.exp(rng.uniform(-1, 2))
        stain = _pattern(tree, kind, scale * (2 if busy else 1), rng)
        darkest = rng.uniform(0.15, 0.6) if busy else rng.uniform(0.45, 0.9)
        colour = _multiply(tree, colour, _ramp(tree, stain, darkest, rng, False, busy))
        if rng.random() < 0.5 and metallic < 1:
            _spread(tree, stain, shader.inputs["Roughness"], rng.uniform(*roughs), rng.uniform(*roughs))
    tree.links.new(colour, shader.inputs["Base Color"])
    return material


def _pattern(tree: bpy.types.NodeTree, kind: str, scale: float, rng: random.Random) -> bpy.types.NodeSocket:
    node = tree.nodes.new(NODE[kind])
    where = tree.nodes.new("ShaderNodeTexCoord")
    flat = kind in ("brick", "tile", "checker", "wood") or (kind == "wave" and rng.random() < 0.7)
    mapping = tree.nodes.new("ShaderNodeMapping")
    tree.links.new(where.outputs["UV" if flat else "Object"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs[0], node.inputs["Vector"])
    node.inputs["Scale"].default_value = scale
    if kind == "wood":
        mapping.inputs["Scale"].default_value = (0.12, 1, 1) if rng.random() < 0.5 else (1, 0.12, 1)
        node.inputs["Distortion"].default_value = rng.uniform(2, 12)
        node.inputs["Detail"].default_value = 1.5
        node.bands_direction = "Y" if mapping.inputs["Scale"].default_value[0] < 1 else "X"
    elif kind == "wave":
        node.wave_type = rng.choice(["BANDS", "BANDS", "RINGS"])
        node.wave_profile = rng.choice(["SIN", "SAW", "TRI"])
        node.inputs["Distortion"].default_value = rng.choice([0, rng.uniform(0, 8)])
        node.bands_direction = rng.choice(["X", "Y", "DIAGONAL"])
    elif kind == "noise":
        node.inputs["Detail"].default_value = rng.uniform(1, 3.5)
        node.inputs["Roughness"].default_value = rng.uniform(0.4, 0.75)
    elif kind in ("cells", "print"):  # one value a cell; those of prints are squarish
        node.distance = "EUCLIDEAN" if kind == "cells" else "CHEBYCHEV"
        node.inputs["Scale"].default_value = 1.5 * scale
        return node.outputs["Color"]
    elif kind == "voronoi":
        node.feature = rng.choice(["F1", "F1", "F2", "SMOOTH_F1"])
    elif kind in ("brick", "tile"):
        tile = kind == "tile"
        node.offset = 0 if tile else rng.choice([0.5, 0.5, 0.33])
        node.inputs["Brick Width"].default_value = 1.0 if tile else rng.uniform(0.4, 0.8)
        node.inputs["Row Height"].default_value = rng.choice([1.0, 1.0, 0.5]) if tile else rng.uniform(0.15, 0.3)
        node.inputs["Mortar Size"].default_value = rng.uniform(0.005, 0.03)
        for name, grey in (
            ("Color1", 1.0),
            ("Color2", rng.uniform(0.4, 1)),
            ("Mortar", rng.choice([0.0, rng.random()])),
        ):
            node.inputs[name].default_value = (grey, grey, grey, 1)
        return node.outputs["Color"]
    elif kind == "checker":
        return node.outputs["Fac"]
    return (
        node.outputs["Distance"] if kind == "voronoi" else node.outputs[0] if kind == "noise" else node.outputs["Fac"]
    )


def _ramp(
    tree: bpy.types.NodeTree,
    value: bpy.types.NodeSocket,
    low: float,
    rng: random.Random,
    art: bool,
    steep: bool = False,
) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeValToRGB")
    ramp = node.color_ramp
    if steep:  # noise lies close about 0.5: a steep ramp makes patches of it
        middle, reach = rng.uniform(0.42, 0.58), rng.uniform(0.03, 0.2)
        ramp.elements[0].position, ramp.elements[1].position = middle - reach, middle + reach
    else:
        ramp.elements[0].position, ramp.elements[1].position = rng.uniform(0.1, 0.4), rng.uniform(0.55, 0.9)
    shade = [low * rng.uniform(0.8, 1.2) for _ in range(3)]
    ramp.elements[0].color, ramp.elements[1].color = (*shade, 1), (1, 1, 1, 1)
    if art:
        ramp.interpolation = rng.choice(["CONSTANT", "LINEAR"])
        for k in range(4):
            ramp.elements.new(0.15 + 0.2 * k).color = (rng.random(), rng.random(), rng.random(), 1)
    tree.links.new(value, node.inputs["Fac"])
    return node.outputs["Color"]


def _multiply(tree: bpy.types.NodeTree, a: bpy.types.NodeSocket, b: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = "MULTIPLY"
    tree.links.new(a, node.inputs[0])
    tree.links.new(b, node.inputs[1])
    return node.outputs[0]


def _bump(tree: bpy.types.NodeTree, height: bpy.types.NodeSocket, shader: bpy.types.Node, strength: float) -> None:
    node = tree.nodes.new("ShaderNodeBump")
    node.inputs["Strength"].default_value = min(1.0, strength)
    node.inputs["Distance"].default_value = 0.02
    tree.links.new(height, node.inputs["Height"])
    tree.links.new(node.outputs["Normal"], shader.inputs["Normal"])


def _spread(
    tree: bpy.types.NodeTree, value: bpy.types.NodeSocket, target: bpy.types.NodeSocket, low: float, high: float
) -> None:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.inputs["To Min"].default_value, node.inputs["To Max"].default_value = low, high
    tree.links.new(value, node.inputs["Value"])
    tree.links.new(node.outputs["Result"], target)


def add_lamp(
    kind: str,
    place: tuple[float, float, float],
    power: float,
    size: float,
    turn: tuple[float, float, float] = (0, 0, 0),
    warm: float = 0.0,
) -> bpy.types.Object:
    """Lamp of Blender's `kind` (AREA, POINT, SUN) pointing down before `turn` (Euler, rad).

    `warm` from 0 to 1 reddens its light, below 0 turns it blue.
    """
    data = bpy.data.lights.new("lamp", kind)
    data.energy = power
    data.color = (1, 1 - 0.25 * warm, 1 - 0.55 * warm) if warm >= 0 else (1 + 0.3 * warm, 1 + 0.12 * warm, 1)
    if kind == "AREA":
        data.size = size
    elif kind == "SUN":
        data.angle = size
    else:
        data.shadow_soft_size = size
    obj = bpy.data.objects.new("lamp", data)
    obj.location, obj.rotation_euler = place, turn
    bpy.context.scene.collection.objects.link(obj)
    return obj


def add_sky(rng: random.Random, strength: float) -> None:
    """Physical sky with a random sun, or an even overcast one."""
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    tree = world.node_tree
    back = tree.nodes["Background"]
    if rng.random() < 0.3:
        grey = rng.uniform(0.7, 1)
        back.inputs[0].default_value = (grey * rng.uniform(0.8, 1), grey * 0.97, grey * rng.uniform(0.95, 1.15), 1)
        back.inputs[1].default_value = 3.5 * strength
        return
    sky = tree.nodes.new("ShaderNodeTexSky")
    sky.sky_type = "NISHITA"
    sky.sun_elevation, sky.sun_rotation = math.radians(rng.uniform(6, 70)), rng.uniform(0, 6.28)
    sky.sun_intensity, sky.sun_size = rng.uniform(0.1, 0.7), math.radians(rng.choice([0.55, 0.55, 4]))
    sky.air_density, sky.dust_density, sky.ozone_density = (
        rng.uniform(0.6, 2.5),
        rng.uniform(0.2, 6),
        rng.uniform(0.5, 4),
    )
    tree.links.new(sky.outputs[0], back.inputs[0])
    back.inputs[1].default_value = strength
