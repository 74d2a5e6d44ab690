"""Dense payoff tensors: the same game as a table, for oracles and for other libraries (nashpy, Gambit, QuantEcon).

The table of N providers with K levels has N·K^N entries; it is for small games only.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from games.base import FiniteGame
from games.errors import InputError

MAX_ENTRIES = 20_000_000


class NormalForm(eqx.Module):
    """A finite game given by its payoff tensor; implements ``games.base.FiniteGame``.

    Args:
        tensor: payoffs ``[providers, levels, ..., levels]``, one axis of levels per provider; entry
            ``tensor[i, k_1, ..., k_N]`` is provider i's payoff. Entries at levels that do not exist are ignored.
        mask: True where a level exists, ``[providers, levels]``; all by default.

    Example:
        >>> dilemma = NormalForm(jnp.array([[[3.0, 0.0], [5.0, 1.0]], [[3.0, 5.0], [0.0, 1.0]]]))
        >>> dilemma.deviation_payoffs(jnp.array([0, 0])).tolist()
        [[3.0, 5.0], [3.0, 5.0]]
    """

    tensor: Float[Array, "..."]
    mask: Bool[Array, "providers levels"]

    def __init__(self, tensor: ArrayLike, mask: ArrayLike | None = None) -> None:
        self.tensor = jnp.asarray(tensor, float)
        providers, levels = self.tensor.shape[0], max(self.tensor.shape[1:], default=0)
        if self.tensor.ndim != providers + 1 or set(self.tensor.shape[1:]) != {levels}:
            raise InputError(
                f"normal form: payoff tensor has shape {self.tensor.shape}; N players need [N, K, ..., K] with N axes of K"
            )
        self.mask = jnp.ones((providers, levels), bool) if mask is None else jnp.asarray(mask, bool)

    @classmethod
    def from_game(cls, game: FiniteGame) -> "NormalForm":
        """Tabulate any finite game.

        Raises:
            InputError: the table would have more than 20 million entries.
        """
        providers, levels = game.mask.shape
        entries = providers * levels**providers
        if entries > MAX_ENTRIES:
            raise InputError(
                f"normal form: {providers} providers with {levels} levels need {entries:.1e} entries, more than "
                f"{MAX_ENTRIES:.0e}; use solvers that need no table"
            )
        profiles = jnp.asarray(list(itertools.product(range(levels), repeat=providers)))
        payoffs = jax.lax.map(game.payoffs, profiles, batch_size=4096)
        tensor = jnp.moveaxis(payoffs, -1, 0).reshape((providers,) + (levels,) * providers)
        exists = np.ones(tensor.shape[1:], bool)
        for i, row in enumerate(np.asarray(game.mask)):
            exists &= row.reshape((-1,) + (1,) * (providers - 1 - i))
        return cls(jnp.where(exists, tensor, -jnp.inf), game.mask)

    def payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, " providers"]:
        """Each provider's payoff."""
        return self.tensor[(slice(None), *profile)]

    def deviation_payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, "providers levels"]:
        """Payoff of every unilateral deviation; -inf where no level exists."""
        rows = []
        for i in range(self.tensor.shape[0]):
            index = tuple(slice(None) if j == i else profile[j] for j in range(self.tensor.shape[0]))
            rows.append(self.tensor[(i, *index)])
        return jnp.where(self.mask, jnp.stack(rows), -jnp.inf)
