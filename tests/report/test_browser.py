"""The report in a real browser; skipped where there is no Chromium."""

import io
import shutil

import numpy as np
import pytest
from browser import Browser
from PIL import Image

from pmrnet.report import write_report

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    EXECUTABLE is None, reason="no chromium on PATH; on Debian: apt-get install chromium"
)

WIDTHS = (1280, 390)
EVIL = "<img src=x onerror=alert(1)>_a_name_without_any_place_to_break_it_" * 3


@pytest.fixture(scope="module")
def browser():
    with Browser(EXECUTABLE) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_content):
    content = make_content(
        fixed_name=EVIL,
        label_names={1: "left half of everything", 2: EVIL},
        warnings=[EVIL, "Something is odd. Look at it."],
        metrics={EVIL: 1},
        provenance={"files": {"fixed": EVIL}, EVIL: "f" * 64, "seconds": 3},
    )
    return write_report(tmp_path_factory.mktemp("report") / "a report.html", content)


def complaints(browser):
    """What went to the console, or was thrown, or asked for with a dialog."""
    kinds = {
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
    }
    return [event for event in browser.events if event.get("method") in kinds]


def picture(browser, selector):
    """Pixels of an element as they are on the screen, (rows, columns, 3)."""
    # In the middle of the window, where no slider that stays in view covers it.
    box = browser.evaluate(
        f"(() => {{ const e = document.querySelector({selector!r});"
        " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
        " return [Math.round(b.x + scrollX), Math.round(b.y + scrollY), Math.floor(b.width),"
        " Math.floor(b.height)]; })()"
    )
    return np.asarray(Image.open(io.BytesIO(browser.screenshot(box))).convert("RGB")).astype(int)


def changed(before, after):
    return np.abs(before - after).mean() > 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_fits_the_screen_and_is_quiet(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.screenshot()
    assert complaints(browser) == []
    # Not compared with innerWidth: phones make that as wide as what sticks out.
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    # Nothing sticks out, but for what scrolls within its own frame.
    outside = browser.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .view'))"
        f".filter(e => e.getBoundingClientRect().right > {width} + 1).map(e => e.outerHTML)"
    )
    assert outside == []
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(ground.split("(")[1].split(",")[0]) < 60) == dark


def test_no_request_leaves_the_file(browser, report):
    browser.open(report)
    urls = {
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    }
    assert report.resolve().as_uri() in urls
    assert all(url.startswith("data:") for url in urls - {report.resolve().as_uri()})
    # Nor could one: the page's own policy forbids it, with or without a network.
    attempt = (
        "new Promise(r => { document.addEventListener('securitypolicyviolation',"
        " e => r(e.effectiveDirective));"
        " fetch('https://example.org').finally(() => setTimeout(() => r('allowed'), 500)); })"
    )
    assert browser.evaluate(attempt) == "connect-src"


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_slice_slider_by_keyboard(browser, report, plane):
    browser.open(report)
    panels = [f".{plane} .panel-{name} .view" for name in ("blend", "before", "jacobian")]
    others = [f".{p} .panel-fixed .view" for p in ("axial", "coronal", "sagittal") if p != plane]
    before = [picture(browser, panel) for panel in panels]
    kept = [picture(browser, panel) for panel in others]
    said = browser.evaluate(f"document.querySelector('.{plane} output').textContent")
    browser.evaluate(f"document.querySelector('.{plane} .slice').focus()")
    for _ in range(3):
        browser.press("ArrowRight", 39)
    for panel, old in zip(panels, before, strict=True):
        assert changed(old, picture(browser, panel))
    for panel, old in zip(others, kept, strict=True):
        assert not changed(old, picture(browser, panel))
    text = browser.evaluate(f"document.querySelector('.{plane} output').textContent")
    assert text != said
    spoken = f"document.querySelector('.{plane} .slice').getAttribute('aria-valuetext')"
    assert browser.evaluate(spoken) == text


def test_blend_slider_and_choice(browser, report):
    browser.open(report)
    view = ".axial .panel-blend .view"
    shown = {}
    browser.evaluate("document.getElementById('blend').focus()")
    for name, key, code in (("fixed", "Home", 36), ("moved", "End", 35)):
        browser.press(key, code)
        shown[name] = picture(browser, view)
        caption = browser.evaluate("document.querySelector('.panel-blend .caption').textContent")
        assert caption == f"Shown: {name}"
    browser.evaluate("document.querySelector('input[value=moving]').click()")
    shown["moving"] = picture(browser, view)
    assert browser.evaluate("document.getElementById('other').textContent") == "Moving"
    assert changed(shown["fixed"], shown["moved"])
    assert changed(shown["moved"], shown["moving"])
    half = (shown["fixed"] + shown["moving"]) / 2
    browser.evaluate("document.getElementById('blend').focus()")
    browser.press("Home", 36)
    browser.evaluate("document.getElementById('blend').value = 49")
    browser.press("ArrowRight", 39)
    assert np.abs(picture(browser, view) - half).mean() < 2
    # The ends of the slider are the images themselves, which smaller panels show, too.
    for name, pixels in shown.items():
        small = picture(browser, f".axial .panel-{name} .view")
        size = small.shape[1], small.shape[0]
        resized = Image.fromarray(pixels.astype(np.uint8)).resize(size)
        middle = np.s_[20:-20, 20:-20]  # the letters at the edges do not scale
        assert np.abs(np.asarray(resized).astype(int)[middle] - small[middle]).mean() < 6


def test_flicker_swaps_by_itself_until_it_is_stopped(browser, report):
    browser.open(report)
    # Counts swaps, so that the test need not wait for the right moment.
    browser.evaluate(
        "new MutationObserver(() => { window.swaps = (window.swaps || 0) + 1; })"
        ".observe(document.querySelector('.panel-blend .caption'), {childList: true})"
    )
    browser.evaluate("document.getElementById('flicker').focus()")
    browser.press(" ", 32)
    pressed = "document.getElementById('flicker').getAttribute('aria-pressed')"
    assert browser.evaluate(pressed) == "true"
    wait = "new Promise(r => setTimeout(() => r(window.swaps), 1500))"
    swaps = browser.evaluate(wait)
    assert 2 <= swaps <= 4  # at once, and then below three in a second
    browser.press(" ", 32)
    assert browser.evaluate(pressed) == "false"
    stopped = browser.evaluate("window.swaps")
    assert browser.evaluate(wait) == stopped


def test_every_control_is_reached_by_tab(browser, report):
    browser.open(report)
    reached = set()
    for _ in range(12):
        browser.press("Tab", 9)
        reached.add(
            browser.evaluate("document.activeElement.ariaLabel || document.activeElement.id")
        )
    for name in ("Axial slice", "Coronal slice", "Sagittal slice", "flicker"):
        assert name in reached
    assert "Blend from the fixed image to the other one" in reached


def test_without_scripts_the_middle_slices_are_there(browser, report):
    browser.open(report)
    with_scripts = picture(browser, ".axial .panel-fixed .view")
    browser.open(report, scripts=False)
    assert not browser.evaluate("document.documentElement.classList.contains('scripted')")
    hidden = "getComputedStyle(document.querySelector('.slice-slider')).display"
    assert browser.evaluate(hidden) == "none"
    without = picture(browser, ".axial .panel-fixed .view")
    np.testing.assert_allclose(without, with_scripts, atol=3)
    assert without.max() > 150
    note = "document.querySelector('noscript').getBoundingClientRect().height"
    assert browser.evaluate(note) > 10
