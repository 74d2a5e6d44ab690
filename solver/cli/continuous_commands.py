"""Commands on continuous compute: its equilibria beside those of levels, and how they move with what they depend on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli import output
from solver.cli.market_commands import Name, Rationality
from solver.cli.options import MarketOptions, chosen_rationality, load_market, takes_market
from solver.cli.output import JsonOption, Output, money

if TYPE_CHECKING:
    from jax import Array

    from games import ContinuousCompute, Scenario
    from games.smooth import ContinuousLogit
    from solver import ContinuousEquilibria, ProvisionRow, Sensitivity
    from solver.cli.serialise import Document

# What --wrt takes: in words, and the change that the table shows.
PARAMETERS = {
    "margin": ("margin (price / cost - 1), prices as they are", "+0.01"),
    "rationality": ("users' rationality β", "+1 %"),
    "value": ("value of a correct answer", "+1 %"),
    "price": ("list prices, costs as they are", "+1 %"),
}


@takes_market
def continuous(
    market: MarketOptions, scenario: Name = None, rationality: Rationality = None, json: JsonOption = None
) -> None:
    """Let providers buy any amount of compute: all equilibria, beside those of levels, and who computes too much.

    Example: ttc-games continuous GPQA/reasoning_effort --rationality 1000
    """
    out = Output(json)
    chosen = load_market(scenario, market)
    rationality, notes = chosen_rationality(rationality, chosen, market)
    out.show(*notes)
    levels = chosen.game(rationality)
    from games import ContinuousCompute
    from solver import continuous_equilibria, provision_identity, pure_equilibria
    from solver.cli.serialise_dynamics import continuous_document
    from solver.continuous_optimum import continuous_optimum

    game = ContinuousCompute(chosen.market, chosen.users.with_rationality(rationality))
    found = continuous_equilibria(game)
    rows = _equilibria(chosen, game, found)
    discrete = _discrete(chosen, levels, pure_equilibria(levels).worst)
    provision = provision_identity(game, found.worst) if len(found) else ()
    optimum = float(continuous_optimum(game).welfare)
    out.write(continuous_document(chosen, rationality, found, discrete, rows, provision, optimum))
    largest = f"{float(found.max_regret.max()):.1e}" if len(found) else "none"
    sure = "all of them" if found.complete else "perhaps not all"
    out.show(
        f"{chosen.name}, users' rationality β = {rationality:g} per dollar; money in {output.PER_THOUSAND}",
        f"Continuous equilibria: {len(found)}, {sure} ({found.reason}); largest relative regret {largest}",
    )
    if found.skipped:
        out.show(
            f"{found.skipped} more would balance, but lie where a best reply jumps: no equilibria in pure strategies"
        )
    if not len(found):
        return
    out.show(
        _tokens_table(chosen, rows, discrete),
        _welfare_table(rows, discrete, optimum),
        _provision_table(provision),
        "over = one more token costs more than it is worth; a provider at a bound need not meet the identity",
    )


def _equilibria(scenario: "Scenario", game: "ContinuousCompute", found: "ContinuousEquilibria") -> "list[Document]":
    import numpy as np

    from solver.cli.serialise import by_provider

    one = game.anonymous()
    rows = []
    for e, x in enumerate(found.log_compute):
        rows.append(
            {
                "tokens": by_provider(scenario, np.exp(np.asarray(x))),
                "prices": by_provider(scenario, one.price(x)),
                "shares": by_provider(scenario, one.shares(x)[0]),
                "profits": by_provider(scenario, one.payoffs(x)),
                "user_value": float(one.expected_user_value(x)),
                "welfare": float(found.welfare[e]),
                "max_regret": float(found.max_regret[e]),
            }
        )
    return rows


def _discrete(scenario: "Scenario", game: Any, profile: Any) -> "Document":
    """The worst equilibrium of levels."""
    import numpy as np

    from solver.cli.serialise import by_provider

    at = (np.arange(scenario.market.num_providers), np.asarray(profile))
    return {
        "levels": scenario.market.labels(profile),
        "tokens": by_provider(scenario, np.asarray(scenario.market.tokens)[at]),
        "prices": by_provider(scenario, np.asarray(scenario.market.price)[at]),
        "shares": by_provider(scenario, game.shares(profile)[0]),
        "user_value": float(game.expected_user_value(profile)),
        "welfare": float(game.welfare(profile)),
    }


def _tokens_table(scenario: "Scenario", rows: "Sequence[Document]", discrete: "Document"):
    shown = [rows[0], rows[-1]] if len(rows) > 1 else [rows[0]]
    cells = []
    for name in scenario.market.providers:
        tokens = [f"{row['tokens'][name]:,.1f}" for row in shown]
        prices = [money(shown[0]["prices"][name]), money(discrete["prices"][name])]
        share = f"{shown[0]['shares'][name]:.4f}"
        cells.append([name, *tokens, f"{discrete['tokens'][name]:,.1f}", *prices, share])
    columns = ["worst eq.", "best eq."] if len(rows) > 1 else ["continuous"]
    title = "\nTokens per query, then price and share, against the worst equilibrium of levels"
    return output.table(title, cells, first=["provider"], numbers=[*columns, "levels", "price", "at levels", "share"])


def _welfare_table(rows: "Sequence[Document]", discrete: "Document", optimum: float):
    from solver import welfare_ratio

    names = ["equilibrium"] if len(rows) == 1 else [f"equilibrium {e + 1}" for e in range(len(rows))]
    cells = [
        [
            name,
            f"{row['max_regret']:.1e}",
            money(row["user_value"]),
            money(row["welfare"]),
            output.ratio(welfare_ratio(optimum, row["welfare"])),
        ]
        for name, row in zip(names, rows, strict=True)
    ]
    levels = [money(discrete["user_value"]), money(discrete["welfare"])]
    cells.append(["levels, worst", "", *levels, output.ratio(welfare_ratio(optimum, discrete["welfare"]))])
    title = f"\nOptimal welfare of continuous compute {money(optimum)}"
    return output.table(title, cells, first=["profile"], numbers=["regret", "users", "welfare", "optimum / welfare"])


def _provision_table(provision: "Sequence[ProvisionRow]"):
    cells = []
    for row in provision:
        rates = [f"{1e6 * rate:.4g}" for rate in (row.marginal_quality, row.marginal_price, row.marginal_cost)]
        amounts = [money(row.unit_profit), money(row.logit_markup)]
        cells.append([row.provider, *rates, *amounts, row.verdict, "yes" if row.held else ""])
    title = "\nProvision: q', p', c' in dollars per million tokens; posted profit p - c against 1/(β(1-s))"
    numbers = ["q'", "p'", "c'", "p - c", "markup"]
    return output.table(title, cells, first=["provider"], numbers=numbers, texts=["verdict", "at bound"])


@dataclass(frozen=True)
class Slope:
    """Derivatives in one parameter that all providers share.

    Args:
        wrt: its name on the command line.
        at: its value.
        step: the change that the table shows.
        unique: whether the equilibrium is proved to be the only one.
        regularity: whether derivatives exist, a name in lower case.
        found: outcomes, and derivatives in this parameter alone.
    """

    wrt: str
    at: float
    step: float
    unique: bool
    regularity: str
    found: "Sensitivity"


@takes_market
def sensitivity(
    market: MarketOptions,
    scenario: Name = None,
    wrt: Annotated[str, typer.Option(help=f"What to change: {', '.join(PARAMETERS)}.")] = "rationality",
    rationality: Rationality = None,
    json: JsonOption = None,
) -> None:
    """Say how the equilibrium of continuous compute, welfare and user value move with one parameter.

    Example: ttc-games sensitivity GPQA/reasoning_effort --wrt price
    """
    out = Output(json)
    if wrt not in PARAMETERS:
        from games.errors import unknown_name

        raise unknown_name("--wrt", wrt, PARAMETERS)
    chosen = load_market(scenario, market)
    rationality, notes = chosen_rationality(rationality, chosen, market)
    out.show(*notes)
    chosen.game(rationality)  # refuses a market that cannot be solved
    from games import ContinuousCompute
    from solver.cli.serialise_dynamics import sensitivity_document

    game = ContinuousCompute(chosen.market, chosen.users.with_rationality(rationality))
    slope = differentiate(game, wrt)
    out.write(sensitivity_document(chosen, rationality, slope))
    what, change = PARAMETERS[wrt]
    held = [name for name, is_held in zip(chosen.market.providers, slope.found.held.tolist(), strict=True) if is_held]
    out.show(
        f"{chosen.name}, β = {rationality:g} per dollar, with respect to the {what}, now {slope.at:g}",
        f"Derivatives: {slope.found.describe()}; conditioning {float(slope.found.conditioning):.1e}",
        "Equilibrium: the only one"
        if slope.unique
        else "Equilibrium: of several perhaps, the one of lowest user value",
        f"Held by a bound, and moved only with it: {', '.join(held) or 'nobody'}",
        *_slope_tables(chosen, slope, change),
    )


def differentiate(game: "ContinuousCompute", wrt: str) -> Slope:
    """Outcomes at the equilibrium of lowest user value and their derivatives in one parameter."""
    import equinox as eqx
    import jax.numpy as jnp

    from games import InputError
    from games.smooth import AccuracyQuality
    from solver import Regularity, continuous_bounds, sensitivities

    one = game.anonymous()
    assert isinstance(one.quality, AccuracyQuality)
    margins = one.price(one.lower) / one.cost(one.lower) - 1
    margin = margins[0]
    if wrt == "margin" and bool(jnp.any(jnp.abs(margins - margin) > 1e-6 * (1 + margin))):
        raise InputError("--wrt margin: providers' margins differ; give all the same with --margin")
    # In the order of PARAMETERS, all at once: one compiled function serves every --wrt.
    at = jnp.stack([margin, one.rationality[0], one.quality.value_per_correct[0], jnp.ones_like(margin)])
    bounds = continuous_bounds(one)
    # A partial application is a pytree: its numbers are data, and a second market of the same shape compiles nothing.
    found = sensitivities(eqx.Partial(_changed, one), at, near=bounds.least)
    column = list(PARAMETERS).index(wrt)
    found = eqx.tree_at(lambda s: s.derivatives, found, {k: v[..., column] for k, v in found.derivatives.items()})
    value = float(at[column])
    step = 0.01 if wrt == "margin" else 0.01 * value
    return Slope(wrt, value, step, bool(bounds.unique), Regularity(int(found.regularity)).name.lower(), found)


def _changed(game: "ContinuousLogit", amounts: "Array") -> "ContinuousLogit":
    """The game with the parameters of PARAMETERS set to the amounts."""
    from games import scale_list_price, set_margin, set_rationality, set_value_per_correct

    margin, rationality, value, price = amounts
    game = set_value_per_correct(set_rationality(set_margin(game, margin), rationality), value)
    return scale_list_price(game, price)


def _slope_tables(scenario: "Scenario", slope: Slope, change: str) -> list[Any]:
    import numpy as np

    found, step = slope.found, slope.step
    names = ("log_compute", "payoffs", "shares", "welfare", "user_value")
    now: dict[str, np.ndarray] = {name: np.asarray(found.values[name]) for name in names}
    moved = {name: step * np.asarray(found.derivatives[name]) for name in names}
    rows = [
        [
            name,
            f"{np.exp(now['log_compute'][i]):,.1f}",
            f"{100 * moved['log_compute'][i]:+.4f}",
            f"{now['shares'][0, i]:.4f}",
            f"{100 * moved['shares'][0, i]:+.4f}",
            money(now["payoffs"][i]),
            f"{1000 * moved['payoffs'][i]:+.3g}",
        ]
        for i, name in enumerate(scenario.market.providers)
    ]
    headings = ["tokens", "% change", "share", "points", "profit", "change"]
    totals = [
        [text, money(float(now[name])), f"{1000 * float(moved[name]):+.3g}"]
        for text, name in (("welfare", "welfare"), ("user value", "user_value"))
    ]
    return [
        output.table(f"\nChange for {change}, to first order", rows, first=["provider"], numbers=headings),
        output.table(f"\nIn {output.PER_THOUSAND}", totals, first=["total"], numbers=["now", "change"]),
    ]
