"""The README's table of models against what the code counts."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def _benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("models_benchmark", ROOT / "benchmarks" / "models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_every_row_as_counted() -> None:
    benchmark = _benchmark()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert benchmark.HEADER in readme
    for row in benchmark.rows().values():
        assert row in readme, f"README has no row {row}: run python benchmarks/models.py"
