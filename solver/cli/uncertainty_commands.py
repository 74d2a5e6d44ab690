"""The command ``uncertainty``: what a finite benchmark leaves open about equilibrium, welfare and auction."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli import output
from solver.cli.market_commands import Name, parse_reserve
from solver.cli.market_files import question_curves
from solver.cli.options import PUBLISHED_RATIONALITY, MarketOptions, chosen_rationalities, load_market, takes_market
from solver.cli.output import JsonOption, Output, money
from solver.cli.warnings import alike

if TYPE_CHECKING:
    import numpy as np

    from solver import Bootstrap, SampleValue

MAX_REPLICATES = 100_000
SHOWN_SHARES = 3  # the largest; all are in the JSON
# Figures at each β, of the worst equilibrium where there are several: name in the bootstrap, and in words.
FIGURES = {
    "welfare": "welfare of the market",
    "user_value": "users in the market",
    "profit": "providers in the market",
    "optimal_welfare": "welfare of the optimum",
}
AUCTION = {
    "auction_price": "price",
    "auction_user_value": "users",
    "auction_profit": "winner",
    "auction_welfare": "welfare",
}


@takes_market
def uncertainty(
    market: MarketOptions,
    scenario: Name = None,
    rationality: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Users' sensitivity β per dollar: a number, a list, or LO:HI:COUNT; 200,1000,100000 by default, or what "
            "--segments states.",
        ),
    ] = None,
    replicates: Annotated[int, typer.Option(min=2, max=MAX_REPLICATES, help="Draws of questions.")] = 1000,
    confidence: Annotated[float, typer.Option(help="Of each interval by itself.")] = 0.95,
    questions: Annotated[
        int | None,
        typer.Option(min=1, help="Independent questions behind each accuracy, for a market without its questions."),
    ] = None,
    more: Annotated[int, typer.Option(min=1, help="New questions per provider, to say what they are worth.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    reserve: Annotated[
        str, typer.Option(help="Auction's reserve, one for all draws: V0, user-optimal or dollars per query.")
    ] = "V0",
    json: JsonOption = None,
) -> None:
    """Say how sure equilibrium, welfare and auction are: draw the questions again and solve every draw.

    Example: ttc-games uncertainty --market market.parquet --value-per-correct 0.02
    """
    out = Output(json)
    chosen = load_market(scenario, market)
    beta, notes = chosen_rationalities(rationality, PUBLISHED_RATIONALITY, chosen, market)
    out.show(*notes)
    curves = question_curves(scenario, market)
    chosen.game(float(beta[0]))  # refuses a market that cannot be solved
    from games.errors import InputError

    if curves is None and questions is None:
        raise InputError(
            f"{chosen.name}: its questions are not known; say how many independent ones stand behind each accuracy with "
            "--questions, or give --market or a frontier scenario"
        )
    if curves is not None and questions is not None:
        raise InputError(f"--questions: {chosen.name} has its own questions; leave it out")
    import jax

    from solver import bootstrap, parametric_bootstrap, value_of_more_samples
    from solver.cli.serialise_uncertainty import uncertainty_document

    floor = parse_reserve(reserve, ("user-optimal",))
    draws: dict[str, Any] = {"replicates": replicates, "key": jax.random.key(seed), "reserve": floor}
    if curves is not None:
        result = bootstrap(curves, chosen.users, beta, **draws)
        worth = value_of_more_samples(curves, chosen.users, num_questions=more)
    else:
        result = parametric_bootstrap(chosen.market, float(questions or 0), chosen.users, beta, **draws)
        worth = None
    settings = {
        "replicates": replicates,
        "confidence": confidence,
        "seed": seed,
        "questions": questions,
        "reserve": reserve,
    }
    out.write(uncertainty_document(chosen, beta, result, worth, settings))
    asked = f"{curves.num_questions} questions" if curves is not None else f"{questions} questions behind each accuracy"
    out.show(
        f"{chosen.name}: {asked}, {replicates:,} draws; {100 * confidence:g} % intervals, money in {output.PER_THOUSAND}",
        _market_table(result, beta, confidence),
        _auction_table(result, confidence, reserve),
        *_winner_lines(result),
        *([] if worth is None else [_worth_line(worth, more)]),
        *[f"note: {note}" for note in alike(result.notes)],
    )


def _span(ends: "np.ndarray", form: Any) -> str:
    low, high = (float(end) for end in ends)
    return f"{form(low)} to {form(high)}"


def _market_table(result: "Bootstrap", beta: "np.ndarray", confidence: float):
    intervals, chances = result.intervals(level=confidence), result.probabilities()
    rows: list[list[str]] = []
    for b in range(len(beta)):
        here = {"rationality": b}
        for number, (figure, words) in enumerate(FIGURES.items()):
            estimate, ends = result.estimate[figure][here], intervals[figure][here]
            if "equilibrium" in estimate.dims:
                estimate, ends = estimate.sel(equilibrium="worst"), ends.sel(equilibrium="worst")
            value = float(estimate)
            rows.append(["" if number else f"{beta[b]:g}", words, money(value), _span(ends.values, money)])
        ratio = float(result.estimate.price_of_anarchy[here])
        rows.append(
            ["", "price of anarchy", output.ratio(ratio), _span(intervals.price_of_anarchy[here].values, _four)]
        )
        shares, spans = (x.share[here].sel(equilibrium="worst") for x in (result.estimate, intervals))
        for name in shares.provider.values[(-shares.values).argsort(kind="stable")[:SHOWN_SHARES]]:
            share, ends = float(shares.sel(provider=name)), spans.sel(provider=name).values
            rows.append(["", f"share of {name}", f"{share:.4f}", _span(ends, _four)])
        lose = float(chances.users_lose[here].sel(equilibrium="worst"))
        over = chances.over_computes[here].sel(equilibrium="worst")
        for name in shares.provider.values[(-shares.values).argsort(kind="stable")[:SHOWN_SHARES]]:
            sure = float(over.sel(provider=name))
            rows.append(["", f"{name} computes more than its own best offer", f"{100 * sure:.0f} %", ""])
        rows.append(["", "stays an equilibrium", f"{100 * float(chances.is_equilibrium[here]):.0f} %", ""])
        rows.append(["", "users lose from the auction", f"{100 * lose:.0f} %", ""])
        rows.append([])
    heading = f"{100 * confidence:g} % interval"
    return output.table("\nThe market, by β", rows, first=["β", "figure"], numbers=["measured", heading])


def _four(value: float) -> str:
    return f"{value:.4f}" if value == value and abs(value) < float("inf") else output.ratio(value)


def _auction_table(result: "Bootstrap", confidence: float, reserve: str):
    intervals = result.intervals(level=confidence)
    rows = [
        [words, money(float(result.estimate[figure])), _span(intervals[figure].values, money)]
        for figure, words in AUCTION.items()
    ]
    heading = f"{100 * confidence:g} % interval"
    title = "The auction" if reserve in ("none", "V0") else f"The auction with reserve {reserve}"
    return output.table(title, rows, first=["figure"], numbers=["measured", heading])


def _winner_lines(result: "Bootstrap") -> list[str]:
    """Who wins how often; the three likeliest."""
    chances = result.probabilities()
    wins = chances.wins.sortby(chances.wins, ascending=False)[:3]
    told = [
        f"{name} {100 * float(chance):.0f} %"
        for name, chance in zip(wins.provider.values, wins.values, strict=True)
        if chance >= 0.005
    ]
    sold = float(chances.no_sale)
    return [f"\nWho wins the auction: {', '.join(told)}" + (f"; nobody {100 * sold:.0f} %" if sold >= 0.005 else "")]


def _worth_line(worth: "SampleValue", more: int) -> str:
    best = worth.table.sel(provider=worth.next_provider)
    return (
        f"Another provider than {worth.winner} is the best with probability {worth.wrong_winner:.3f}; that costs "
        f"{money(worth.expected_loss)} in expectation. Next to ask: {worth.next_provider}; {more} new questions to it "
        f"(for {float(best.cost):.2f} dollars) avoid {money(float(best.avoided_loss))} of that"
    )
