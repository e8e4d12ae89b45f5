"""How scores are called and shown."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prv2_ros.evaluation.metrics import ALIGNMENTS
from prv2_ros.evaluation.names import ALIGNMENT_TEXTS, SCORES, describe, show, show_signed, split_name
from prv2_ros.evaluation.scoring import score_frame
from prv2_ros.evaluation.temporal import tile_consistency
from prv2_ros.types import TileDepth


def test_every_score_has_a_name() -> None:
    truth = np.ones((12, 12), np.float32)
    options = {"confidence": truth, "previous": (truth, truth)}
    for dense in (True, False):
        found = score_frame(truth, truth, dense=dense, **options)  # type: ignore[arg-type]
        consistency = tile_consistency([TileDepth(y=0, x=0, depth_m=truth)])
        for name in [*found.scores, *consistency, *found.by_range["0-5"]]:
            assert split_name(name)[0] in SCORES, name
    assert tuple(ALIGNMENT_TEXTS) == ALIGNMENTS


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("abs_rel", ("abs_rel", "")),
        ("abs_rel_median", ("abs_rel", "_median")),
        ("delta1_affine", ("delta1", "_affine")),
        ("rmse_m_affine_relative", ("rmse_m", "_affine_relative")),
        ("edge_abs_rel", ("edge_abs_rel", "")),
        ("unheard_of", ("unheard_of", "")),
    ],
)
def test_names_split(name: str, parts: tuple[str, str]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("abs_rel", 0.1234, "12.3%"),
        ("rmse_m", 3.14159, "3.142 m"),
        ("rmse_m_median", 31.4159, "31.42 m"),
        ("silog", 0.5, "0.500"),
        ("truth_px", 12345.0, "12,345"),
        ("abs_rel", None, "–"),
        ("abs_rel", math.nan, "–"),
    ],
)
def test_values_are_shown_with_units(name: str, value: float | None, text: str) -> None:
    assert show(name, value) == text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("abs_rel", -0.0123, "−1.2 pp"),
        ("abs_rel", 0.143, "+14 pp"),
        ("rmse_m", 0.5, "+0.50 m"),
        ("rmse_m", -0.01234, "−0.012 m"),
        ("rmse_m", 123.4, "+123 m"),
        ("silog", 0.0, "0"),
        ("delta1", 1e-15, "0 pp"),
    ],
)
def test_differences_are_shown_with_their_sign(name: str, value: float, text: str) -> None:
    assert show_signed(name, value) == text


def test_an_unknown_score_is_shown_by_its_name() -> None:
    assert (describe("unheard_of").label, describe("unheard_of").better) == ("unheard_of", 0)


def test_less_is_better_but_for_shares_of_what_is_right() -> None:
    more = {
        "delta1", "delta2", "delta3", "log_depth_correlation", "coverage", "boundary_precision", "boundary_recall",
        "boundary_f1", "sparse_edge_precision", "sparse_edge_recall", "sparse_edge_f1", "sparse_edge_order",
    }  # fmt: skip
    neither = {"median_scale", "edge_share", "sparse_edge_step", "truth_px"}
    for name, info in SCORES.items():
        assert info.better == (name in more) - (name not in more | neither), name
