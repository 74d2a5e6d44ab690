"""The longer tables of the report: ledger, provision, curves, dynamics and learning; and the list of all tables."""

from collections.abc import Sequence

import numpy as np

from solver.provision_levels import IMMATERIAL
from solver.report.result import Result
from solver.report.style import percent, plain
from solver.report.tables import (
    BETA,
    PROVIDER,
    SCENARIO,
    Column,
    Table,
    auctions,
    by_segment,
    equilibria,
    overview,
    profiles,
)
from solver.report.tables_certainty import assumptions, certificates, published, published_numbers, versions
from solver.report.tables_market import prices, segments
from solver.report.tables_mechanisms import mechanisms
from solver.report.tables_sweep import swept, swept_shares
from solver.report.tables_tornado import tornado


def all_tables(results: Sequence[Result]) -> tuple[Table, ...]:
    """Every table of the report, in the order of the page."""
    return (
        overview(results),
        certificates(results),
        published(results),
        published_numbers(results),
        equilibria(results),
        profiles(results),
        prices(results),
        auctions(results),
        segments(results),
        ledger(results),
        mechanisms(results),
        provision(results),
        curves(results),
        dynamics(results),
        learning(results),
        continuous(results),
        tornado(results),
        swept(results),
        swept_shares(results),
        assumptions(results),
        versions(),
    )


def ledger(results: Sequence[Result]) -> Table:
    """One row per market, β and arrangement: who gets what, and who loses against the first row."""
    columns = (
        SCENARIO,
        BETA,
        Column("arrangement", "Arrangement"),
        Column("users", "Users", "money"),
        Column("providers", "Providers", "money"),
        Column("platform", "Platform", "money"),
        Column("welfare", "Welfare", "money"),
        Column("consumer_surplus", "Users, counting tastes", "money"),
        Column("losers", "Who loses", "losers"),
    )
    rows = [
        {
            "scenario": verdict.scenario,
            "rationality": verdict.rationality,
            "arrangement": row.name,
            "users": row.users,
            "providers": row.providers,
            "platform": row.platform,
            "welfare": row.welfare,
            "consumer_surplus": row.consumer_surplus,
            "losers": row.losers if i and verdict.has_equilibrium else None,
        }
        for result in results
        for verdict in result.verdicts
        for i, row in enumerate(verdict.efficiency.ledger)
    ]
    caption = "Who gets what; a party loses if it gets less than in the first row"
    return Table("ledger", caption, columns, tuple(rows))


def provision(results: Sequence[Result]) -> Table:
    """One row per market, β and provider: compute in equilibrium in the three readings of ``solver.provision_levels``."""
    columns = (
        SCENARIO,
        BETA,
        PROVIDER,
        Column("share", "Share", "percent"),
        Column("equilibrium", "In equilibrium"),
        Column("equilibrium_tokens", "Tokens", "plain"),
        Column("best_offer", "Own best offer"),
        Column("best_offer_tokens", "Tokens"),
        Column("against_best_offer", "Against own best offer", "verdict"),
        Column("best_offer_change", "Welfare, if it alone moved there", "money"),
        Column("at_the_margin", "At the margin"),
        Column("too_high", "Too high?"),
        Column("one_down", "One level down"),
        Column("one_down_change", "Welfare, if it alone moved there", "money"),
        Column("optimum", "Market optimum"),
        Column("optimum_tokens", "Tokens", "plain"),
        Column("against_optimum", "Against market optimum", "verdict"),
        Column("optimum_share", "Share at the optimum", "percent"),
    )
    rows = [
        {
            "scenario": verdict.scenario,
            "rationality": verdict.rationality,
            "provider": p.provider,
            "share": p.share,
            "equilibrium": p.equilibrium,
            "equilibrium_tokens": p.equilibrium_tokens,
            "best_offer": by_segment(result, [offer.level for offer in p.best_offers]),
            "best_offer_tokens": by_segment(result, [plain(offer.tokens) for offer in p.best_offers]),
            "against_best_offer": p.against_best_offer,
            "best_offer_change": p.best_offer_change,
            "at_the_margin": "" if p.against_best_offer == "equal" else p.at_the_margin,
            "too_high": p.too_high,
            "one_down": p.one_down,
            "one_down_change": p.one_down_change if p.one_down else None,
            "optimum": p.optimum,
            "optimum_tokens": p.optimum_tokens,
            "against_optimum": p.against_optimum,
            "optimum_share": float(verdict.optimum_shares[i]),
        }
        for result in results
        for verdict in result.verdicts
        for i, p in enumerate(verdict.efficiency.provision)
    ]
    caption = (
        "Who computes too much in the worst equilibrium: against its own best offer (largest q − c), what its own move there, "
        f"or one level down, would change, and against the market optimum, the paper’s comparison. Below "
        f"{percent(IMMATERIAL)} of welfare a move is immaterial"
    )
    return Table("provision", caption, columns, tuple(rows))


