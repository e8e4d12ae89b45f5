from __future__ import annotations

import subprocess
import sys

import pytest
from torch._utils import ExceptionWrapper

import prv2_ros
from prv2_ros.cli import doctor, main, predict
from prv2_ros.errors import InputError


def test_help_lists_the_commands_and_loads_no_torch():
    code = (
        "import sys\n"
        "from prv2_ros.cli.main import build_parser\n"
        "print(build_parser().format_help())\n"
        "assert 'torch' not in sys.modules, 'torch was imported for the help'\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in main.COMMANDS:
        assert f"\n    {name}" in result.stdout


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_has_help_and_a_function(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: prv2 {command}" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"prv2 {prv2_ros.__version__}\n"


@pytest.mark.parametrize("argv", [[], ["paint"], ["predict"], ["predict", "a.png", "-o", "x", "--stride", "two"]])
def test_wrong_usage_exits_with_2(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(argv)
    assert ended.value.code == 2
    assert "usage: prv2" in capsys.readouterr().err


def raising(error: BaseException):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("image a.png\nis no image"), 1, "prv2: error: image a.png is no image\n"),
        (FileNotFoundError(2, "No such file", "b.png"), 1, "prv2: error: [Errno 2] No such file: 'b.png'\n"),
        (KeyError("x"), 1, "prv2: error: unforeseen KeyError: 'x' (repeat with --debug for the traceback)\n"),
        (KeyboardInterrupt(), 130, "prv2: interrupted\n"),
    ],
)
def test_an_error_becomes_one_line_and_an_exit_code(monkeypatch, capsys, error, code, line):
    monkeypatch.setattr(doctor, "run", raising(error))
    assert main.main(["doctor"]) == code
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


REPEAT = "repeat with --debug for the traceback"


def from_worker(error: Exception):
    """Raise an error as a DataLoader does that a worker process handed it to."""

    def run(arguments):
        try:
            try:
                raise LookupError("the cause, which is not told")
            except LookupError as cause:
                raise error from cause
        except Exception:
            wrapper = ExceptionWrapper(where="in DataLoader worker process 0")
        wrapper.reraise()

    return run


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("no folder x:\n  give one"), "no folder x: give one"),
        (FileNotFoundError(2, "No such file", "b.png"), "[Errno 2] No such file: 'b.png'"),
        (KeyError("x"), f"unforeseen KeyError: 'x' ({REPEAT})"),
        (
            UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),  # torch cannot make one again, and raises a RuntimeError
            f"unforeseen UnicodeDecodeError: 'utf-8' codec can't decode byte 0x78 in position 0: bad ({REPEAT})",
        ),
        (ValueError(), f"unforeseen ValueError ({REPEAT})"),
    ],
)
def test_an_error_of_a_worker_process_is_told_without_its_traceback(monkeypatch, capsys, error, line):
    monkeypatch.setattr(doctor, "run", from_worker(error))
    assert main.main(["doctor"]) == 1
    assert capsys.readouterr().err == f"prv2: error: {line}\n"


@pytest.mark.parametrize("argv", [["--debug", "doctor"], ["doctor", "--debug"]])
def test_debug_shows_the_traceback_before_the_line(monkeypatch, capsys, argv):
    monkeypatch.setattr(doctor, "run", raising(InputError("bad")))
    assert main.main(argv) == 1
    captured = capsys.readouterr().err
    assert captured.startswith("Traceback")
    assert captured.endswith("prv2: error: bad\n")


def test_the_exit_code_of_a_command_is_passed_on(monkeypatch):
    monkeypatch.setattr(predict, "run", lambda arguments: 7)
    assert main.main(["predict", "a.png", "-o", "x"]) == 7


def test_a_closed_pipe_is_no_traceback():
    code = "import sys; from prv2_ros.cli import doctor, main\n"
    code += "doctor.run = lambda a: [print('x' * 1000) for _ in range(1000)] and 0\n"
    code += "sys.exit(main.main(['doctor']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
