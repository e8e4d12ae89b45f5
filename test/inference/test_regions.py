from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import ConfigError
from prv2_ros.inference.regions import parse_regions

_PLACE, _SIZE = st.integers(-5000, 5000), st.integers(1, 5000)


def test_none_is_no_region() -> None:
    assert parse_regions("none") == parse_regions(" none ") == ()


@given(st.lists(st.tuples(_PLACE, _PLACE, _SIZE, _SIZE), min_size=1, max_size=5), st.sampled_from([";", " ; ", ";\n"]))
def test_what_is_written_is_read(regions: list[tuple[int, int, int, int]], between: str) -> None:
    assert parse_regions(between.join(",".join(map(str, region)) for region in regions)) == tuple(regions)


def test_blanks_and_a_last_semicolon_do_no_harm() -> None:
    assert parse_regions(" 0, 400, 1920, 300; 9,5,12,12; ") == ((0, 400, 1920, 300), (9, 5, 12, 12))


@pytest.mark.parametrize(
    "text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "1.5,2,3,4", "0,0,64,0", ";", "1 2 3 4", "1,2,3,4;;"]
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="region"):
        parse_regions(text)
