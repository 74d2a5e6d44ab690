"""Curves by question, and the markets of their weightings."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games.errors import InputError
from games.sampling import QuestionCurves


def build(**changes):
    """Two providers, three questions; Bell has one level and did not answer the last question."""
    rng = np.random.default_rng(0)
    arrays = {
        "correct": rng.uniform(size=(3, 2, 2)),
        "output_tokens": rng.uniform(100, 900, (3, 2, 2)),
        "input_tokens": rng.uniform(10, 90, (3, 2, 2)),
        "answered": np.array([[[1, 1], [1, 0]], [[1, 1], [1, 0]], [[1, 1], [0, 0]]], bool),
        "mask": np.array([[True, True], [True, False]]),
        "price_per_million": np.array([2.0, 8.0]),
        "input_price_per_million": np.array([0.5, 1.0]),
        "margin": 0.25,
        "providers": ("Ada", "Bell"),
        "level_labels": (("1", "4"), ("1",)),
        "questions": ("a", "b", "c"),
    }
    arrays["correct"][2, 1] = np.nan  # never looked at
    return QuestionCurves(**(arrays | changes))


WEIGHTS = jnp.array([[1.0, 1.0, 1.0], [2.0, 0.5, 0.0], [0.0, 1.0, 3.0]])


@pytest.fixture(scope="module")
def replicates():
    return eqx.filter_jit(eqx.filter_vmap(lambda curves, w: curves.market(w), in_axes=(None, 0)))(build(), WEIGHTS)


def test_markets_are_weighted_means_over_the_answered_questions(replicates):
    curves = build()
    for b, weight in enumerate(np.asarray(WEIGHTS)):
        for i, k in [(0, 0), (0, 1), (1, 0)]:
            asked = [q for q in range(3) if curves.answered[q, i, k]]
            total = sum(weight[q] for q in asked)
            mean = {
                name: sum(weight[q] * float(getattr(curves, name)[q, i, k]) for q in asked) / total
                for name in ("correct", "output_tokens", "input_tokens")
            }
            price = 1e-6 * (
                mean["output_tokens"] * float(curves.price_per_million[i])
                + mean["input_tokens"] * float(curves.input_price_per_million[i])
            )
            ours = [
                float(x[b, i, k]) for x in (replicates.accuracy, replicates.tokens, replicates.price, replicates.cost)
            ]
            np.testing.assert_allclose(ours, [mean["correct"], mean["output_tokens"], price, price / 1.25], rtol=1e-12)
    np.testing.assert_array_equal(replicates.price[:, 1, 1], 0.0)


def test_one_market_at_a_time_equals_the_batch(replicates):
    market = build().market(WEIGHTS[1])
    np.testing.assert_allclose(market.accuracy, replicates.accuracy[1], rtol=1e-14)
    np.testing.assert_allclose(build().market().price, replicates.price[0], rtol=1e-14)
    assert (market.providers, market.level_labels) == (("Ada", "Bell"), (("1", "4"), ("1",)))


def test_a_replicate_that_asks_a_level_nothing_is_nan_and_refused_where_it_can_be_seen():
    curves = build()
    alone = jnp.array([0.0, 0.0, 1.0])
    assert np.isnan(jax.jit(lambda w: curves.market(w).accuracy[1, 0])(alone))
    with pytest.raises(InputError, match="all questions answered at level '1' of provider 'Bell' have weight 0"):
        curves.market(alone)


def test_a_mean_of_ones_is_not_above_one():
    curves = build(correct=np.ones((3, 2, 2)))
    market = jax.vmap(curves.market)(jax.random.uniform(jax.random.key(0), (64, 3)))
    assert float(market.accuracy.max()) == 1.0


def test_subsets_and_anonymous_curves_keep_their_numbers():
    curves = build()
    bell = curves.subset(["Bell"])
    assert (bell.num_questions, bell.num_providers, bell.num_levels) == (3, 1, 1)
    np.testing.assert_array_equal(bell.market().price, curves.market().price[1:, :1])
    np.testing.assert_array_equal(curves.anonymous().market().price, curves.market().price)
    with pytest.raises(InputError, match="did you mean 'Bell'"):
        curves.subset(["Bel"])


NAN = np.full((3, 2, 2), np.nan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correct": NAN}, "correct of 'Ada' at level '1', question 'a', is nan; it must be within"),
        ({"output_tokens": -np.ones((3, 2, 2))}, "output_tokens of 'Ada' .* is -1; it must be finite and not negative"),
        ({"input_tokens": NAN}, "input_tokens of 'Ada' at level '1', question 'a', is nan"),
        (
            {"answered": np.zeros((3, 2, 2), bool)},
            "no question was answered at level '1' of 'Ada'; leave the level out",
        ),
        ({"price_per_million": np.array([1.0, np.nan])}, "price_per_million of 'Bell' is nan"),
        ({"margin": -1.0}, "margin is -1"),
        ({"providers": ("Ada", "Ada")}, "providers hold 'Ada' twice"),
        ({"questions": ("a", "b")}, "2 questions for 3; give one name each"),
        ({"level_labels": (("1", "4"), ())}, "provider 'Bell' has no level"),
        ({"level_labels": (("1", "4"), ("1", "4"))}, "mask and level_labels disagree"),
    ],
)
def test_bad_curves_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        build(**changes)


def test_no_question_is_refused():
    empty = np.zeros((0, 2, 2))
    cut = {
        "correct": empty,
        "output_tokens": empty,
        "input_tokens": empty,
        "answered": empty.astype(bool),
        "questions": (),
    }
    with pytest.raises(InputError, match="no question or no provider"):
        build(**cut)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0, np.nan, 1.0], "entry 1 is nan"), ([1.0, -1.0, 1.0], "entry 1 is -1"), ([0.0, 0.0, 0.0], "have weight 0")],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        build().market(jnp.array(weights))
