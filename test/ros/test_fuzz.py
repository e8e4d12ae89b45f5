"""Mutated messages: 10,000 through the conversions and 500 through a live node, and the books still balance."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import STRANGE_ENCODINGS, compressed_image, image, info, make
from ros_fakes import PlaneEngine, image_message, info_message, live_node, wait_until
from sensor_msgs.msg import CompressedImage

from prv2_ros.errors import InputError
from prv2_ros.messages.camera_info import check_info
from prv2_ros.messages.encodings import NAMES
from prv2_ros.messages.view import View
from prv2_ros.ros.conversions import check_image, image_to_rgb
from prv2_ros.ros.parameters import resolve

# Hypothesis picks seeds; each seed is a batch of messages, since drawing them one by one takes longer than using them.
BATCH = 25
SEEDS = st.integers(0, 2**63)
MANY = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@settings(MANY, max_examples=5000 // BATCH)
@given(SEEDS)
def test_images_become_rgb_or_an_input_error(seed: int) -> None:
    random, outcomes, reasons = Random(seed), set(), []
    for _ in range(BATCH):
        message = image(random)
        try:
            rgb = image_to_rgb(message)
        except InputError as error:
            reasons.append(str(error))
            with pytest.raises(InputError):
                check_image(message)  # the header check sees everything that is wrong with a raw image
            outcomes.add("refused")
            continue
        check_image(message)
        assert rgb.shape == (message.height, message.width, 3)
        assert rgb.dtype == np.uint8
        outcomes.add("converted")
    assert outcomes == {"refused", "converted"}
    assert all(10 < len(reason) < 700 for reason in reasons)


@settings(MANY, max_examples=2000 // BATCH)
@given(SEEDS)
def test_compressed_images_become_rgb_or_an_input_error(seed: int) -> None:
    random, outcomes = Random(seed), set()
    for _ in range(BATCH):
        try:
            rgb = image_to_rgb(compressed_image(random))
        except InputError:
            outcomes.add("refused")
            continue
        assert rgb.ndim == 3
        assert rgb.dtype == np.uint8
        outcomes.add("converted")
    assert outcomes == {"refused", "converted"}


@settings(MANY, max_examples=3500 // BATCH)
@given(SEEDS)
def test_infos_become_a_view_or_an_input_error(seed: int) -> None:
    random, outcomes, reasons = Random(seed), set(), []
    for _ in range(BATCH):
        message = info(random)
        width, height = random.choice([(12, 10), (12, 10), (24, 20), (6, 5), (12, 4), (1, 1)])
        chosen = resolve({"input_rectified": random.random() < 0.5, "rectify": random.random() < 0.5})
        try:
            check_info(message)
            view = View(message, width, height, chosen)
            rgb = view.rectified(np.zeros((height, width, 3), np.uint8))
        except InputError as error:
            reasons.append(str(error))
            outcomes.add("refused")
            continue
        assert rgb.shape == (height, width, 3)
        assert (view.camera.width, view.camera.height) == (width, height)
        assert view.mask_outside(np.ones((height, width), np.float32)).shape == (height, width)
        assert view.rays(1).shape == (height, width, 2)
        outcomes.add("view")
    assert outcomes == {"refused", "view"}
    assert all(10 < len(reason) < 700 for reason in reasons)


def test_live_node_outlives_500_mutated_messages_and_counts_each() -> None:
    random = Random(2)
    messages = [random.choice([image, image, info])(random) for _ in range(500)]
    # Reliable and deep on both sides: what the node must account for is then exactly what was sent.
    name = "qos_overrides./{}.subscription.{}"
    qos = {name.format(t, "reliability"): "reliable" for t in ("image_raw", "camera_info")}
    qos |= {name.format(t, "depth"): 600 for t in ("image_raw", "camera_info")}
    with live_node(PlaneEngine(), qos) as live:
        live.wait_ready()
        sent_images = sum(hasattr(m, "encoding") for m in messages)
        for index, message in enumerate(messages):
            (live.partner.images if hasattr(message, "encoding") else live.partner.infos).publish(message)
            if index % 10 == 9:  # faster, and DDS itself would drop from the publisher's history
                time.sleep(0.02)
        wait_until(lambda: live.counts.received == sent_images, timeout_s=60, what="all images arrived")
        wait_until(lambda: live.counts.info_received == 500 - sent_images, timeout_s=60, what="all infos arrived")
        wait_until(live.settled, timeout_s=60, what="all images settled")
        counts = live.counts
        assert counts.skipped == 0
        assert counts.errors > 100
        assert counts.info_errors > 20
        assert counts.received == counts.published + counts.dropped + counts.errors
        # It lives. The last mutated info may not fit, so one that does goes before the whole image.
        live.send_info(info_message(64, 48))
        before = live.counts.published
        live.partner.images.publish(image_message(np.zeros((48, 64, 3), np.uint8)))
        wait_until(lambda: live.counts.published == before + 1, what="depth after all this")
        assert not live.errors


def test_live_node_with_compressed_rubbish() -> None:
    with live_node(PlaneEngine(), {"image_transport": "compressed"}) as live:
        live.wait_ready()
        rubbish = [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xdb\x00", b"\x89PNG\r\n\x1a\n", bytes(100)]
        for data in rubbish:
            before = live.counts.received
            live.partner.compressed.publish(CompressedImage(format="jpeg", data=data))
            wait_until(lambda before=before: live.counts.received == before + 1, what="arrival")
        wait_until(lambda: live.counts.errors == len(rubbish), what="errors counted")


def test_strange_encodings_are_strange() -> None:
    assert not set(STRANGE_ENCODINGS) & set(NAMES)
    for name in NAMES:  # what is then mutated is valid
        assert image_to_rgb(make(name, 6, 2, 3)).shape == (2, 6, 3)
