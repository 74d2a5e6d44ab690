"""The bootstrap of a whole market: from resampled questions, or redrawn averages, to everything the solver says."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, PRNGKeyArray

from games.auction import SecondScoreAuction
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.sampling.question_curves import QuestionCurves
from games.users import Users, Values
from solver.lattice import DEFAULT_TOLERANCE
from solver.reserve import optimal_reserve
from solver.uncertainty.replicates import auctions
from solver.uncertainty.resample import Draw, Replicates, count_replicates, question_replicates
from solver.uncertainty.result import Bootstrap
from solver.uncertainty.table import replicate_table

MAX_SEARCHED = 5000


def bootstrap(
    curves: QuestionCurves,
    users: Users,
    rationality: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    replicates: int = 1000,
    key: PRNGKeyArray | None = None,
    paired: bool = True,
    profile: ArrayLike | Sequence[int] | None = None,
    reserve: Values | str | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    max_searched: int = MAX_SEARCHED,
) -> Bootstrap:
    """Resample the questions and solve every replicate at every β, in one compiled call.

    Args:
        curves: question by question; the questions are a sample of those that users ask.
        users: one segment.
        rationality: β, per dollar, one-dimensional; that of ``users`` by default.
        replicates: number of draws; 1,000 for intervals of 95 %.
        key: random key; a fixed one by default.
        paired: the same questions for every provider; False shows what forgetting that costs.
        profile: level of every provider, ``[providers]``, whose chance to be an equilibrium is wanted at every β; by
            default the worst equilibrium of the market as measured, at each β its own.
        reserve: reserve of the auction in dollars per query, or ``"user-optimal"`` for the one number that is best for
            users over all replicates, which the platform cannot tell apart; by default users' outside value, which counts
            wherever it is more.
        tolerance: relative gain below which a deviation does not count.
        max_searched: replicate markets with several equilibria that are searched completely.

    Raises:
        InputError: one question, several segments, or values out of range.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> correct = rng.random((50, 2, 2)) < np.array([[0.5, 0.6], [0.4, 0.7]])
        >>> tokens = rng.gamma(4, np.array([[50, 400], [80, 500]]), (50, 2, 2))
        >>> curves = QuestionCurves(
        ...     correct=correct, output_tokens=tokens, input_tokens=np.zeros((50, 2, 2)),
        ...     answered=np.ones((50, 2, 2)), mask=np.ones((2, 2)), price_per_million=np.array([0.4, 0.3]),
        ...     input_price_per_million=np.zeros(2), providers=("Ada", "Bell"), level_labels=(("1", "8"),) * 2,
        ...     questions=tuple(map(str, range(50))))
        >>> result = bootstrap(curves, Users(0.01, 1000), replicates=200)
        >>> low, high = result.intervals().price_of_anarchy.values[0]
        >>> bool(1 <= low <= high), bool(result.probabilities().wins.sum() == 1)
        (True, True)
    """
    chosen = jax.random.key(0) if key is None else key
    drawn = question_replicates(curves, replicates=replicates, key=chosen, paired=paired)
    kind = "questions, the same for every provider" if paired else "questions, for each provider its own"
    return _solved(drawn, curves.market(), users, rationality, profile, reserve, tolerance, max_searched, kind)


def parametric_bootstrap(
    market: Market,
    num_questions: Values,
    users: Users,
    rationality: ArrayLike | Sequence[ArrayLike] | None = None,
    *,
    replicates: int = 1000,
    key: PRNGKeyArray | None = None,
    draw: Draw = Draw.JEFFREYS,
    token_error: Values = 0.0,
    profile: ArrayLike | Sequence[int] | None = None,
    reserve: Values | str | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    max_searched: int = MAX_SEARCHED,
) -> Bootstrap:
    """The same for a table of averages: every accuracy is drawn by itself from its number of questions.

    Levels measured on the same questions have errors in common that such a table does not show: differences between
    levels then look less certain than they are. Prefer ``bootstrap`` where the answers are at hand.

    Args:
        market: measured averages.
        num_questions: independent questions behind each accuracy, one or ``[providers, levels]``.
        users, rationality, replicates, key, profile, reserve, tolerance, max_searched: as in ``bootstrap``.
        draw: ``Draw.JEFFREYS`` (Beta posterior) or ``Draw.BINOMIAL``.
        token_error: standard error of mean tokens as a fraction of them, one or ``[providers, levels]``.

    Raises:
        InputError: several segments, or values out of range.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> result = parametric_bootstrap(scenario.market, 198, scenario.users, 1000, replicates=200)
        >>> result.probabilities().users_lose.dims
        ('rationality', 'equilibrium')
    """
    chosen = jax.random.key(0) if key is None else key
    drawn = count_replicates(
        market, num_questions, replicates=replicates, key=chosen, draw=draw, token_error=token_error
    )
    kind = f"accuracies, {draw}"
    return _solved(drawn, market, users, rationality, profile, reserve, tolerance, max_searched, kind)


def _solved(
    drawn: Replicates,
    measured: Market,
    users: Users,
    rationality: ArrayLike | Sequence[ArrayLike] | None,
    profile: ArrayLike | Sequence[int] | None,
    reserve: Values | str | None,
    tolerance: float,
    max_searched: int,
    kind: str,
) -> Bootstrap:
    """Leave out unusable replicates, solve the others, and split the measured market from them."""
    beta = np.asarray(users.rationality if rationality is None else rationality, float)
    if users.num_segments != 1:
        raise InputError("bootstrap: needs one segment of users; bootstrap each segment on its own")
    if beta.ndim > 1 or not np.all(np.isfinite(beta) & (beta >= 0)):
        raise InputError(f"bootstrap: rationality must be one-dimensional, finite and not negative, got {rationality}")
    PayPerCompute(measured, users)  # refuses a level without profit, by its name
    if isinstance(reserve, str) and reserve not in ("V0", "user-optimal"):
        raise InputError(
            f"bootstrap: reserve is {reserve!r}; it must be 'V0', 'user-optimal' or dollars per query: one reserve for all "
            "replicates and all β"
        )
    if reserve != "user-optimal":
        SecondScoreAuction(
            measured, users, reserve=reserve
        )  # refuses a reserve that is none, and a market without price
    usable = np.asarray(drawn.usable)
    if usable.sum() < 2:
        raise InputError("bootstrap: every replicate lacks a level; too few questions were answered at some level")
    # Unusable replicates are solved as copies of the measured market and left out afterwards: one shape for all draws.
    markets = jax.tree.map(
        lambda leaf: jnp.where(drawn.usable.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, leaf[:1]), drawn.markets
    )
    table = replicate_table(
        markets,
        users,
        jnp.asarray(np.atleast_1d(beta)),
        measured.providers,
        profile=profile,
        reserve=_floor(markets, users, reserve, usable),
        tolerance=tolerance,
        max_searched=max_searched,
    )
    table = table.isel(replicate=usable)
    table.attrs.update(resampled=kind, replicates=int(usable.sum()) - 1, tolerance=tolerance)
    estimate, replicates = table.isel(replicate=0), table.isel(replicate=slice(1, None)).drop_vars("tested_level_index")
    return Bootstrap(estimate, replicates, int((~usable).sum()), measured.level_labels)


def _floor(markets: Market, users: Users, reserve: Values | str | None, usable: np.ndarray) -> Values:
    """What the auction must leave users besides V0: a number, or the best one over all usable replicates but the measured."""
    if reserve is None or (isinstance(reserve, str) and reserve == "V0"):
        return users.outside_value
    if not isinstance(reserve, str):
        return reserve
    held = auctions(markets, users, jnp.asarray(users.outside_value))
    drawn = usable & (np.arange(len(usable)) > 0)
    best = optimal_reserve(
        held.winner_surplus[:, 0],
        held.runner_up_surplus[:, 0],
        jnp.broadcast_to(users.outside_value, len(usable)),
        jnp.asarray(drawn / drawn.sum()),
    )
    # To be met by that very score, which other compiled code may round otherwise.
    return best.reserve - 4 * jnp.finfo(float).eps * jnp.abs(users.value_per_correct).max()
