from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from prv2_ros.cli.main import main
from prv2_ros.cli.synth import _KINDS
from prv2_ros.data.frames import list_frames, read_frame
from prv2_ros.data.synthetic import KINDS, drive, render
from prv2_ros.training.sources import list_items

SIZE = ("--size", "48x32")


def test_folder_holds_the_frames_of_the_seeds_and_keeps_those_it_has(tmp_path: Path) -> None:
    assert main(["synth", "-o", str(tmp_path), "--start", "7", "--count", "2", "--kind", "plain", *SIZE]) == 0
    paths = list_frames(tmp_path)
    assert [path.stem for path in paths] == ["00000007", "00000008"]
    made, back = render(8, 48, 32, kind="plain"), read_frame(paths[1])
    assert back.camera == made.camera
    np.testing.assert_allclose(back.depth_m, made.depth_m, rtol=2e-4)
    stamp = paths[0].stat().st_mtime_ns
    assert main(["synth", "-o", str(tmp_path), "--start", "7", "--count", "1", "--kind", "plain", *SIZE]) == 0
    assert paths[0].stat().st_mtime_ns == stamp


def test_frames_that_are_kept_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    common = ["synth", "-o", str(tmp_path), "--kind", "plain", *SIZE]
    with caplog.at_level("INFO"):
        assert main([*common, "--count", "2"]) == 0
        assert caplog.messages == []
        (tmp_path / "00000000.json").unlink()  # as a killed run leaves it
        assert main([*common, "--count", "4", "--jobs", "2"]) == 0
    assert caplog.messages == [f"kept 1 of 4 frames, which are in {tmp_path} already"]
    assert len(list_frames(tmp_path)) == 4


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        (["--size", "64x32"], "00000006.json is there already, and has 48x32 px where 64x32 px are asked for"),
        ([], "has 48x32 px where 384x256 px are asked for"),
        (["--size", "mixed"], "has 48x32 px where 384x256 px are asked for"),
        (["--kind", "room", *SIZE], "is of kind 'close' where room is asked for"),
        (SIZE, "is of kind 'close' where room or plain or"),
        (["--tiles", "--kind", "close"], "has 48x32 px where 512x288 px are asked for"),
    ],
)
def test_frames_of_other_options_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], difference: str
) -> None:
    common = ["synth", "-o", str(tmp_path), "--start", "6"]
    assert main([*common, "--count", "1", "--kind", "close", *SIZE]) == 0
    before = sorted(tmp_path.iterdir())
    assert main([*common, "--count", "2", *options]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("prv2: error: ")]
    assert line.startswith(f"prv2: error: frame {tmp_path / '00000006.json'} is there already, and ")
    assert difference in line
    assert line.endswith("give the options that it was made with, another --start or another folder, or remove it")
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_of_the_mixture_or_of_tiles_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.cli.synth._SHAPES", ((48, 32), (32, 48)))
    mixed = ["synth", "-o", str(tmp_path / "mixed"), "--size", "mixed", "--start", "1"]
    assert main([*mixed, "--count", "2"]) == 0
    assert main([*mixed, "--count", "3"]) == 0
    sizes = [read_frame(path).depth_m.shape for path in list_frames(tmp_path / "mixed")]
    assert sizes == [(48, 32), (32, 48), (48, 32)]
    monkeypatch.setattr("prv2_ros.data.tiles.OVERVIEWS", ((96, 64),))
    monkeypatch.setattr("prv2_ros.data.tiles.TILE_PX", 48)
    tiles = ["synth", "-o", str(tmp_path / "tiles"), "--tiles", "--kind", "plain", "--count", "1"]
    assert main([*tiles, "--tile-scale", "2.3"]) == 0
    stamp = (tmp_path / "tiles" / "00000000-0.jpg").stat().st_mtime_ns
    for again in ([], ["--tile-scale", "2.3"], ["--tiles-anywhere"]):
        assert main([*tiles, *again]) == 0
    assert (tmp_path / "tiles" / "00000000-0.jpg").stat().st_mtime_ns == stamp
    capsys.readouterr()
    for options, difference in (
        ([*tiles, "--tile-scale", "2"], "has tiles of scale 2.3 where 2 is asked for"),
        ([*(o for o in tiles if o != "--tiles"), "--size", "96x64"], "has tiles, which --tiles asks for"),
    ):
        assert main(options) == 1
        assert difference in capsys.readouterr().err.splitlines()[-1]
    for path in (tmp_path / "tiles").glob("*-*"):
        path.unlink()
    assert main(tiles) == 1
    assert "has no tiles, and --tiles asks for some" in capsys.readouterr().err
    (tmp_path / "tiles" / "00000000.json").write_text("{")
    assert main(tiles) == 1
    assert "00000000.json cannot be read (Expecting property name" in capsys.readouterr().err


