"""Headless Chromium for tests: found or installed, cut off from the network, and watched for errors.

Fixtures (imported by conftest.py): ``new_page(allow=ORIGIN, **options)`` opens a page in a context of its own; ``page`` is
one that may read files and nothing else. A test fails at its end if any of its pages logged an error, threw one, or asked
for an address that it may not have. ``python -m tests.browsers`` says where Chromium is, and installs it if there is none:
Playwright's, else the system's package where root may install it without being asked. Where there is none in the end, tests
that need one are skipped, and one line at the end of the run says so; with TTC_GAMES_REQUIRE_BROWSER=1 they fail.

The browser lives as long as a file of tests, not as long as the session: while Playwright's synchronous interface is up,
nothing else in the process can run an event loop of its own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route

VARIABLE = "TTC_GAMES_CHROMIUM"
REQUIRED = "TTC_GAMES_REQUIRE_BROWSER"
NONE_HERE = "no Chromium on this machine"
NAMES = ("chromium", "chromium-browser", "google-chrome")
REMEDY = (
    "run '{python} -m playwright install chromium' or 'apt-get install chromium', "
    f"or name the program in the variable {VARIABLE}"
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name is ever looked up, by the page or by the browser itself.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
INSTALLING_S = 300
# Addresses that are part of the page itself.
INSIDE = ("data:", "blob:", "about:")


class NewPage(Protocol):
    """Opens a watched page; options are those of Playwright's ``new_context``."""

    def __call__(self, *, allow: str = "file://", **options: Any) -> "Page":
        """A page that may ask for addresses which begin with ``allow``, and for no others."""


def chromium_on_this_machine() -> str | None:
    """Path of a Chromium: from the environment, from PATH, or Playwright's own."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return next((path for path in map(shutil.which, NAMES) if path), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    """Asked in a process of its own, for the reason given above."""
    code = "from playwright.sync_api import sync_playwright as p\nwith p() as q: print(q.chromium.executable_path)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    path = said.stdout.strip()
    return path if path and Path(path).exists() else None


def remedy() -> str:
    """How to get a browser, in one line."""
    return REMEDY.format(python=sys.executable)


def is_required() -> bool:
    """Whether a machine without a browser is a failure, as in continuous integration."""
    return os.environ.get(REQUIRED, "") not in ("", "0")


def main() -> int:
    """Find Chromium, or install it; 1 if there is none in the end and one is required."""
    path = chromium_on_this_machine()
    for install in () if path or os.environ.get(VARIABLE) else installers():
        print(f"no Chromium found; trying: {' '.join(install)}", file=sys.stderr)
        _try(install)
        path = chromium_on_this_machine()
        if path is not None:
            break
    if path is not None:
        print(f"browser tests use {path}")
        return 0
    print(
        f"{NONE_HERE}: {'they are required here' if is_required() else 'browser tests are skipped'}; to run them, {remedy()}"
    )
    return 1 if is_required() else 0


def installers() -> list[tuple[str, ...]]:
    """Commands that may install Chromium without asking anybody, in the order in which to try them."""
    found: list[tuple[str, ...]] = [(sys.executable, "-m", "playwright", "install", "chromium")]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        found.append(("apt-get", "update", "-qq"))
        found.append(("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"))
    return found


def _try(command: Sequence[str]) -> None:
    """Run an installer; that it fails, or hangs at a network that does not answer, is no failure of ours."""
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, check=False, timeout=INSTALLING_S, env=os.environ | quiet, stdin=subprocess.DEVNULL)
    except (subprocess.TimeoutExpired, OSError) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)


def skip_or_fail(why: str) -> NoReturn:
    """What a test does that has no browser."""
    if is_required():
        pytest.fail(f"{why}, and {REQUIRED} is set; {remedy()}", pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One headless Chromium for a file of tests."""
    from playwright.sync_api import sync_playwright

    path = chromium_on_this_machine()
    if path is None:
        skip_or_fail(NONE_HERE)
    with sync_playwright() as playwright:
        launched = _launch(playwright, path)
        yield launched
        launched.close()


def _launch(playwright: "Playwright", path: str) -> "Browser":
    return playwright.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))


@pytest.fixture
def new_page(browser: "Browser") -> Iterator[NewPage]:
    """Opens watched pages, as many as a test wants."""
    contexts: list[BrowserContext] = []
    trouble: list[str] = []

    def open_page(*, allow: str = "file://", **options: Any) -> "Page":
        page = watched_page(browser, trouble, allow, **options)
        contexts.append(page.context)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not trouble, "\n".join(dict.fromkeys(trouble))


def watched_page(browser: "Browser", trouble: list[str], allow: str, **options: Any) -> "Page":
    """A page in a context of its own; what goes wrong on it is added to ``trouble``."""
    context = browser.new_context(**options)
    context.route("**/*", lambda route: _let_through(route, allow, trouble))
    page = context.new_page()
    page.on("console", lambda message: trouble.append(f"console: {message.text}") if _is_error(message) else None)
    page.on("pageerror", lambda error: trouble.append(f"error on the page: {error}"))
    sockets = allow.replace("http", "ws", 1)
    page.on("websocket", lambda ws: None if ws.url.startswith(sockets) else trouble.append(f"asked for {ws.url}"))
    return page


def _let_through(route: "Route", allow: str, trouble: list[str]) -> None:
    url = route.request.url
    if url.startswith((allow, *INSIDE)):
        route.continue_()
    else:
        trouble.append(f"asked for {url[:200]}")
        route.abort()


def _is_error(message: Any) -> bool:
    return message.type in ("error", "assert")


@pytest.fixture
def page(new_page: NewPage) -> "Page":
    """A page that may read files and nothing else."""
    return new_page()


def axe_violations(page: "Page", impact: Sequence[str] = ("serious", "critical")) -> list[str]:
    """What axe-core finds wrong on the page as it stands: rule, impact, and the first elements it concerns."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}; {len(rule['nodes'])} places, first "
        + "; ".join(f"{node['target']} {node['html'][:160]}" for node in rule["nodes"][:3])
        for rule in found
        if rule["impact"] in impact
    ]


def scrolls_sideways(page: "Page") -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


if __name__ == "__main__":
    sys.exit(main())
