"""Sizes that keep the code readable: files of at most 300 lines, functions of at most 60."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES = 300
FUNCTION_LINES = 60
PYTHON_FOLDERS = ("prv2_ros", "test", "launch", "scripts", "tools", "benchmarks")
REASON = re.compile(r"#\s*long:\s*\S+")


def python_files() -> list[Path]:
    return [ROOT / "setup.py", *(path for name in PYTHON_FOLDERS for path in sorted((ROOT / name).rglob("*.py")))]


def shell_files() -> list[Path]:
    return [
        *sorted((ROOT / "scripts").glob("*.sh")),
        ROOT / ".ci" / "run",
        *sorted((ROOT / "requirements").glob("*.sh")),
    ]


def long_functions(source: str, most: int = FUNCTION_LINES) -> Iterator[tuple[str, int]]:
    """(name, lines) of functions longer than `most` lines without a `# long: reason` on the def line or above it."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        assert node.end_lineno is not None
        length = node.end_lineno - node.lineno + 1
        beside = [lines[node.lineno - 1], lines[first - 2] if first > 1 else ""]
        if length > most and not any(REASON.search(line) for line in beside):
            yield node.name, length


def test_no_file_is_too_long():
    found = {
        str(path.relative_to(ROOT)): count
        for path in [*python_files(), *shell_files()]
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES
    }
    assert not found


def test_no_function_is_too_long_without_a_reason():
    found = {
        f"{path.relative_to(ROOT)}:{name}": length
        for path in python_files()
        for name, length in long_functions(path.read_text(encoding="utf-8"))
    }
    assert not found


@pytest.mark.parametrize(
    ("head", "count"),
    [
        ("def f():\n", 1),
        ("async def f():\n", 1),
        ("def f():  # long: one flat table\n", 0),
        ("# long: one flat table\ndef f():\n", 0),
        ("# long: one flat table\n@decorated\ndef f():\n", 0),
        ("def f():  # long:\n", 1),
    ],
)
def test_the_function_rule_wants_a_reason(head: str, count: int):
    body = "    x = 1\n" * FUNCTION_LINES
    assert len(list(long_functions(head + body))) == count


def test_a_function_at_the_limit_passes():
    assert list(long_functions("def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1))) == []


def test_modules_of_the_package_say_what_they_are_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "prv2_ros").rglob("*.py"))
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def test_the_repository_names_no_path_of_one_machine():
    pattern = re.compile(r"(?<![\w.])/(?:work|root)/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [
            *python_files(),
            *shell_files(),
            *sorted(ROOT.glob("*.md")),
            *sorted((ROOT / "docs").rglob("*.md")),
        ]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found
