"""One row of the parameter table, and the check of a value against it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prv2_ros.errors import ConfigError

Value = bool | int | float | str


_UNQUOTED: Mapping[str, bool | float] = MappingProxyType({"off": False, "nan": math.nan, "inf": math.inf})
"""What YAML makes of words without quotes."""


def _is_unquoted(choice: str, value: object) -> bool:
    return choice in _UNQUOTED and type(value) is type(_UNQUOTED[choice]) and repr(value) == repr(_UNQUOTED[choice])


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One row of the table."""

    name: str
    """Name as ROS sees it; a dot groups (`points.stride`)."""

    default: Value
    """Default value; its Python type is the parameter's type."""

    description: str
    """One sentence for `ros2 param describe` and the README."""

    unit: str = ""
    """Unit of the value, empty for none."""

    low: float | None = None
    """Smallest allowed value, for numbers."""

    high: float | None = None
    """Largest allowed value, for numbers."""

    step: int = 1
    """What whole numbers are multiples of."""

    choices: tuple[str, ...] = ()
    """Allowed values, for strings; empty allows any that is not blank."""

    form: str = ""
    """What text is allowed, in words, where `parse` decides."""

    parse: Callable[[str], object] | None = None
    """Reads text, raising ConfigError for what is not allowed; what it gives is not kept."""

    read_only: bool = False
    """True where only a restart can change it."""

    @property
    def field(self) -> str:
        """Name of the attribute of `Settings` that holds the value."""
        return self.name.replace(".", "_")

    @property
    def kind(self) -> str:
        """Type name that ROS uses: bool, int, double or string."""
        return {bool: "bool", int: "int", float: "double", str: "string"}[type(self.default)]

    @property
    def allowed(self) -> str:
        """Range, choices or form in words, empty where everything of the type is allowed."""
        if self.form:
            return self.form
        if self.choices:
            return ", ".join(self.choices)
        multiples = f", multiples of {self.step}" if self.step > 1 else ""
        return "" if self.low is None else f"{self.low:g} to {self.high:g}{multiples}"

    def check(self, value: object) -> Value:
        """Return `value` in the parameter's type.

        An int is taken for a double, and for one of the choices what YAML makes of it where it has no quotes: `off` is
        false there, `nan` and `inf` are numbers. Nothing else converts.

        Raises:
            ConfigError: wrong type, out of range, not one of the choices, or blank.

        """
        expected = type(self.default)
        if expected is float and type(value) is int:
            value = float(value)
        if self.choices and type(value) is not str:
            value = next((choice for choice in self.choices if _is_unquoted(choice, value)), value)
        if type(value) is not expected:
            raise ConfigError(f"parameter {self.name}: expected {self.kind}, got {value!r}")
        if isinstance(value, str):
            return self._check_text(value)
        assert isinstance(value, (bool, int, float))
        if self.low is None or self.high is None:
            return value
        if not (math.isfinite(value) and self.low <= value <= self.high) or (self.step > 1 and value % self.step):
            unit = f" {self.unit}" if self.unit else ""
            raise ConfigError(f"parameter {self.name} = {value}: must lie in {self.allowed}{unit}")
        return value

    @property
    def unquoted_changes_type(self) -> bool:
        """Whether YAML takes a choice for something that is no text."""
        return any(choice in _UNQUOTED for choice in self.choices)

    def _check_text(self, value: str) -> str:
        if self.choices and value not in self.choices:
            raise ConfigError(f"parameter {self.name} = {value!r}: must be one of {self.allowed}")
        if not value.strip():
            raise ConfigError(f"parameter {self.name} is empty: give a value or leave it out")
        if self.parse is not None:
            try:
                self.parse(value)
            except ConfigError as error:
                raise ConfigError(f"parameter {self.name} = {value!r}: {error}") from error
        return value
