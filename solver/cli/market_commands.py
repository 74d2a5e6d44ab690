"""Commands on one market: list the bundled ones, solve one, watch its providers react to each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli import output, serialise
from solver.cli.market_files import question_curves
from solver.cli.options import MarketOptions, chosen_rationality, load_market, scale_note, takes_market
from solver.cli.output import JsonOption, Output, money

if TYPE_CHECKING:
    from games import PayPerCompute, Scenario
    from solver.efficiency import Efficiency
    from solver.provision_levels import Provision
    from solver.uncertainty.certainty import Certainty

Name = Annotated[str | None, typer.Argument(metavar="SCENARIO", help="Bundled market, such as GSM8K/majority.")]
Rationality = Annotated[
    float | None,
    typer.Option(
        help="Users' sensitivity β of choice, per dollar; by default what --segments states, 1000 for a bundled market, or "
        "20 / value per correct answer."
    ),
]
MAX_ROUNDS = 100_000
FIRST = {
    "lowest": "everybody's level with the fewest tokens",
    "highest": "everybody's level with the most tokens",
    "random": "random levels",
}


def scenarios(json: JsonOption = None) -> None:
    """List the bundled markets."""
    out = Output(json)
    from games import frontier_names, load_scenario, published_table, scenario_names

    every = [load_scenario(name) for name in (*scenario_names(), *frontier_names())]
    rows = [published_table(kind, ["benchmark", "method"]) for kind in ("market", "auction")]
    published = {f"{b}/{m}" for table in rows for b, m in table.itertuples(index=False)}
    out.write(serialise.scenarios_document(every, sorted(published)))
    listing = []
    for scenario in every:
        counts = scenario.market.mask.sum(axis=1).tolist()
        levels = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"
        value = f"{float(scenario.users.value_per_correct[0]):g}"
        known = "yes" if scenario.name in published else "no"
        listing.append([scenario.name, str(scenario.market.num_providers), levels, value, known])
    headings = ["providers", "levels", "$ per correct answer"]
    out.show(output.table("Bundled markets", listing, first=["scenario"], numbers=headings, texts=["published"]))


@takes_market
def solve(
    market: MarketOptions,
    scenario: Name = None,
    rationality: Rationality = None,
    reserve: Annotated[
        str,
        typer.Option(help="Auction's reserve: V0 (users' outside value), no-harm, user-optimal or dollars per query."),
    ] = "V0",
    json: JsonOption = None,
) -> None:
    """Solve one market: all equilibria, the welfare optimum, the auction, and who gains or loses.

    Example: ttc-games solve GPQA/reasoning_effort --rationality 1000
    """
    out = Output(json)
    chosen = load_market(scenario, market)
    rationality, notes = chosen_rationality(rationality, chosen, market)
    game = chosen.game(rationality)
    import numpy as np

    from solver import efficiency

    verdict = efficiency(game, reserve=parse_reserve(reserve))
    out.show(*notes)
    found = verdict.equilibria
    sure = _certainty(scenario, market, game, verdict)
    out.write(serialise.solve_document(chosen, game, verdict, reserve, sure))
    largest = f"{float(found.max_regret.max()):.1e}" if len(found) else "none"
    out.show(
        f"{chosen.name}, users' rationality β = {rationality:g} per dollar; money in {output.PER_THOUSAND}",
        f"Pure equilibria: {len(found)}, {'all of them' if found.complete else 'perhaps not all'} ({found.reason}); "
        f"largest relative regret {largest}",
    )
    if len(found):
        out.show(*scale_note(np.asarray(game.shares(found.worst)), rationality, chosen))
        out.show(_levels_table(chosen, verdict), provision_line(verdict))
    out.show(
        *_verdict_lines(chosen, verdict, reserve),
        *_certainty_lines(sure, verdict, chosen.market.providers),
        ledger_table("Who gets what", verdict, chosen.market.providers),
    )


def _certainty(
    scenario: str | None, options: MarketOptions, game: "PayPerCompute", verdict: "Efficiency"
) -> "Certainty | None":
    """How often equilibrium and winner stand when the questions are drawn again; None for a market without questions."""
    from solver.uncertainty.certainty import certainty

    curves = question_curves(scenario, options)
    if curves is None or game.users.num_segments != 1:
        return None
    found = verdict.equilibria
    return certainty(
        curves,
        game.users,
        found.worst if len(found) else None,
        int(verdict.auction.winner[0]),
        tolerance=found.tolerance,
    )


def _certainty_lines(sure: "Certainty | None", verdict: "Efficiency", providers: Sequence[str]) -> list[str]:
    if sure is None:
        return []
    told = []
    if sure.is_equilibrium is not None:
        several = "this equilibrium" if len(verdict.equilibria) == 1 else "the worst equilibrium"
        told.append(f"{several} remains one in {100 * sure.is_equilibrium:.0f} % of the draws")
    if sure.same_winner is not None:
        winner = providers[int(verdict.auction.winner[0])]
        told.append(f"{winner} wins the auction in {100 * sure.same_winner:.0f} %")
    if not told:
        return []
    again = f"How sure: drawn again {sure.draws} times from its {sure.num_questions} questions"
    return [f"{again}, {' and '.join(told)}; see ttc-games uncertainty"]


def parse_reserve(text: str, kinds: Sequence[str] = ("no-harm", "user-optimal")) -> "float | Any":
    """The reserve as the auction takes it; ``None`` for users' outside value, the default.

    Args:
        text: what the user wrote.
        kinds: the words, besides V0 and none, that the command understands.

    Raises:
        InputError: neither a number nor one of these.

    Example:
        >>> parse_reserve("V0"), parse_reserve("0.01"), parse_reserve("user-optimal")
        (None, 0.01, 'user-optimal')
    """
    if text in kinds:
        return text
    if text in ("none", "V0"):
        return None
    try:
        return float(text)
    except ValueError:
        from games.errors import InputError

        words = ", ".join(("none", "V0", *kinds))
        raise InputError(f"--reserve {text}: must be {words} or a number of dollars per query") from None


def _levels_table(scenario: "Scenario", verdict: "Efficiency"):
    several = len(verdict.equilibria) > 1
    columns = ["worst eq.", "best eq."] if several else ["equilibrium"]
    best = scenario.market.labels(verdict.equilibria.best)
    rows = []
    for row in verdict.provision:
        played = [row.equilibrium, best[row.provider]] if several else [row.equilibrium]
        change = "-" if row.against_best_offer == "equal" else money(row.best_offer_change)
        rows.append([row.provider, f"{row.share:.4f}", *map(_wrappable, [*played, _by_segment(scenario, row)])])
        rows[-1] += [row.against_best_offer, change, _wrappable(row.optimum), row.against_optimum]
    headings = [*columns, "own best offer", "against it", "move there", "market optimum", "against that"]
    title = (
        "\nLevels of compute. Own best offer: largest quality less cost, what the auction calls for"
        f"{', by segment' if len(scenario.segment_names) > 1 else ''}. Move there: change of welfare if this provider alone "
        f"moved there, {output.PER_THOUSAND}. Market optimum: levels of largest welfare, the paper's comparison"
    )
    return output.table(title, rows, first=["provider"], numbers=["share"], texts=headings)


def _by_segment(scenario: "Scenario", row: "Provision") -> str:
    """A provider's best offer; where it differs between segments of users, each with its segment."""
    labels = [offer.level for offer in row.best_offers]
    if len(set(labels)) == 1:
        return labels[0]
    return ", ".join(f"{name}: {label}" for name, label in zip(scenario.segment_names, labels, strict=True))


