"""Screenshots for these pages: ``python docs/screenshots.py`` writes the report on all bundled markets and photographs it.

``python docs/screenshots.py PAGE`` photographs a report that exists. Needs the extra ``test`` and a Chromium.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from games import load_scenario, scenario_names
from solver import write_report
from tests.browsers import ARGUMENTS, chromium_on_this_machine

IMAGES = Path(__file__).parent / "images"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 860}


def main(arguments: list[str]) -> None:
    """Two pictures: the first screen on a desktop, and the charts of one market on a phone."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(arguments[0]) if arguments else Path(folder) / "report" / "index.html"
        if not arguments:
            write_report([load_scenario(name) for name in scenario_names()], page.parent, figures=False)
        browser = playwright.chromium.launch(executable_path=chromium_on_this_machine(), args=list(ARGUMENTS))
        shot = browser.new_page(viewport=DESKTOP)
        shot.goto(page.resolve().as_uri())
        _settled(shot)
        shot.screenshot(path=IMAGES / "report-top.png")
        phone = browser.new_page(viewport=PHONE, device_scale_factor=1.5)
        phone.goto(page.resolve().as_uri() + "#market-1-compute")
        _settled(phone)
        phone.screenshot(path=IMAGES / "report-phone.png")
        browser.close()


def _settled(page: Page) -> None:
    """Every chart on the screen is drawn."""
    page.wait_for_function(
        """[...document.querySelectorAll('[data-chart]')].every((chart) => chart.dataset.drawn
        || !chart.clientHeight || chart.getBoundingClientRect().top > innerHeight
        || chart.getBoundingClientRect().bottom < 0)"""
    )
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main(sys.argv[1:])
