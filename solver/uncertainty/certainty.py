"""How often an answer stands when the questions are drawn again: a short check beside a solved market.

Only the answer is tested in every replicate, nothing is solved there: ``solver.bootstrap`` solves them.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, PRNGKeyArray

from games.sampling.question_curves import QuestionCurves
from games.users import Users
from solver.uncertainty.replicates import auctions, max_regrets
from solver.uncertainty.resample import question_replicates

DRAWS = 200


@dataclass(frozen=True)
class Certainty:
    """Shares of draws in which an answer stands.

    Args:
        draws: replicates that could be used.
        num_questions: questions that were drawn from.
        is_equilibrium: the profile is an equilibrium; None where none was given.
        same_winner: the auction without a reserve ends with the same winner; None for a lone provider.
    """

    draws: int
    num_questions: int
    is_equilibrium: float | None
    same_winner: float | None


def certainty(
    curves: QuestionCurves,
    users: Users,
    profile: Int[Array, " providers"] | None,
    winner: int,
    *,
    tolerance: ArrayLike = 0.0,
    draws: int = DRAWS,
    key: PRNGKeyArray | None = None,
) -> Certainty | None:
    """Test an equilibrium and the winner of an auction on resampled questions.

    Args:
        curves: question by question.
        users: one segment, with its β.
        profile: level of every provider, ``[providers]``; None where there is no equilibrium.
        winner: index of the auction's winner; −1 where nobody wins.
        tolerance: relative gain that does not count.
        draws: number of replicates.
        key: random key; a fixed one by default.

    Returns:
        The shares; None where they cannot be told: one question, several segments, or fewer than two usable draws.
    """
    if curves.num_questions < 2 or users.num_segments != 1:
        return None
    drawn = question_replicates(curves, replicates=draws, key=jax.random.key(0) if key is None else key)
    usable = np.asarray(drawn.usable)[1:]
    if usable.sum() < 2:
        return None
    # Unusable replicates are judged as copies of the measured market, and left out below.
    markets = jax.tree.map(
        lambda leaf: jnp.where(drawn.usable.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, leaf[:1]), drawn.markets
    )
    holds = wins = None
    if profile is not None:
        regrets = np.asarray(max_regrets(markets, users, users.rationality, profile[None]))[1:, 0]
        holds = float((regrets[usable] <= float(jnp.asarray(tolerance))).mean())
    if curves.num_providers > 1 and winner >= 0:
        won = np.asarray(auctions(markets, users, jnp.asarray(-jnp.inf)).winner)[1:, 0]
        wins = float((won[usable] == winner).mean())
    return Certainty(int(usable.sum()), curves.num_questions, holds, wins)