def provision_line(verdict: "Efficiency") -> str:
    """How many compute more than their own best offer, for how many that matters, and whose queries they serve."""
    from solver.provision_levels import IMMATERIAL

    rows = verdict.provision
    over = [row for row in rows if row.against_best_offer == "over"]
    high = [row for row in rows if row.too_high]
    what = f"{len(over)} of {len(rows)} providers compute more than their own best offer"
    if not over:
        return what
    share = f"{100 * sum(row.share for row in over):.0f} % of the queries"
    return (
        f"{what} and serve {share}; for {len(high)} of them the move there alone would raise welfare by more than "
        f"{100 * IMMATERIAL:g} % (below that: immaterial)"
    )


def _wrappable(label: str) -> str:
    """A label ``method/level`` with a space, where a narrow column may break it."""
    return label.replace("/", " ")


def _verdict_lines(scenario: "Scenario", verdict: "Efficiency", reserve: str) -> list[str]:
    note = f" ({verdict.note})" if verdict.note else ""
    several = scenario.users.num_segments > 1
    sales = [
        f"Auction{'' if reserve in ('none', 'V0') else f' with reserve {reserve}'}"
        f"{f', {name}' if several else ''}: {_sale(scenario, verdict, s)}"
        for s, name in enumerate(scenario.segment_names)
    ]
    return [
        f"\nPrice of anarchy {output.ratio(verdict.price_of_anarchy)}, of stability "
        f"{output.ratio(verdict.price_of_stability)}{note}",
        *sales,
        f"Its gain in welfare over the market: {gain_text(verdict)}",
    ]


