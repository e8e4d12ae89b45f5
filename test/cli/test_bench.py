from __future__ import annotations

import re

import pytest

from prv2_ros.cli.main import main


def test_flops_of_every_variant_and_of_the_published_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--flops"]) == 0
    out = capsys.readouterr().out
    found = {name: float(value.replace(",", "")) for name, value in re.findall(r"^(.+?)\s{2,}([\d,.]+)", out, re.M)}
    assert found["refiner_realtime m"] <= 480
    assert found["refiner_realtime s"] <= 150
    assert found["PRV2-M as published"] > 40 * found["refiner_realtime m"]


def test_a_small_frame_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "160x96", "--repeat", "1", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    for stage in ("preprocess", "coarse", "far_look", "refine", "postprocess", "total", "peak memory"):
        assert stage in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--size", "4k"], "size '4k': expected WIDTHxHEIGHT"), (["--repeat", "0"], "repeat 0: must be at least 1")],
)
def test_unusable_arguments(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err
