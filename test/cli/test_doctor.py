from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from prv2_ros.cli import doctor, main
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.checkpoint import save_model
from prv2_ros.network.model import DepthModel, ModelSpec


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    torch.manual_seed(0)
    return str(save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path_factory.mktemp("models"), "tiny"))


def test_a_working_installation(model, capsys):
    assert main.main(["doctor", "--model", model, "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all that is needed works"
    assert {line[:4].strip() for line in lines[:-1]} <= {"ok", "warn"}
    report = "\n".join(lines)
    assert f"warn  self-test: nothing is stored with model {model} to compare with" in lines
    for part in (
        f"torch {torch.__version__}",
        "torchvision ",
        "device cpu, float32",
        "sha256",
        "coarse ",
        "refiner ",
        "ROS 2",
    ):
        assert part in report


def test_altered_weights_are_a_failure_and_the_other_checks_still_run(model, tmp_path, capsys):
    broken = save_model(DepthModel(ModelSpec(coarse_area_px=64 * 96)), tmp_path, "broken")
    weights = tmp_path / "broken.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main.main(["doctor", "--model", str(broken), "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAIL") and "sha256" in line for line in lines)
    assert any("ROS 2" in line for line in lines)
    assert lines[-1].startswith("something needed is broken")


def test_a_device_that_is_not_there_is_a_failure(model, capsys):
    assert main.main(["doctor", "--model", model, "--device", "cuda:99"]) == 1
    assert "FAIL  device 'cuda:99'" in capsys.readouterr().out


def test_cuda_that_is_there_and_does_not_work_is_a_warning_with_the_reason(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("prv2_ros.inference.device._cuda_fault", lambda _: "no kernel image is available")
    device, warning = doctor.check_device("auto")
    assert device == ("ok", "device cpu, float32")
    assert warning == ("warn", "inference will be slow: CUDA does not work: no kernel image is available")
    assert [finding.mark for finding in doctor.check_device("cpu")] == ["ok"], "as it was asked for"


def test_published_refiners_have_the_papers_size():
    (counts,) = doctor.check_published()
    assert "PRV2-M 48.0 M, PRV2-E 73.3 M, PRV2-C 247.2 M" in counts.text


def test_parameters_are_counted(model):
    (loaded, counts) = doctor.check_model(model)
    assert loaded.mark == counts.mark == "ok"
    network = DepthModel()
    for name, part in (("coarse", network.coarse), ("refiner", network.refiner)):
        assert f"{name} {sum(p.numel() for p in part.parameters()) / 1e6:.2f} M" in counts.text


def test_a_published_model_is_checked_too(model, monkeypatch, tmp_path):
    described = tmp_path / "mine.yaml"
    described.write_text("kind: published\ncoarse: {weights: none.pth}\nrefiner: {weights: none.pth}\n")
    found = list(doctor._guarded(lambda: doctor.check_model(str(described))))
    assert [finding.mark for finding in found] == ["FAIL"]
    assert "not a model description" not in found[0].text
    monkeypatch.setattr("prv2_ros.inference.load.load_engine", lambda *_: DepthEngine.load(model, "cpu"))
    (loaded,) = doctor.check_model(str(described))
    assert loaded == ("ok", f"model {described}: {described}, the weights that it names fit")
    assert next(doctor.check_inference(str(described), "cpu")).mark == "ok"


def test_ros_that_cannot_be_imported_is_a_warning(monkeypatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setattr(doctor, "_ROS_MODULES", ("a_ros_that_is_not_there",))
    (finding,) = doctor.check_ros()
    assert finding.mark == "warn"
    assert "No module named 'a_ros_that_is_not_there'" in finding.text
    assert "source a ROS 2 setup file" in finding.text


def test_a_sourced_ros_that_this_python_cannot_import_is_a_failure(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "humble")
    monkeypatch.setattr(doctor, "_ROS_MODULES", ("rclpy_of_another_python",))
    (finding,) = doctor.check_ros()
    assert finding.mark == "FAIL"
    assert f"ROS 2 humble is sourced, but {sys.executable} (Python 3." in finding.text
    assert "No module named 'rclpy_of_another_python'" in finding.text
    assert "without conda or pyenv" in finding.text


def test_versions_that_are_too_old_are_warned_of(monkeypatch):
    versions = {"torch": "2.2.0a0+6a974bec.nv23.11", "numpy": "1.21.5", "timm": "1.0.22"}
    monkeypatch.setattr(doctor, "_version", lambda *names: versions.get(names[0], "(version unknown)"))
    old = [finding.text for finding in doctor.check_libraries() if finding.mark == "warn"]
    assert [text.split(":")[0] for text in old] == [
        "torch 2.2.0a0+6a974bec.nv23.11 is older than 2.3, which this was made and tested for",
        "numpy 1.21.5 is older than 1.26, which this was made and tested for",
    ]
    versions.clear()
    assert all(finding.mark == "ok" for finding in doctor.check_libraries())


def test_oldest_versions_are_those_of_the_package():
    wanted = (Path(__file__).resolve().parents[2] / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{name}>={least}"' in wanted for name, least in doctor._LEAST.items())


def test_what_several_checks_lack_is_said_once_with_the_way_out(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr(doctor, "check_ros", lambda: iter(()))
    assert main.main(["doctor"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    (line,) = [line for line in lines if "torch is not installed" in line]
    assert line.startswith(f"FAIL  torch is not installed for {sys.executable}: activate the virtual environment that")
    assert line.endswith(", or python3 -m pip install torch")


def test_a_torchvision_for_another_torch_is_a_failure(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it now raises ImportError
    (finding,) = doctor.check_torchvision()
    assert finding.mark == "FAIL"
    assert "torchvision does not work with torch" in finding.text


def test_an_unsupported_python_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor, "_SUPPORTED_PYTHONS", ((2, 6), (2, 7)))
    _, finding = doctor.check_python()
    assert finding.mark == "warn"
    assert "made and tested for 2.6 to 2.7" in finding.text


def test_a_package_that_some_commands_need_is_a_warning_with_the_way_out(monkeypatch):
    monkeypatch.setattr(doctor, "_OPTIONAL", {"sys": ("here", "all"), "not_a_module": ("not-a-module>=1", "replay")})
    (finding,) = doctor.check_optional()
    assert finding == (
        "warn",
        'not-a-module>=1 is not installed, needed by replay; python3 -m pip install "not-a-module>=1"',
    )
