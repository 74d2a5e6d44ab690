"""The public oracle: every profile of a small game, looked at one by one.

It knows nothing of attractions, orders or potentials; only the definition of an equilibrium and of welfare.
"""

from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, LogFiniteGame, is_concrete, require
from games.errors import InputError
from games.readable import readable
from solver import masked
from solver.compile import compiled

MAX_PROFILES = 200_000
CHUNK = 4096
SMALL_CHUNK = 256


class BruteForce(eqx.Module):
    """What full enumeration found.

    Args:
        equilibria: all pure equilibria, ``[equilibria, providers]``, in lexicographic order.
        optimum: profile of highest welfare, first in lexicographic order among equals; ``None`` if the game has no
            ``welfare``.
        optimal_welfare: dollars per query; ``None`` without a welfare.
    """

    __repr__ = readable

    equilibria: Int[Array, "equilibria providers"]
    optimum: Int[Array, " providers"] | None
    optimal_welfare: Float[Array, ""] | None


def num_profiles(game: FiniteGame) -> int:
    """Number of pure profiles of a game; a provider without a level is absent, and keeps level 0."""
    return int(np.prod([float(max(n, 1)) for n in np.asarray(game.mask).sum(axis=1)]))


def brute_force(game: FiniteGame, *, tolerance: float = 1e-9, max_profiles: int = 20_000_000) -> BruteForce:
    """All pure equilibria and, where the game has a welfare, the welfare optimum, by trying every profile.

    Args:
        game: any finite game; one of your own with a method ``welfare(profile)`` has an optimum too.
        tolerance: relative gain in payoff that does not count as one; where payoffs have no logarithms, a fraction
            of the range of the provider's payoffs over its own deviations.
        max_profiles: refuse larger games.

    Raises:
        InputError: the game has more than ``max_profiles`` profiles, lacks members of ``games.FiniteGame``, or is
            traced by jit or vmap.

    Example:
        >>> from games import NormalForm
        >>> dilemma = NormalForm(jnp.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]]))
        >>> brute_force(dilemma).equilibria.tolist()
        [[1, 1]]
    """
    require(game, FiniteGame, "brute_force")
    if not is_concrete(game):
        raise InputError(
            "brute_force: looks at the game's numbers, and these are traced by jit, vmap or grad; call it once for each "
            "game, outside"
        )
    total = num_profiles(game)
    if total > max_profiles:
        raise InputError(
            f"brute_force: {total:,} profiles, more than max_profiles = {max_profiles:,}; use other solvers"
        )
    found: list[np.ndarray] = []
    best: tuple[float, np.ndarray | None] = (-np.inf, None)
    for profiles, real in profile_chunks(game):
        stable, welfare = check_profiles(game, jnp.asarray(profiles), jnp.asarray(tolerance))
        found.append(profiles[np.asarray(stable) & real])
        if hasattr(game, "welfare"):
            top = int(np.argmax(welfare))
            if welfare[top] > best[0]:
                best = (float(welfare[top]), profiles[top])
    equilibria = jnp.asarray(np.concatenate(found), int).reshape(-1, game.mask.shape[0])
    if best[1] is None:
        return BruteForce(equilibria, None, None)
    return BruteForce(equilibria, jnp.asarray(best[1], int), jnp.asarray(best[0]))


def profile_chunks(game: FiniteGame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every profile in chunks of equal size ``[chunk, providers]``, and which rows of the last are not repetitions."""
    total, mask = num_profiles(game), np.asarray(game.mask)
    # Existing levels can lie anywhere in a row: enumerate positions, then look the levels up.
    levels = [np.flatnonzero(row) if row.any() else np.zeros(1, int) for row in mask]
    sizes = [len(row) for row in levels]
    # Chunks of two sizes only, so that little is compiled; surplus rows repeat the last profile.
    chunk = CHUNK if total > SMALL_CHUNK else SMALL_CHUNK
    for start in range(0, total, chunk):
        index = np.minimum(np.arange(start, start + chunk), total - 1)
        digits = np.stack(np.unravel_index(index, sizes), axis=1)
        profiles = np.stack([row[d] for row, d in zip(levels, digits.T, strict=True)], axis=1)
        yield profiles, np.arange(start, start + chunk) < total


@compiled
def check_profiles(game: FiniteGame, profiles: Int[Array, "chunk providers"], tolerance: Float[Array, ""]):
    """Whether each profile is an equilibrium, and its welfare (zeros without one)."""

    def stable(profile: Int[Array, " providers"]) -> Array:
        if isinstance(game, LogFiniteGame):
            values = masked.log_deviation_payoffs(game, profile)
            allowance = jnp.log1p(tolerance)
        else:
            values = masked.deviation_payoffs(game, profile)
            allowance = tolerance * (values.max(axis=1) - jnp.where(game.mask, values, jnp.inf).min(axis=1))
        own = jnp.take_along_axis(values, profile[:, None], axis=1)[:, 0]
        return jnp.all(values.max(axis=1) <= own + allowance)

    welfare = jax.vmap(game.welfare)(profiles) if hasattr(game, "welfare") else jnp.zeros(profiles.shape[0])
    return jax.vmap(stable)(profiles), welfare
