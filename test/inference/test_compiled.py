"""torch.compile on request: the same answer, and the plain network where compiling fails."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from prv2_ros.errors import ConfigError, DeviceError, InputError
from prv2_ros.inference import compiled as module
from prv2_ros.inference.compiled import COMPILE_MODES, compiled
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.ros.parameter_table import BY_NAME

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Pair:
    first: Tensor
    rest: tuple[Tensor, list[Tensor]]


def work(x: Tensor) -> Pair:
    y = torch.nn.functional.avg_pool2d(x.sin(), 3, 1, 1)
    return Pair(first=y, rest=(y * 2, [x + y]))


def test_off_is_the_function_itself() -> None:
    assert compiled(work, "off", CPU) is work


def test_compiled_function_answers_the_same() -> None:
    if shutil.which("c++") is None and shutil.which("g++") is None:
        pytest.skip("no C++ compiler, which torch.compile needs on a CPU")
    fast = compiled(work, "default", CPU)
    for side in (8, 12):
        x = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(side))
        torch.testing.assert_close(fast(x).first, work(x).first)
        torch.testing.assert_close(fast(x).rest[1][0], work(x).rest[1][0])
    assert fast._fast is not None  # type: ignore[attr-defined]  # it did not fall back


def test_failing_compiler_is_said_once_and_done_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError("no Triton here\nlong advice")

    monkeypatch.setattr(torch, "compile", lambda *_args, **_kwargs: fail)
    slow = compiled(work, "default", CPU)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.testing.assert_close(slow(torch.ones(1, 1, 4, 4)).first, work(torch.ones(1, 1, 4, 4)).first)
    assert [record.getMessage() for record in caplog.records] == [
        "torch.compile failed, going on without it: no Triton here"
    ]


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("out of memory"), InputError("an image of 33 px")])
def test_lack_of_memory_and_wrong_input_are_no_fault_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(torch, "compile", lambda *_args, **_kwargs: fail)
    function = compiled(work, "default", CPU)
    for _ in range(2):
        with pytest.raises(type(error), match=str(error)):
            function(torch.ones(1, 1, 4, 4))


def test_more_shapes_are_compiled_than_dynamo_alone_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    compilations: list[int] = []

    def backend(graph: torch.fx.GraphModule, _example: Any) -> Callable[..., Any]:
        compilations.append(1)
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, dynamic, mode: original(f, dynamic=dynamic, backend=backend))

    def doubled(x: Tensor) -> Tensor:
        return x * 2

    with torch._dynamo.config.patch(recompile_limit=8):
        fast = compiled(doubled, "default", CPU)
        for side in range(2, 22):
            fast(torch.ones(1, 1, side, 3))
    assert len(compilations) == 20
    with torch._dynamo.config.patch(recompile_limit=100):
        compiled(doubled, "default", CPU)
        assert torch._dynamo.config.recompile_limit == 100, "a higher limit is left as it is"


def test_answers_of_a_graph_outlive_its_next_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay writes into the tensors of the one before, as this stand-in for a CUDA graph does."""
    kept = work(torch.ones(1, 1, 4, 4))

    def replay(x: Tensor) -> Pair:
        for old, new in ((kept.first, work(x).first), (kept.rest[0], work(x).rest[0])):
            old.copy_(new)
        kept.rest[1][0].copy_(work(x).rest[1][0])
        return kept

    modes: list[str | None] = []

    def take(function: Callable[..., Any], *, dynamic: bool, mode: str | None) -> Any:
        modes.append(mode)
        assert not dynamic
        return replay

    monkeypatch.setattr(torch, "compile", take)
    fast = compiled(work, "cuda-graphs", torch.device("cuda"))
    first = fast(torch.full((1, 1, 4, 4), 0.5))
    fast(torch.full((1, 1, 4, 4), 2.0))
    assert modes == ["reduce-overhead"]
    torch.testing.assert_close(first.first, work(torch.full((1, 1, 4, 4), 0.5)).first)
    torch.testing.assert_close(first.rest[1][0], work(torch.full((1, 1, 4, 4), 0.5)).rest[1][0])


def test_modes_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"^compile 'fast' is unknown: use one of off, default, cuda-graphs$"):
        compiled(work, "fast", CPU)
    with pytest.raises(DeviceError, match="compile 'cuda-graphs' needs a CUDA device: use compile default or off"):
        compiled(work, "cuda-graphs", CPU)
    assert BY_NAME["compile"].choices == COMPILE_MODES


def test_engine_compiles_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def note(function: Callable[..., Any], mode: str, _device: torch.device) -> Callable[..., Any]:
        seen.append(f"{function.__name__} {mode}")
        return function

    monkeypatch.setattr("prv2_ros.inference.engine.compiled", note)
    DepthEngine(DepthModel(ModelSpec()), device="cpu", config=EngineConfig(compile="default"))
    assert seen == ["predict_coarse default", "predict_far default", "refine default"]
    assert module.COMPILE_MODES[0] == EngineConfig().compile


def test_arguments_with_names_reach_the_function_compiled_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def scaled(x: Tensor, *, f_px_B: Tensor | None = None) -> Tensor:
        return x if f_px_B is None else x * f_px_B

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise RuntimeError

    for fast in (scaled, fail):
        monkeypatch.setattr(torch, "compile", lambda *_args, answer=fast, **_kwargs: answer)
        function = compiled(scaled, "default", CPU)
        for _ in range(2):
            assert function(torch.ones(3), f_px_B=torch.tensor(2.0)).tolist() == [2.0] * 3
