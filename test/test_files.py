"""Bags that are written here have one version of metadata; `whole_file` is tested by those that use it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_bag_is_written_in_the_one_version() -> None:
    versions = {
        f"{path.relative_to(ROOT)}:{node.lineno}": ast.unparse(keyword.value)
        for folder in ("prv2_ros", "scripts", "benchmarks", "tools")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Writer"
        for keyword in node.keywords
        if keyword.arg == "version"
    }
    assert len(versions) >= 5
    assert set(versions.values()) == {"BAG_VERSION"}, versions
