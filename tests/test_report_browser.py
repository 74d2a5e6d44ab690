"""The report in a browser: opened from disk without a network, drawn, operated by mouse and keyboard, and accessible."""

import csv
import json

import pytest

from tests.browsers import axe_violations, scrolls_sideways
from tests.odd_markets import odd_markets, written_report

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1366, "height": 900}
DRAW_ALL = """async () => {
  for (const chart of document.querySelectorAll('section:not([hidden]) [data-chart]')) {
    chart.scrollIntoView();
    for (let i = 0; i < 200 && !chart.dataset.drawn; i++) await new Promise((done) => setTimeout(done, 20));
  }
  scrollTo(0, 0);
}"""
WATCH_SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => e.hadRecentInput || window.shifts.push(e.value)))
  .observe({type: 'layout-shift', buffered: true});"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Several odd markets; the names of the first one are hostile."""
    return written_report(tmp_path_factory).page


@pytest.fixture
def opened(new_page, report):
    """Opens the report in a window of a given size."""

    def show(viewport=DESKTOP, *, part="", **options):
        page = new_page(viewport=viewport, **options)
        page.add_init_script(WATCH_SHIFTS)
        page.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
        page.goto(report.as_uri() + part)
        return page

    return show


def chart(page, key, market=1):
    """The place of one chart, drawn."""
    place = page.locator(f"#market-{market}-chart-{key}")
    place.scroll_into_view_if_needed()
    page.wait_for_selector(f"#market-{market}-chart-{key}[data-drawn] svg")
    return place


def marks(place):
    """How many marks of data a chart has."""
    return place.locator(
        "svg .mark-group path, svg .mark-symbol path, svg .mark-line path, svg .mark-rect path"
    ).count()


def test_all_charts_are_drawn_without_a_network_and_nothing_moves(opened, report):
    """Console errors and requests fail the fixture; a chart without marks is an empty picture."""
    page = opened()
    number = page.locator("section.market").count()
    assert number == len(odd_markets())
    for i in range(number):
        page.evaluate(f"location.hash = 'market-{i + 1}'")
        page.wait_for_selector(f"#market-{i + 1}:not([hidden])")
        page.evaluate(DRAW_ALL)
        places = page.locator(f"#market-{i + 1} [data-chart]")
        assert places.count() == page.locator(f"#market-{i + 1} [data-drawn]").count() > 10
        assert all(marks(places.nth(k)) for k in range(places.count()))
        assert page.locator("section.market:visible").count() == 1
        if i == 0:
            assert sum(page.evaluate("window.shifts")) < 0.02


def test_providers_are_hidden_and_shown_by_mouse_and_by_keyboard(opened):
    page = opened(part="#market-4")
    place = chart(page, "accuracy", 4)
    buttons = page.locator("#market-4 .legend button[data-provider]")
    before = marks(place)
    buttons.nth(0).click()
    assert buttons.nth(0).get_attribute("aria-pressed") == "false"
    page.wait_for_function(
        "n => document.querySelectorAll('#market-4-chart-accuracy svg path').length < n", arg=before + 40
    )
    assert marks(place) < before
    buttons.nth(0).focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert marks(place) == before
    # A chart drawn later takes over who is hidden.
    page.locator("#market-4 .legend button.plain").click()
    assert {b.get_attribute("aria-pressed") for b in buttons.all()} == {"false"}
    late = chart(page, "dynamics-tokens", 4)
    hidden_marks = marks(late)
    page.locator("#market-4 .legend button.plain").click()
    page.wait_for_timeout(100)
    assert marks(late) > hidden_marks


def test_the_slider_steps_through_the_dynamics(opened):
    page = opened(part="#market-4")
    slider, output = page.locator("#market-4-step"), page.locator("#market-4 .stepper output")
    place = chart(page, "dynamics-potential", 4)
    last = int(slider.get_attribute("max"))
    assert last > 1
    shown = place.inner_html()
    slider.focus()
    page.keyboard.press("Home")
    assert output.inner_text() == f"0 of {last}"
    page.wait_for_function(
        "html => document.querySelector('#market-4-chart-dynamics-potential').innerHTML !== html", arg=shown
    )
    page.locator("#market-4 .stepper button").click()
    page.wait_for_function(f"document.querySelector('#market-4 .stepper output').textContent === '{last} of {last}'")
    page.wait_for_timeout(100)
    assert place.inner_html() == shown


def test_charts_zoom_with_buttons_and_show_values_under_the_mouse(opened):
    page = opened(part="#market-4")
    place = chart(page, "accuracy", 4)
    figure = page.locator("#market-4 figure", has=place)
    ticks = place.locator(".role-axis-label text").all_inner_texts()
    figure.locator("[data-action=in]").click()
    page.wait_for_timeout(150)
    assert place.locator(".role-axis-label text").all_inner_texts() != ticks
    figure.locator("[data-action=reset]").click()
    page.wait_for_timeout(150)
    assert place.locator(".role-axis-label text").all_inner_texts() == ticks
    place.locator("svg .mark-symbol path").first.hover(force=True)
    tooltip = page.locator("#tooltip")
    tooltip.wait_for(state="visible")
    assert "Provider" in tooltip.inner_text()


def test_data_of_charts_and_of_the_page_can_be_had(opened, report):
    page = opened(part="#market-1")
    figure = page.locator("#market-1 figure", has=chart(page, "accuracy"))
    figure.locator("[data-action=data]").click()
    assert figure.locator(".data table tbody tr").count() > 3
    with page.expect_download() as saved:
        figure.locator("[data-action=csv]").click()
    rows = list(csv.DictReader(saved.value.path().read_text().splitlines()))
    assert {"provider", "tokens", "accuracy"} <= set(rows[0])
    with page.expect_download() as saved:
        figure.locator("[data-action=svg]").click()
    picture = saved.value.path().read_text()
    assert picture.startswith("<svg")
    assert "var(" not in picture
    with page.expect_download() as saved:
        page.locator("#save-appendix").click()
    assert json.loads(saved.value.path().read_text()) == json.loads((report.parent / "report.json").read_text())


def test_names_stay_text(opened):
    """The names of market 1 hold a script, an attribute's end and 300 characters."""
    page = opened(part="#market-1")
    page.evaluate(DRAW_ALL)
    place = chart(page, "accuracy")
    place.locator("svg .mark-symbol path").first.hover(force=True)
    assert page.evaluate("document.querySelectorAll('#y, b + script, [onload]').length") == 0
    assert page.locator("#market-1 .legend").inner_text().count("<script>") == 1


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")], ids=["phone", "desktop"])
def test_every_window_reads_well(opened, viewport, scheme):
    page = opened(viewport, color_scheme=scheme)
    for i in range(len(odd_markets())):
        page.evaluate(f"location.hash = 'market-{i + 1}'")
        page.wait_for_selector(f"#market-{i + 1}:not([hidden])")
        if i == 0:
            page.evaluate(DRAW_ALL)
            page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert not scrolls_sideways(page)
    page.evaluate("location.hash = 'market-1'")
    page.wait_for_selector("#market-1:not([hidden])")
    assert axe_violations(page) == []


def test_light_and_dark_by_choice_and_all_markets_on_paper(opened):
    page = opened(color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    for _ in range(2):  # auto, light, dark
        page.locator("#theme").click()
    assert page.evaluate(colour) != light
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(colour) == light
    assert page.locator("section.market:visible").count() == len(odd_markets())
    page.wait_for_function(
        "document.querySelectorAll('[data-drawn]').length === document.querySelectorAll('[data-chart]').length"
    )