def _sale(scenario: "Scenario", verdict: "Efficiency", s: int) -> str:
    """How the auction for one segment ends."""
    outcome, names = verdict.auction, scenario.market.providers
    winner, runner_up = int(outcome.winner[s]), int(outcome.runner_up[s])
    second = f", runner-up {names[runner_up]}" if runner_up >= 0 else ""
    if winner < 0:
        return f"no offer meets the reserve (or users' outside value); user value {money(float(outcome.user_value[s]))}"
    return (
        f"{names[winner]} wins{second}; price {money(float(outcome.price[s]))}, "
        f"profit {money(float(outcome.winner_profit[s]))}, user value {money(float(outcome.user_value[s]))}"
    )


def gain_text(verdict: "Efficiency") -> str:
    """The auction's gain over the worst equilibrium and its two parts, dollars per 1000 queries."""
    if not len(verdict.equilibria):
        return "undefined, the market has no pure equilibrium"
    total = verdict.choice_noise + verdict.incentives
    return f"{money(total)} = choice noise {money(verdict.choice_noise)} + incentives {money(verdict.incentives)}"


def ledger_table(title: str, verdict: "Efficiency", providers: Sequence[str]):
    """Users, providers, platform and welfare under every arrangement, and who is worse off than in the market."""
    rows = []
    for number, row in enumerate(verdict.ledger):
        losers = losers_text(row.losers, providers) if number and len(verdict.equilibria) else ""
        rows.append([row.name, *map(money, (row.users, row.providers, row.platform, row.welfare)), losers])
    return output.table(
        f"\n{title} ({output.PER_THOUSAND})",
        rows,
        first=["arrangement"],
        numbers=["users", "providers", "platform", "welfare"],
        texts=["who loses"],
    )


def losers_text(losers: Sequence[str], providers: Sequence[str]) -> str:
    """Who loses, in few words: most providers are told by those who do not.

    Example:
        >>> losers_text(["users", "Ada", "Bell"], ["Ada", "Bell"]), losers_text(["Ada"], ["Ada", "Bell", "Cox"])
        ('users, all providers', 'Ada')
    """
    losing = [name for name in losers if name in providers]
    spared = [name for name in providers if name not in losing]
    if len(losing) > 1 and len(spared) < len(losing):
        told = ["all providers" + (f" but {', '.join(spared)}" if spared else "")]
    else:
        told = losing
    return ", ".join([name for name in losers if name not in providers] + told) or "nobody"


