from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from prv2_ros.config_fields import fit_fields, fit_own_fields
from prv2_ros.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sample:
    text: str = ""
    switch: bool = False
    count: int = 0
    rate: float = 0.0
    names: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    pair: tuple[int, int] = (0, 0)
    pairs: tuple[tuple[int, int], ...] = ()
    perhaps: float | None = None

    def __post_init__(self) -> None:
        fit_own_fields(self)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("text", "a", "a"),
        ("switch", True, True),
        ("count", 3, 3),
        ("rate", 0.5, 0.5),
        ("rate", 2, 2),
        ("rate", "1e-3", 1e-3),
        ("rate", "-.5E+2", -50.0),
        ("names", [], ()),
        ("names", ("a", "b"), ("a", "b")),
        ("rates", [1, "2e0"], (1, 2.0)),
        ("pair", [1, 2], (1, 2)),
        ("pairs", [[1, 2], [3, 4]], ((1, 2), (3, 4))),
        ("perhaps", None, None),
        ("perhaps", "1e1", 10.0),
    ],
)
def test_what_fits_is_taken(name: str, given: Any, expected: Any) -> None:
    found = fit_fields(Sample, {name: given}, "sample")[name]
    assert found == expected
    assert type(found) is type(expected)
    assert getattr(Sample(**{name: given}), name) == expected


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("text", 0, r"sample: text = 0: expected text \(in quotes"),
        ("text", None, "text = None: expected text"),
        ("switch", "no", "switch = 'no': expected true or false"),
        ("switch", 1, "switch = 1: expected true or false"),
        ("count", 2.0, r"count = 2\.0: expected a whole number"),
        ("count", True, "count = True: expected a whole number"),
        ("count", "1e3", "count = '1e3': expected a whole number, such as 1000"),
        ("rate", False, "rate = False: expected a number"),
        ("rate", "fast", "rate = 'fast': expected a number"),
        ("rate", "0.5", "rate = '0.5': expected a number"),
        ("names", "abc", r"names = 'abc': expected a list, such as \[abc\]"),
        ("names", {"a": 1}, "names = .*: expected a list in brackets"),
        ("names", ["a", 3], r"names\[1\] = 3: expected text"),
        ("pair", [1], r"pair = \[1\]: expected 2 entries, found 1"),
        ("pair", [1, 2.5], r"pair\[1\] = 2\.5: expected a whole number"),
        ("pairs", [[1, 2], 3], r"pairs\[1\] = 3: expected a list"),
        ("perhaps", "80", "perhaps = '80': expected a number"),
        ("txet", "a", "sample: unknown txet; known are count, names"),
    ],
)
def test_what_does_not_fit_is_named(name: str, given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit_fields(Sample, {name: given}, "sample")


def test_a_config_checks_the_types_of_its_own_fields() -> None:
    with pytest.raises(ConfigError, match=r"^count = 'many': expected a whole number"):
        Sample(count="many")  # type: ignore[arg-type]
