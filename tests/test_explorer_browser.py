"""The explorer in headless Chromium: one program, started as a reader would start it."""

import http.client
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browsers import axe_violations, scrolls_sideways

COMMAND = [
    sys.executable,
    "-c",
    "from solver.cli import main; main()",
    "explore",
    "GPQA/reasoning_effort",
    "--no-browser",
]
CURVES = "model,level,accuracy,tokens\nAda,1,0.6,100\nAda,4,0.7,400\n<b>Bell</b>,1,0.5,200\n<b>Bell</b>,4,0.75,800\n"
PRICES = "model,usd_per_million_tokens\nAda,0.2\n<b>Bell</b>,0.1\n"
PATIENCE = 30_000
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the explorer is; at the end it is interrupted, and must leave without a word about errors."""
    said = tmp_path_factory.mktemp("explorer") / "stderr.txt"
    with (
        said.open("w") as errors,
        subprocess.Popen(
            COMMAND, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=os.environ
        ) as program,
    ):
        line = program.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, (line, said.read_text())
        yield found[0]
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0
    assert "Traceback" not in said.read_text()


@pytest.fixture
def explorer(new_page, address):
    """The page, drawn."""
    page = new_page(allow=address + "/", viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    drawn(page)
    return page


def drawn(page):
    page.locator(".place[data-drawn] svg").nth(2).wait_for()


def until(page, locator, text):
    """Wait for a text inside an element."""
    locator.filter(has_text=text).first.wait_for()


def choose(page, label, option):
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("menuitem", name=option, exact=True).click()


# Moves the first slider a step at a time, and says after how many milliseconds the chart over β, which always changes, is new.
REDRAWN = """async (moves) => {
  const find = (root, query) => [...root.querySelectorAll("*")].flatMap(
    (e) => [...(e.matches(query) ? [e] : []), ...(e.shadowRoot ? find(e.shadowRoot, query) : [])])
  const chart = find(document, ".place")[1], slider = find(document, "input[type=range]")[0], times = []
  for (let move = 0; move < moves; move++) {
    const before = chart.dataset.drawn, start = performance.now()
    slider.focus()
    slider.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true, composed: true}))
    while (chart.dataset.drawn === before && performance.now() - start < 20000) await new Promise(requestAnimationFrame)
    times.push(performance.now() - start)
    await new Promise((go) => setTimeout(go, 300))
  }
  return times
}"""


def test_controls_change_what_is_seen(explorer):
    page = explorer
    about, cards = page.locator("p", has_text="per correct answer"), page.locator(".cards")
    until(page, about, "3 providers, β = 1,000 per dollar")
    ratio = page.locator(".number").first.inner_text()
    assert ratio == "1.013"
    chart = page.locator(".place").nth(1)
    assert f"it is {ratio}" in chart.get_attribute("aria-label")
    beta = page.get_by_role("slider", name="Users’ rationality")
    beta.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    until(page, about, "β = 631 per dollar")
    assert page.locator(".number").first.inner_text() != ratio
    times = page.evaluate(REDRAWN, 5)
    assert max(times) < 20000
    here = page.get_by_role("status").filter(has_text="Computed").inner_text()
    print(f"slider to redrawn chart: median {statistics.median(times):.0f} ms of {len(times)} moves; the last: {here}")
    choose(page, "Mechanism", "argmax-router")
    until(page, cards, "Users, argmax-router")
    until(page, page.locator("p"), "argmax-router gives users")
    page.get_by_role("button", name="Drop it").click()
    until(page, about, "2 providers (1 dropped)")
    page.get_by_role("button", name="Bring it back").click()
    until(page, about, "3 providers")
    page.get_by_role("button", name="Start again").click()
    until(page, about, "β = 1,000 per dollar")
    assert page.locator(".number").first.inner_text() == ratio
    assert not axe_violations(page)


def test_code_that_is_copied_runs(explorer):
    page = explorer
    page.get_by_role("button", name="Copy as Python").click()
    code = page.locator("pre")
    code.wait_for()
    assert not axe_violations(page)
    text = code.inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).click()
    until(page, page.get_by_role("status"), "copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
    assert "load_scenario('GPQA/reasoning_effort', margin=0.25)" in text
    compile(text, "copied", "exec")


def open_upload(page):
    page.get_by_role("button", name="A market of your own").click()
    page.get_by_role("button", name="Show my market").wait_for()


def upload(page, files):
    inputs = page.locator("input[type=file]")
    for i, (name, text) in enumerate(files):
        inputs.nth(i).set_input_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})
        page.get_by_text(name).first.wait_for()
    page.get_by_role("button", name="Show my market").click()


def test_upload_of_bad_and_good_tables(explorer):
    page = explorer
    about = page.locator("p", has_text="per correct answer")
    before = about.inner_text()
    open_upload(page)
    alert = page.get_by_role("alert")
    upload(page, [("bad.csv", CURVES.replace("0.7,", "1.7,")), ("prices.csv", PRICES)])
    until(page, alert, "bad.csv, line 3 (Ada): accuracy is 1.7; it must be a number within [0, 1]")
    assert about.inner_text() == before
    upload(page, [("mine.csv", CURVES)])
    until(page, about, "mine: 2 providers")
    alert.wait_for(state="hidden")
    # A name is text wherever it stands.
    until(page, page.locator("tbody th"), "<b>Bell</b>")
    assert page.locator("b", has_text="Bell").count() == 0
    assert not axe_violations(page)


def test_report_is_made_and_handed_over(explorer, tmp_path):
    page = explorer
    page.get_by_role("button", name="Make report").click()
    until(page, page.get_by_role("button"), "Report: ")
    save = page.get_by_role("button", name="Save report").or_(page.get_by_role("link", name="Save report"))
    save.wait_for()
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "GPQA-reasoning-effort.html"
    download.value.save_as(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "GPQA/reasoning_effort" in text
    assert "</html>" in text


def test_phone(new_page, address):
    page = new_page(allow=address + "/", viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    drawn(page)
    page.get_by_role("slider", name="Users’ rationality").wait_for(state="hidden")
    assert not scrolls_sideways(page)
    assert not axe_violations(page)
    page.get_by_role("button", name="Open drawer").click()
    page.get_by_role("slider", name="Users’ rationality").wait_for()
    assert not scrolls_sideways(page)


def test_other_origins_are_refused(address):
    connection = http.client.HTTPConnection(address.removeprefix("http://"))
    connection.putrequest("GET", "/ws")
    for name, value in {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "bokeh, none", "Origin": "http://example.com",
    }.items():  # fmt: skip
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()
