"""The report in a real browser: nothing fails, nothing is fetched, nothing sticks out on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from evaluation_example import evaluation, pictures
from headless_browser import NAMES, Browser, find_browser

from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.html_report import write_report
from prv2_ros.evaluation.summary import summarise

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"no browser is installed (looked for {', '.join(NAMES)})")

MODELS = (("new",), ("old", "new"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert PROGRAM is not None
    with Browser(PROGRAM) as opened:
        yield opened


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = evaluation(bags=2, frames=3, models=request.param)
    folder = tmp_path_factory.mktemp("report")
    write_report(found, summarise(found, BootstrapConfig(resamples=100)), pictures, folder)
    return folder / "index.html"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_page_is_sound(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == [page.as_uri()]
    # With every fold open, nothing may stick out either.
    found = browser.evaluate(
        """(() => {
            document.querySelectorAll('details').forEach(d => { d.open = true });
            const page = document.documentElement, images = Array.from(document.images);
            const style = getComputedStyle(document.body);
            return {
                images: images.length,
                broken: images.filter(i => !i.complete || !i.naturalWidth).length,
                wide: Array.from(document.querySelectorAll('main *'))
                    .filter(e => e.getBoundingClientRect().right > page.clientWidth + 0.5)
                    .map(e => e.outerHTML.slice(0, 120)),
                width: page.scrollWidth,
                colours: [style.color, style.backgroundColor],
            };
        })()"""
    )
    assert found["images"] >= 12
    assert found["broken"] == 0
    assert found["wide"] == []
    assert found["width"] <= width
    text, paper = (_luminance(colour) for colour in found["colours"])
    assert (paper < text) == dark
    assert (max(text, paper) + 0.05) / (min(text, paper) + 0.05) > 7  # WCAG AAA


def _luminance(css: str) -> float:
    """Relative luminance of `rgb(r, g, b)` by WCAG 2."""
    parts = [int(value) / 255 for value in css[4:-1].split(",")]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_check_sees_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    """A page with an error, a missing picture and a wide box fails each part of the check."""
    page = tmp_path / "bad.html"
    page.write_text('<img src="gone.jpg"><div style="width: 900px">x</div><script>console.error("no")</script>')
    browser.open(page, 390)
    assert any("no" in problem for problem in browser.problems())
    assert any(url.endswith("gone.jpg") for url in browser.requests())
    assert browser.evaluate("document.images[0].naturalWidth") == 0
    assert browser.evaluate("document.documentElement.scrollWidth") > 390
