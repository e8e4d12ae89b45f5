from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from prv2_ros.cli.output import output_folder
from prv2_ros.errors import InputError


def test_a_folder_with_results_stays(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    with output_folder(folder):
        (folder / "result").touch()
    with output_folder(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_folders_of_which_nothing_came_are_removed_and_others_are_not(tmp_path: Path):
    with suppress(KeyboardInterrupt), output_folder(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    there = tmp_path / "there"
    there.mkdir()
    with output_folder(there):
        pass
    assert there.is_dir()


def test_places_where_no_folder_can_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a.jpg"
    file.touch()
    with pytest.raises(InputError, match=r"output .*a\.jpg is a file: name a folder"), output_folder(file):
        pass
    below = r"output .*a\.jpg/x/y: Not a directory; name a folder that can be written"
    with pytest.raises(InputError, match=below), output_folder(file / "x" / "y"):
        pass
    long = tmp_path / "new" / ("x" * 300)
    with pytest.raises(InputError, match=r"File name too long; name a folder"), output_folder(long):
        pass
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(InputError, match=r"new: Permission denied; name a folder"), output_folder(tmp_path / "new"):
        pass
    assert list(tmp_path.iterdir()) == [file]


def test_empty_folders_inside_of_what_was_made_go_too(tmp_path: Path):
    with output_folder(tmp_path / "a"):
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there" / "empty").mkdir(parents=True)
    with output_folder(tmp_path / "there"):
        pass
    assert (tmp_path / "there" / "empty").is_dir(), "not made here"


def test_a_folder_is_called_what_the_user_calls_it(tmp_path: Path):
    (tmp_path / "a").touch()
    with (
        pytest.raises(InputError, match=r"^--cache .*a is a file: name a folder$"),
        output_folder(tmp_path / "a", "--cache"),
    ):
        pass
