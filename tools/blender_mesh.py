"""From the parts of a `Builder` to one Blender object."""

from __future__ import annotations

import bpy
import numpy as np
from blender_parts import Builder


def make_object(builder: Builder, materials: dict[str, bpy.types.Material]) -> bpy.types.Object:
    """Creates the object, with the materials by key."""
    data = builder.arrays()
    mesh = bpy.data.meshes.new("scene")
    mesh.vertices.add(len(data["co"]))
    mesh.vertices.foreach_set("co", data["co"].astype(np.float32).ravel())
    mesh.loops.add(len(data["loop"]))
    mesh.loops.foreach_set("vertex_index", data["loop"].astype(np.int32))
    mesh.polygons.add(len(data["total"]))
    start = np.concatenate([[0], np.cumsum(data["total"])[:-1]])
    mesh.polygons.foreach_set("loop_start", start.astype(np.int32))
    mesh.polygons.foreach_set("loop_total", data["total"].astype(np.int32))
    mesh.polygons.foreach_set("material_index", data["mat"].astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", data["smooth"].astype(bool))
    mesh.uv_layers.new(name="metres").data.foreach_set("uv", data["uv"].astype(np.float32).ravel())
    layer = mesh.color_attributes.new("tint", "FLOAT_COLOR", "CORNER")
    layer.data.foreach_set("color", data["tint"].astype(np.float32).ravel())
    for key in builder.keys:
        mesh.materials.append(materials[key])
    mesh.update()
    obj = bpy.data.objects.new("scene", mesh)
    bpy.context.scene.collection.objects.link(obj)
    return obj
