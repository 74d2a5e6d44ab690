"""Mechanisms on a batch of markets, in one compiled call for each mechanism.

Those that start from the pay-per-compute equilibrium (posted prices at its levels, the no-harm reserve, pay-per-compute
itself) take it from ``solver.batch.equilibria``, which has found it for the whole batch already.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.errors import unknown_name
from games.pay_per_compute import PayPerCompute
from solver.mechanisms.outcome import Mechanism, Outcome
from solver.mechanisms.pay_per_compute import at_profile
from solver.mechanisms.posted_price import PostedPrice
from solver.mechanisms.registry import MECHANISMS
from solver.mechanisms.second_score import SecondScore
from solver.optimum import welfare_optimum

Profile = Int[Array, " providers"]


def outcomes(
    name: str,
    games: PayPerCompute,
    posted: Int[Array, "batch providers"],
    reserve: Float[Array, " batch"] | None = None,
) -> Outcome:
    """The outcome of one mechanism in every market of a batch; leaves have a leading axis.

    Args:
        name: of a registered mechanism.
        games: stacked games of one segment, from ``solver.batch.stack_games`` or ``solver.grid.games_at``.
        posted: an equilibrium of each pay-per-compute market, usually the worst.
        reserve: of ``second-score``, dollars per query, -inf for users' outside value alone.

    Raises:
        InputError: an unknown name.

    Example:
        >>> from games import load_scenario
        >>> from solver import batch
        >>> games = batch.rationality_grid(load_scenario("GPQA/reasoning_effort").game(), jnp.array([200.0, 1000.0]))
        >>> found = outcomes("second-score-no-harm", games, jnp.asarray(batch.equilibria(games).worst))
        >>> [f"{value:.5f}" for value in found.user_value[:, 0]]
        ['0.01525', '0.01545']
    """
    if name not in MECHANISMS:
        raise unknown_name("mechanism", name, MECHANISMS)
    anonymous = games.anonymous()
    floor = jnp.full(posted.shape[0], -jnp.inf) if reserve is None else jnp.asarray(reserve, float)
    return _outcomes(name, anonymous, jnp.asarray(posted), floor)


@eqx.filter_jit
def _outcomes(
    name: str, games: PayPerCompute, posted: Int[Array, "batch providers"], reserve: Float[Array, " batch"]
) -> Outcome:
    def one(game: PayPerCompute, profile: Profile, floor: Float[Array, ""]) -> Outcome:
        if name in ("pay-per-compute", "market-optimum"):
            optimum = welfare_optimum(game).profile
            return at_profile(game, profile if name == "pay-per-compute" else optimum, optimum)
        made: Mechanism
        if name == "posted-price":
            made = PostedPrice(levels=profile)
        elif name == "second-score-no-harm":
            made = SecondScore(reserve=game.segment_user_value(profile))
        elif name == "second-score":
            made = SecondScore(reserve=floor)
        else:
            made = MECHANISMS[name]()
        return made.outcome(game.market, game.users)

    return jax.vmap(one)(games, posted, reserve)


FIGURES = ("user_value", "profits", "platform", "welfare", "price", "tokens", "misreport_gain")


def figures(
    names: Sequence[str], games: PayPerCompute, posted: np.ndarray, reserve: Float[Array, " batch"]
) -> dict[str, np.ndarray]:
    """What a sweep keeps of each mechanism: ``[batch, mechanisms]`` by figure; price and tokens per query served."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in FIGURES}
    for name in names:
        found = outcomes(name, games, jnp.asarray(posted), reserve)
        served = np.asarray(found.allocation.sum(axis=-1)[:, 0])
        with np.errstate(invalid="ignore", divide="ignore"):
            per_served = {
                "price": np.asarray((found.allocation * found.price).sum(axis=-1)[:, 0]) / served,
                "tokens": np.asarray((found.allocation * found.tokens).sum(axis=-1)[:, 0]) / served,
            }
        plain = {
            "user_value": found.user_value[:, 0],
            "profits": found.profits[:, 0].sum(axis=-1),
            "platform": found.platform[:, 0],
            "welfare": found.welfare[:, 0],
            "misreport_gain": found.misreport_gain.max(axis=-1),
        }
        # Without an equilibrium there are no figures.
        bad = np.asarray(found.status) != 0
        for figure in FIGURES:
            values = np.array(per_served.get(figure, plain.get(figure)), float)
            columns[figure].append(np.where(bad, np.nan, values))
    return {f"mechanism_{figure}": np.stack(columns[figure], axis=1) for figure in FIGURES}
