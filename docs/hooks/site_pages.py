"""What the site does to the pages, so that the same files read well as plain Markdown.

- Blocks fenced as ``csv NAME`` get NAME as their title; examples that begin with a prompt are coloured as a session.
- Links to files outside of docs/ lead to copies of them, where the site has one.
- Public names set as code link to their entries.
- Formulas, which the pages write in plain characters, get subscripts and superscripts.
- Tables scroll in a box of their own; source code is shown and not searched.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from public_names import definitions

ROOT = Path(__file__).parents[2]
# Files outside of docs/ that the site shows, and as which page.
COPIES = {
    "CHANGELOG.md": "about/changes.md",
    "CONTRIBUTING.md": "about/contributing.md",
    "games/data/README.md": "about/data.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the copies."""
    for source, page in COPIES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page, config: MkDocsConfig, files: Files) -> str:
    """Fences and links."""
    markdown = re.sub(r"^```csv (\S+)$", r'```csv title="\1"', markdown, flags=re.MULTILINE)
    markdown = re.sub(r"^```python\n(?=>>> )", "```pycon\n", markdown, flags=re.MULTILINE)
    return re.sub(r"\]\(([^)\s]+)\)", lambda link: f"]({_target(link[1], page.file.src_uri)})", markdown)


def _target(link: str, page: str) -> str:
    """A link of a page, led to the copy if it leaves docs/ for a file that has one."""
    path, mark, anchor = link.partition("#")
    if re.match(r"[a-z]+:", link) or not path:
        return link
    source = next((source for source, copy in COPIES.items() if copy == page), f"docs/{page}")
    linked = (ROOT / source).parent.joinpath(path).resolve()
    inside = linked.relative_to(ROOT).as_posix() if linked.is_relative_to(ROOT) else ""
    if inside in COPIES:
        target = COPIES[inside]
    elif source != f"docs/{page}" and inside.startswith("docs/"):
        target = inside.removeprefix("docs/")
    else:
        return link
    return "../" * page.count("/") + target + mark + anchor


CODE = r"<pre.*?</pre>|<code.*?</code>|<a .*?</a>|<svg.*?</svg>|<h[1-6].*?</h[1-6]>|<autoref.*?</autoref>|<[^>]+>"
NAME = re.compile(r"<code>((?:games|solver)\.[\w.]+)</code>")


def on_page_content(html: str, page, config: MkDocsConfig, files: Files) -> str:
    """Names, formulas, tables."""
    where = definitions(ROOT)
    parts = re.split(f"({CODE})", html, flags=re.DOTALL)
    for at, part in enumerate(parts):
        name = NAME.fullmatch(part)
        if name and name[1] in where:
            parts[at] = f'<autoref identifier="{where[name[1]]}" optional>{part}</autoref>'
        elif at % 2 == 0:
            parts[at] = formula(part)
    html = "".join(parts).replace(
        '<details class="mkdocstrings-source"', '<details data-search-exclude class="mkdocstrings-source"'
    )
    return re.sub(r"<table>.*?</table>", r'<div class="wide" tabindex="0">\g<0></div>', html, flags=re.DOTALL)


def on_post_page(output: str, page, config: MkDocsConfig) -> str:
    """The theme's search dialog, with the name that a screen reader says."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


INDEXED = re.compile(
    r"(?<![A-Za-z0-9])([^\W\d_]|max|min|dx|10|[)\]*′∫Σ∏])([_^])(?:\{((?:[^{}]|\{[^{}]*\})*)\}|(−?(?:[^\W_]|[*∞′])+))"
)


def formula(text: str) -> str:
    """Plain text with indices and exponents (``s_i``, ``e^{βV}``) as subscripts and superscripts.

    Args:
        text: text without markup.

    Returns:
        The same with ``<sub>`` and ``<sup>``.

    Example:
        >>> formula("Z = Σ_j e^{βV_j}, in run_time")
        'Z = Σ<sub>j</sub> e<sup>βV<sub>j</sub></sup>, in run_time'
    """

    def mark(found: re.Match) -> str:
        tag = "sub" if found[2] == "_" else "sup"
        inner = formula(found[3]) if found[3] is not None else found[4]
        return f"{found[1]}<{tag}>{inner}</{tag}>"

    return INDEXED.sub(mark, text)
