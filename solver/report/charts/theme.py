"""How charts look, and how they become files. Colours are variables of the style sheet until a file needs values."""

import re
from collections.abc import Mapping
from typing import Any

from solver.report.charts.chart import Chart
from solver.report.palette import Look, variables

VEGA_LITE = "6.4"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
FILE_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
FILE_WIDTH, LEGEND_WIDTH = 420, 170
# What axes and a legend take of the height of a chart on the page.
AROUND = 60
# Names and values of the page's style sheet; page.css takes them from here.
LIGHT = {
    "--paper": "#fffffe", "--ink": "#1c2024", "--muted": "#5d6673", "--grid": "#dfe2e7", "--card": "#f5f6f8",
    "--line": "#d5d9df", "--users": "#2f6fb3", "--providers": "#9c5b06", "--platform": "#7d5ba6", "--warning": "#c0392b",
    "--link": "#1f5fa8",
}  # fmt: skip
DARK = {
    "--paper": "#14171b", "--ink": "#e7e9ec", "--muted": "#a0a8b3", "--grid": "#30363e", "--card": "#1d2127",
    "--line": "#39404a", "--users": "#6fb1f0", "--providers": "#f0ad4e", "--platform": "#b79be0", "--warning": "#ff8a7a",
    "--link": "#8ec1ff",
}  # fmt: skip
_VARIABLE = re.compile(r"var\((--[\w-]+)\)")


def config(font: str = FONT) -> dict[str, Any]:
    """The settings that all charts share."""
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "titleFontWeight": "normal"}
    return {
        "font": font,
        "background": None,
        # The height of a specification is that of the whole chart, so that a page can keep the place free.
        "autosize": {"type": "fit", "contains": "padding"},
        # The text alternative of the whole chart stands where the chart is; marks are not read out one by one.
        "aria": False,
        "view": {"stroke": None},
        "axis": text | {
            "labelFontSize": 11, "titleFontSize": 11.5, "gridColor": "var(--grid)", "domainColor": "var(--line)",
            "tickColor": "var(--line)", "labelOverlap": "greedy", "labelLimit": 150, "titlePadding": 6,
        },
        "axisY": {"domain": False, "ticks": False, "labelPadding": 6, "tickCount": 5},
        "axisX": {"grid": False, "tickCount": 6},
        "legend": text | {"title": None, "orient": "top", "labelFontSize": 11.5, "labelLimit": 200, "symbolLimit": 40},
        "text": {"color": "var(--ink)", "fontSize": 11.5},
        "rule": {"color": "var(--muted)"},
        "line": {"strokeWidth": 1.8, "strokeJoin": "round"},
        "point": {"filled": True, "size": 45, "opacity": 1},
        "bar": {"cornerRadius": 1},
    }  # fmt: skip


def resolved(value: Any, looks: Mapping[str, Look]) -> Any:
    """The same specification with light colours in place of variables, and a legend where only colours name providers."""
    return _filled(value, LIGHT | variables(looks), not _names_rows(value))


def to_svg(chart: Chart, looks: Mapping[str, Look]) -> str:
    """The chart as an SVG file for a paper: light colours, a fixed width, a legend, its text alternative inside."""
    import vl_convert

    beside = LEGEND_WIDTH if chart.by_provider and not _names_rows(chart.spec) else 0
    # A file has as much room as its axes need; to fit them into a given one, and labels into limits, takes twice the time.
    size = {"width": FILE_WIDTH + beside, "height": max(chart.spec["height"] - AROUND, 40)}
    spec = resolved(chart.spec | size, looks)
    settings = resolved(config(FILE_FONT) | {"autosize": "pad"}, looks)
    svg = str(vl_convert.vegalite_to_svg(spec | {"background": "white"}, vl_version=VEGA_LITE, config=settings))
    start = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:start]}<title>{_escaped(chart.title)}</title><desc>{_escaped(chart.text)}</desc>{svg[start:]}"


def to_pdf(svg: str) -> bytes:
    """An SVG of ``to_svg`` as PDF."""
    import vl_convert

    return bytes(vl_convert.svg_to_pdf(svg))


def plotting_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that sets ``window.vegaEmbed``."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;", vl_version=VEGA_LITE))


def _names_rows(value: Any) -> bool:
    """Whether an axis gives the providers' names."""
    if isinstance(value, dict):
        y = value.get("y")
        named = isinstance(y, dict) and y.get("field") == "provider"
        return named or any(_names_rows(part) for key, part in value.items() if key != "data")
    return any(map(_names_rows, value)) if isinstance(value, list) else False


def _filled(value: Any, colours: Mapping[str, str], legend: bool) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: colours[found[1]], value)
    if isinstance(value, dict):
        filled = {key: _filled(part, colours, legend) for key, part in value.items()}
        if "labelLimit" in filled:
            filled["labelLimit"] = 0
        if legend and filled.get("field") == "provider" and "scale" in filled and filled.get("legend", 0) is None:
            filled["legend"] = {"orient": "right", "title": None}
        return filled
    return [_filled(part, colours, legend) for part in value] if isinstance(value, list) else value


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
