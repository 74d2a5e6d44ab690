"""Every example in the documentation and in docstrings runs, every public name is documented, every link leads somewhere.

Blocks of one page share a namespace and an empty folder, in order: ``python`` blocks run (as doctests where they start
with ``>>>``), a block fenced as ``csv NAME`` is written to that file, and in ``console`` blocks the lines that start with
``$ ttc-games`` run in this process and must succeed.
"""

import ast
import doctest
import importlib
import inspect
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.document import PythonDocStringDocument
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from tests.conftest import drop_compiled_code_if_it_is_too_much

ROOT = Path(__file__).parents[1]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")])
TEXTS = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("games", "solver")
    for path in ROOT.glob(f"{package}/**/*.py")
    if re.search(r"^ *>>> ", path.read_text("utf-8"), re.MULTILINE)
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMAND = "$ ttc-games"


class FileParser(CodeBlockParser):
    """Blocks fenced as ``csv NAME``: files that the examples of a page read."""

    def __call__(self, document):
        for region in FencedCodeBlockLexer(language=r"csv \S+", mapping={"language": "name", "source": "source"})(
            document
        ):
            region.parsed = (region.lexemes["name"].split()[1], str(region.lexemes["source"]))
            region.evaluator = self.evaluate
            yield region

    def evaluate(self, example: Example) -> None:
        name, text = example.parsed
        Path(name).write_text(text, encoding="utf-8")


class ConsoleParser(CodeBlockParser):
    """Blocks fenced as ``console``: the lines that call the command."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        for line in example.parsed.splitlines():
            if line.startswith(COMMAND):
                failure = run_command(shlex.split(line.removeprefix("$"), comments=True)[1:])
                if failure:
                    return f"{line}\n{failure}"
        return None


def run_command(arguments: list[str]) -> str | None:
    """Run ``ttc-games`` in this process; what went wrong, or None."""
    from typer.testing import CliRunner

    from solver.cli import app

    result = CliRunner().invoke(app, arguments)
    if result.exit_code != 0:
        return f"exit code {result.exit_code}: {result.output[-2000:]} {result.exception!r}"
    return None


def evaluate(document: Document) -> int:
    """Run all examples of a document; how many there were."""
    examples = list(document)
    for example in examples:
        example.evaluate()
    return len(examples)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to write into; imports and the random state stay as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    yield tmp_path
    drop_compiled_code_if_it_is_too_much()  # this file alone compiles as much as all others


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_run(page, folder):
    parsers = (PythonCodeBlockParser(doctest_optionflags=FLAGS), FileParser("csv"), ConsoleParser())
    document = Document.parse(str(ROOT / page), *parsers)
    text = (ROOT / page).read_text("utf-8")
    assert evaluate(document) >= len(re.findall(r"^```(?:python|console|csv \S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("module", MODULES)
def test_doctests_of_a_module_run(module, folder):
    document = PythonDocStringDocument.parse(str(ROOT / module), DocTestParser(FLAGS))
    assert evaluate(document) > 0


@pytest.mark.parametrize(("source", "complaint"), [(">>> 1 + 1\n3", "Expected:"), ("assert 1 + 1 == 3, 7", "7")])
def test_a_wrong_example_fails(source, complaint, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n```python\n{source}\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=complaint):
        evaluate(Document.parse(str(page), PythonCodeBlockParser(doctest_optionflags=FLAGS)))


def public_names(package: str) -> list[str]:
    stub = ast.parse((ROOT / package.replace(".", "/") / "__init__.pyi").read_text("utf-8"))
    return [
        alias.asname or alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]


@pytest.mark.parametrize("package", ["games", "games.sampling", "solver", "solver.mechanisms"])
def test_every_public_name_is_documented(package):
    reference = (ROOT / "docs/reference/api.md").read_text("utf-8")
    names = public_names(package)
    assert len(names) > 8
    module = importlib.import_module(package)
    # inspect.getdoc would hand down a base class's text, and a value's type is documented elsewhere.
    without = [name for name in names if not inspect.cleandoc(getattr(module, name).__doc__ or "").strip()]
    absent = [name for name in names if f"`{package}.{name}`" not in reference]
    assert (without, absent) == ([], [])


LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """Anchors that headings get on the usual hosts."""
    headings = re.findall(
        r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", TEXTS)
def test_relative_links_lead_somewhere(text):
    page = ROOT / text
    content = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", content)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked.read_text("utf-8"))):
            dead.append(target)
    assert dead == []


def test_index_reaches_every_page():
    """The index is the hub: each page of docs/ is linked from it."""
    index = (ROOT / "docs/index.md").read_text("utf-8")
    linked = {(ROOT / "docs" / target.partition("#")[0]).resolve() for target in LINK.findall(index)}
    missing = [
        page for page in PAGES if page.startswith("docs/") and page != "docs/index.md" and (ROOT / page) not in linked
    ]
    assert missing == []


def test_readme_table_is_what_its_command_prints(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["docs/readme_figures.py", "--table"])
    runpy.run_path(str(ROOT / "docs/readme_figures.py"), run_name="__main__")
    printed = capsys.readouterr().out.strip()
    assert printed.count("\n") == 10
    assert printed in (ROOT / "README.md").read_text("utf-8")
