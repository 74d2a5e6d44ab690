"""The reference pages of the site: one for each section of the index of names, made while the site is built.

A public name without a row in the index, or whose docstring lacks something, fails the build.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from public_names import INDEX, Area, areas, complaints, definitions

ROOT = Path(__file__).parents[2]
ENTRY = """::: {path}
    options:
      heading: "{name}"
      toc_label: "{short}"
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    found = complaints(ROOT)
    if found:
        raise PluginError("undocumented names, see `python docs/hooks/public_names.py`:\n" + "\n".join(found))
    where = definitions(ROOT)
    for area in areas(ROOT):
        files.append(File.generated(config, area.page, content=page_of(area, where)))
    return files


def page_of(area: Area, where: dict[str, str]) -> str:
    """Markdown of one page: introduction and entries."""
    entries = [ENTRY.format(path=where[name], name=name, short=name.rpartition(".")[2]) for name in area.names]
    # Links of the index are relative to its folder, the pages lie one below.
    introduction = area.introduction.replace("](../", "](../../")
    return "\n\n".join([f"# {area.title}", introduction, *entries])


def on_page_markdown(markdown: str, page, config: MkDocsConfig, files: Files) -> str:
    """In the index, a link below every heading to the page of its entries."""
    if f"docs/{page.file.src_uri}" != INDEX:
        return markdown
    for area in areas(ROOT):
        link = area.page.removeprefix("reference/")
        markdown = markdown.replace(f"## {area.title}\n", f"## {area.title}\n\n[All entries]({link})\n", 1)
    return markdown
