"""Regions of interest in an image, as numbers and as people write them."""

from __future__ import annotations

from collections.abc import Sequence

from prv2_ros.errors import ConfigError

Region = tuple[int, int, int, int]
"""Left, top, width and height in px; parts outside the image count for nothing."""

NO_REGIONS = "none"
REGIONS_FORM = f"`{NO_REGIONS}` or left,top,width,height; more after `;`"
"""How `parse_regions` wants them, in words."""


def check_region(region: Region) -> None:
    """Refuse a region of other than four numbers, or an empty one.

    Raises:
        ConfigError: naming the region.

    """
    if not isinstance(region, Sequence) or len(region) != 4 or min(region[2:]) < 1:
        raise ConfigError(f"region {region}: expected left, top, width and height in px, the last two above 0")


def parse_regions(text: str) -> tuple[Region, ...]:
    """Read regions, `0,400,1920,300; 900,500,120,120` say; `none` gives none.

    Raises:
        ConfigError: anything else.

    """
    if text.strip() == NO_REGIONS:
        return ()
    return tuple(_region(part) for part in text.strip().removesuffix(";").split(";"))


def _region(text: str) -> Region:
    try:
        left, top, width, height = (int(number) for number in text.split(","))
    except ValueError:
        raise ConfigError(f"region {text.strip()[:60]!r}: expected {REGIONS_FORM}, whole px") from None
    region = (left, top, width, height)
    check_region(region)
    return region
