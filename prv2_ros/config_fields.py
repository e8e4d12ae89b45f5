"""Values of a config's fields, held against the types that its dataclass declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from prv2_ros.errors import ConfigError

_EXPONENT = re.compile(
    r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+"
)  # 1e-3: a number to everyone but YAML 1.1, which wants 1.0e-3

_WORDS = {
    str: "text (in quotes where it looks like a number)",
    bool: "true or false",
    int: "a whole number, such as 1000",
    float: "a number, such as 0.001",
}


def fit_fields(kind: type, values: Mapping[Any, Any], what: str = "") -> dict[str, Any]:
    """Check the values of a dataclass's fields, and make tuples of lists.

    Args:
        kind: a dataclass whose fields are text, booleans, numbers, tuples of these, and any of them or None.
        values: by the name of the field, as YAML or a command line gives them.
        what: begins the message of an error, where there is more to say than the field's name.

    Raises:
        ConfigError: a field that the dataclass has not, or a value of another type than the field's.

    """
    types = get_type_hints(kind)
    before = f"{what}: " if what else ""
    unknown = sorted(str(name) for name in values if name not in types)
    if unknown:
        raise ConfigError(f"{before}unknown {', '.join(unknown)}; known are {', '.join(sorted(types))}")
    return {name: _fit(value, types[name], f"{before}{name}") for name, value in values.items()}


def fit_own_fields(config: Any) -> None:
    """Do the same to a frozen dataclass that is being made, in its `__post_init__`.

    Raises:
        ConfigError: as `fit_fields`.

    """
    for name, value in fit_fields(type(config), vars(config)).items():
        object.__setattr__(config, name, value)


def _fit(value: Any, kind: Any, where: str) -> Any:
    if NoneType in get_args(kind):
        kind = next(choice for choice in get_args(kind) if choice is not NoneType)
        return None if value is None else _fit(value, kind, where)
    if get_origin(kind) is tuple:
        return _fit_entries(value, get_args(kind), where)
    if kind is float and isinstance(value, str) and _EXPONENT.fullmatch(value):
        return float(value)
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):  # Python takes a boolean for a whole number
        raise ConfigError(f"{where} = {value!r}: expected {_WORDS[kind]}")
    return value


def _fit_entries(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    """Make a tuple; the last of `kinds` is an ellipsis where there may be any number of the first."""
    any_number = kinds[-1] is Ellipsis
    if not isinstance(value, (list, tuple)):  # text is a sequence, too: of its letters
        plain = any_number and isinstance(value, (str, int, float))
        form = f"a list, such as [{value}]" if plain else "a list in brackets"
        raise ConfigError(f"{where} = {value!r}: expected {form}")
    if any_number:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise ConfigError(f"{where} = {value!r}: expected {len(kinds)} entries, found {len(value)}")
    return tuple(_fit(entry, kind, f"{where}[{k}]") for k, (entry, kind) in enumerate(zip(value, kinds, strict=True)))
