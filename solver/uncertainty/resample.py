"""Replicates of a market: what the benchmark might have shown with other questions.

From curves question by question: the bootstrap over questions (Efron, Annals of Statistics 7, 1979). A replicate draws as many
questions as there are, with replacement, and *all providers answer the same draw*: questions that are hard for one are
hard for most, and that cancels in comparisons. Samples of one question stay together, so that the spread between them is
carried along (Davison & Hinkley 1997, section 3.8).

From tables of averages: draws of every accuracy by itself, from Jeffreys' posterior Beta(x + ½, n − x + ½) or the binomial
law. What was common to the levels is lost, so that comparisons look less certain than they are.
"""

import enum
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from games.errors import InputError
from games.market import Market
from games.sampling.question_curves import QuestionCurves
from games.users import Values


class Draw(enum.StrEnum):
    """How the accuracy of a level is drawn from its counts."""

    JEFFREYS = "jeffreys"
    BINOMIAL = "binomial"


class Replicates(NamedTuple):
    """A batch of markets without names, the measured one first.

    Args:
        markets: the leaves have a leading axis of 1 + the number of replicates.
        usable: False where a replicate holds no question that some level answered, or answered for free only,
            ``[1 + replicates]``.
    """

    markets: Market
    usable: Bool[Array, " replicates"]


def question_weights(key: PRNGKeyArray, num_questions: int, replicates: int) -> Float[Array, "replicates questions"]:
    """How often each question is drawn, in every replicate: multinomial, seeded, rows sum to ``num_questions``.

    Example:
        >>> question_weights(jax.random.key(0), 5, 3).sum(axis=1).tolist()
        [5.0, 5.0, 5.0]
    """
    drawn = jax.random.randint(key, (replicates, num_questions), 0, num_questions)
    return jax.vmap(lambda row: jnp.zeros(num_questions).at[row].add(1.0))(drawn)


def question_replicates(
    curves: QuestionCurves, *, replicates: int, key: PRNGKeyArray, paired: bool = True
) -> Replicates:
    """Markets of resampled questions.

    Args:
        curves: question by question.
        replicates: number of draws.
        key: random key.
        paired: the same questions for all providers; False draws them for every provider by itself, which is right only
            if providers were measured on questions of their own.

    Raises:
        InputError: fewer than two questions, or no replicate.
    """
    if curves.num_questions < 2:
        raise InputError("bootstrap: one question only; the spread between questions needs at least two")
    _check_replicates(replicates)
    return _question_replicates(curves.anonymous(), key, replicates, paired)


@eqx.filter_jit
def _question_replicates(curves: QuestionCurves, key: PRNGKeyArray, replicates: int, paired: bool) -> Replicates:
    questions, providers = curves.num_questions, curves.num_providers
    markets = jax.vmap(curves.market)
    measured = jnp.ones((1, questions))
    if paired:
        drawn = markets(jnp.concatenate([measured, question_weights(key, questions, replicates)]))
        return _usable(drawn)
    every = jnp.arange(providers)

    def one(key: PRNGKeyArray) -> Market:
        """The market in which provider i has the questions of draw i."""
        return jax.tree.map(lambda leaf: leaf[every, every], markets(question_weights(key, questions, providers)))

    drawn = jax.vmap(one)(jax.random.split(key, replicates))
    return _usable(jax.tree.map(lambda a, b: jnp.concatenate([a, b]), markets(measured), drawn))


def _usable(markets: Market) -> Replicates:
    good = jnp.isfinite(markets.accuracy) & (markets.price > markets.cost)
    return Replicates(markets, jnp.all(good | ~markets.mask, axis=(-2, -1)))


def count_replicates(
    market: Market,
    num_questions: Values,
    *,
    replicates: int,
    key: PRNGKeyArray,
    draw: Draw = Draw.JEFFREYS,
    token_error: Values = 0.0,
) -> Replicates:
    """Markets of redrawn averages, for tables that hold nothing but averages.

    Args:
        market: measured accuracy, tokens and prices.
        num_questions: independent questions behind each accuracy: one number, or an array that broadcasts with
            ``[providers, levels]``. Several samples of one question are not independent: count questions.
        replicates: number of draws.
        key: random key.
        draw: ``Draw.JEFFREYS`` also spreads accuracies measured as 0 or 1, which ``Draw.BINOMIAL`` takes as certain.
        token_error: standard error of mean tokens as a fraction of them, like ``num_questions``; price and cost follow
            tokens. Tables rarely tell it; 0 leaves tokens as they are.

    Raises:
        InputError: counts or errors out of range.
    """
    _check_replicates(replicates)
    shape = market.mask.shape
    number, error = (np.asarray(value, float) for value in (num_questions, token_error))
    for name, values, good in (
        ("num_questions", number, np.isfinite(number) & (number >= 1)),
        ("token_error", error, np.isfinite(error) & (error >= 0)),
    ):
        if values.ndim > 2 or any(
            have not in (1, want) for have, want in zip(values.shape[::-1], shape[::-1], strict=False)
        ):
            raise InputError(f"bootstrap: {name} has shape {values.shape}; give one, or {shape} for every level")
        if not good.all():
            wanted = "at least 1" if name == "num_questions" else "not negative"
            raise InputError(f"bootstrap: {name} is {values[~good][0]:g}; it must be finite and {wanted}")
    return _count_replicates(
        market.anonymous(),
        jnp.broadcast_to(jnp.asarray(number), shape),
        jnp.broadcast_to(jnp.asarray(error), shape),
        key,
        replicates,
        draw,
    )


@eqx.filter_jit
def _count_replicates(market: Market, number: Array, error: Array, key: PRNGKeyArray, replicates: int, draw: Draw):
    of_accuracy, of_tokens = jax.random.split(key)
    shape = (replicates, *market.mask.shape)
    right = number * market.accuracy
    if draw is Draw.JEFFREYS:
        accuracy = jax.random.beta(of_accuracy, right + 0.5, number - right + 0.5, shape)
    else:
        accuracy = jax.random.binomial(of_accuracy, number, market.accuracy, shape) / number
    factor = jnp.exp(error * jax.random.normal(of_tokens, shape) - error**2 / 2)

    def redrawn(accuracy: Array, factor: Array) -> Market:
        new = (accuracy, *(jnp.where(market.mask, factor * x, 0.0) for x in (market.tokens, market.price, market.cost)))
        return eqx.tree_at(lambda m: (m.accuracy, m.tokens, m.price, m.cost), market, new)

    accuracies = jnp.concatenate([market.accuracy[None], jnp.where(market.mask, accuracy, 0.0)])
    return _usable(jax.vmap(redrawn)(accuracies, jnp.concatenate([jnp.ones((1, *shape[1:])), factor])))


def _check_replicates(replicates: int) -> None:
    if replicates < 1:
        raise InputError(f"bootstrap: {replicates} replicates; give at least 1 (1,000 for intervals)")
