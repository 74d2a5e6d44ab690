"""The browser's watch: what a page does wrong is seen, and addresses outside it are not reached."""

import pytest

from tests.browsers import axe_violations, scrolls_sideways, watched_page

BAD = """<!doctype html><html><body><img src="http://example.com/x.png"><input>
<p style="width: 3000px">wide</p>
<script>
  console.error("said by the page");
  new WebSocket("ws://example.com/socket");
  setTimeout(() => { document.title = "done"; throw new Error("thrown by the page"); }, 100);
</script></body></html>"""
GOOD = """<!doctype html><html lang="en"><head><title>t</title></head><body><main><h1>A page</h1>
<img alt="nothing" src="data:image/gif;base64,R0lGODlhAQABAAAAACw="></main></body></html>"""


def test_a_bad_page_is_seen_to_be_bad(browser, tmp_path):
    (tmp_path / "bad.html").write_text(BAD)
    trouble = []
    page = watched_page(browser, trouble, "file://", viewport={"width": 360, "height": 640})
    page.goto((tmp_path / "bad.html").as_uri())
    page.wait_for_function("document.title == 'done'")
    for part in ("asked for http://example.com/x.png", "asked for ws://", "said by the page", "thrown by the page"):
        assert any(part in line for line in trouble), (part, trouble)
    assert scrolls_sideways(page)
    found = axe_violations(page)
    assert any(line.startswith("image-alt (critical)") for line in found)
    assert any(line.startswith("label (critical)") for line in found)
    page.context.close()


def test_a_good_page_passes(page, tmp_path):
    (tmp_path / "good.html").write_text(GOOD)
    page.goto((tmp_path / "good.html").as_uri())
    assert not axe_violations(page, ("minor", "moderate", "serious", "critical"))
    assert not scrolls_sideways(page)


def test_errors_of_a_page_fail_the_test(browser, tmp_path):
    from tests import browsers

    (tmp_path / "bad.html").write_text(BAD)
    opened = browsers.new_page.__wrapped__(browser)
    next(opened)(allow="file://").goto((tmp_path / "bad.html").as_uri())
    with pytest.raises(AssertionError, match="said by the page"):
        next(opened)
