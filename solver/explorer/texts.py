"""The explorer's numbers in words and tables, as HTML in which every name is escaped."""

from html import escape

import numpy as np

from solver.explorer.charts import Scene, lost
from solver.explorer.state import State
from solver.report.palette import Look
from solver.report.style import count, listed, percent, plain, ratio, tiny

EMPTY = "–"


def headline(scene: Scene) -> str:
    """The numbers that matter most, as cards."""
    market, money = scene.market, scene.money
    certificate = f"largest relative regret {tiny(market.max_regret)}" + (
        "" if market.complete else "; list incomplete"
    )
    cards = [
        ("Price of anarchy", ratio(market.anarchy), f"{lost(market)} of the optimal welfare is lost"),
        ("Equilibria", f"{market.num_equilibria:,}", certificate),
        ("Users get", money.amount(market.worst_ledger.users), f"{money.per}, in the worst equilibrium"),
        (
            "Providers earn",
            money.amount(market.worst_ledger.providers),
            f"{money.per}; {percent(market.unserved)} unserved",
        ),
        _mechanism_card(scene),
    ]
    return '<div class="cards">' + "".join(
        f'<div class="card"><div class="what">{escape(what)}</div><div class="number">{escape(number)}</div>'
        f'<div class="note">{escape(note)}</div></div>'
        for what, number, note in cards
    ) + "</div>"  # fmt: skip


def _mechanism_card(scene: Scene) -> tuple[str, str, str]:
    played, money = scene.mechanism, scene.money
    what = f"Users, {scene.state.mechanism}"
    if played is None:
        return what, "…", "being computed"
    if played.ledger is None:
        return what, EMPTY, "no outcome in this market"
    gain = played.ledger.users - scene.market.worst_ledger.users
    small = 1e-9 * abs(scene.market.worst_ledger.users)
    against = (
        "as in the market"
        if abs(gain) <= small
        else f"{money.amount(abs(gain))} {'more' if gain > 0 else 'less'} than in the market"
    )
    return what, money.amount(played.ledger.users), f"{money.per}, {against}"


def mechanism_note(scene: Scene) -> str:
    """What the chosen mechanism does, who loses by it, or why it does nothing."""
    played, money = scene.mechanism, scene.money
    if played is None:
        return f"<p>{escape(scene.state.mechanism)} is being computed; its first use compiles it.</p>"
    if played.ledger is None:
        return f"<p><strong>{escape(played.name)}</strong> has no outcome here: {escape(played.reason)}</p>"
    losers = _losers(scene)
    parts = [
        f"<strong>{escape(played.name)}</strong> gives users {money.amount(played.ledger.users)}, providers "
        f"{money.amount(played.ledger.providers)} and the platform {money.amount(played.ledger.platform)} {money.per}.",
        f"Against the worst equilibrium, {escape(listed(losers, 6))} {'gets' if len(losers) == 1 else 'get'} less."
        if losers and losers != ["users"]
        else "Against the worst equilibrium, users get less."
        if losers
        else "Nobody gets less than in the worst equilibrium.",
    ]
    if played.gaming > 1e-9 * abs(played.ledger.welfare):
        parts.append(f"Leaving honest play earns a provider up to {money.amount(played.gaming)} {money.per}.")
    if played.reason:
        parts.append(f"Note: {escape(played.reason)}.")
    return f"<p>{' '.join(parts)}</p>"


def _losers(scene: Scene) -> list[str]:
    """Who gets less under the mechanism than in the worst equilibrium: users first, then providers."""
    played, market = scene.mechanism, scene.market
    assert played is not None
    assert played.ledger is not None
    small = 1e-9 * max(abs(market.worst_ledger.welfare), abs(market.worst_ledger.users))
    losers = ["users"] if played.ledger.users < market.worst_ledger.users - small else []
    less = played.profits < market.worst_profits - small
    return losers + [
        offer.name for offer, loses in zip(scene.state.offers, less, strict=True) if loses and offer.present
    ]


def providers(scene: Scene) -> str:
    """One row for each provider: where it computes, what it sells, what it earns."""
    market, money, played = scene.market, scene.money, scene.mechanism
    rows = []
    order = np.argsort(-market.worst_shares, kind="stable").tolist()
    for i in (
        *[i for i in order if scene.state.offers[i].present],
        *[i for i in order if not scene.state.offers[i].present],
    ):
        offer, look = scene.state.offers[i], scene.looks[scene.state.offers[i].name]
        name = f'<th scope="row" title="{escape(offer.name, quote=True)}">{_swatch(look)}{escape(look.short)}</th>'
        if not offer.present:
            rows.append(f'<tr class="gone">{name}<td colspan="8">dropped</td></tr>')
            continue
        there = played is not None and played.ledger is not None
        cells = [
            _level(scene, i, int(market.worst[i])),
            _level(scene, i, int(market.best_offers[i])),
            money.number(float(market.best_offer_change[i])),
            percent(float(market.worst_shares[i])),
            money.number(float(market.worst_profits[i])),
            _level(scene, i, int(market.optimum[i])),
            percent(float(played.shares[i])) if there and played is not None else EMPTY,
            money.number(float(played.profits[i])) if there and played is not None else EMPTY,
        ]
        rows.append(f"<tr>{name}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    heads = (
        "level",
        "own best offer",
        f"welfare if it alone moved there, {money.unit}",
        "share",
        f"profit, {money.unit}",
        "level at market optimum",
        "share",
        f"profit, {money.unit}",
    )
    groups = (
        f'<tr><th rowspan="2" scope="col">provider</th><th colspan="6" scope="colgroup">market, worst equilibrium</th>'
        f'<th colspan="2" scope="colgroup">{escape(scene.state.mechanism)}</th></tr>'
    )
    head = f"<thead>{groups}<tr>{''.join(f'<th scope=col>{escape(head)}</th>' for head in heads)}</tr></thead>"
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of providers"><table>'
        f"{head}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _level(scene: Scene, i: int, k: int) -> str:
    offer = scene.state.offers[i]
    return f"{offer.labels[k]} · {plain(offer.tokens[k])} tokens"


def _swatch(look: Look) -> str:
    return f'<span class="swatch" style="background:light-dark({look.light},{look.dark})"></span>'


def about(state: State) -> str:
    """What the page is showing."""
    gone = len(state.offers) - len(state.present)
    dropped = f" ({gone} dropped)" if gone else ""
    where = f"{count(len(state.present), 'provider')}{dropped}, β = {plain(state.rationality)} per dollar"
    worth = f"α = ${state.value_per_correct:g} per correct answer, margin {percent(state.margin)}"
    return f"<p>{escape(state.name)}: {where}, {worth}. {escape(state.source or 'Source not stated')}.</p>"
