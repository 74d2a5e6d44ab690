"""Who over-computes among commercial effort levels, and what an auction would pay: ``python -m benchmarks.frontier``.

For every market of commercial models and a few β, chosen so that β times the value per correct answer is the same in all of
them: the vendors that compute more in equilibrium than their own best offer (largest quality less cost), the price of
anarchy, and the auction's winner, its level, what it is paid and what it lists. Where the benchmark was published question by
question, error bars come from a bootstrap over questions (``--replicates 0`` for none).
"""

import argparse
from collections.abc import Sequence

import numpy as np

from games import Scenario, frontier_names, load_question_curves, load_scenario
from solver import Efficiency, bootstrap, efficiency

SHARPNESS = (3.0, 15.0, 75.0)
WITHOUT_QUESTIONS = ("frontier/aider-polyglot",)


def over(verdict: Efficiency) -> list[str]:
    """Vendors that compute more than their own best offer, with the level they play and the one they would offer."""
    return [
        f"{row.provider} ({row.equilibrium}, not {row.best_offer})"
        for row in verdict.provision
        if row.against_best_offer == "over"
    ]


def show(scenario: Scenario, betas: Sequence[float]) -> None:
    """The verdicts of one market."""
    value = float(scenario.users.value_per_correct[0])
    several = sum(len(labels) > 1 for labels in scenario.market.level_labels)
    print(f"\n{scenario.name}: {scenario.market.num_providers} models, {several} of them with several levels")
    print(f"  a correct answer is worth {value:g} dollars; money below in dollars per 1000 queries")
    for beta in betas:
        verdict = efficiency(scenario.game(beta))
        market, optimum = verdict.ledger[0], verdict.ledger[1]
        print(f"  β = {beta:g}: {len(verdict.equilibria)} equilibrium, price of anarchy {verdict.price_of_anarchy:.4f}")
        users = (1000 * x for x in (market.users, optimum.users, float(verdict.auction.user_value[0])))
        print("    users get {:.1f} in the market, {:.1f} in the optimum, {:.1f} in the auction".format(*users))
        print(f"    more than its own best offer: {', '.join(over(verdict)) or 'nobody'}")
    outcome = verdict.auction
    winner = int(outcome.winner[0])
    level = int(outcome.levels[0, winner])
    print(
        f"  auction: {scenario.market.providers[winner]} ({scenario.market.level_labels[winner][level]}) wins before "
        f"{scenario.market.providers[int(outcome.runner_up[0])]}, is paid {1000 * float(outcome.price[0]):.1f} and lists "
        f"{1000 * float(scenario.market.price[winner, level]):.1f}"
    )


def show_error_bars(scenario: Scenario, betas: Sequence[float], replicates: int) -> None:
    """What the finite benchmark leaves open, from a bootstrap over its questions."""
    result = bootstrap(load_question_curves(scenario.name), scenario.users, list(betas), replicates=replicates)
    intervals, chances = result.intervals(), result.probabilities()
    wins = chances.wins.sortby(chances.wins, ascending=False)[:3]
    likely = ", ".join(f"{name} {float(p):.0%}" for name, p in zip(wins.provider.values, wins.values, strict=True))
    low, high = 1000 * intervals.auction_price.values
    print(f"  over {replicates} draws of questions: {likely} win; 95 % interval of the price {low:.1f} to {high:.1f}")
    for beta in betas:
        low, high = intervals.price_of_anarchy.sel(rationality=beta).values
        worse = float(chances.users_lose.sel(rationality=beta, equilibrium="worst"))
        same = float(chances.is_equilibrium.sel(rationality=beta))
        print(
            f"    β = {beta:g}: price of anarchy {low:.4f} to {high:.4f}; users lose from the auction with probability "
            f"{worse:.2f}; the equilibrium above is one in {same:.0%} of the draws"
        )


def main(command_line: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenarios", nargs="*", default=list(frontier_names()), help="frontier/... names")
    parser.add_argument("--replicates", type=int, default=1000, help="bootstrap draws, 0 for no error bars")
    arguments = parser.parse_args(command_line)
    for name in arguments.scenarios:
        scenario = load_scenario(name)
        betas = [float(f"{x:.2g}") for x in np.array(SHARPNESS) / float(scenario.users.value_per_correct[0])]
        show(scenario, betas)
        if arguments.replicates and name not in WITHOUT_QUESTIONS:
            show_error_bars(scenario, betas, arguments.replicates)


if __name__ == "__main__":
    main()
