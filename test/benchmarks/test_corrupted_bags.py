"""A sample of the bags that benchmarks/corrupted_bags.py damages by the thousand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import corrupted_bags


def test_damaged_bags_end_with_an_error_line_or_a_report_that_says_so() -> None:
    ends = corrupted_bags.run(30, seed=7)
    assert sum(ends.values()) == 30
    assert not [end for end in ends if end.startswith("FAULT")]
    assert ends["mcap: partial, told"] > 0, "damage to one frame leaves the others"
    assert sum(number for end, number in ends.items() if "nothing scored" in end) > 0
