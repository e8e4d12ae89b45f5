"""One engine for all nodes that name the same, for as long as one of them holds it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from ros_fakes import PlaneEngine

from prv2_ros.errors import DeviceError
from prv2_ros.inference.self_test import record
from prv2_ros.network.checkpoint import save_model
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.ros.engines import SharedEngines, load_engine
from prv2_ros.ros.parameters import resolve


def untested(engine: Any, settings: Any) -> None:
    """A self-test that nothing fails."""


def test_an_engine_is_tested_once_by_whoever_asks_first() -> None:
    tested: list[Any] = []
    engines = SharedEngines(lambda settings: PlaneEngine(), lambda engine, settings: tested.append(engine))
    first = engines(resolve({"self_test": False}))
    assert tested == []
    for _ in range(2):
        assert engines(resolve({})) is first
    assert tested == [first]


def test_an_engine_that_failed_its_test_is_tested_again() -> None:
    def fail(engine: Any, settings: Any) -> None:
        raise DeviceError("self-test: twice as far")

    engines = SharedEngines(lambda settings: PlaneEngine(), fail)
    for _ in range(2):
        with pytest.raises(DeviceError, match="twice as far"):
            engines(resolve({}))


def test_the_same_settings_share_an_engine_and_others_do_not() -> None:
    engines = SharedEngines(lambda settings: PlaneEngine(), untested)
    held = [engines(resolve({"points.stride": stride})) for stride in (1, 2)]
    assert held[0] is held[1], "only what the engine is made of counts"
    others = {"model": "b", "device": "cpu", "precision": "float32", "compile": "default", "max_tile_px": 512}
    for other in ({name: value} for name, value in {**others, "far_look": 4.0}.items()):
        assert engines(resolve(other)) is not held[0]


def test_an_engine_that_nobody_holds_is_freed_and_loaded_anew() -> None:
    engines = SharedEngines(lambda settings: PlaneEngine(), untested)
    first = engines(resolve({}))
    seen = weakref.ref(first)
    del first
    gc.collect()
    assert seen() is None
    assert isinstance(engines(resolve({})), PlaneEngine)


def test_a_failure_is_raised_and_tried_again() -> None:
    asked: list[Any] = []

    def fail(settings: Any) -> Any:
        asked.append(settings)
        raise DeviceError("no such device")

    engines = SharedEngines(fail, untested)
    for _ in range(2):
        with pytest.raises(DeviceError, match="no such device"):
            engines(resolve({}))
    assert len(asked) == 2


def test_the_real_engines_can_be_shared() -> None:
    from prv2_ros.inference.engine import DepthEngine
    from prv2_ros.inference.published import PublishedEngine

    for kind in (DepthEngine, PublishedEngine):
        weakref.ref(kind.__new__(kind))


def test_an_engine_that_fails_its_self_test_is_refused_unless_nobody_asks(tmp_path: Path) -> None:
    path = save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path, "tiny")
    record(str(path))
    described = yaml.safe_load(path.read_text())
    described["self_test"] = [[value + 0.7 for value in row] for row in described["self_test"]]
    path.write_text(yaml.safe_dump(described))
    named = {"model": str(path), "device": "cpu"}
    with pytest.raises(DeviceError, match=r"self-test: .* gives 0\.50 times the depth"):
        load_engine(resolve(named))
    assert load_engine(resolve(named | {"self_test": False})).model_name == str(path)


def test_an_engine_is_loaded_as_the_parameters_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("prv2_ros.inference.load.load_engine", lambda *given, config: asked.append((*given, config)))
    chosen = {"model": "m", "device": "cuda:1", "precision": "bfloat16", "compile": "default", "max_tile_px": 512}
    chosen |= {"far_look": 4.0}
    load_engine(resolve(chosen | {"self_test": False}))
    ((*given, config),) = asked
    assert (given, config.compile) == (["m", "cuda:1", "bfloat16"], "default")
    assert (config.max_tile_px, config.far_look) == (512, 4.0)
    assert config.max_depth_m == float("inf"), "what is far is `far_value`'s, not NaN"
