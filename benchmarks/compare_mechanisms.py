"""Every mechanism on every published market: ``python -m benchmarks.compare_mechanisms [SCENARIO...] [--out DIR]``.

Prints one row per mechanism over all cells (market × β): welfare, users and platform as shares of what pay-per-compute creates,
in how many cells users lose against it and where they lose most, what a provider gains by gaming, and the time a cell
takes once compiled. ``--out`` writes every cell as CSV and JSON, and one row per provider as CSV.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from benchmarks.timing import machine, show
from games import load_scenario, scenario_names
from solver import compare
from solver.mechanisms import MECHANISMS, mechanism

PUBLISHED = 9


def run(scenarios: list[str], rationality: list[float], names: list[str]) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """All cells, the rows of providers, and warm seconds per cell and mechanism."""
    tables, details = [], []
    seconds = dict.fromkeys(names, 0.0)
    for scenario in track(scenarios, description="markets", transient=True):
        loaded = load_scenario(scenario)
        found = compare([loaded], rationality, [mechanism(name) for name in names])
        tables.append(found.table)
        details.append(found.providers)
        for name in names:  # compiled by now
            made, users = mechanism(name), loaded.users.with_rationality(rationality[0])
            start = time.perf_counter()
            np.asarray(made.outcome(loaded.market, users).welfare)
            seconds[name] += (time.perf_counter() - start) / len(scenarios)
    return pd.concat(tables, ignore_index=True), pd.concat(details, ignore_index=True), seconds


def summary(table: pd.DataFrame, seconds: dict[str, float]) -> list[list[str]]:
    """One row per mechanism."""
    base = table[table["mechanism"] == table["mechanism"].iloc[0]].set_index(["scenario", "rationality"])
    rows = []
    for name in table["mechanism"].unique():
        cells = table[table["mechanism"] == name].set_index(["scenario", "rationality"])
        share = {
            column: (cells[column] / base["welfare"]).mean()
            for column in ("welfare", "user_value", "profits", "platform", "misreport_gain")
        }
        losing = cells[["users" in losers for losers in cells["losers"]]]
        relative = losing["user_gain"] / base.loc[losing.index, "user_value"]
        worst = f"{relative.idxmin()[0]} β={relative.idxmin()[1]:g} {relative.min():+.1%}" if len(losing) else ""
        solved = int(cells["welfare"].notna().sum())
        numbers = [f"{share[column]:.4f}" for column in ("welfare", "user_value", "profits", "platform")]
        gaming = f"{share['misreport_gain']:.1e}"
        rows.append(
            [name, f"{solved}/{len(cells)}", *numbers, f"{len(losing)}", worst, gaming, f"{1e3 * seconds[name]:.1f}"]
        )
    return rows


def losses(table: pd.DataFrame) -> list[list[str]]:
    """The cells in which users lose under the second-score auction, and what the no-harm reserve leaves of the loss."""
    keyed = table.set_index(["scenario", "rationality"])
    auction, harmless = (keyed[keyed["mechanism"] == name] for name in ("second-score", "second-score-no-harm"))
    rows = []
    for cell, row in zip(auction.index.tolist(), auction.to_dict("records"), strict=True):
        if "users" in row["losers"]:
            healed = harmless.loc[[cell]].iloc[0]
            rows.append([cell[0], f"{cell[1]:g}", f"{1e3 * row['user_gain']:.4f}", f"{1e3 * healed['user_gain']:.1e}"])
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=None, help="markets; the nine published ones by default")
    parser.add_argument("--rationality", default="200,1000,100000", help="comma-separated β, per dollar")
    parser.add_argument("--mechanism", action="append", default=None, help="by name; all by default")
    parser.add_argument("--out", type=Path, default=None, help="folder for mechanisms.csv, .json and providers.csv")
    options = parser.parse_args(arguments)
    scenarios = options.scenarios or list(scenario_names()[:PUBLISHED])
    rationality = [float(text) for text in options.rationality.split(",")]
    names = options.mechanism or list(MECHANISMS)
    table, providers, seconds = run(scenarios, rationality, names)
    cells = len(scenarios) * len(rationality)
    columns = ["mechanism", "solved", "welfare", "users", "profits", "platform", "users lose", "most", "gaming", "ms"]
    show(f"{cells} cells; shares of the welfare that {names[0]} creates", columns, summary(table, seconds))
    if {"second-score", "second-score-no-harm"} <= set(names):
        falls = table[(table["mechanism"] == "second-score") & (table["welfare_gain"] < 0)]
        print(f"cells in which welfare falls under the auction: {len(falls)}")
        columns = ["users lose in", "β", "their gain, $/1000 queries", "with the no-harm reserve"]
        show("second-score auction against pay-per-compute", columns, losses(table))
    print(machine())
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        flat = table.assign(losers=table["losers"].map("; ".join))
        flat.to_csv(options.out / "mechanisms.csv", index=False, na_rep="nan")
        providers.to_csv(options.out / "providers.csv", index=False, na_rep="nan")
        records = json.loads(table.to_json(orient="records", double_precision=15))
        (options.out / "mechanisms.json").write_text(json.dumps(records, indent=1, ensure_ascii=False), "utf-8")
        print(f"written: {options.out}")


if __name__ == "__main__":
    main()
