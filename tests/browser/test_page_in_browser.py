"""The page of runs as a person meets it: opened from the disk in headless Chromium."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_runs import make_run

from usb_negsamp.run.report.page.write import write_page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
REASON = "needs Chromium, its chromedriver, and selenium"

pytestmark = pytest.mark.skipif(
    BROWSER is None or DRIVER is None or importlib.util.find_spec("selenium") is None, reason=REASON
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    options.add_argument("--headless=new")
    options.add_argument("--disable-dev-shm-usage")
    if os.geteuid() == 0:
        # Chromium refuses to make a sandbox for root.
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, the second killed, one of a name that would be a script."""
    folder = tmp_path_factory.mktemp("page")
    runs = [
        make_run(folder / "<img src=x onerror=alert(1)>", accuracy=0.8),
        make_run(folder / "killed", exit_reason=None, accuracy=None, iterations=200, log="its last line\n"),
        make_run(folder / "best", accuracy=0.95, seed=1, lr=0.1),
    ]
    write_page(runs, folder / "report.html")
    return folder / "report.html"


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:
    """The page, opened anew on a wide screen."""
    look(browser, page, 1280, "light")
    return browser


def look(browser: Chrome, page: Path, width: int, scheme: str) -> None:
    """Open the page on a screen of that width."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(page.as_uri())


def find(browser: Chrome, selector: str) -> list[Any]:
    return browser.find_elements("css selector", selector)


def shown(browser: Chrome) -> list[str]:
    return [
        article.find_element("tag name", "h2").text for article in find(browser, "article") if article.is_displayed()
    ]


def test_it_opens_without_an_error_and_asks_for_nothing(opened: Chrome) -> None:
    assert opened.get_log("browser") == []
    assert opened.title == "3 runs"
    assert opened.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert find(opened, "img") == []


def test_it_switches_between_runs(opened: Chrome) -> None:
    first, killed, best = find(opened, "nav button")
    assert shown(opened) == ["<img src=x onerror=alert(1)>"]
    killed.click()
    assert shown(opened) == ["killed"]
    assert [button.get_attribute("aria-pressed") for button in (first, killed, best)] == ["false", "true", "false"]
    assert "its last line" in opened.find_element("tag name", "main").text
    [link] = [link for link in find(opened, "table a") if link.text == "best"]
    link.click()
    assert shown(opened) == ["best"]
    opened.refresh()
    assert shown(opened) == ["best"]


def test_it_sorts_a_table_and_leaves_what_has_no_value_at_the_end(opened: Chrome) -> None:
    def runs() -> list[str]:
        return [cell.text for cell in find(opened, "table.sortable tbody tr th")[:3]]

    [head] = [head for head in find(opened, "table.sortable th button") if head.text.startswith("test error (best")]
    [cell] = [cell for cell in find(opened, "table.sortable thead th") if cell.text.startswith("test error (best")]
    assert runs() == ["<img src=x onerror=alert(1)>", "killed", "best"]
    head.click()
    assert runs() == ["best", "<img src=x onerror=alert(1)>", "killed"]
    assert cell.get_attribute("aria-sort") == "ascending"
    head.click()
    assert runs() == ["<img src=x onerror=alert(1)>", "best", "killed"]
    assert cell.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desk(width: int, browser: Chrome, page: Path) -> None:
    look(browser, page, width, "light")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('svg text')].filter(text => text.getClientRects().length)"
        ".map(text => text.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 9


def test_it_is_dark_where_that_is_wished(browser: Chrome, page: Path) -> None:
    colors = {}
    for scheme in ("light", "dark"):
        look(browser, page, 1280, scheme)
        colors[scheme] = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert colors == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}


def test_everything_has_a_name_for_those_who_do_not_see_it(opened: Chrome) -> None:
    assert all(svg.get_attribute("aria-label") for svg in find(opened, "svg"))
    assert all(svg.get_attribute("role") == "img" for svg in find(opened, "svg"))
    assert len(find(opened, "table")) == len(find(opened, "table > caption"))
    assert find(opened, "tbody tr > td:first-child") == []
    assert find(opened, "th:not([scope])") == []
    levels = [int(heading.tag_name[1]) for heading in find(opened, "h1, h2, h3, h4, h5")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
