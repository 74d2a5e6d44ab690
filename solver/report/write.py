"""Writing a report: refuse early, compute, draw, and only then put the files into place."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from games.errors import InputError
from games.scenarios import PUBLISHED_RATIONALITY, Scenario
from games.version import VERSION
from solver.mechanisms.outcome import Mechanism
from solver.mechanisms.registry import mechanism
from solver.report.analysis import analyse, check_scenarios, solve
from solver.report.charts import overview
from solver.report.charts.chart import Chart
from solver.report.charts.export import Exporter
from solver.report.charts.headline import headline
from solver.report.charts.theme import plotting_script
from solver.report.layout import charts_of
from solver.report.learning import common_shape
from solver.report.mechanisms import SHELF, check_shelf
from solver.report.page import Contents, render_page
from solver.report.palette import provider_looks
from solver.report.style import Money
from solver.report.tables import Table
from solver.report.tables_detail import all_tables

Progress = Callable[[str, int, int], None]
UNITS = {"money": "dollars per query", "rationality": "per dollar", "tokens": "mean output tokens per query"}
Numbers = Sequence[float | int] | np.ndarray
SCRIPT = "plotting-script.js"
PARTS = 6  # of the analysis of a market, besides its β
DEFAULT_SWEEP = tuple(np.logspace(0, 6, 100).tolist())


def write_report(
    scenarios: Sequence[Scenario],
    output: Path,
    *,
    rationality: Numbers = PUBLISHED_RATIONALITY,
    sweep_rationality: Numbers = DEFAULT_SWEEP,
    mechanisms: Sequence[Mechanism] | None = None,
    figures: bool = True,
    progress: Progress | None = None,
    command: str | None = None,
) -> Path:
    """Solve markets and write a self-contained page about them, its tables as CSV and JSON, its charts as SVG and PDF.

    Args:
        scenarios: markets with any number of user segments, under different names.
        output: folder to write to; made if it does not exist, files in it replaced. Nothing is written on failure.
        rationality: users' β of the tables, per dollar; the figures take the one nearest to the scenario's own.
        sweep_rationality: β of the curves over β, per dollar.
        mechanisms: to compare, the first the one that the others are set against; by default pay-per-compute, its welfare
            optimum, the auction with some reserves, free prices, and the truthful logit market.
        figures: whether to write every chart also as an SVG and a PDF file.
        progress: called with what was done, how many steps are done, and how many there are.
        command: what the page gives as the command that reproduces it; by default a call of this function.

    Returns:
        The path of ``index.html``.

    Raises:
        InputError: the folder cannot be written to, or the scenarios, β or mechanisms are unusable.

    Example:
        >>> import tempfile
        >>> from games import load_scenario
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(
        ...         [load_scenario("GPQA/reasoning_effort")], Path(folder) / "out", rationality=[1000],
        ...         sweep_rationality=np.logspace(2, 4, 5), mechanisms=[mechanism("pay-per-compute")],
        ...         figures=False)
        ...     page.name, page.stat().st_size < 2_000_000
        ('index.html', True)
    """
    output = Path(output)
    betas, swept = check_scenarios(scenarios, rationality, sweep_rationality)
    shelf = [mechanism(name) for name in SHELF] if mechanisms is None else list(mechanisms)
    check_shelf(shelf)
    with _Workplace(output) as folder:
        steps = len(scenarios) * (len(betas) + PARTS) + 3
        step = _Steps(steps, progress)
        shape = common_shape(scenarios)
        results, charts = [], []
        # Files are drawn by other processes while the markets are analysed here.
        with Exporter() if figures else nullcontext() as export:
            if export is not None:
                export.add_script(folder / SCRIPT)
            solved = [solve(scenario, betas, swept, step) for scenario in scenarios]
            looks = provider_looks(
                [one.scenario.market.providers[i] for one in solved for i in one.highlighted],
                [name for scenario in scenarios for name in scenario.market.providers],
            )
            money = Money.for_amounts([float(one.verdict.efficiency.optimum.welfare) for one in solved])
            if export is not None:
                export.wear(looks)
            for i, one in enumerate(solved):
                results.append(analyse(one, step, shape, shelf))
                charts.append(charts_of(results[-1], looks, money))
                drawn = [chart for group in charts[-1].values() for chart in group]
                _order_figures(drawn, folder / "figures", f"{i + 1:02d}-{_slug(one.scenario.name)}", export)
            first, second = headline(results, looks, money), overview.overview(results, looks, money)
            _order_figures([first, second], folder / "figures", "00", export)
            tables = all_tables(results)
            appendix = _as_json(tables)
            contents = Contents(
                results, first, second, charts, tables, looks, money, VERSION,
                _call(scenarios, output, betas, swept, mechanisms, figures) if command is None else command,
                appendix, _script(folder / SCRIPT), figures,
            )  # fmt: skip
            (folder / "index.html").write_text(render_page(contents), encoding="utf-8")
            step("page")
            for table in tables:
                (folder / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
            (folder / "report.json").write_text(appendix, encoding="utf-8")
            step("tables")
        _move(folder, output)
        step("files")
    return output / "index.html"


class _Steps:
    """Counts steps for a progress bar."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.done, self.progress = total, 0, progress

    def __call__(self, name: str) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(name, self.done, self.total)