@takes_market
def dynamics(
    market: MarketOptions,
    scenario: Name = None,
    rationality: Rationality = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is random.")] = 0,
    order: Annotated[str, typer.Option(help="Who moves when: random, sequential or simultaneous.")] = "random",
    reply: Annotated[str, typer.Option(help="Where to: nearest_better, best or better.")] = "nearest_better",
    start: Annotated[
        str,
        typer.Option(help="First levels: lowest (fewest tokens), highest, random, or a label per provider, by comma."),
    ] = "lowest",
    max_rounds: Annotated[int, typer.Option(min=1, max=MAX_ROUNDS, help="When to give up.")] = 1000,
    json: JsonOption = None,
) -> None:
    """Let providers react to each other round by round, by default as in the paper.

    Example: ttc-games dynamics GSM8K/majority --seed 0
    """
    out = Output(json)
    chosen = load_market(scenario, market)
    rationality, notes = chosen_rationality(rationality, chosen, market)
    game = chosen.game(rationality)
    import jax
    import numpy as np

    from solver import best_response_dynamics

    start_key, key = jax.random.split(jax.random.key(seed))
    play = best_response_dynamics(
        game,
        start=_start(chosen, start, start_key),
        order=order,
        reply=reply,
        key=key,
        tolerance=1e-8,
        max_rounds=max_rounds,
        record=True,
    )
    out.show(*notes)
    settings = {"order": order, "reply": reply, "seed": seed, "start": start}
    out.write(serialise.dynamics_document(chosen, game, play, settings))
    rows = []
    before: dict[str, str] = {}
    for number, (profile, potential, welfare) in enumerate(serialise.trajectory(game, play)):
        labels = chosen.market.labels(profile)
        if number == 0:
            moves = [f"{name}:{label}" for name, label in labels.items()]
        else:
            moves = [f"{name}:{before[name]}>{label}" for name, label in labels.items() if label != before[name]]
        rows.append(
            [
                str(number),
                "-" if potential != potential else f"{potential:.6f}",
                money(welfare),
                ", ".join(moves) or "nobody moves",
            ]
        )
        before = labels
    out.show(
        output.table(
            f"{chosen.name}, β = {rationality:g} per dollar, seed {seed}: {order} order, {reply} replies, from "
            f"{FIRST.get(start, start)}; welfare in {output.PER_THOUSAND}",
            rows,
            numbers=["round", "log-potential", "welfare"],
            texts=["moves, provider:before>after"],
        ),
        output.table("\nLevels at the end", before.items(), first=["provider"], numbers=["level"]),
        f"{play.describe()}; relative regret at the end {float(play.max_regret):.1e}",
        *scale_note(np.asarray(game.shares(play.profile)), rationality, chosen),
    )


def _start(scenario: "Scenario", text: str, key):
    """The first profile that ``--start`` asks for."""
    import jax
    import jax.numpy as jnp

    from games.errors import InputError, unknown_name

    market = scenario.market
    exists = scenario.game().mask
    tokens = market.tokens
    named = {
        "lowest": lambda: jnp.argmin(jnp.where(exists, tokens, jnp.inf), axis=1),
        "highest": lambda: exists.shape[1] - 1 - jnp.argmax(jnp.where(exists, tokens, -jnp.inf)[:, ::-1], axis=1),
        "random": lambda: jax.random.categorical(key, jnp.where(exists, 0.0, -jnp.inf), axis=1),
    }
    if text in named:
        return named[text]()
    labels = [label.strip() for label in text.split(",")]
    if len(labels) != market.num_providers:
        raise InputError(
            f"--start {text}: {len(labels)} labels for {market.num_providers} providers; give lowest, highest, random "
            f"or one label for each of {', '.join(market.providers)}"
        )
    for name, label, known in zip(market.providers, labels, market.level_labels, strict=True):
        if label not in known:
            raise unknown_name(f"level of {name} in --start", label, known)
    return jnp.array([known.index(label) for label, known in zip(labels, market.level_labels, strict=True)])