def test_several_processes_write_what_one_writes(tmp_path: Path) -> None:
    options = ["--start", "7", "--count", "3", "--kind", "plain", *SIZE]
    for name, jobs in (("one", "1"), ("two", "2")):
        assert main(["synth", "-o", str(tmp_path / name), "--jobs", jobs, *options]) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_error_in_one_of_several_processes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_the_way = tmp_path / "x" / "00000001.jpg"
    in_the_way.mkdir(parents=True)
    options = ["--count", "2", "--jobs", "2", "--kind", "plain", *SIZE]
    assert main(["synth", "-o", str(tmp_path / "x"), *options]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "prv2: error:" in line]
    assert "Is a directory" in line
    assert str(in_the_way) in line


def test_a_drive_in_a_folder_can_be_trained_on(tmp_path: Path) -> None:
    assert main(["synth", "-o", str(tmp_path), "--drive", "--start", "3", "--count", "2", *SIZE]) == 0
    assert [item.name for item in list_items(str(tmp_path))] == ["00000003_00000", "00000003_00001"]


def test_frames_of_a_drive_are_kept_where_they_are_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    common = ["synth", "-o", str(tmp_path), "--drive", "--start", "3"]
    assert main([*common, "--count", "3", *SIZE]) == 0
    made = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "00000003_00002.json").unlink()  # as a killed run leaves it
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_0000[01]*")}
    capsys.readouterr()
    with caplog.at_level("INFO"):
        assert main([*common, "--count", "3", *SIZE]) == 0
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == made
        assert main([*common, "--count", "2", *SIZE]) == 0
    assert caplog.messages == [f"kept 2 of {n} frames, which are in {tmp_path} already" for n in (3, 2)]
    assert len(stamps) == 6
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    for options, difference in (
        (["--count", "3", "--size", "64x32"], "has 48x32 px where 64x32 px are asked for"),
        (["--count", "3"], "has 48x32 px where 640x480 px are asked for"),
        (["--count", "100", *SIZE], "is of another drive, as --count decides in which lane it goes"),
    ):
        assert main([*common, *options]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("prv2: error: ")]
        assert line.startswith(f"prv2: error: frame {tmp_path / '00000003_00000.json'} is there already, and ")
        assert difference in line
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == made


def test_bag_of_a_drive_holds_image_info_and_depth_of_each_frame(tmp_path: Path) -> None:
    bag = tmp_path / "sub" / "drive"
    assert main(["synth", "--bag", str(bag), "--drive", "--start", "3", "--count", "2", *SIZE]) == 0
    assert sorted(file.name for file in bag.iterdir()) == ["drive.mcap", "metadata.yaml"]
    assert [file.name for file in bag.parent.iterdir()] == ["drive"], "no temporary folder is left"
    found: dict[str, list] = {}
    with AnyReader([bag]) as reader:
        for connection, stamp_ns, raw in reader.messages():
            message = reader.deserialize(raw, connection.msgtype)
            header = message.header.stamp
            assert stamp_ns == header.sec * 10**9 + header.nanosec
            assert message.header.frame_id == "camera_optical_frame"
            found.setdefault(connection.topic, []).append(message)
    topics = ("image_raw", "camera_info", "depth/image_rect", "depth/camera_info")
    assert {topic: len(messages) for topic, messages in found.items()} == {f"/camera/{topic}": 2 for topic in topics}
    for k, frame in enumerate(drive(3, 2, 48, 32)):
        image, depth = found["/camera/image_raw"][k], found["/camera/depth/image_rect"][k]
        assert (image.encoding, depth.encoding) == ("rgb8", "32FC1")
        np.testing.assert_array_equal(np.asarray(image.data).reshape(32, 48, 3), frame.image)
        np.testing.assert_array_equal(np.asarray(depth.data).view(np.float32).reshape(32, 48), frame.depth_m)
        np.testing.assert_allclose(found["/camera/camera_info"][k].k, frame.camera.matrix.ravel())