class _Workplace:
    """A hidden folder on the same disk as the output, removed on leaving; made first, so that a bad path is refused."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def __enter__(self) -> Path:
        place = self.output.absolute()
        if place.is_file():
            raise InputError(f"{self.output}: is a file; give a folder for the report")
        while not place.exists():
            place = place.parent
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=".ttc-games-", dir=place))
        except OSError as error:
            raise InputError(
                f"{self.output}: cannot be written to ({error.strerror}); give a folder that you may write to"
            ) from None
        return self.folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _script(made: Path) -> str:
    """The plotting script: a helper has it ready by now, or it is put together here."""
    if not made.exists():
        return plotting_script()
    text = made.read_text(encoding="utf-8")
    made.unlink()
    return text


def _order_figures(charts: Sequence[Chart], folder: Path, stem: str, export: Exporter | None) -> None:
    """Have charts written as files, in the same folder, their names beginning with ``stem``."""
    if export is None:
        return
    folder.mkdir(exist_ok=True)
    for chart in charts:
        export.add(chart, folder / f"{stem}-{chart.key}")


def _slug(name: str) -> str:
    """A name as part of a file name."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return "-".join(part for part in kept.split("-") if part)[:40] or "market"


def _call(
    scenarios: Sequence[Scenario],
    output: Path,
    betas: Sequence[float],
    swept: np.ndarray,
    shelf: Sequence[Mechanism] | None,
    figures: bool,
) -> str:
    """The Python call that makes this page again."""
    names = [scenario.name for scenario in scenarios]
    return "\n".join(
        [
            "from pathlib import Path",
            "import numpy as np",
            "from games import load_scenario  # for the bundled markets; make your own with games.Scenario",
            "from solver import write_report",
            "",
            f"names = {names!r}",
            "write_report(",
            "    [load_scenario(name) for name in names],",
            f"    Path({output.name!r}),",
            f"    rationality={[float(b) for b in betas]!r},",
            f"    sweep_rationality=np.geomspace({float(swept[0])!r}, {float(swept[-1])!r}, {len(swept)}),",
            *([] if shelf is None else [f"    mechanisms={list(shelf)!r},"]),
            *([] if figures else ["    figures=False,"]),
            ")",
        ]
    )


def _as_json(tables: Sequence[Table]) -> str:
    """All tables with their units."""
    content = {
        "version": VERSION,
        "units": UNITS,
        "columns": {t.name: {c.key: c.kind for c in t.columns} for t in tables},
        "tables": {t.name: t.records() for t in tables},
    }
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def _move(folder: Path, output: Path) -> None:
    """Every file to its place, the page last, so that a page never refers to files that are not there."""
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (p.name == "index.html", p))
    try:
        for file in files:
            target = output / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, target)
    except OSError as error:
        raise InputError(
            f"{output}: cannot be written to ({error.strerror}); empty it or give another folder"
        ) from None
