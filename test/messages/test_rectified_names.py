"""What the name of a topic says of its images."""

from __future__ import annotations

import pytest

from prv2_ros.messages.camera_info import says_rectified


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/front/image_rect", True),
        ("/front/image_rectified", True),
        ("/front/image_rect_color/compressed", True),
        ("/front/depth/image_rect/compressedDepth", True),
        ("/front/image_raw/compressedDepth", False),
        ("/front/image_direct", False),
        ("/image_rect/raw", False),
    ],
)
def test_a_topics_name_says_whether_its_images_are_rectified(topic: str, rectified: bool) -> None:
    assert says_rectified(topic) is rectified
