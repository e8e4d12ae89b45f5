"""The table of models in docs/MODELS.md against what the code counts."""

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


def test_the_table_has_every_row_as_counted() -> None:
    benchmark = _benchmark()
    text = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    assert benchmark.HEADER in text
    for row in benchmark.rows().values():
        assert row in text, f"docs/MODELS.md has no row {row}: run python benchmarks/models.py"
