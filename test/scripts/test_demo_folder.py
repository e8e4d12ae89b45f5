"""Where the demo writes and what it removes there; what its command line means; what `scripts/demo.sh` costs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_answers import SCRIPTS

from demo import folder
from demo.check import DemoFailure
from demo.folder import MARKER, WRITTEN, claim
from demo.options import OWN_FOLDER, parse_options


def _older_output(path: Path) -> Path:
    """A folder as a run left it that knew no marker."""
    for name in ("photo", "drive", "answers"):
        (path / name).mkdir(parents=True)
        (path / name / "metadata.yaml").touch()
    for name in set(WRITTEN) - {"photo", "drive", "answers"}:
        (path / name).touch()
    (path / "notes.txt").touch()
    return path


@pytest.mark.parametrize("name", ["photo", "drive", "answers", "index.html"])
def test_what_a_user_has_in_a_folder_is_not_removed(tmp_path: Path, name: str) -> None:
    mine = tmp_path / name / "mine.jpg"
    mine.parent.mkdir()
    mine.touch()
    with pytest.raises(DemoFailure, match=rf"/{name} exists, and no earlier demo has marked .* another folder \(-o\)$"):
        claim(tmp_path)
    assert mine.exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_of_an_earlier_demo_is_used_again(tmp_path: Path) -> None:
    claim(tmp_path / "new" / "out")
    _older_output(tmp_path / "new" / "out")
    claim(tmp_path / "new" / "out")
    assert {path.name for path in (tmp_path / "new" / "out").iterdir()} == {MARKER, "notes.txt"}


def test_the_checkouts_own_folder_needs_no_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = _older_output(tmp_path / "demo")
    monkeypatch.setattr(folder, "OWN_FOLDER", own)
    claim(own)
    assert {path.name for path in own.iterdir()} == {MARKER, "notes.txt"}


def test_what_a_link_leads_to_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.jpg").touch()
    claim(tmp_path / "out")
    (tmp_path / "out" / "photo").symlink_to(elsewhere)
    claim(tmp_path / "out")
    assert (elsewhere / "mine.jpg").exists()
    assert not (tmp_path / "out" / "photo").is_symlink()


def test_paths_begin_in_the_callers_folder(tmp_path: Path) -> None:
    options = parse_options(["--from", str(tmp_path), "-o", "sub/out", "--model", "../my.yaml"])
    assert options.output == tmp_path / "sub" / "out"
    assert options.model == str(tmp_path.parent / "my.yaml")
    options = parse_options(["--from", str(tmp_path), "-o", "/elsewhere", "--model", "prv2_m"])
    assert (options.output, options.model) == (Path("/elsewhere"), "prv2_m")
    assert parse_options(["--from", str(tmp_path)]).output == OWN_FOLDER == SCRIPTS.parent / "demo"


def test_the_demo_looks_at_its_folder_first(tmp_path: Path) -> None:
    (tmp_path / "photo").mkdir()
    path = os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent)])
    done = subprocess.run(
        [sys.executable, "-m", "demo", "-o", str(tmp_path)], env=os.environ | {"PYTHONPATH": path}, cwd=SCRIPTS,
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: failed: {tmp_path}/photo exists, and no earlier demo")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose set-up leaves a note, and whose Python prints the options in place of the demo."""
    root = tmp_path / "checkout"
    shutil.copytree(SCRIPTS / "demo", root / "scripts" / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SCRIPTS / "demo.sh", root / "scripts")
    (root / "scripts" / "setup.sh").write_text(f"touch {root}/set_up\n")
    (root / "scripts" / "demo" / "__main__.py").write_text(
        "from demo.options import parse_options\noptions = parse_options()\nprint(options.output, options.model)\n"
    )
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return root


def _demo_sh(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    caller = checkout.parent / "caller"
    caller.mkdir(exist_ok=True)
    (caller / "demo.py").write_text("raise SystemExit('the caller has a module of that name, too')\n")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = ["bash", str(checkout / "scripts" / "demo.sh"), *words]
    return subprocess.run(command, cwd=caller, env=environment, capture_output=True, text=True, check=True, timeout=60)


def test_demo_sh_takes_paths_as_its_caller_sees_them(checkout: Path) -> None:
    said = _demo_sh(checkout, "-o", "out", "--model", "my.yaml").stdout
    caller = checkout.parent / "caller"
    assert said == f"{caller}/out {caller}/my.yaml\n"
    assert _demo_sh(checkout).stdout == f"{checkout}/demo default\n"
    assert (checkout / "set_up").exists()


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_demo_sh_tells_its_options_without_a_set_up(checkout: Path, word: str) -> None:
    shutil.rmtree(checkout / ".venv")
    said = _demo_sh(checkout, "-o", "out", word).stdout
    assert said.startswith("usage: scripts/demo.sh")
    assert "--frames" in said
    assert not (checkout / "set_up").exists()
