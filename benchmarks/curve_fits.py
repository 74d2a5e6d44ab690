"""How well curves describe measured levels: ``python -m benchmarks.curve_fits``.

Prints the leave-one-out cross-validation of ``games.fit`` over the curves of all bundled markets, the fitted parameters with
standard errors for one market, and writes the figure ``docs/images/curve_fits.svg`` (``--figure`` names another file).
"""

import argparse
import os
from pathlib import Path

import numpy as np

from games import load_scenario, scenario_names
from games.curves import PchipCurves
from games.fit import FORMS, POWER, cross_validate, fit_curve
from games.scenarios import METHODS

Curve = tuple[np.ndarray, np.ndarray]


def bundled_curves(method: str) -> list[Curve]:
    """Log tokens and accuracy of every provider of every benchmark with one method."""
    curves = []
    for name in scenario_names():
        if name.endswith(f"/{method}"):
            points = PchipCurves.from_market(load_scenario(name).market)
            curves += list(zip(np.asarray(points.log_tokens), np.asarray(points.accuracy), strict=True))
    return curves


def draw(path: Path) -> None:
    """Fit against data: the forms and PCHIP on a curve that saturates, one that falls back, and one that is noisy."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from scipy.interpolate import PchipInterpolator

    shown = [
        ("GSM8K/majority", "Llama-3-8B"),
        ("GSM8K/best_of_n", "Llama-3-8B"),
        ("GPQA/reasoning_effort", "R1-D-Llama-8B"),
    ]
    with matplotlib.rc_context({"svg.hashsalt": "ttc-games", "svg.fonttype": "none"}):
        figure, panels = plt.subplots(1, len(shown), figsize=(11, 3.4), layout="constrained")
        for axes, (scenario, provider) in zip(panels, shown, strict=True):
            market = load_scenario(scenario).market
            points, i = PchipCurves.from_market(market), market.providers.index(provider)
            x, y = np.asarray(points.log_tokens[i]), np.asarray(points.accuracy[i])
            fine = np.linspace(x[0], x[-1], 300)
            axes.plot(np.exp(fine), PchipInterpolator(x, y)(fine), color="0.6", label="PCHIP")
            for form in FORMS:
                axes.plot(np.exp(fine), fit_curve(form, x, y)(fine), linewidth=1, label=form.name)
            axes.plot(np.exp(x), y, "ko", markersize=4, label="measured")
            axes.set(xscale="log", xlabel="tokens per query", title=f"{provider},\n{scenario}")
            # Four round numbers: matplotlib's own ticks collide where the axis spans less than a decade.
            left, right = axes.get_xlim()
            ticks = [float(f"{x:.2g}") for x in np.geomspace(left, right, 6)[1:-1]]
            axes.set_xticks(ticks, [f"{x:,.0f}" for x in ticks])
            axes.minorticks_off()
        panels[0].set_ylabel("accuracy")
        panels[0].legend(frameon=False, fontsize=8)
        temporary = path.with_suffix(".part")
        figure.savefig(temporary, format="svg", metadata={"Date": None})
        os.replace(temporary, path)
        plt.close(figure)


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, default=Path("docs/images/curve_fits.svg"))
    parser.add_argument("--curves", type=int, default=None, help="use this many curves of each method only")
    arguments = parser.parse_args(command_line)
    curves = {method: bundled_curves(method)[: arguments.curves] for method in METHODS}
    everything = [curve for group in curves.values() for curve in group]
    for title, group in {"all curves": everything, **curves}.items():
        print(f"{title} ({len(group)})")
        print(cross_validate(group).to_string(index=False, float_format=lambda x: f"{x:.4f}"))
        print()
    market = load_scenario("GSM8K/majority").market
    points = PchipCurves.from_market(market)
    print("GSM8K/majority, power form: estimate ± standard error")
    for i, provider in enumerate(market.providers):
        fit = fit_curve(POWER, np.asarray(points.log_tokens[i]), np.asarray(points.accuracy[i]))
        cells = zip(fit.form.parameters, fit.values, fit.standard_errors, strict=True)
        text = "  ".join(f"{name} {value:.4f} ± {error:.4f}" for name, value, error in cells)
        print(f"{provider:14s} {text}  residual {fit.residual:.4f}")
    draw(arguments.figure)
    print(f"wrote {arguments.figure}")


if __name__ == "__main__":
    main()
