"""Whom to measure next: what further questions are worth to a platform that holds the auction on measured averages.

The auction serves the offer of largest *measured* surplus W = q − c; the true best may be another, and the difference is lost
on every query. Preposterior analysis (Raiffa & Schlaifer, Applied Statistical Decision Theory, 1961; for the choice of the
best of several systems Chick & Inoue, Operations Research 49, 2001): the surpluses are normal about the measured ones, with the
covariance of the paired bootstrap, Σ. If provider i answers m new questions, then before they are asked the measured
surpluses to come are normal as well, with the same mean and the covariance

    Σ_·i (Σ_ii + R)⁻¹ Σ_i·,    R_kl = Σ_ii,kl √(n_k n_l) / m,

n_k the number of questions answered at level k. The expected gain of choosing then, instead of now, is the expected loss that
the questions avoid. Answers of one provider say something about the others too, who were measured on the same questions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.errors import InputError
from games.sampling.question_curves import QuestionCurves
from games.users import Users
from solver.uncertainty.gaussian import Experiment, chances_of_error, expected_gain, learned
from solver.uncertainty.table import DOLLARS

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class SampleValue:
    """What more questions are worth; losses in dollars per query that the auction serves.

    Args:
        winner: provider that the auction picks on the questions at hand.
        expected_loss: surplus that this choice loses against the true best offer, in expectation; also the most that any
            number of questions can be worth.
        wrong_winner: probability that another provider is the true best.
        table: over ``provider``: ``avoided_loss`` if it answers ``num_questions`` new questions at all its levels,
            ``wrong_winner_after``, and ``cost`` of these answers in dollars; over ``provider, level``:
            ``level_avoided_loss`` and ``level_cost`` if it answers them at that level only. For all providers at once, the
            same new questions: ``everybody_avoided_loss``, ``everybody_wrong_winner_after``.
    """

    winner: str
    expected_loss: float
    wrong_winner: float
    table: "xr.Dataset"

    @property
    def next_provider(self) -> str:
        """The provider whose new questions avoid the largest loss; the first of equals."""
        return str(self.table.provider.values[int(np.argmax(self.table.avoided_loss.values))])


def value_of_more_samples(curves: QuestionCurves, users: Users, *, num_questions: int = 100) -> SampleValue:
    """Which provider's next questions shrink the uncertainty about the auction's winner most.

    Value curves that are not linear, and weights of questions that were not answered everywhere, enter by their
    derivatives. A level whose answers were all the same (all right, say) counts as known.

    Args:
        curves: question by question.
        users: one segment; its rationality plays no part.
        num_questions: m, new questions per provider; drawn like those at hand and independent of them.

    Raises:
        InputError: several segments, one question at hand, or no new one.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> correct = rng.random((60, 3, 1)) < np.array([[0.5], [0.6], [0.9]])
        >>> curves = QuestionCurves(
        ...     correct=correct, output_tokens=np.full((60, 3, 1), 500.0), input_tokens=np.zeros((60, 3, 1)),
        ...     answered=np.ones((60, 3, 1)), mask=np.ones((3, 1)), price_per_million=np.array([0.2, 0.2, 15.0]),
        ...     input_price_per_million=np.zeros(3), providers=("Ada", "Bell", "Cey"), level_labels=(("1",),) * 3,
        ...     questions=tuple(map(str, range(60))))
        >>> value = value_of_more_samples(curves, Users(0.01, 1000))
        >>> value.winner, bool(0 < value.table.avoided_loss.max() < value.expected_loss)
        ('Bell', True)
    """
    import xarray as xr

    if users.num_segments != 1:
        raise InputError("value_of_more_samples: needs one segment of users; ask for each segment by itself")
    if curves.num_questions < 2:
        raise InputError("value_of_more_samples: one question only; the spread between questions needs at least two")
    if num_questions < 1:
        raise InputError(f"value_of_more_samples: num_questions is {num_questions}; give at least 1")
    exists = np.asarray(curves.mask)
    provider, level = np.nonzero(exists)
    surplus, derivative = (np.asarray(x)[exists] for x in _surplus_and_derivative(curves.anonymous(), users))
    if not np.isfinite(surplus).all():
        raise InputError("value_of_more_samples: a level has no surplus; check prices and tokens")
    # The infinitesimal jackknife (Efron 1982) with the n − 1 of an unbiased variance.
    covariance = derivative @ derivative.T * curves.num_questions / (curves.num_questions - 1)
    answered = np.asarray(curves.answered.sum(axis=0))[exists]
    price = np.asarray(curves.market().price)

    def experiment(chosen: np.ndarray) -> Experiment:
        root = np.sqrt(answered[chosen])
        return Experiment(chosen, covariance[np.ix_(chosen, chosen)] * np.outer(root, root) / num_questions)

    everything = np.arange(len(level))
    trials = [experiment(np.flatnonzero(provider == i)) for i in range(curves.num_providers)]
    trials.append(experiment(everything))
    avoided = np.array([expected_gain(surplus, learned(covariance, trial)) for trial in trials])
    wrong = chances_of_error(surplus, covariance, trials, provider)
    at_level = np.full(exists.shape, np.nan)
    for c in everything:
        at_level[provider[c], level[c]] = expected_gain(surplus, learned(covariance, experiment(everything[[c]])))
    flat, probability = ("provider", "level"), {"units": "probability"}
    loss, spent = {"units": DOLLARS}, {"units": "dollars"}
    level_cost = np.where(exists, num_questions * price, np.nan)
    labels = np.full(exists.shape, "", dtype=object)
    for i, row in enumerate(curves.level_labels):
        labels[i, : len(row)] = row
    table = xr.Dataset(
        {
            "avoided_loss": ("provider", avoided[:-1], loss),
            "wrong_winner_after": ("provider", wrong[1:-1], probability),
            "cost": ("provider", np.nansum(level_cost, axis=1), spent),
            "level_avoided_loss": (flat, at_level, loss),
            "level_cost": (flat, level_cost, spent),
            "everybody_avoided_loss": ((), avoided[-1], loss),
            "everybody_wrong_winner_after": ((), wrong[-1], probability),
        },
        {"provider": list(curves.providers), "level": np.arange(exists.shape[1]), "level_label": (flat, labels)},
        {"num_questions": num_questions},
    )
    return SampleValue(
        winner=curves.providers[int(provider[np.argmax(surplus)])],
        expected_loss=expected_gain(surplus, covariance),
        wrong_winner=float(wrong[0]),
        table=table,
    )


@eqx.filter_jit
def _surplus_and_derivative(
    curves: QuestionCurves, users: Users
) -> tuple[Float[Array, "providers levels"], Float[Array, "providers levels questions"]]:
    """W = q − c of every level, dollars per query served, and its derivative in the weight of every question."""

    def surplus(weights: Float[Array, " questions"]) -> Float[Array, "providers levels"]:
        market = curves.market(weights)
        return users.quality(market.accuracy)[0] - market.cost

    weights = jnp.ones(curves.num_questions)
    return surplus(weights), jax.jacrev(surplus)(weights)
