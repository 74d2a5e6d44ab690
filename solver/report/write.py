"""Writing a report: refuse early, compute, draw, and only then put the files into place."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from markupsafe import Markup

from games.errors import InputError
from games.scenarios import PUBLISHED_RATIONALITY, Scenario
from solver.mechanisms.outcome import Mechanism
from solver.mechanisms.registry import mechanism
from solver.report import page, svg
from solver.report.analysis import Result, analyse, check_scenarios
from solver.report.learning import common_shape
from solver.report.mechanisms import SHELF, check_shelf
from solver.report.panels import LEDGER, MECHANISMS, PANELS, overview_figure, overview_text
from solver.report.style import Money, ProviderStyle, provider_styles, shorten
from solver.report.tables import Table
from solver.report.tables_detail import all_tables

Progress = Callable[[str, int, int], None]
UNITS = {"money": "dollars per query", "rationality": "per dollar", "tokens": "mean output tokens per query"}
Numbers = Sequence[float | int] | np.ndarray
FIGURES = (*PANELS, LEDGER, *MECHANISMS)
DEFAULT_SWEEP = tuple(np.logspace(0, 6, 100).tolist())


def write_report(
    scenarios: Sequence[Scenario],
    output: Path,
    *,
    rationality: Numbers = PUBLISHED_RATIONALITY,
    sweep_rationality: Numbers = DEFAULT_SWEEP,
    mechanisms: Sequence[Mechanism] | None = None,
    progress: Progress | None = None,
    command: str | None = None,
) -> Path:
    """Solve markets and write a self-contained page about them, its tables as CSV and JSON, its figures as SVG.

    Args:
        scenarios: markets with one segment of users each, under different names.
        output: folder to write to; made if it does not exist, files in it replaced. Nothing is written on failure.
        rationality: users' β of the tables, per dollar; the figures take the one nearest to the scenario's own.
        sweep_rationality: β of the curves over β, per dollar.
        mechanisms: to compare, the first the one that the others are set against; by default pay-per-compute, its welfare
            optimum, the auction with some reserves, free prices, and the truthful logit market.
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
        ...         sweep_rationality=np.logspace(2, 4, 5), mechanisms=[mechanism("pay-per-compute")])
        ...     page.name, page.stat().st_size < 1_000_000
        ('index.html', True)
    """
    output = Path(output)
    betas, swept = check_scenarios(scenarios, rationality, sweep_rationality)
    shelf = [mechanism(name) for name in SHELF] if mechanisms is None else list(mechanisms)
    check_shelf(shelf)
    with _Workplace(output) as folder:
        steps = len(scenarios) * (len(betas) + 5 + len(FIGURES)) + 2
        step = _Steps(steps, progress)
        shape = common_shape(scenarios)
        results = [analyse(scenario, betas, swept, step, shape, shelf) for scenario in scenarios]
        styles = provider_styles(
            [r.scenario.market.providers[i] for r in results for i in r.highlighted],
            [name for r in results for name in r.scenario.market.providers],
        )
        money = Money.for_amounts([float(r.verdict.efficiency.optimum.welfare) for r in results])
        (folder / "figures").mkdir()
        drawings = [_draw(i, result, styles, money, folder, step) for i, result in enumerate(results)]
        tables = all_tables(results)
        text = page.render_page(
            results,
            tables,
            drawings,
            _overview(results, folder),
            styles=styles,
            money=money,
            version=version("ttc-games"),
            command=_call(scenarios, output, betas, swept, mechanisms) if command is None else command,
        )
        step("page")
        _write_tables(tables, folder)
        (folder / "index.html").write_text(text, encoding="utf-8")
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


def _draw(
    index: int,
    result: Result,
    styles: dict[str, ProviderStyle],
    money: Money,
    folder: Path,
    step: Callable[[str], None],
) -> list[page.Drawing]:
    """Every figure of one market, written as a file and returned for the page."""
    market = result.scenario.market
    legend: dict[str, tuple[ProviderStyle | None, str]] = {
        market.providers[i]: (styles[market.providers[i]], styles[market.providers[i]].short)
        for i in result.highlighted
    }
    others = market.num_providers - len(legend)
    if others:
        legend["\0others"] = (None, f"and {others} more")
    drawings = []
    for panel in FIGURES:
        with svg.drawing():
            text = svg.render(panel.draw(result, styles, money))
        title = f"{panel.title}: {shorten(result.name, 60)}"
        stem = f"{index + 1:02d}-{_slug(result.name)}-{panel.key}"
        file = svg.stand_alone(text, title, legend if panel.by_provider else {})
        (folder / "figures" / f"{stem}.svg").write_text(file, encoding="utf-8")
        label = f"{title}. {panel.describe(result, money)}"
        drawings.append(
            page.Drawing(panel.title, panel.caption, Markup(svg.embed(text, f"f{index + 1}-{panel.key}-", label)))
        )
        step(f"{result.name}: figures")
    return drawings


def _overview(results: Sequence[Result], folder: Path) -> Markup:
    with svg.drawing():
        text = svg.render(overview_figure(results))
    (folder / "figures" / "00-overview.svg").write_text(svg.stand_alone(text, "Price of anarchy", {}), encoding="utf-8")
    return Markup(svg.embed(text, "f0-overview-", overview_text(results)))


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
            ")",
        ]
    )


def _write_tables(tables: Sequence[Table], folder: Path) -> None:
    for table in tables:
        (folder / f"{table.name}.csv").write_text(table.csv(), encoding="utf-8")
    content = {
        "version": version("ttc-games"),
        "units": UNITS,
        "columns": {t.name: {c.key: c.kind for c in t.columns} for t in tables},
        "tables": {t.name: t.records() for t in tables},
    }
    (folder / "report.json").write_text(json.dumps(content, allow_nan=False, ensure_ascii=False), encoding="utf-8")


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
