"""Populations of questions with a known market: difficulties are shared, so providers err together.

A question has a difficulty d ~ N(0, λ²), and for every provider a quirk e_i ~ N(0, τ²). Provider i answers rightly at level k
with probability Φ(a_ik − d − e_i), and needs tokens of mean t_ik, log-normal, more of them for harder questions. Over all
questions

    accuracy = Φ(a_ik / √(1 + λ² + τ²)),    tokens = t_ik,

so that the market of all questions is known exactly, and a benchmark is a sample of them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float, PRNGKeyArray

from games import Market
from games.sampling.question_curves import QuestionCurves

DIFFICULTY, QUIRK = 1.5, 0.5  # λ and τ
TOKEN_DIFFICULTY, TOKEN_NOISE = 0.4, 0.5  # of the logarithm of tokens


class Population(NamedTuple):
    """All questions of a kind, seen by all providers.

    Args:
        accuracy, tokens: over all questions, ``[providers, levels]``.
        price_per_million: dollars per million output tokens, ``[providers]``.
    """

    accuracy: np.ndarray
    tokens: np.ndarray
    price_per_million: np.ndarray

    def market(self) -> Market:
        """The market of all questions."""
        return Market.from_arrays(accuracy=self.accuracy, tokens=self.tokens, price_per_million=self.price_per_million)


def of_market(market: Market) -> Population:
    """Questions of which the market given is the average; every provider has all levels."""
    tokens = np.asarray(market.tokens)
    return Population(np.asarray(market.accuracy), tokens, np.asarray(market.price / market.tokens)[:, 0] * 1e6)


# Levels, offers and providers far apart: with 198 questions the equilibrium and the winner are hardly ever in doubt.
SEPARATED = Population(
    accuracy=np.array([[0.35, 0.40], [0.65, 0.70], [0.20, 0.25]]),
    tokens=np.array([[500.0, 4000.0], [800.0, 6000.0], [400.0, 4000.0]]),
    price_per_million=np.array([0.4, 0.6, 0.3]),
)


def benchmark_of(population: Population, num_questions: int, key: PRNGKeyArray, *, samples: int = 1) -> QuestionCurves:
    """Questions drawn from the population, each answered by every provider at every level.

    Args:
        population: the questions.
        num_questions: how many are drawn.
        key: random key.
        samples: answers per question and level.
    """
    correct, tokens = answers(population, num_questions, key, samples)
    return curves_of(population, correct, tokens)


def answers(
    population: Population, num_questions: int, key: PRNGKeyArray, samples: int = 1
) -> tuple[Float[Array, "questions providers levels"], Float[Array, "questions providers levels"]]:
    """Fraction of right answers and tokens of drawn questions; can be traced."""
    providers = len(population.accuracy)
    keys = jax.random.split(key, 4)
    difficulty = jax.random.normal(keys[0], (num_questions, 1, 1))
    quirk = QUIRK * jax.random.normal(keys[1], (num_questions, providers, 1))
    ability = norm.ppf(population.accuracy) * np.sqrt(1 + DIFFICULTY**2 + QUIRK**2)
    chance = norm.cdf(ability - DIFFICULTY * difficulty - quirk)
    right = (jax.random.uniform(keys[2], (samples, *chance.shape)) < chance).mean(axis=0)
    noise = TOKEN_DIFFICULTY * difficulty + TOKEN_NOISE * jax.random.normal(keys[3], chance.shape)
    return right, jnp.asarray(population.tokens) * jnp.exp(noise - (TOKEN_DIFFICULTY**2 + TOKEN_NOISE**2) / 2)


def curves_of(
    population: Population,
    correct: Float[Array, "questions providers levels"],
    tokens: Float[Array, "questions providers levels"],
) -> QuestionCurves:
    """Answers as curves; without names where they are traced."""
    questions, providers, levels = correct.shape
    named = not isinstance(correct, jax.core.Tracer)
    return QuestionCurves(
        correct=correct,
        output_tokens=tokens,
        input_tokens=jnp.zeros(correct.shape),
        answered=jnp.ones(correct.shape, bool),
        mask=jnp.ones((providers, levels), bool),
        price_per_million=jnp.asarray(population.price_per_million),
        input_price_per_million=jnp.zeros(providers),
        providers=tuple(f"provider {i + 1}" for i in range(providers)) if named else (),
        level_labels=tuple(tuple(str(k + 1) for k in range(levels)) for _ in range(providers)) if named else (),
        questions=tuple(f"question {q + 1}" for q in range(questions)) if named else (),
    )
