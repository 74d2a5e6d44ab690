"""The command ``learn``: providers that learn, by levels or by gradients, and how far that takes them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solver.cli import output
from solver.cli.market_commands import MAX_ROUNDS, Name, Rationality
from solver.cli.options import MarketOptions, chosen_rationality, load_market, takes_market
from solver.cli.output import JsonOption, Output, money
from solver.cli.plays import METHODS

if TYPE_CHECKING:
    from games import Scenario
    from solver.cli.plays import Outcome, Play


@takes_market
def learn(
    market: MarketOptions,
    scenario: Name = None,
    method: Annotated[str, typer.Option(help=f"How providers learn: {', '.join(METHODS)}.")] = "regret-matching",
    rationality: Rationality = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of a random start; without it, all start in the middle.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=MAX_ROUNDS, help="When to stop.")] = 1000,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture of the play and its regret: .svg or .png.")
    ] = None,
    curves_method: Annotated[
        str | None, typer.Option(help="What --method is elsewhere: which method's rows of --curves; 'all' for all.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Let providers learn: probabilities of levels, or any amount of compute by gradients; is it an equilibrium?

    Example: ttc-games learn GPQA/reasoning_effort --method hedge --rounds 300
    """
    out = Output(json)
    if plot is not None:
        output.check_picture(plot)
    chosen = load_market(scenario, replace(market, method=curves_method))
    rationality, notes = chosen_rationality(rationality, chosen, market)
    out.show(*notes)
    chosen.game(rationality)  # refuses a market that cannot be solved
    from solver.cli.plays import play
    from solver.cli.serialise_dynamics import learn_document

    played = play(chosen, method, rationality, seed, rounds)
    if plot is not None:
        from solver.report.figures_learning import learning_figure

        output.write_picture(plot, lambda: learning_figure(played.curve, chosen.market.providers, played.axis))
    out.write(learn_document(chosen, played, rationality, seed, rounds))
    out.show(
        f"{chosen.name}, β = {rationality:g} per dollar, method {method}: {played.explanation}",
        _profile_table(chosen, played),
        _outcome_table(played),
        *([] if plot is None else [f"written: {plot}"]),
    )


def _profile_table(scenario: "Scenario", played: "Play"):
    """Tokens of every provider, and where it mixes, its most likely levels."""
    rows = []
    for i, name in enumerate(scenario.market.providers):
        row = [name, *(f"{outcome.tokens[i]:,.1f}" for outcome in played.outcomes)]
        if not played.continuous:
            row += [_likely(outcome, i, scenario.market.level_labels[i]) for outcome in played.outcomes]
        rows.append(row)
    names = [outcome.name for outcome in played.outcomes]
    texts = [] if played.continuous else [f"levels, {name}" for name in names]
    what = "Tokens per query" if played.continuous else "Expected tokens per query, and the most likely levels"
    return output.table(f"\n{what}", rows, first=["provider"], numbers=names, texts=texts)


def _likely(outcome: "Outcome", provider: int, labels: tuple[str, ...]) -> str:
    """The levels played most, at most three, with their probabilities."""
    probabilities = outcome.profile[provider, : len(labels)]
    top = [k for k in (-probabilities).argsort(kind="stable")[:3] if probabilities[k] >= 5e-4]
    return ", ".join(f"{labels[k].replace('/', ' ')} {100 * probabilities[k]:.1f}%" for k in top)


def _outcome_table(played: "Play"):
    """Regret, welfare and verdict of every outcome."""
    from solver import welfare_ratio

    rows = [
        [
            outcome.name,
            f"{outcome.max_regret:.1e}",
            money(outcome.welfare),
            output.ratio(welfare_ratio(played.optimal_welfare, outcome.welfare)),
            outcome.verdict,
        ]
        for outcome in played.outcomes
    ]
    return output.table(
        f"\nOptimal welfare {money(played.optimal_welfare)} {output.PER_THOUSAND}",
        rows,
        first=["outcome"],
        numbers=["largest regret", "welfare", "optimum / welfare"],
        texts=["verdict"],
    )