def curves(results: Sequence[Result]) -> Table:
    """One row per market, provider and level: what the market was made from."""
    columns = (
        SCENARIO,
        PROVIDER,
        Column("level", "Level"),
        Column("tokens", "Tokens", "plain"),
        Column("accuracy", "Accuracy", "percent"),
        Column("price", "Price p", "money"),
        Column("cost", "Cost c", "money"),
        Column("quality", "Quality q", "money"),
        Column("user_value", "Users' value q − p", "money"),
        Column("surplus", "Surplus q − c", "money"),
    )
    rows = []
    for result in results:
        market, game = result.scenario.market, result.scenario.game()
        fields = {
            "tokens": market.tokens,
            "accuracy": market.accuracy,
            "price": market.price,
            "cost": market.cost,
            "quality": result.per_query(game.quality),
            "user_value": result.per_query(game.user_value),
            "surplus": result.per_query(game.surplus),
        }
        arrays = {name: np.asarray(values) for name, values in fields.items()}
        for i, name in enumerate(market.providers):
            for k, label in enumerate(market.level_labels[i]):
                numbers = {field: float(values[i, k]) for field, values in arrays.items()}
                rows.append({"scenario": result.name, "provider": name, "level": label, **numbers})
    return Table("curves", "The measured curves and prices that the market is made from", columns, tuple(rows))


def dynamics(results: Sequence[Result]) -> Table:
    """One row per market, round and provider of the paper's dynamics."""
    columns = (
        SCENARIO,
        BETA,
        Column("round", "Round", "plain"),
        PROVIDER,
        Column("level", "Level"),
        Column("tokens", "Tokens", "plain"),
        Column("share", "Share", "percent"),
        Column("log_potential", "Log-potential", "plain"),
    )
    rows = [
        {
            "scenario": result.name,
            "rationality": played.rationality,
            "round": r,
            "provider": name,
            "level": result.scenario.market.level_labels[i][int(played.profiles[r, i])],
            "tokens": float(played.tokens[r, i]),
            "share": float(played.shares[r, i]),
            "log_potential": float(played.log_potential[r]) if result.scenario.users.num_segments == 1 else None,
        }
        for result in results
        for played in (result.dynamics,)
        for r in range(played.num_rounds + 1)
        for i, name in enumerate(result.scenario.market.providers)
    ]
    return Table("dynamics", "The paper's dynamics, round by round", columns, tuple(rows))


def learning(results: Sequence[Result]) -> Table:
    """One row per market, round of learning and provider."""
    columns = (
        SCENARIO,
        BETA,
        Column("round", "Round", "plain"),
        PROVIDER,
        Column("tokens", "Expected tokens", "plain"),
        Column("regret", "Regret", "tiny"),
        Column("average_regret", "Regret of the average", "tiny"),
    )
    rows = []
    for result in results:
        curve = result.learned.curve
        rounds, tokens, last, average = (
            np.asarray(x).tolist() for x in (curve.steps, curve.tokens, curve.last_regret, curve.average_regret)
        )
        for r, number in enumerate(rounds):
            for i, name in enumerate(result.scenario.market.providers):
                rows.append(
                    {
                        "scenario": result.name,
                        "rationality": result.verdict.rationality,
                        "round": int(number),
                        "provider": name,
                        "tokens": tokens[r][i],
                        "regret": last[r][i],
                        "average_regret": average[r][i],
                    }
                )
    return Table("learning", "Regret matching from all levels alike, some of its rounds", columns, tuple(rows))


def continuous(results: Sequence[Result]) -> Table:
    """One row per market, continuous equilibrium and provider, beside the worst equilibrium of levels."""
    columns = (
        SCENARIO,
        BETA,
        Column("equilibrium", "Equilibrium", "plain"),
        PROVIDER,
        Column("tokens", "Tokens", "plain"),
        Column("level_tokens", "At levels", "plain"),
        Column("welfare", "Welfare", "money"),
        Column("max_regret", "Max regret", "tiny"),
        Column("complete", "List complete"),
        Column("unit_profit", "Profit p − c", "money"),
        Column("logit_markup", "Markup 1/(β(1−s))", "money"),
        Column("held", "At a bound"),
        Column("verdict", "Verdict", "verdict"),
    )
    rows = []
    for result in results:
        found, smooth = result.continuous.found, result.continuous
        for e in range(len(smooth.tokens)):
            assert found is not None
            for i, p in enumerate(result.verdict.efficiency.provision):
                # The identity is evaluated at the worst equilibrium alone.
                row = smooth.provision[i] if e == 0 else None
                rows.append(
                    {
                        "scenario": result.name,
                        "rationality": result.verdict.rationality,
                        "equilibrium": e + 1,
                        "provider": p.provider,
                        "tokens": float(smooth.tokens[e, i]),
                        "level_tokens": p.equilibrium_tokens,
                        "welfare": float(found.welfare[e]),
                        "max_regret": float(found.max_regret[e]),
                        "complete": found.complete,
                        "unit_profit": None if row is None else row.unit_profit,
                        "logit_markup": None if row is None else row.logit_markup,
                        "held": None if row is None else row.held,
                        "verdict": None if row is None else row.verdict,
                    }
                )
    caption = "If any amount of compute can be bought: equilibria, and who computes too much in the worst one"
    return Table("continuous", caption, columns, tuple(rows))
