"""The engine that the node's parameters name, one for all nodes of a process that name the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.pipeline import Engine

EngineFactory = Callable[[Settings], Engine]


def load_engine(settings: Settings) -> Engine:
    """Load the engine that the parameters name, and let it pass its self-test where they ask for it.

    See `prv2_ros.inference.load.load_engine` and `prv2_ros.inference.self_test.check` for errors.
    """
    engine = _load(settings)
    if settings.self_test:
        _test(engine, settings)
    return engine


def why_slow(engine: Engine, settings: Settings) -> str:
    """Why `auto` has come to mean the CPU, as the end of a sentence; nothing where it has not."""
    if settings.device != "auto" or str(engine.device) != "cpu":
        return ""
    from prv2_ros.inference.device import why_no_cuda

    return f", as {why_no_cuda()}"


def _load(settings: Settings) -> Engine:
    # Here, not above: torch takes seconds to import, and a wrong parameter should not wait for it.
    from prv2_ros.inference import load
    from prv2_ros.inference.config import EngineConfig

    # The node limits the range itself: what is far becomes `far_value`, not always NaN.
    config = EngineConfig(
        max_depth_m=math.inf,
        compile=settings.compile,
        max_tile_px=settings.max_tile_px,
        far_look=settings.far_look,
    )
    return load.load_engine(settings.model, settings.device, settings.precision, config=config)


def _test(engine: Any, settings: Settings) -> None:
    from prv2_ros.inference import self_test

    self_test.check(engine, settings.model)


class SharedEngines:
    """An engine factory that loads a model once, however many cameras use it.

    An engine lives as long as one of its nodes is configured. Nodes that share one must share an inference thread.
    """

    def __init__(self, load: EngineFactory = _load, test: Callable[[Engine, Settings], None] = _test) -> None:
        """Take what loads an engine that nobody has yet, and the self-test, which each passes once if anybody asks."""
        self._load, self._test = load, test
        self._engines: WeakValueDictionary[tuple[object, ...], Engine] = WeakValueDictionary()
        self._tested: WeakSet[Engine] = WeakSet()

    def __call__(self, settings: Settings) -> Engine:
        """Give the engine of these settings; raises what loading and testing raise."""
        key = (
            settings.model,
            settings.device,
            settings.precision,
            settings.compile,
            settings.max_tile_px,
            settings.far_look,
        )
        engine = self._engines.get(key)
        if engine is None:
            engine = self._engines[key] = self._load(settings)
        if settings.self_test and engine not in self._tested:
            self._test(engine, settings)
            self._tested.add(engine)
        return engine
