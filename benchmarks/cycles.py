"""How often best replies cycle with several segments of users: ``python -m benchmarks.cycles [--markets N] [--seed S]``.

Markets are drawn at random; best replies start at the lowest levels, in turns and all at once. A cycle in turns is rare
enough to need a search and common enough to matter; whether such a market has a pure equilibrium is checked by trying all
profiles.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from games import Market, PayPerCompute, Users
from solver import Status, best_response_dynamics

# (providers, levels, segments)
SHAPES = [(2, 4, 1), (2, 4, 2), (3, 3, 2), (3, 4, 3), (5, 4, 2)]


def random_market(key: PRNGKeyArray, providers: int, levels: int, segments: int) -> PayPerCompute:
    """Prices over five decades of e, accuracies free, users between casual and demanding."""
    keys = jax.random.split(key, 6)
    shape = (providers, levels)
    accuracy = jax.random.uniform(keys[0], shape)
    price = 1e-3 * jnp.sort(jnp.exp(jax.random.uniform(keys[1], shape, minval=-3.0, maxval=3.0)), axis=1)
    margin = jnp.exp(jax.random.uniform(keys[2], (providers, 1), minval=-3.0, maxval=1.0))
    market = Market(accuracy, price * 1e6, price, price / (1 + margin), jnp.ones(shape, bool), (), ())
    rationality = jnp.exp(jax.random.uniform(keys[3], (segments,), minval=4.0, maxval=9.0))
    value = 1e-2 * jnp.exp(jax.random.uniform(keys[4], (segments,), minval=-3.0, maxval=3.0))
    return PayPerCompute(
        market, Users(value, rationality, weight=jax.random.uniform(keys[5], (segments,), minval=0.05))
    )


def has_pure_equilibrium(game: PayPerCompute) -> Array:
    """Whether any profile leaves no provider a gain; every profile is tried."""
    providers, levels = game.mask.shape
    profiles = jnp.indices((levels,) * providers).reshape(providers, -1).T

    def stable(profile: Array) -> Array:
        values = game.log_deviation_payoffs(profile)
        return jnp.all(values.max(axis=1) <= values[jnp.arange(providers), profile] + 1e-9)

    return jnp.any(jax.vmap(stable)(profiles))


def study(shape: tuple[int, int, int], markets: int, seed: int) -> dict[str, int]:
    """Counts over so many markets of one shape."""

    @jax.jit
    @jax.vmap
    def one(number: Array):
        game = random_market(jax.random.fold_in(jax.random.key(seed), number), *shape)
        turns = best_response_dynamics(game, max_rounds=200)
        together = best_response_dynamics(game, order="simultaneous", max_rounds=200)
        return turns.status, together.status, has_pure_equilibrium(game)

    turns, together, pure = (np.asarray(column) for column in one(jnp.arange(markets)))
    cycles = turns == Status.CYCLE
    return {
        "in turns": int(cycles.sum()),
        "all at once": int((together == Status.CYCLE).sum()),
        "no pure equilibrium": int((~pure).sum()),
        "cycle beside one": int((cycles & pure).sum()),
        "unsettled": int(((turns == Status.MAX_ROUNDS) | (together == Status.MAX_ROUNDS)).sum()),
    }


def main() -> None:
    """Print one row per shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(f"{options.markets} random markets a row, seed {options.seed}; how many of them cycle")
    heading = ("in turns", "all at once", "no pure equilibrium", "cycle beside one", "unsettled")
    print("providers levels segments  " + "  ".join(heading) + "  seconds")
    for shape in SHAPES:
        start = time.perf_counter()
        counts = study(shape, options.markets, options.seed)
        numbers = "  ".join(f"{counts[name]:>{len(name)}}" for name in heading)
        print("{:>9} {:>6} {:>8}  ".format(*shape) + numbers + f"  {time.perf_counter() - start:7.1f}")


if __name__ == "__main__":
    main()
