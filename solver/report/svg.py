"""From a matplotlib figure to an SVG that is the same on every run, and to one that can share a page with others.

Inside a page all drawings share one space of ids, follow the page's colours (light or dark) and its fonts.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from solver.report.style import GRID, INK, MUTED, VARIABLES, ProviderStyle
from solver.report.svg_compact import compact

SVG = "{http://www.w3.org/2000/svg}"
XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ttc-games",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.6,
    "hatch.color": MUTED,
}
_COLOUR = re.compile("|".join(map(re.escape, VARIABLES)))
_LONG = re.compile(r"(-?\d+\.\d{2})\d+")


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's defaults with the report's settings on top, whatever the user's own are; restored on leaving."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Names may hold characters that no installed font has; the browser finds one that does.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def render(figure: Figure) -> str:
    """The figure as SVG text without date or creator."""
    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return buffer.getvalue().decode()


def embed(svg: str, prefix: str, label: str) -> str:
    """The SVG as an element of an HTML page.

    Args:
        svg: what ``render`` returned.
        prefix: put before every id, unique to the figure on the page.
        label: text alternative.
    """
    root = _parse(svg)
    compact(root)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                element.set(name, prefix + value)
            elif name == "href":
                element.set(name, "#" + prefix + value.removeprefix("#"))
            elif name == "clip-path":
                element.set(name, value.replace("url(#", f"url(#{prefix}"))
            elif name == "style":
                value = value.replace("url(#", f"url(#{prefix}")
                element.set(name, _COLOUR.sub(lambda match: f"var({VARIABLES[match.group()]})", value))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def stand_alone(svg: str, title: str, legend: Mapping[str, tuple[ProviderStyle | None, str]]) -> str:
    """The SVG for a file of its own: on white, with a title and a legend beneath.

    Args:
        svg: what ``render`` returned.
        title: what it shows.
        legend: entries by key: a provider's style (``None`` for grey) and the text.
    """
    root = _parse(svg)
    root.set("xmlns", SVG.strip("{}"))
    width, height = (float(x) for x in root.attrib["viewBox"].split()[2:])
    columns, line = 2, 15.0
    rows = -(-len(legend) // columns)
    total = height + rows * line + (8 if rows else 0)
    root.set("viewBox", f"0 0 {width:g} {total:g}")
    root.set("width", f"{width:g}pt")
    root.set("height", f"{total:g}pt")
    background = ElementTree.Element("rect", {"width": "100%", "height": "100%", "style": "fill: #ffffff"})
    name = ElementTree.Element("title")
    name.text = title
    root.insert(0, background)
    root.insert(0, name)
    for i, (provider, text) in enumerate(legend.values()):
        x, y = 14 + (i % columns) * (width - 14) / columns, height + (i // columns) * line + 6
        colour = MUTED if provider is None else provider.colour
        group = ElementTree.SubElement(root, "g", {"transform": f"translate({x:g} {y:g})"})
        shape = {"d": marker_path("o" if provider is None else provider.marker), "style": f"fill: {colour}"}
        ElementTree.SubElement(group, "path", shape)
        style = f"font: 9.5px sans-serif; fill: {INK}"
        label = ElementTree.SubElement(group, "text", {"x": "10", "y": "3.5", "style": style})
        label.text = text
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def marker_path(marker: str, size: float = 8.0) -> str:
    """A matplotlib marker as the ``d`` of an SVG path around the origin."""
    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform()).interpolated(1)
    parts = []
    for vertices, code in path.iter_segments(curves=True):
        letter = {1: "M", 2: "L", 3: "Q", 4: "C", 79: "Z"}[int(code)]
        points = "" if letter == "Z" else " ".join(f"{size * v * (-1) ** (k % 2):.2f}" for k, v in enumerate(vertices))
        parts.append(letter + points)
    return "".join(parts)


def _parse(svg: str) -> ElementTree.Element:
    """The SVG as plain elements without namespaces and metadata, coordinates to a hundredth of a point."""
    root = ElementTree.fromstring(svg)
    for child in list(root):
        if child.tag.endswith("metadata"):
            root.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        link = element.attrib.pop(XLINK_HREF, None)
        if link is not None:
            element.set("href", link)
        for name in ("d", "x", "y", "transform"):
            if name in element.attrib:
                element.set(name, _LONG.sub(r"\1", element.attrib[name]))
    return root
