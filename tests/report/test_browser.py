"""The page as a browser sees it: silent, self-contained, fitting, and named for those who cannot see it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report.chromium import Browser, browser, find_browser
from report.fake_run import fake_run

from nwb_mtm import report

PROGRAM = find_browser()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine"),
]
NAMED = {"image", "button", "link", "combobox", "img", "table", "navigation", "heading"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a made-up run of two sessions."""
    return report.write(fake_run(tmp_path_factory.mktemp("run"), sessions=2, units=60))


SCREENS = {
    "desktop-light": (1280, False),
    "desktop-dark": (1280, True),
    "phone-light": (390, False),
    "phone-dark": (390, True),
}


@pytest.fixture(scope="module", params=SCREENS)
def shown(
    request: pytest.FixtureRequest, page: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Browser, int]]:
    """The page opened at desktop and phone width, in light and dark."""
    width, dark = SCREENS[request.param]
    assert PROGRAM is not None
    with browser(PROGRAM, tmp_path_factory.mktemp("browser")) as window:
        window.open(page, width=width, dark=dark)
        yield window, width


def test_the_page_is_silent_self_contained_and_fits(shown: tuple[Browser, int]) -> None:
    window, width = shown
    said = [e for e in window.events if e.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")]
    said += [e for e in window.events if e.get("method") == "Log.entryAdded"]
    assert not said
    asked = [e["params"]["request"]["url"] for e in window.events if e.get("method") == "Network.requestWillBeSent"]
    assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert window.value("document.documentElement.scrollWidth") <= width
    assert window.value("document.querySelectorAll('figure.drawing .saves button').length") > 10


def test_everything_that_can_be_used_or_seen_has_a_name(shown: tuple[Browser, int]) -> None:
    window, _ = shown
    nodes: list[dict[str, Any]] = window.call("Accessibility.getFullAXTree")["nodes"]
    seen = [n for n in nodes if not n.get("ignored") and n.get("role", {}).get("value") in NAMED]
    assert len(seen) > 50
    assert not [n["role"]["value"] for n in seen if not n.get("name", {}).get("value")]


def test_a_figure_can_be_taken_away_as_svg_and_png(shown: tuple[Browser, int]) -> None:
    window, _ = shown
    code = """
    new Promise(done => {
      const found = [];
      URL.createObjectURL = blob => {
        found.push(blob.type + " " + (blob.size > 2000));
        if (found.length === 2) done(found.join(", "));
        return "#";
      };
      document.querySelectorAll("figure[data-name^=raster] .saves button").forEach((b, i) => { if (i < 2) b.click(); });
    })
    """
    assert window.value(code) == "image/svg+xml true, image/png true"


def test_of_several_sessions_one_is_shown(shown: tuple[Browser, int]) -> None:
    window, _ = shown
    visible = "[...document.querySelectorAll('#psths > .choices > .choice')].filter(c => !c.hidden).length"
    assert window.value(visible) == 1
    select = "document.querySelector('#psths select')"
    window.value(f"{select}.value = 1; {select}.dispatchEvent(new Event('change'))")
    assert window.value("document.querySelectorAll('#psths > .choices > .choice')[1].hidden") is False
