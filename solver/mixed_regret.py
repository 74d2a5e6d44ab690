"""The certificate of mixed profiles: how much any provider could gain by deviating, from the definition of the game.

Small games: every pure profile is written out, the game's payoffs are evaluated there and weighted with the
probability of what the others play. Large logit games: adaptive Gauss–Kronrod quadrature (``scipy.integrate.quad_vec``)
of the expectation, panel by panel between the scales of the game. Neither shares code with
``solver.mixed_extension``, so that a mistake in one cannot hide in the other.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, LogFiniteGame, LogitGame, machine_epsilon, missing_members, require
from games.errors import InputError
from games.readable import readable
from solver import masked
from solver.compile import compiled

MAX_PROFILES = 300_000
CHUNK = 1024


class MixedRegret(eqx.Module):
    """Gains of unilateral deviations from one mixed profile.

    Args:
        payoffs: expected payoff of every provider, dollars per query.
        deviation_gains: expected payoff of a level less that of the mixture, dollars per query,
            ``[providers, levels]``; -inf where no level exists.
        regret: the largest gain of every provider, dollars per query, at least 0.
        relative_regret: the same as a fraction of the provider's payoff where payoffs are positive (from logarithms);
            else of the range of its payoffs over all profiles.
        range_regret: as a fraction of that range in either case; nan where profiles were not enumerated.
        max_regret: the largest relative regret: ε of the ε-equilibrium; the same in any currency.
        resolution: relative gains below it are rounding (or the quadrature's error) and may be zero.
    """

    __repr__ = readable

    payoffs: Float[Array, " providers"]
    deviation_gains: Float[Array, "providers levels"]
    regret: Float[Array, " providers"]
    relative_regret: Float[Array, " providers"]
    range_regret: Float[Array, " providers"]
    max_regret: Float[Array, ""]
    resolution: Float[Array, ""]


def mixed_regret(game: FiniteGame, mixed_profile: Float[Array, "providers levels"]) -> MixedRegret:
    """Certify a mixed profile.

    Args:
        game: any finite game of up to 300,000 profiles, or a logit game of any size (not traced).
        mixed_profile: probability of every level, ``[providers, levels]``, rows sum to 1.

    Raises:
        InputError: the game is too large to enumerate and has no logit form, or lacks members of ``games.FiniteGame``.

    Example:
        >>> from games import NormalForm
        >>> pennies = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
        >>> float(mixed_regret(pennies, jnp.array([[0.5, 0.5], [0.75, 0.25]])).max_regret)
        0.25
    """
    require(game, FiniteGame, "mixed_regret")
    mixed = jnp.asarray(mixed_profile, float)
    if can_enumerate(game):
        return enumerated_regret(game, mixed)
    if not isinstance(game, LogitGame):
        raise InputError(
            f"mixed_regret: {game.mask.shape[0]} providers with {game.mask.shape[1]} levels have more than "
            f"{MAX_PROFILES:,} profiles and no logit form (a LogitGame also has "
            f"{', '.join(missing_members(game, LogitGame))}); certify a smaller game"
        )
    log_payoffs, error = _quadrature(game, np.asarray(mixed, float))
    return _from_logs(jnp.asarray(log_payoffs, float), mixed, jnp.asarray(error, float), None)


def can_enumerate(game: FiniteGame) -> bool:
    """Whether all profiles, padding included, are few enough."""
    providers, levels = game.mask.shape
    return bool(providers * np.log(levels) <= np.log(MAX_PROFILES))


@compiled
def enumerated_regret(game: FiniteGame, mixed: Float[Array, "providers levels"]) -> MixedRegret:
    """``mixed_regret`` by full enumeration; jits and vmaps."""
    providers, levels = game.mask.shape
    has_logs = isinstance(game, LogFiniteGame)
    total = levels**providers
    digits = levels ** jnp.arange(providers - 1, -1, -1)
    played = jnp.where(game.mask, mixed, 0.0)
    log_played = jnp.where(played > 0, jnp.log(jnp.where(played > 0, played, 1.0)), -jnp.inf)
    every = jnp.arange(providers)
    empty = -jnp.inf if has_logs else 0.0

    def evaluate(index: Int[Array, ""]):
        profile = (index // digits) % levels
        exists = jnp.all(game.mask[every, profile]) & (index < total)
        chosen = log_played[every, profile]
        # ln Π_{j≠i} x_j, summed without provider i: its own probability may be 0.
        log_others = jnp.where(jnp.eye(providers, dtype=bool), 0.0, chosen[None, :]).sum(axis=1)
        values = game.log_payoffs(profile) if isinstance(game, LogFiniteGame) else game.payoffs(profile)
        weighted = log_others + values if has_logs else jnp.exp(log_others) * values
        usable = exists & jnp.isfinite(log_others)
        here = jnp.where(exists, values, jnp.nan)
        return profile, jnp.where(usable, weighted, empty), here

    def chunk(carry, start):
        sums, low, high = carry
        profiles, weighted, values = jax.vmap(evaluate)(start + jnp.arange(CHUNK))
        at_level = profiles[:, :, None] == jnp.arange(levels)
        terms = jnp.where(at_level, weighted[:, :, None], empty)
        if has_logs:
            sums = jnp.logaddexp(sums, jax.nn.logsumexp(terms, axis=0))
        else:
            sums = sums + terms.sum(axis=0)
        return (sums, jnp.fmin(low, jnp.nanmin(values, axis=0)), jnp.fmax(high, jnp.nanmax(values, axis=0))), None

    first = (
        jnp.full((providers, levels), empty),
        jnp.full(providers, jnp.inf),
        jnp.full(providers, -jnp.inf),
    )
    (sums, low, high), _ = jax.lax.scan(chunk, first, jnp.arange(0, total, CHUNK))
    if has_logs:
        spread = jnp.exp(high) - jnp.exp(low)
        return _from_logs(jnp.where(game.mask, sums, -jnp.inf), played, _resolution(game), spread)
    spread = high - low
    own = (played * jnp.where(game.mask, sums, 0.0)).sum(axis=1)
    gains = jnp.where(game.mask, sums - own[:, None], -jnp.inf)
    largest = jnp.maximum(gains.max(axis=1), 0.0)
    relative = jnp.where(largest > 0, largest / jnp.where(spread > 0, spread, 1.0), 0.0)
    return MixedRegret(own, gains, largest, relative, relative, relative.max(), _resolution(game))


def _resolution(game: FiniteGame) -> Float[Array, ""]:
    """Rounding of an expected payoff relative to itself: that of β·V inside an exponential, and of the sum."""
    size = jnp.array(0.0)
    if isinstance(game, LogitGame):
        logs = jnp.append(masked.log_attraction(game).ravel(), game.log_outside_attraction.ravel())
        size = jnp.max(jnp.where(jnp.isfinite(logs), jnp.abs(logs), 0.0))
    return machine_epsilon() * (16.0 + 4.0 * size)


def _from_logs(
    log_payoffs: Float[Array, "providers levels"],
    mixed: Float[Array, "providers levels"],
    resolution: Float[Array, ""],
    spread: Float[Array, " providers"] | None,
) -> MixedRegret:
    """Regret from the logarithms of positive payoffs, right even where they underflow."""
    played = mixed > 0
    log_mixed = jnp.where(played, jnp.log(jnp.where(played, mixed, 1.0)), -jnp.inf)
    log_own = jax.nn.logsumexp(log_mixed + jnp.where(played, log_payoffs, 0.0), axis=1)
    exists = jnp.isfinite(log_payoffs)
    log_gain = log_payoffs.max(axis=1) - log_own
    relative = jnp.expm1(jnp.maximum(log_gain, 0.0))
    own = jnp.exp(log_own)
    gains = jnp.where(exists, own[:, None] * jnp.expm1(log_payoffs - log_own[:, None]), -jnp.inf)
    regret = own * relative
    if spread is None:
        in_range = jnp.full(own.shape, jnp.nan)
    else:
        in_range = jnp.where(regret > 0, regret / jnp.where(spread > 0, spread, 1.0), 0.0)
    return MixedRegret(own, gains, regret, relative, in_range, relative.max(), resolution)


def _quadrature(game: LogitGame, mixed: np.ndarray) -> tuple[np.ndarray, float]:
    """ln E[U_i(k)] of a large logit game and the relative error that the quadrature states."""
    from scipy.special import logsumexp

    mask = np.asarray(game.mask)
    with np.errstate(divide="ignore"):
        log_mixed = np.where(mask, np.log(mixed), -np.inf)
        log_profit = np.asarray(masked.log_unit_profit(game), float)
    parts, errors = [], []
    for attraction, outside, weight in zip(
        np.asarray(masked.log_attraction(game), float),
        np.asarray(game.log_outside_attraction, float),
        np.asarray(game.segment_weight, float),
        strict=True,
    ):
        log_sold, error = _segment_quadrature(attraction, float(outside), log_mixed)
        parts.append(np.log(weight) + log_sold)
        errors.append(error)
    log_payoffs = np.where(mask, logsumexp(parts, axis=0) + log_profit, -np.inf)
    return log_payoffs, max(float(_resolution(game)), *errors)


def _segment_quadrature(attraction: np.ndarray, outside: float, log_mixed: np.ndarray) -> tuple[np.ndarray, float]:
    """ln E[a/(R + a)] for every level of one segment: 1/y = ∫ e^{−ty} dt over t = e^u, adaptive in u."""
    from scipy.integrate import quad_vec
    from scipy.special import logsumexp

    exists = np.isfinite(attraction)
    own = np.eye(len(attraction), dtype=bool)

    def log_integrand(u: float) -> np.ndarray:
        rate = np.exp(np.minimum(u + np.where(exists, attraction, -np.inf), 600.0))
        log_laplace = logsumexp(log_mixed - rate, axis=1)
        others = np.where(own, 0.0, log_laplace[None, :]).sum(axis=1)
        values = u + attraction - rate - np.exp(min(u + outside, 600.0)) + others[:, None]
        return np.where(exists, values, -np.inf)

    scales = np.unique(-np.append(attraction[exists], outside if np.isfinite(outside) else []))
    # Units and tens around every scale: the integrand bends there and is a plain exponential elsewhere.
    panels = np.unique(np.round(np.concatenate([scales + d for d in (-40, -20, -10, -5, -2, 0, 1, 2, 4, 7)])))
    peak = np.max([log_integrand(u) for u in panels], axis=0)
    shift = np.where(exists, peak, 0.0)
    value, error = quad_vec(
        lambda u: np.exp(log_integrand(u) - shift),
        panels[0],
        panels[-1],
        points=panels[1:-1],
        epsabs=0.0,
        epsrel=1e-12,
        norm="max",
        limit=100 * len(panels),
    )
    with np.errstate(divide="ignore"):
        return np.where(exists, np.log(value) + shift, -np.inf), float(error / value[exists].min())
