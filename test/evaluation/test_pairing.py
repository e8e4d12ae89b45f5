from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.evaluation.config import TruthConfig
from prv2_ros.evaluation.pairing import pair_stamps

STAMPS = st.lists(st.integers(0, 10**9), min_size=1, max_size=20)


@given(images=STAMPS, truths=STAMPS, infos=STAMPS, offset_ms=st.sampled_from([0.0, -20.0, 35.5]))
def test_every_image_gets_the_nearest_truth_or_a_reason(
    images: list[int], truths: list[int], infos: list[int], offset_ms: float
) -> None:
    config = TruthConfig(tolerance_ms=40.0, offset_ms=offset_ms)
    offset_ns = round(offset_ms * 1e6)
    frames, left_out = pair_stamps(
        [(stamp, stamp + 7) for stamp in images],
        [(stamp, stamp + 9) for stamp in truths],
        [(stamp, place) for place, stamp in enumerate(infos)],
        config,
    )
    assert len(frames) + len(left_out) == len(images)
    assert [frame.stamp_ns for frame in frames] == sorted({frame.stamp_ns for frame in frames})
    for frame in frames:
        distances = [abs(stamp + offset_ns - frame.stamp_ns) for stamp in truths]
        assert abs(frame.truth_stamp_ns + offset_ns - frame.stamp_ns) == min(distances) <= 40_000_000
        assert (frame.image_ns, frame.truth_ns) == (frame.stamp_ns + 7, frame.truth_stamp_ns + 9)
        assert abs(infos[frame.info] - frame.stamp_ns) == min(abs(stamp - frame.stamp_ns) for stamp in infos)
    for stamp, reason in left_out:
        if "same stamp" not in reason:
            assert min(abs(other + offset_ns - stamp) for other in truths) > 40_000_000


def test_two_images_of_one_stamp_count_once() -> None:
    frames, left_out = pair_stamps([(5, 1), (5, 2)], [(5, 3)], [(0, 0)], TruthConfig())
    assert [frame.image_ns for frame in frames] == [1]
    assert left_out == [(5, "another image of this camera has the same stamp; the first one counts")]


def test_a_single_gap_asks_for_a_wider_tolerance_and_not_for_an_offset() -> None:
    frames, ((stamp, reason),) = pair_stamps([(0, 0), (10**9, 1)], [(0, 2)], [(0, 0)], TruthConfig(tolerance_ms=20.0))
    assert len(frames) == 1
    assert stamp == 10**9
    assert reason == "nearest truth is -1000.0 ms away, beyond 20 ms: raise truth.tolerance_ms"


@pytest.mark.parametrize("offset_ms", [0.0, -1000.0, 2500.0])
def test_the_offset_that_mends_the_clocks_is_told_whatever_was_set_before(offset_ms: float) -> None:
    images = [(i * 10**9, i) for i in range(5)]
    truths = [(stamp + 70 * 10**9, place) for stamp, place in images]
    frames, left_out = pair_stamps(images, truths, [(0, 0)], TruthConfig(offset_ms=offset_ms))
    assert not frames
    told = {int(reason.partition("offset_ms (about ")[2].partition(")")[0]) for _, reason in left_out}
    # The nearest truth of each image is the first one, so the median is that of the third image.
    assert told == {-68_000}
    again, _ = pair_stamps(images, truths, [(0, 0)], TruthConfig(offset_ms=told.pop()))
    assert again


def test_an_impossible_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match=r"truth\.tolerance_ms -1"):
        TruthConfig(tolerance_ms=-1)


def test_the_tolerance_itself_is_within_it_and_of_two_as_near_the_earlier_counts() -> None:
    config = TruthConfig(tolerance_ms=1.0)
    frames, left_out = pair_stamps([(10**6, 0)], [(0, 7), (2 * 10**6, 8)], [(0, 0), (2 * 10**6, 1)], config)
    assert [(frame.truth_ns, frame.info) for frame in frames] == [(7, 0)]
    assert not left_out
    assert not pair_stamps([(10**6 + 1, 0)], [(0, 7)], [(0, 0)], config)[0]
