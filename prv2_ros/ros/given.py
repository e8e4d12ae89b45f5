"""Parameters of the executable's own command line, which stand above every file.

Of what rcl reads from files and `-p`, neither the later nor the more specific one wins for certain: a whole number and
a fraction of one name are kept side by side, and a node sees the whole number. What rclpy is handed in Python wins.
"""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.parameter import Parameter

from prv2_ros.errors import ConfigError
from prv2_ros.ros.parameter_table import BY_NAME

_OF_RCLPY = {"use_sim_time": "bool"}
_WORDS = {"true": True, "false": False}


def given_parameters(texts: Sequence[str]) -> list[Parameter]:
    """Parameters of texts `name=value`, in the types of the table.

    Raises:
        ConfigError: another form, a name that is not in the table, or a value of another type.

    """
    return [_parameter(text) for text in texts]


def _parameter(text: str) -> Parameter:
    name, found, value = text.partition("=")
    if not found:
        raise ConfigError(f"--set {text}: expected NAME=VALUE")
    kind = BY_NAME[name].kind if name in BY_NAME else _OF_RCLPY.get(name)
    if kind is None:
        raise ConfigError(f"--set {text}: the node has no parameter {name!r}")
    try:
        return Parameter(name, value=_typed(kind, value))
    except (ValueError, KeyError):
        raise ConfigError(f"--set {text}: expected a value of type {kind}") from None


def _typed(kind: str, value: str) -> bool | int | float | str:
    if kind == "bool":
        return _WORDS[value.lower()]
    if kind == "int":
        return int(value)
    return float(value) if kind == "double" else value
