"""What the numbers say, in sentences. Every number and name in them comes from the results."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from games.auction import NOBODY
from solver.efficiency import NEGLIGIBLE, Provision
from solver.report.analysis import Result, Verdict
from solver.report.findings_mechanisms import mechanism_sentence
from solver.report.style import Money, count, listed, percent, plain, shorten, times, tiny

QUESTION = (
    "Users buy answers from providers that are paid per token. How much compute do the providers spend, what does that cost "
    "the users, and what would change if providers had to bid for each query in a reverse second-price auction?"
)


@dataclass(frozen=True)
class Finding:
    """A heading and what stands under it."""

    title: str
    text: str


def key_findings(results: Sequence[Result], money: Money) -> list[Finding]:
    """Five findings over all markets and tabled β."""
    cases = [verdict for result in results for verdict in result.verdicts]
    return [
        _who_over_computes(cases),
        _what_is_lost(cases, money),
        _what_the_auction_changes(cases, money),
        _who_loses(cases, money),
        _how_certain(results, cases),
    ]


def scenario_findings(result: Result, money: Money) -> list[Finding]:
    """What one market shows: at the β in focus, and how certain it is over all β."""
    verdict = result.verdict
    return [
        Finding("Compute", _compute_here(verdict)),
        Finding("Cost", _cost_here(verdict, money)),
        Finding("Auction", _auction_here(result, verdict, money)),
        Finding("Mechanisms", mechanism_sentence(result.mechanisms, verdict.rationality, money)),
        Finding("Certainty", _how_certain([result], list(result.verdicts)).text),
    ]


def _where(verdict: Verdict) -> str:
    return f"{shorten(verdict.scenario, 60)} at β = {plain(verdict.rationality)}"


def _of(part: int, total: int) -> str:
    if total == 1:
        return "the one case" if part else "no case"
    return f"all {total} cases" if part == total else f"{part} of {total} cases" if part else f"none of {total} cases"


def _largest_excess(verdicts: Sequence[Verdict]) -> tuple[Verdict, Provision] | None:
    pairs = [(v, p) for v in verdicts for p in v.efficiency.provision if p.against_optimum == "over"]
    if not pairs:
        return None
    return max(pairs, key=lambda pair: pair[1].equilibrium_tokens / max(pair[1].optimum_tokens, 1e-300))


def _who_over_computes(cases: Sequence[Verdict]) -> Finding:
    against = [p.against_optimum for v in cases for p in v.efficiency.provision]
    over, under = against.count("over"), against.count("under")
    affected = sum(bool(v.efficiency.over_computing) for v in cases)
    worst = _largest_excess(cases)
    if worst is None:
        title = "No provider over-computes"
        where = _of(len(cases), len(cases))
        text = f"In {where} no provider spends more compute in equilibrium than the welfare optimum asks for"
        return Finding(title, text + (f"; {under} of {len(against)} choices are below it." if under else "."))
    verdict, row = worst
    title = "Providers over-compute" if over > under else "Some providers over-compute, others under-compute"
    text = (
        f"In {_of(affected, len(cases))} (markets × β) at least one provider spends more compute in equilibrium than "
        f"the welfare optimum asks for: {over} of {len(against)} choices are above it, {under} below. The largest excess: "
        f"{shorten(row.provider, 60)} in {_where(verdict)} spends {plain(row.equilibrium_tokens)} tokens per query "
        f"instead of {plain(row.optimum_tokens)}, {times(row.equilibrium_tokens, row.optimum_tokens)} as much."
    )
    return Finding(title, text)


def _what_is_lost(cases: Sequence[Verdict], money: Money) -> Finding:
    lost = np.array([v.lost for v in cases])
    ruined = sum(bool(np.isinf(v.efficiency.price_of_anarchy)) for v in cases)
    undefined = sum(bool(np.isnan(v.efficiency.price_of_anarchy)) for v in cases)
    parts = []
    known = np.flatnonzero(np.isfinite(lost) & np.array([v.market.welfare > 0 for v in cases]))
    title = "What the market loses"
    if known.size:
        worst = known[int(np.argmax(lost[known]))]
        lossless = lost[worst] <= NEGLIGIBLE
        title = "No welfare is lost" if lossless else f"Up to {percent(lost[worst])} of the possible welfare is lost"
        kept = (
            "the median case"
            if known.size == len(cases)
            else f"the median of the {known.size} cases in which any is left"
        )
        parts.append(
            f"The worst equilibrium loses {percent(max(0.0, float(np.median(lost[known]))))} of the optimal welfare in {kept}, "
            f"and at most {percent(max(0.0, float(lost[worst])))} ({_where(cases[worst])})."
        )
    if ruined:
        title = "Markets can lose all welfare"
        parts.append(
            f"In {_of(ruined, len(cases))} it creates no welfare at all, so that the price of anarchy is infinite."
        )
    if undefined:
        parts.append(
            f"In {_of(undefined, len(cases))} not even the optimum creates welfare; the ratio is undefined there."
        )
    gap = np.array([v.optimum.users - v.market.users for v in cases])
    small = np.array([NEGLIGIBLE * max(abs(v.optimum.users), abs(v.market.users)) for v in cases])
    worse, better = int(np.sum(gap > small)), int(np.sum(gap < -small))
    if worse:
        most = int(np.argmax(gap))
        parts.append(
            f"Users get less than at the welfare optimum in {_of(worse, len(cases))}, by up to {money.amount(gap[most])} "
            f"{money.per} ({_where(cases[most])}: {money.amount(cases[most].market.users)} instead of "
            f"{money.amount(cases[most].optimum.users)})."
        )
    if better:
        parts.append(f"They get more than at the optimum, at the providers' expense, in {_of(better, len(cases))}.")
    return Finding(title, " ".join(parts))


def _what_the_auction_changes(cases: Sequence[Verdict], money: Money) -> Finding:
    gain = np.array([v.auction.welfare - v.market.welfare for v in cases])
    small = np.array([NEGLIGIBLE * abs(v.auction.welfare) for v in cases])
    up, down = int(np.sum(gain > small)), int(np.sum(gain < -small))
    title = "The auction raises welfare" if up and not down else "What the auction changes"
    parts = [
        f"The reverse second-price auction creates more welfare than the worst equilibrium in {_of(up, len(cases))}, "
        f"by {money.amount(float(np.median(gain)))} {money.per} in the median and up to {money.amount(float(gain.max()))} "
        f"({_where(cases[int(np.argmax(gain))])})."
    ]
    if down:
        parts.append(f"It creates less in {_of(down, len(cases))}.")
    noise, incentives = (sum(getattr(v.efficiency, name) for v in cases) for name in ("choice_noise", "incentives"))
    if noise + incentives > 0:
        parts.append(
            f"Of the gain over all cases, {percent(incentives / (noise + incentives))} comes from providers choosing better "
            "levels; the rest comes from sending every query to the best offer instead of leaving users to choose with noise."
        )
    return Finding(title, " ".join(parts))


def _who_loses(cases: Sequence[Verdict], money: Money) -> Finding:
    users = [v for v in cases if "users" in v.auction.losers]
    poorer = sum(v.auction.providers < v.market.providers * (1 - NEGLIGIBLE) for v in cases)
    losing = [len([name for name in v.auction.losers if name not in ("users", "platform")]) for v in cases]
    sellers = [len(v.efficiency.provision) for v in cases]
    parts = []
    if users:
        worst = max(users, key=lambda v: v.market.users - v.auction.users)
        parts.append(
            f"Without a reserve, users are worse off in the auction in {_of(len(users), len(cases))}, most in {_where(worst)}: "
            f"{money.amount(worst.auction.users)} instead of {money.amount(worst.market.users)} {money.per}."
        )
    else:
        parts.append(f"Users are worse off in the auction in {_of(0, len(cases))}.")
    parts.append(
        f"Providers lose wherever they stop selling: {sum(losing)} of {sum(sellers)} of them earn less in the auction "
        f"(differences below {tiny(NEGLIGIBLE)} of welfare aside), "
        f"and their total profit falls in {_of(poorer, len(cases))}."
    )
    harmed = sum("users" in v.no_harm.losers for v in cases)
    parts.append(
        "With a no-harm reserve, which promises users what they get in the market, users lose in "
        f"{_of(harmed, len(cases))}; the winner pays for that out of its profit."
    )
    title = "Providers lose, and sometimes users" if users else "Providers lose, users do not"
    return Finding(title if sum(losing) else "Who loses", " ".join(parts))


def _how_certain(results: Sequence[Result], cases: Sequence[Verdict]) -> Finding:
    complete = sum(v.efficiency.equilibria.complete for v in cases)
    swept = np.concatenate([r.sweep.num_equilibria.values for r in results])
    proved = int(sum(r.sweep.complete.values.sum() for r in results))
    regrets = [float(np.max(np.asarray(v.efficiency.equilibria.max_regret))) for v in cases]
    regrets += [float(r.sweep.max_regret.values.max()) for r in results]
    total = len(cases) + len(swept)
    several = int(np.sum(swept > 1)) + sum(len(v.efficiency.equilibria) > 1 for v in cases)
    most = max(int(swept.max()), *(len(v.efficiency.equilibria) for v in cases))
    text = (
        f"{count(total, 'market')} were solved, one for each β tabled or swept. "
        f"The list of equilibria is proved complete in {complete + proved:,} of them, and "
        + (f"{several:,} have more than one (up to {most})." if several else "each has exactly one.")
        + " Code that shares nothing with the solvers tried every deviation: none gains "
        + (f"more than {tiny(max(regrets))} of a provider's profit." if max(regrets) else "anything.")
    )
    title = "Certain" if complete + proved == total else "Certain, with gaps"
    return Finding(f"{title}, given the model and the curves", text)


def _compute_here(verdict: Verdict) -> str:
    rows = verdict.efficiency.provision
    over = [shorten(p.provider) for p in rows if p.against_optimum == "over"]
    under = [shorten(p.provider) for p in rows if p.against_optimum == "under"]
    start = f"At β = {plain(verdict.rationality)}"
    if not over and not under:
        return f"{start} every provider is at the level that the welfare optimum asks for."
    parts = []
    if over:
        found = _largest_excess([verdict])
        assert found is not None
        row = found[1]
        excess = (
            f"{times(row.equilibrium_tokens, row.optimum_tokens)} as much "
            f"({plain(row.equilibrium_tokens)} tokens per query instead of {plain(row.optimum_tokens)})"
        )
        if len(over) == 1:
            parts.append(f"{over[0]} spends more compute than the welfare optimum asks for: {excess}")
        else:
            parts.append(
                f"{listed(over)} spend more compute than the welfare optimum asks for, {shorten(row.provider)} {excess}"
            )
    if under:
        parts.append(f"{listed(under)} {'spends' if len(under) == 1 else 'spend'} less")
    return f"{start} " + "; ".join(parts) + "."


def _cost_here(verdict: Verdict, money: Money) -> str:
    found = verdict.efficiency
    if found.note:
        return f"The price of anarchy is {found.note}."
    change = verdict.optimum.users - verdict.market.users
    users = f"users get {money.amount(verdict.market.users)} {money.per}"
    if abs(change) <= NEGLIGIBLE * abs(verdict.optimum.users):
        users += ", as at the optimum"
    else:
        users += f", {money.amount(abs(change))} {'less' if change > 0 else 'more'} than at the optimum"
    if verdict.lost <= NEGLIGIBLE:
        return f"No welfare is lost; {users}."
    several = " (the worst equilibrium)" if len(found.equilibria) > 1 else ""
    return f"{percent(verdict.lost)} of the optimal welfare is lost{several}; {users}."


def _auction_here(result: Result, verdict: Verdict, money: Money) -> str:
    outcome = verdict.efficiency.auction
    winner = int(outcome.winner[0])
    if winner == NOBODY:
        return "No offer meets the reserve, so that nothing is sold."
    gain = verdict.auction.users - verdict.market.users
    small = NEGLIGIBLE * max(abs(verdict.auction.users), abs(verdict.market.users))
    change = "as much as" if abs(gain) <= small else f"{money.amount(abs(gain))} {'more' if gain > 0 else 'less'} than"
    losers = [shorten(name) for name in verdict.auction.losers]
    return (
        f"{shorten(result.scenario.market.providers[winner])} would win every query at {money.amount(float(outcome.price[0]))} "
        f"{money.per} and keep {money.amount(verdict.auction.providers)} of profit; users would get "
        f"{money.amount(verdict.auction.users)}, {change} in the market. "
        + (f"Worse off: {listed(losers, 4)}." if losers else "Nobody is worse off.")
    )
