"""Sums over everybody else, by both ways of adding them up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from games.demand import FEW, log_sum_of_others


@pytest.mark.parametrize("providers", [1, 2, FEW, FEW + 1])
def test_sums_over_others_leave_one_out(providers):
    """Attractions over thousands of orders of magnitude, absent providers, and users who must buy."""
    rng = np.random.default_rng(providers)
    weights = rng.uniform(-5000, 5000, (6, providers))
    weights[1] = np.round(weights[1] / 5000)
    weights[2, 0] = weights[3, 1:] = -np.inf
    outside = np.array([0.0, 1.0, 4000.0, -np.inf, -np.inf, 5000.0])
    expected = [
        [logsumexp([*np.delete(row, i), v]) for i in range(providers)] for row, v in zip(weights, outside, strict=True)
    ]
    found = jax.jit(log_sum_of_others)(jnp.asarray(weights), jnp.asarray(outside))
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("providers", [2, FEW, FEW + 1])
def test_their_derivatives_are_shares_of_the_sum(providers):
    """d ln R_i / d ln a_j = a_j / R_i for j ≠ i, and 0 for one's own."""
    weights = np.random.default_rng(providers).uniform(-3, 3, providers)
    rest = np.array([np.exp(0.5) + np.delete(np.exp(weights), i).sum() for i in range(providers)])
    expected = np.where(np.eye(providers), 0.0, np.exp(weights) / rest[:, None])
    found = jax.jit(jax.jacfwd(log_sum_of_others))(jnp.asarray(weights), jnp.asarray(0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
