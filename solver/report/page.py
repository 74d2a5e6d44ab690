"""The page: results, tables and charts put into the templates. Names are escaped by the template engine."""

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from solver.provision_levels import IMMATERIAL
from solver.report import palette, style
from solver.report.charts import overview, theme
from solver.report.charts.chart import Chart
from solver.report.findings import QUESTION, key_findings
from solver.report.result import Result
from solver.report.tables import Column, Table, formatter
from solver.report.view import market_view

NUMBERS = ("money", "percent", "ratio", "plain", "tiny")
# Paths of Vega's named symbols, for the list of providers.
MARKS = {
    "circle": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "square": "M-0.9,-0.9H0.9V0.9H-0.9Z",
    "triangle-up": "M0,-1L1,0.8H-1Z",
    "triangle-down": "M0,1L1,-0.8H-1Z",
    "triangle-right": "M1,0L-0.8,1V-1Z",
    "triangle-left": "M-1,0L0.8,1V-1Z",
    "diamond": "M0,-1.1L1.1,0L0,1.1L-1.1,0Z",
    "cross": "M-0.35,-1H0.35V-0.35H1V0.35H0.35V1H-0.35V0.35H-1V-0.35H-0.35Z",
}


@dataclass(frozen=True)
class Contents:
    """What a page is made of.

    Args:
        results: one for each market.
        headline: the one picture for a reader who has a minute.
        overview: the price of anarchy of every market.
        charts: the charts of each market, by the key of their group in ``solver.report.layout``.
        tables: all tables of ``solver.report.tables_detail.all_tables``.
        looks: of every provider.
        money: unit of the page.
        version: of this package.
        command: what reproduces the page.
        appendix: every table as JSON, the file ``report.json``.
        script: the plotting script, of ``solver.report.charts.theme.plotting_script``.
        figures: whether the charts are also written as files beside the page.
    """

    results: Sequence[Result]
    headline: Chart
    overview: Chart
    charts: Sequence[Mapping[str, Sequence[Chart]]]
    tables: Sequence[Table]
    looks: Mapping[str, palette.Look]
    money: style.Money
    version: str
    command: str
    appendix: str
    script: str
    figures: bool = True


def render_page(contents: Contents) -> str:
    """The whole page as HTML."""
    results, money, looks = contents.results, contents.money, contents.looks
    by_name = {table.name: table for table in contents.tables}
    templates = {name: _read(name) for name in ("page.html", "macros.html", "market.html", "method.html")}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.globals.update(
        show=formatter(money),
        looks=looks,
        money=money,
        marker=lambda shape: MARKS.get(shape, shape),
        zooms=zooms,
        is_number=is_number,
        has_money=lambda table: any(column.header and column.kind == "money" for column in table.columns),
        starts_group=starts_group,
    )
    domain = overview.ratio_domain(results)
    thumbnails = [overview.thumbnail(result, domain) for result in results]
    thumbnails = [replace(thumb, key=f"thumbnail-{i + 1}") for i, thumb in enumerate(thumbnails)]
    views = [
        market_view(i, result, by_name, contents.charts[i], thumbnails[i], looks, money)
        for i, result in enumerate(results)
    ]
    zipped = base64.b64encode(gzip.compress(contents.appendix.encode(), mtime=0)).decode()
    beta = results[0].sweep.rationality.values
    text = environment.get_template("page.html").render(
        title=_title(results),
        question=QUESTION,
        findings=key_findings(results, money),
        css=Markup(style_sheet(looks)),
        script=Markup(_read("page.js")),
        vega=Markup(contents.script.replace("</script", "<\\/script").replace("<!--", "<\\!--")),
        headline=contents.headline,
        overview_chart=contents.overview,
        overview=by_name["overview"],
        views=views,
        tables=contents.tables,
        versions=by_name["versions"],
        sources=_sources(results),
        sweep_text=f"β = {style.plain(beta[0])} to {style.plain(beta[-1])}",
        immaterial=style.percent(IMMATERIAL),
        tolerance=style.tiny(results[0].verdict.efficiency.equilibria.tolerance),
        version=contents.version,
        command=contents.command,
        chart_config=data_block(theme.config()),
        chart_data=[
            (
                "charts-page",
                data_block(
                    {chart.key: packed(chart.spec) for chart in (contents.headline, contents.overview, *thumbnails)}
                ),
            ),
            *(
                (view["charts_id"], data_block({c.key: packed(c.spec) for group in charts.values() for c in group}))
                for view, charts in zip(views, contents.charts, strict=True)
            ),
        ],
        appendix=zipped,
        appendix_size=_size(len(contents.appendix)),
        figures=contents.figures,
    )
    return text.lstrip()


def style_sheet(looks: Mapping[str, palette.Look]) -> str:
    """The style sheet with all colours: light, dark where the reader's system is dark, and either by choice."""
    light = _declared(theme.LIGHT | palette.variables(looks))
    dark = _declared(theme.DARK | palette.variables(looks, dark=True))
    colours = (
        f":root{{color-scheme:light;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
        f"@media print{{:root:root:root{{color-scheme:light;{light}}}}}"
    )
    return colours + _read("page.css")


def data_block(value: Any) -> Markup:
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def packed(value: Any) -> Any:
    """The same specification with its records as columns and rows, which takes half the space; the page unpacks it."""
    if isinstance(value, dict):
        records = value.get("values")
        if set(value) == {"values"} and isinstance(records, list) and records and isinstance(records[0], dict):
            columns = list(dict.fromkeys(key for record in records for key in record))
            return {"columns": columns, "rows": [[record.get(key) for key in columns] for record in records]}
        return {key: packed(part) for key, part in value.items()}
    return [packed(part) for part in value] if isinstance(value, list) else value


def zooms(chart: Chart) -> bool:
    """Whether a chart can be zoomed."""
    return '"grid"' in json.dumps(chart.spec.get("params", [])) or any(
        parameter["name"] == "grid" for layer in chart.spec.get("layer", []) for parameter in layer.get("params", [])
    )


def is_number(column: Column) -> bool:
    """Whether a column is aligned to the right."""
    return column.kind in NUMBERS


def starts_group(table: Table, index: int) -> bool:
    """Whether a row's first visible cell differs from the row above, in a table whose first cells repeat."""
    first = next(column.key for column in table.columns if column.header)
    if index == 0 or len({row[first] for row in table.rows}) == len(table.rows):
        return False
    return bool(table.rows[index][first] != table.rows[index - 1][first])


def _read(name: str) -> str:
    return (files("solver.report") / name).read_text(encoding="utf-8")


def _declared(colours: Mapping[str, str]) -> str:
    return "".join(f"{name}:{value};" for name, value in colours.items())


def _size(characters: int) -> str:
    return f"{characters / 1e6:.1f} MB" if characters >= 1e6 else f"{math.ceil(characters / 1e3)} kB"


def _title(results: Sequence[Result]) -> str:
    if len(results) == 1:
        return f"Paid per token: what {style.shorten(results[0].name, 60)} costs and who gains"
    return f"Paid per token: {len(results)} markets for test-time compute"


def _sources(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Distinct sources, with the markets that come from each."""
    names: dict[str, list[str]] = {}
    for result in results:
        names.setdefault(result.scenario.source or "source not stated", []).append(style.shorten(result.name, 60))
    return [(source, style.listed(markets, 20)) for source, markets in names.items()]
