"""The command that sweeps: many β of many markets, or a grid of any parameters of one, here or on a cluster."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli import output, serialise
from solver.cli.options import (
    SWEEP_RATIONALITY,
    MarketOptions,
    default_list,
    load_markets,
    parse_rationality,
    takes_market,
)
from solver.cli.output import JsonOption, Output
from solver.cli.study_commands import Names
from solver.files import write_whole

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

    from games import Scenario
    from solver.cells import Stages
    from solver.grid import Grid

TABLES = (".nc", ".csv", ".parquet")


@takes_market
def sweep(
    market: MarketOptions,
    scenarios: Names = None,
    rationality: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Users' sensitivity β per dollar: a number, a list, or LO:HI:COUNT; 1:1e6:100 by default, a thousandth to a "
            "thousand times 20 / value per correct answer for a market of your own.",
        ),
    ] = None,
    axis: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LIST",
            help="One more axis: margin=0.05,0.25 or value_per_correct=0.001:0.1:50 (log-spaced); providers=Ada|Bell,Ada|Cox "
            "for subsets. Repeat for a product.",
        ),
    ] = None,
    zipped: Annotated[
        list[str] | None, typer.Option("--zip", metavar="NAME,NAME", help="Axes that run together, not as a product.")
    ] = None,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(
            help="Run this mechanism in every market too ('ttc-games compare --mechanism list'); repeat for more."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dynamics' move order.")] = 0,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a store on disk: constant memory, and the same command again goes on after a stop."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Solve on so many local processes; needs --store.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Solve on a dask cluster with this scheduler; needs --store.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for all results: .nc (netCDF), .csv or .parquet.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Solve markets at many β: all equilibria, optimum, the paper's dynamics, and the auction.

    Example: ttc-games sweep GSM8K/majority GPQA/majority --rationality 1:1e6:100 --out sweep.csv

    Example: ttc-games sweep GSM8K/majority --axis margin=0.01:1:100 --axis value_per_correct=0.001:0.1:100 --store sweep
    """
    printer = Output(json)
    if out is not None:
        _check_table_path(out)
    if rationality is not None:
        parse_rationality(rationality)  # refuses a text that is none before a file is read
    chosen = load_markets(scenarios or [], market)
    asked = rationality
    rationality = default_list(SWEEP_RATIONALITY, chosen[0], market) if asked is None else asked
    beta = parse_rationality(rationality)
    from solver.cli.segment_files import scaling_note

    printer.show(*scaling_note(chosen[0].users, market, None if asked is None else beta.tolist()))
    games = [scenario.game(float(beta[0])) for scenario in chosen]
    if axis or mechanism or store is not None or workers or cluster:
        from solver.cells import Stages

        stages = Stages(mechanisms=tuple(mechanism or ()))
        data = _grid(chosen, rationality, axis or [], zipped or [], stages, seed, store, workers, cluster, printer)
        _finish(chosen[0], data, out, printer)
        return
    from solver import sweep as solve_sweep

    datasets = []
    with output.progress_bar("markets solved", len(chosen) * len(beta)) as update:
        for game, scenario in zip(games, chosen, strict=True):
            data = solve_sweep(
                game.market,
                game.users,
                beta,
                seed=seed,
                name=scenario.name,
                progress=lambda steps: update(advance=steps),
            )
            datasets.append(data.assign_attrs(command=_command()))
    if out is not None:
        write_dataset(out, datasets, [scenario.name for scenario in chosen])
    printer.write(serialise.sweep_document(chosen, datasets))
    made = output.table(
        f"Price of anarchy over {len(beta)} values of β from {beta.min():g} to {beta.max():g} per dollar",
        [[scenario.name, *_sweep_row(data)] for scenario, data in zip(chosen, datasets, strict=True)],
        first=["scenario"],
        numbers=["smallest", "largest", "at β", "several eq.", "largest regret"],
    )
    printer.show(made, *([] if out is None else [f"written: {out}"]))


def _check_table_path(path: Path) -> None:
    from games.errors import InputError

    if path.suffix not in TABLES:
        raise InputError(f"--out {path}: the name must end in .nc (netCDF), .csv or .parquet")
    output.check_writable(path, "--out")


def write_dataset(path: Path, datasets: "Sequence[xr.Dataset]", names: Sequence[str]) -> None:
    """Write sweeps as one NetCDF file, or as CSV with one row per scenario, rationality and provider."""
    from solver.sweep import combine
    from solver.sweep_export import labelled_frame

    data = combine(datasets, names)
    if path.suffix == ".nc":
        write_whole(path, lambda file: data.to_netcdf(file, engine="scipy"))
        return
    frame = labelled_frame(data, ["scenario", "rationality", "provider"])
    # A provider that a scenario lacks has no levels in the combined dataset.
    frame = frame[frame["optimal_level"].notna()]
    if path.suffix == ".parquet":
        write_whole(path, lambda file: frame.reset_index().to_parquet(file, index=False))
    else:
        write_whole(path, lambda file: frame.to_csv(file, na_rep="nan"))


def _sweep_row(data: "xr.Dataset") -> list[str]:
    import numpy as np

    values = data["price_of_anarchy"].values
    defined = values[~np.isnan(values)]
    if defined.size:
        at = f"{float(data['rationality'].values[np.nanargmax(values)]):.4g}"
        ends = [output.ratio(float(defined.min())), output.ratio(float(defined.max())), at]
    else:
        ends = ["undefined", "undefined", ""]
    several = int((data["num_equilibria"].values > 1).sum())
    return [*ends, f"{several} of {len(values)}", f"{float(data['max_regret'].max()):.1e}"]


