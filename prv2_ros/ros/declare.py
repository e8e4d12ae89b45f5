"""The parameter table as rclpy knows it."""

from __future__ import annotations

from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType

from prv2_ros.errors import ConfigError
from prv2_ros.ros.parameter_row import Parameter
from prv2_ros.ros.parameter_table import TABLE
from prv2_ros.ros.parameters import Settings, foreign_names, resolve

_TYPES = {
    "bool": ParameterType.PARAMETER_BOOL,
    "int": ParameterType.PARAMETER_INTEGER,
    "double": ParameterType.PARAMETER_DOUBLE,
    "string": ParameterType.PARAMETER_STRING,
}


def descriptor(row: Parameter) -> ParameterDescriptor:
    """Describe a row: type, unit and meaning, range or choices, read-only or not."""
    message = ParameterDescriptor(
        name=row.name,
        type=_TYPES[row.kind],
        description=f"{row.description} [{row.unit}]" if row.unit else row.description,
        additional_constraints=f"one of: {row.allowed}" if row.choices else row.form,
        read_only=row.read_only,
        # A YAML file says `max_depth_m: 100`; the row's check takes a whole number for a double, and `off` for a word.
        dynamic_typing=row.kind == "double" or row.unquoted_changes_type,
    )
    if row.kind == "int":
        message.integer_range = [IntegerRange(from_value=int(row.low), to_value=int(row.high), step=_step(row))]
    elif row.kind == "double":
        message.floating_point_range = [
            FloatingPointRange(from_value=float(row.low), to_value=float(row.high), step=0.0)
        ]
    return message


def _step(row: Parameter) -> int:
    """Step that ROS checks values by; 0 for any whole number, whose least need not be a multiple of anything."""
    return row.step if row.step > 1 else 0


def declare_parameters(node: Any) -> Settings:
    """Check what the node was started with, declare the whole table and return the settings.

    rclpy silently ignores a misspelt name and stops with a traceback at a wrong value; here both are refused
    before anything is declared, with the reason. Parameters of other nodes, which launch files hand to every node
    (`SetParameter`, a shared file for `/**`), are told of and ignored.

    Raises:
        ConfigError: a name that is probably misspelt, or a value that its row refuses.

    """
    # rclpy has no public way to the values given for parameters that are not declared (yet).
    overrides = getattr(node, "_parameter_overrides", {})
    foreign = foreign_names(overrides)
    if foreign:
        node.get_logger().warning(f"none of this node's parameters, ignored: {', '.join(foreign)}")
    settings = resolve({name: parameter.value for name, parameter in overrides.items()})
    for row in TABLE:
        node.declare_parameter(row.name, row.default, descriptor(row))
    return settings


def foreign_qos_overrides(node: Any) -> list[str]:
    """Names of `qos_overrides.` parameters for what this node does not publish or subscribe; call once it does both.

    Raises:
        ConfigError: one is for a publisher or subscription of this node, but for a policy that it does not have.

    """
    overrides = getattr(node, "_parameter_overrides", {})
    unused = sorted(n for n in overrides if n.startswith("qos_overrides.") and not node.has_parameter(n))
    own = {f"qos_overrides.{name}".rpartition(".")[0] for name in node.get_parameters_by_prefix("qos_overrides")}
    misspelt = [name for name in unused if name.rpartition(".")[0] in own]
    if misspelt:
        raise ConfigError(f"parameters {', '.join(misspelt)}: no topic of this node has such a QoS policy")
    return unused
