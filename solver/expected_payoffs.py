"""Expected payoffs at a mixed profile, with an error estimate: the public face of ``solver.mixed_extension``."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from games.base import FiniteGame, is_concrete
from games.errors import InputError
from games.readable import readable
from solver.compile import compiled
from solver.log_time import log_time_nodes
from solver.mixed_extension import LogitExtension, MixedExtension, TableExtension, mixed_extension, safe_log


class ExpectedPayoffs(eqx.Module):
    """Payoffs at one mixed profile.

    Args:
        payoffs: of every level if its provider played it, the others mixing, dollars per query; -inf where no level
            exists.
        own: of every provider, all mixing, dollars per query.
        welfare: expected welfare, dollars per query; nan for games without one.
        relative_error: largest relative change of a payoff when the number of nodes was doubled; 0 for tables.
    """

    __repr__ = readable

    payoffs: Float[Array, "providers levels"]
    own: Float[Array, " providers"]
    welfare: Float[Array, ""]
    relative_error: Float[Array, ""]


def check_mixed_profile(
    mask: Bool[Array, "providers levels"], mixed_profile: Array
) -> Float[Array, "providers levels"]:
    """The profile as floats, refused unless every row is a probability over the levels that exist.

    Raises:
        InputError: the text names the provider and what is wrong.
    """
    mixed = jnp.asarray(mixed_profile, float)
    if mixed.shape != mask.shape:
        raise InputError(
            f"mixed profile: shape is {mixed.shape}; it needs one probability per provider and level, {mask.shape}"
        )
    if not is_concrete(mixed, mask):
        return mixed
    values, exists = np.asarray(mixed), np.asarray(mask)
    for i in range(len(values)):
        if not np.all(np.isfinite(values[i]) & (values[i] >= 0)):
            raise InputError(
                f"mixed profile: provider {i} has a probability that is negative or not finite: {values[i]}"
            )
        if np.any(values[i][~exists[i]] > 0):
            raise InputError(
                f"mixed profile: provider {i} plays level {np.argmax(values[i] * ~exists[i])}, which does not exist"
            )
        if abs(values[i].sum() - 1) > 1e3 * np.finfo(values.dtype).eps:
            raise InputError(
                f"mixed profile: probabilities of provider {i} sum to {values[i].sum():.9g}; they must sum to 1"
            )
    return mixed


def mixed_payoffs(
    game: FiniteGame | MixedExtension, mixed_profile: Float[Array, "providers levels"]
) -> Float[Array, "providers levels"]:
    """E[U_i(k)]: payoff of every level of every provider while the others mix, dollars per query.

    Args:
        game: any finite game, or its ``mixed_extension`` where the call is traced.
        mixed_profile: probability of every level, rows sum to 1, ``[providers, levels]``.

    Raises:
        InputError: rows are no probabilities over existing levels, the game is traced, or too large for a table.

    Returns:
        Payoffs ``[providers, levels]``; -inf where no level exists.

    Example:
        >>> from games import NormalForm
        >>> pennies = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
        >>> mixed_payoffs(pennies, jnp.array([[0.5, 0.5], [0.75, 0.25]])).tolist()
        [[0.5, -0.5], [0.0, 0.0]]
    """
    extension = mixed_extension(game)
    return _payoffs(extension, check_mixed_profile(extension.mask, mixed_profile))


def expected_payoffs(game: FiniteGame, mixed_profile: Float[Array, "providers levels"]) -> ExpectedPayoffs:
    """``mixed_payoffs`` with an error estimate by doubling the nodes, and expected welfare.

    Args:
        game: a logit game, or a game that has a table of payoffs.
        mixed_profile: probability of every level, ``[providers, levels]``; rows sum to 1.

    Raises:
        InputError: the profile is not of that kind.

    Example:
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=100_000)
        >>> found = expected_payoffs(game, jnp.full((9, 6), 1 / 6))
        >>> round(float(found.welfare), 5), bool(found.relative_error < 1e-11)
        (0.00707, True)
    """
    coarse = mixed_extension(game)
    mixed = check_mixed_profile(coarse.mask, mixed_profile)
    if isinstance(coarse, TableExtension):
        return _with_error(coarse, coarse, mixed)
    return _with_error(
        LogitExtension(coarse.game, log_time_nodes(coarse.game, step=coarse.nodes.step / 2)), coarse, mixed
    )


@compiled
def _payoffs(extension: MixedExtension, mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
    return extension.payoffs(mixed)


@compiled
def _with_error(
    fine: MixedExtension, coarse: MixedExtension, mixed: Float[Array, "providers levels"]
) -> ExpectedPayoffs:
    payoffs = fine.payoffs(mixed)
    own = jnp.where(mixed > 0, mixed * payoffs, 0.0).sum(axis=1)
    if isinstance(fine, TableExtension):
        return ExpectedPayoffs(payoffs, own, jnp.array(jnp.nan), jnp.array(0.0))
    assert isinstance(coarse, LogitExtension)
    logs = safe_log(mixed)
    change = jnp.where(fine.mask, fine.log_payoffs(logs) - coarse.log_payoffs(logs), 0.0)
    return ExpectedPayoffs(payoffs, own, fine.welfare(mixed), jnp.abs(jnp.expm1(change)).max())
