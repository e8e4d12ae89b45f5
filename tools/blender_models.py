"""Ready-made models in Blender.

A catalogue's model is y up, front towards +z, in units of its own. It is turned and scaled to its size from the
catalogue, and stands in the `Builder`'s frame like our own parts: front towards -y, base on z = 0, metres.
"""

from __future__ import annotations

import random

import bpy
import numpy as np
from blender_parts import colour
from model_catalogue import Model

UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # catalogue to ours: y up to z up, front +z to -y


def load(model: Model, rng: random.Random) -> tuple[bpy.types.Mesh, np.ndarray]:
    """Reads a model; its mesh, and the matrix (4, 4) from the mesh to metres with its base centre at the origin."""
    before = set(bpy.data.objects)
    bpy.ops.wm.obj_import(
        filepath=str(model.path), forward_axis="Y", up_axis="Z", use_split_objects=False, use_split_groups=False
    )
    (read,) = set(bpy.data.objects) - before
    mesh = read.data
    bpy.data.objects.remove(read)
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    turn = np.array(model.turn).reshape(3, 3)
    turned = points.reshape(-1, 3) @ turn.T
    low, high = turned.min(0), turned.max(0)
    w, d, h = model.size
    scale = np.array([w, h, d]) / np.maximum(high - low, 1e-6)
    centre = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    matrix = np.eye(4)
    matrix[:3, :3] = UPRIGHT @ np.diag(scale) @ turn
    matrix[:3, 3] = UPRIGHT @ (-scale * centre)
    for material in mesh.materials:
        if material is not None:
            _vary(material, rng)
    return mesh, matrix


def _vary(material: bpy.types.Material, rng: random.Random) -> None:
    """Another colour now and then where a material has no picture; pictures that are missing are left out."""
    shader = material.node_tree.nodes.get("Principled BSDF") if material.use_nodes else None
    if shader is None:
        return
    for node in list(material.node_tree.nodes):
        if node.type == "TEX_IMAGE" and (node.image is None or not node.image.size[0]):
            material.node_tree.nodes.remove(node)
    rough = shader.inputs["Roughness"]
    rough.default_value = max(0.15, min(0.95, rough.default_value * rng.uniform(0.7, 1.1)))
    if not shader.inputs["Base Color"].is_linked and rng.random() < 0.45:
        shader.inputs["Base Color"].default_value = (*colour(rng, 0.5), 1)
