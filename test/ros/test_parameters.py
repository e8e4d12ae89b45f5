"""The parameter table: checks, wording, and its agreement with YAML, README, launch file and the code."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest
import yaml

from prv2_ros.errors import ConfigError
from prv2_ros.ros import parameter_readme, parameters
from prv2_ros.ros.parameter_readme import markdown_table, write_table
from prv2_ros.ros.parameter_table import BY_NAME, TABLE
from prv2_ros.ros.parameters import Settings, foreign_names, resolve

ROOT = Path(__file__).resolve().parents[2]
ROS_FOLDER = ROOT / "prv2_ros" / "ros"


def test_settings_have_one_field_for_each_row_of_its_type() -> None:
    kinds = {"bool": "bool", "int": "int", "double": "float", "string": "str"}
    expected = {row.field: kinds[row.kind] for row in TABLE}
    assert {field.name: field.type for field in dataclasses.fields(Settings)} == expected


def test_defaults_pass_their_own_checks() -> None:
    settings = resolve({row.name: row.default for row in TABLE})
    assert settings == resolve({})


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_each_parameter_is_read_by_the_node(row: parameters.Parameter) -> None:
    folders = (ROS_FOLDER, ROS_FOLDER.parent / "messages")  # views of an image are made below the node
    sources = [p.read_text() for f in folders for p in f.glob("*.py") if not p.name.startswith("parameter")]
    assert any(re.search(rf"settings\.{row.field}\b", source) for source in sources)


@pytest.mark.parametrize("row", [row for row in TABLE if row.low is not None], ids=lambda row: row.name)
def test_ranges_are_closed_and_refused_outside(row: parameters.Parameter) -> None:
    assert row.low is not None
    assert row.high is not None
    kind = type(row.default)
    assert row.check(kind(row.low)) == row.low
    assert row.check(kind(row.high)) == row.high
    for value in (kind(row.low - 1), kind(row.high + 1)):
        with pytest.raises(ConfigError, match=rf"parameter {re.escape(row.name)} = .*: must lie in"):
            row.check(value)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rectify", 1, "parameter rectify: expected bool, got 1"),
        ("points.stride", 2.0, "expected int, got 2.0"),
        ("points.stride", True, "expected int, got True"),
        ("max_depth_m", "far", "expected double, got 'far'"),
        ("max_depth_m", float("nan"), "must lie in 0.01 to 10000 m"),
        ("depth_encoding", "64FC1", "'64FC1': must be one of 32FC1, 16UC1"),
        ("model", "  ", "parameter model is empty"),
        ("regions", "1,2,3", "parameter regions = '1,2,3': region '1,2,3': expected `none` or left,top,width,height"),
        ("regions", "0,0,64,0", "the last two above 0"),
        ("max_depth_m", 0.03, "min_depth_m = 0.05 m: must be below max_depth_m = 0.03 m"),
        ("points.min_m", 500, "points.min_m = 500.0 m: must be below points.max_m = 100.0 m"),
    ],
)
def test_refusals_say_why(name: str, value: object, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        resolve({name: value})


def test_a_whole_number_is_taken_for_a_double() -> None:
    settings = resolve({"max_depth_m": 80})
    assert settings.max_depth_m == 80.0
    assert isinstance(settings.max_depth_m, float)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("points.stide", "points.stride"), ("max_rate", "max_rate_hz"), ("Device", "device"), ("auto_start", "autostart")],
)
def test_names_that_are_probably_misspelt_are_refused(name: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown parameter {re.escape(name)}: did you mean {re.escape(meant)}\?"):
        foreign_names(["rectify", name])


def test_parameters_of_other_nodes_are_passed_over() -> None:
    # Of Autoware's shared file, of camera drivers and of a controller.
    others = ["wheel_radius", "wheel_base", "device_id", "camera_info_url", "frame_id", "zzz"]
    assert foreign_names([*others, "device", "use_sim_time"]) == sorted(others)
    assert resolve(dict.fromkeys(others, 1)) == resolve({})


def test_what_rclpy_declares_is_left_to_it() -> None:
    own = {"use_sim_time": True, "qos_overrides./image_raw.subscription.depth": 3}
    assert foreign_names(own) == []
    assert resolve(own) == resolve({})


def test_changes_keep_the_other_values() -> None:
    base = resolve({"max_depth_m": 30.0})
    assert resolve({"points.stride": 4}, base) == dataclasses.replace(base, points_stride=4)


def test_yaml_holds_every_parameter_at_its_default() -> None:
    content = yaml.safe_load((ROOT / "config" / "depth.yaml").read_text())
    values = dict(flat(content["/**"]["ros__parameters"]))
    assert list(content) == ["/**"]
    assert values == {row.name: row.default for row in TABLE}
    assert {name: type(value) for name, value in values.items()} == {row.name: type(row.default) for row in TABLE}


def flat(tree: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for name, value in tree.items():
        pairs += flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return pairs


def test_readme_has_the_table_of_the_code() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    between = text.split(parameter_readme.README_BEGIN)[1].split(parameter_readme.README_END)[0]
    assert between.strip() == markdown_table(), "run: python -m prv2_ros.ros.parameter_readme --write README.md"


def test_table_is_written_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{parameter_readme.README_BEGIN}\nold\n{parameter_readme.README_END}\nafter\n")
    write_table(path)
    lines = path.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert sum(line.startswith("| `") for line in lines) == len(TABLE)
    assert "old" not in lines
    path.write_text("no markers")
    assert parameter_readme.main(["--write", str(path)]) == 1
    assert path.read_text() == "no markers"


@pytest.mark.parametrize(
    ("name", "unquoted", "word"),
    [("compile", False, "off"), ("far_value", math.nan, "nan"), ("far_value", math.inf, "inf")],
)
def test_words_that_yaml_takes_for_something_else_are_themselves(name: str, unquoted: object, word: str) -> None:
    assert BY_NAME[name].check(unquoted) == word
    assert BY_NAME[name].unquoted_changes_type


@pytest.mark.parametrize(
    ("name", "value"), [("compile", True), ("far_value", -math.inf), ("far_value", 0), ("depth_encoding", False)]
)
def test_other_values_of_another_type_are_no_words(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"parameter {name}: expected string, got {value!r}"):
        BY_NAME[name].check(value)


def test_choices_of_precision_are_those_of_the_engine() -> None:
    device = pytest.importorskip("prv2_ros.inference.device")
    assert set(BY_NAME["precision"].choices) == set(device.PRECISIONS)


def test_a_tile_is_a_multiple_of_what_the_network_takes() -> None:
    assert resolve({"max_tile_px": 320}).max_tile_px == 320
    with pytest.raises(ConfigError, match=r"max_tile_px = 500: must lie in 256 to 4096, multiples of 32 px"):
        resolve({"max_tile_px": 500})