def test_a_bag_is_written_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    assert main(["synth", "--bag", str(there), "--count", "1", *SIZE]) == 1
    assert "exists: give another path" in capsys.readouterr().err
    rendered = []

    def fails_at_the_second(seed: int, *_: object, **__: object) -> object:
        rendered.append(seed)
        if len(rendered) == 2:
            raise RuntimeError("disk gone")
        return render(seed, 48, 32, kind="plain")

    monkeypatch.setattr("prv2_ros.data.synthetic.render", fails_at_the_second)
    assert main(["synth", "--bag", str(tmp_path / "new"), "--count", "3", *SIZE]) == 1
    assert rendered == [0, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--size", "48by32"], "'48by32': expected WIDTHxHEIGHT"),
        (["--kind", "submarine", *SIZE], "'submarine': expected one of room"),
        (["--tiles", "--drive"], "--tiles: a folder of separate scenes only"),
        (["--tiles", "--size", "320x192"], "--size 320x192 with --tiles: overviews have sizes of their own"),
        (["--tiles-anywhere"], "say how tiles are drawn: give --tiles, too"),
        (["--tiles", "--tile-scale", "0.5"], "--tile-scale 0.5: give 1 to 16"),
        (["--drive", "--jobs", "2"], "--jobs 2: at least 1, and more than 1 for a folder of separate scenes only"),
        (["--jobs", "0"], "--jobs 0: at least 1"),
        (["--drive", "--kind", "room"], "a drive goes along a street"),
        (["--count", "0"], "--count 0: must be at least 1"),
        (["--count", "-3"], "--count -3: must be at least 1"),
        (["--start", "-1"], "--start -1: must be at least 0"),
        (["--threads", "0"], "--threads 0: must be at least 1"),
        (["--device", "tpu"], "device 'tpu' is unknown: use auto, cpu, cuda or cuda:N"),
        (["--size", "48x8"], "--size 48x8: both sides must be at least 16 px"),
        (["--size", "48x\u00b2"], "expected WIDTHxHEIGHT"),
        (["--jobs", "2", "--size", "0x0"], "--size 0x0: both sides must be at least 16 px"),
    ],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], error: str
) -> None:
    assert main(["synth", "-o", str(tmp_path / "sub" / "x"), "--count", "1", *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("prv2: error: ")
    assert error in line
    assert list(tmp_path.iterdir()) == [], "nothing was made"


@pytest.mark.parametrize("options", [["--count", "0"], ["--kind", "submarine"], ["--size", "1"], ["--device", "tpu"]])
def test_a_bag_with_wrong_options_is_not_begun(tmp_path: Path, options: list[str]) -> None:
    assert main(["synth", "--bag", str(tmp_path / "sub" / "x"), *options]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "frames"
    file.touch()
    assert main(["synth", "-o", str(file), "--count", "1", *SIZE]) == 1
    assert capsys.readouterr().err == f"prv2: error: output {file} is a file: name a folder\n"


def test_the_help_lists_the_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(KINDS) == list(_KINDS)
    with pytest.raises(SystemExit):
        main(["synth", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert f"one kind of scene instead of the mixture: {', '.join(KINDS)}" in told
    assert "folder to write a data set to; frames that it has are kept" in told