def _grid(
    chosen: "Sequence[Scenario]",
    rationality: str,
    axis: Sequence[str],
    zipped: Sequence[str],
    stages: "Stages",
    seed: int,
    store: Path | None,
    workers: int | None,
    cluster: str | None,
    printer: Output,
) -> "xr.Dataset":
    """Solve the grid, in memory or into the store."""
    from games.errors import InputError
    from solver.sweep import sweep_grid
    from solver.sweep_run import sweep_to_store

    if len(chosen) != 1:
        raise InputError(
            f"sweep: --axis, --mechanism and --store take one market, got {len(chosen)}; run one command for each"
        )
    if store is None and (workers or cluster):
        raise InputError("sweep: --workers and --cluster need --store, a folder that all of them can write to")
    if workers and cluster:
        raise InputError("sweep: give --workers for local processes or --cluster for a scheduler, not both")
    grid = parse_grid(chosen[0], {"rationality": rationality}, axis, zipped)
    with output.rate_bar("markets solved", grid.size) as update:
        advance = lambda steps: update(advance=steps)  # noqa: E731
        if store is None:
            return sweep_grid(grid, stages=stages, seed=seed, progress=advance).assign_attrs(command=_command())
        with _client(workers, cluster) as client:
            say, command = printer.show, _command()
            return sweep_to_store(
                grid, store, stages=stages, seed=seed, client=client, progress=advance, say=say, command=command
            )


def _command() -> str:
    """The command line, for the provenance of results."""
    return shlex.join(["ttc-games", *sys.argv[1:]])


def parse_grid(scenario: "Scenario", first: dict[str, str], axis: Sequence[str], zipped: Sequence[str]) -> "Grid":
    """The grid that the options ask for; β is the last, fastest axis.

    Raises:
        InputError: an axis without values, given twice, or not understood.

    Example:
        >>> from games import load_scenario
        >>> parse_grid(load_scenario("GSM8K/majority"), {"rationality": "1:100:3"}, ["margin=0.1,0.2"], []).shape
        (2, 3)
    """
    from games.errors import InputError
    from solver.grid import Grid

    axes: dict[str, Any] = {}
    for text in axis:
        name, separator, values = text.partition("=")
        if not separator or not values:
            raise InputError(f"--axis {text}: write NAME=LIST, for example margin=0.05,0.25")
        if name in axes or name in first:
            raise InputError(f"--axis {text}: {name} is given twice" + ("; use --rationality" if name in first else ""))
        axes[name] = [part.split("|") for part in values.split(",")] if name == "providers" else numbers(values, text)
    axes |= {name: parse_rationality(text) for name, text in first.items()}
    groups = [[name.strip() for name in text.split(",")] for text in zipped]
    return Grid.of(scenario.market, scenario.users, axes, zipped=groups, name=scenario.name)


def numbers(text: str, option: str):
    """A list of numbers, or LO:HI:COUNT, log-spaced.

    Raises:
        InputError: the text is neither.
    """
    import numpy as np

    from games.errors import InputError

    try:
        parts = [float(part) for part in text.split(":" if ":" in text else ",")]
    except ValueError:
        parts = []
    if ":" not in text and parts:
        return np.array(parts)
    if len(parts) != 3 or not (0 < parts[0] <= parts[1]) or not (parts[2] >= 1 and parts[2] == int(parts[2])):
        raise InputError(
            f"--axis {option}: not understood; give numbers such as 0.1,0.25 or LO:HI:COUNT with 0 < LO <= HI"
        )
    return np.geomspace(parts[0], parts[1], int(parts[2]))


@contextmanager
def _client(workers: int | None, cluster: str | None) -> "Iterator[Client | None]":
    """A dask client, if one is asked for."""
    if not workers and not cluster:
        yield None
        return
    from importlib.util import find_spec

    from games.errors import InputError

    if find_spec("distributed") is None:
        raise InputError("sweep: dask.distributed is not installed; run: pip install 'ttc-games[cluster]'")
    from solver.sweep_cluster import connect

    with connect(workers=workers, address=cluster) as client:
        yield client


def _finish(scenario: "Scenario", data: "xr.Dataset", out: Path | None, printer: Output) -> None:
    """Write the file, the JSON and a table of what was found."""
    if out is not None:
        from solver.sweep_export import export_sweep

        export_sweep(data, out)
    if printer.json is not None:
        printer.write(serialise.grid_document(scenario, data))
    dims = " × ".join(f"{data.sizes[dim]} {dim}" for dim in data["price_of_anarchy"].dims)
    made = output.table(
        f"{scenario.name}: {data['price_of_anarchy'].size} markets, {dims}",
        _summary(data),
        first=["over all markets"],
        numbers=["value"],
    )
    printer.show(made, *([] if out is None else [f"written: {out}"]))


def _summary(data: "xr.Dataset") -> list[list[str]]:
    import numpy as np

    ratios = data["price_of_anarchy"].values.ravel()
    finite = ratios[np.isfinite(ratios)]
    least, median, largest = np.quantile(finite, [0, 0.5, 1]).tolist() if finite.size else [float("nan")] * 3
    return [
        ["price of anarchy, least", output.ratio(least)],
        ["median", output.ratio(median)],
        ["largest", output.ratio(largest)],
        ["markets without a finite one", str(ratios.size - finite.size)],
        ["markets with several equilibria", str(int((data["num_equilibria"] > 1).sum()))],
        ["largest relative regret", f"{float(data['max_regret'].max()):.1e}"],
    ]
