"""The README's table and pictures: ``python docs/readme_figures.py`` (``--table`` prints the table alone)."""

import sys
from pathlib import Path

import numpy as np

from games import load_scenario, scenario_names
from solver import Efficiency, efficiency, sweep

IMAGES = Path(__file__).parent / "images"
RATIONALITY = 1000.0
# A palette that stays apart for colour-blind readers (Okabe and Ito).
USERS, PROVIDERS, BAND = "#0072B2", "#E69F00", "#56B4E9"


def published_names() -> tuple[str, ...]:
    """The nine published scenarios."""
    return tuple(name for name in scenario_names() if not name.endswith("/all"))


def verdicts() -> dict[str, Efficiency]:
    """Efficiency of every published scenario at β = 1000."""
    return {name: efficiency(load_scenario(name).game(rationality=RATIONALITY)) for name in published_names()}


def table(found: dict[str, Efficiency]) -> str:
    """One row per scenario, in Markdown; money in dollars per 1,000 queries."""
    head = ["scenario", "equilibria", "price of anarchy", "optimal welfare", "market welfare", "users in market"]
    head += ["auction welfare", "users in auction", "over-computing", "it matters for"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, verdict in found.items():
        market = verdict.ledger[0]
        money = [
            float(verdict.optimum.welfare),
            market.welfare,
            market.users,
            float(verdict.auction.mean(verdict.auction.welfare)),
            float(verdict.auction.mean(verdict.auction.user_value)),
        ]
        cells = [name, str(len(verdict.equilibria)), f"{verdict.price_of_anarchy:.4f}"]
        cells += [f"{1000 * x:.3f}" for x in money]
        cells.append(f"{len(verdict.over_computing)} of {len(verdict.provision)}")
        cells.append(str(len(verdict.too_high)))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_price_of_anarchy(path: Path) -> None:
    """Optimal welfare over that of the worst and the best equilibrium, for 100 β, three benchmarks by three methods."""
    from matplotlib.figure import Figure

    beta = np.geomspace(1, 1e6, 100)
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True)
    for name in published_names():
        benchmark, method = name.split("/")
        scenario = load_scenario(name)
        result = sweep(scenario.market, scenario.users, beta)
        axis = axes[["GSM8K", "AIME", "GPQA"].index(benchmark)]
        finite = np.isfinite(result.price_of_anarchy.values)
        (line,) = axis.semilogx(
            beta[finite], result.price_of_anarchy[finite], label=method.replace("_", " "), linewidth=1.4
        )
        axis.fill_between(
            beta[finite],
            result.price_of_stability[finite],
            result.price_of_anarchy[finite],
            color=line.get_color(),
            alpha=0.35,
        )
        axis.set(title=benchmark, xlabel="users' rationality β, per dollar")
    axes[0].set(ylabel="optimal / equilibrium welfare", ylim=(0.98, 1.6))
    axes[2].legend(frameon=False)
    save(figure, path)


def draw_ledger(found: dict[str, Efficiency], path: Path) -> None:
    """Users' and providers' part of welfare, market against auction, one pair of bars per scenario."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, benchmark in zip(axes, ("GSM8K", "AIME", "GPQA"), strict=True):
        chosen = {name: verdict for name, verdict in found.items() if name.startswith(benchmark)}
        for at, verdict in enumerate(chosen.values()):
            rows = (verdict.ledger[0], next(row for row in verdict.ledger if row.name == "auction"))
            for side, row in zip((-0.2, 0.2), rows, strict=True):
                users, providers = 1000 * row.users, 1000 * row.providers
                first = at + side < 0
                axis.bar(at + side, users, 0.36, color=USERS, label="users" if first else None)
                axis.bar(
                    at + side, providers, 0.36, bottom=users, color=PROVIDERS, label="providers" if first else None
                )
        labels = [name.split("/")[1].replace("_", " ") for name in chosen]
        axis.set_xticks(range(len(labels)), labels, fontsize=8)
        axis.set(title=benchmark)
    axes[0].set(ylabel="dollars per 1,000 queries")
    axes[0].legend(frameon=False, ncols=2, loc="upper left", fontsize=8)
    axes[0].set_ylim(top=9)
    bars = f"left bar: market equilibrium at β = {RATIONALITY:g}; right bar: reverse second-price auction"
    figure.supxlabel(bars, fontsize=9)
    save(figure, path)


def save(figure, path: Path) -> None:
    """Write an SVG that is the same on every run."""
    import matplotlib

    path.parent.mkdir(exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "ttc-games", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    results = verdicts()
    print(table(results))
    if "--table" not in sys.argv:
        draw_price_of_anarchy(IMAGES / "price_of_anarchy.svg")
        draw_ledger(results, IMAGES / "ledger.svg")
