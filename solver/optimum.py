"""The welfare optimum: which levels would create the most value, if providers did as told.

One segment. Welfare Σ_i a_i W_i / Z is a ratio of sums with one free choice per provider. Dinkelbach (Management Science 13,
1967): for a guess λ let every provider choose argmax_k a_ik (W_ik − λ), take the welfare of that profile as the next λ,
stop when the choice repeats; 4 to 6 passes of O(N·K), and the last one proves optimality. Each argmax is taken in logarithms,
so that it is right even for providers whose attraction underflows.

Several segments. A sum of ratios, hard in general: small games are enumerated; else coordinate ascent from many starts gives
a profile, and the weighted sum of the segments' own optima an upper bound that is stated.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import LogitGame, is_concrete, require
from games.errors import InputError
from games.readable import readable
from solver import masked
from solver.brute_force import MAX_PROFILES, brute_force, num_profiles
from solver.compile import compiled

MAX_PASSES = 100
NUM_STARTS = 32


class Optimum(eqx.Module):
    """The welfare optimum, or the best known profile with a bound on how far it can be from it.

    Args:
        profile: level of every provider, ``[providers]``.
        welfare: dollars per query at the profile.
        upper_bound: no profile has more welfare than this, dollars per query; equals ``welfare`` if exact.
        exact: whether the profile is proved optimal (up to rounding).
    """

    __repr__ = readable

    profile: Int[Array, " providers"]
    welfare: Float[Array, ""]
    upper_bound: Float[Array, ""]
    exact: bool = eqx.field(static=True)


def welfare_optimum(game: LogitGame) -> Optimum:
    """The profile of highest welfare.

    Args:
        game: a logit game. With one segment of users this jits and vmaps over whole markets.

    Returns:
        The optimum; with several segments and more than 200,000 profiles the best profile found, and a bound.

    Raises:
        InputError: the game is no logit game, or has several segments and is traced by jit or vmap.

    Example:
        >>> from games import load_scenario
        >>> round(float(welfare_optimum(load_scenario("GPQA/majority").game(rationality=1000)).welfare), 5)
        0.00689
    """
    require(game, LogitGame, "welfare_optimum", "let brute_force try every profile of a game with a welfare of its own")
    if game.segment_weight.shape[0] == 1:
        profile, welfare = _one_segment(game)
        return Optimum(profile, welfare, welfare, True)
    if not is_concrete(game):
        raise InputError(
            f"welfare_optimum: this game has {game.segment_weight.shape[0]} segments of users, and jit and vmap (and "
            "solver.batch.optima) can take one only; call welfare_optimum once for each market, or each segment on its own"
        )
    if num_profiles(game) <= MAX_PROFILES:
        result = brute_force(game)
        assert result.optimum is not None
        assert result.optimal_welfare is not None
        return Optimum(result.optimum, result.optimal_welfare, result.optimal_welfare, True)
    return _several_segments(game)


@compiled
def _one_segment(game: LogitGame) -> tuple[Int[Array, " providers"], Float[Array, ""]]:
    profile = _dinkelbach(game)
    return profile, game.welfare(profile)


@compiled
def _dinkelbach(game: LogitGame, segment: int = 0) -> Int[Array, " providers"]:
    """Optimal profile for one segment of users alone."""
    attraction, surplus = masked.log_attraction(game)[segment], masked.surplus(game)[segment]
    log_outside, outside = game.log_outside_attraction[segment], game.outside_surplus[segment]
    exists = jnp.isfinite(attraction)

    def chosen(profile: Int[Array, " providers"]):
        """Log shares and surplus of the options that users have: the providers and, last, the outside option."""
        logs = jnp.append(jnp.take_along_axis(attraction, profile[:, None], axis=1)[:, 0], log_outside)
        values = jnp.append(jnp.take_along_axis(surplus, profile[:, None], axis=1)[:, 0], outside)
        # An option that nobody can take (an absent provider) has share 0 and worth -inf: its product is to be 0.
        return jax.nn.log_softmax(logs), jnp.where(jnp.isfinite(logs), values, 0.0)

    def improve(state):
        profile, value, _, passes = state
        log_shares, values = chosen(profile)
        leader = jnp.argmax(log_shares)
        # W − λ cancels where one option takes nearly all queries, yet its sign decides: measure W from the leader's,
        # and the leader's from λ as a sum of the others' (small) contributions, in logarithms.
        log_ahead, sign_ahead = jax.nn.logsumexp(log_shares, b=values[leader] - values, return_sign=True)
        from_leader = jnp.where(exists, surplus - values[leader], 0.0)
        excess = from_leader + sign_ahead * jnp.exp(log_ahead)
        level_with_leader = from_leader == 0
        sign = jnp.where(level_with_leader, sign_ahead, jnp.sign(excess))
        log_size = attraction + jnp.where(level_with_leader, log_ahead, jnp.log(jnp.abs(excess)))
        gain = jnp.where(exists & (sign > 0), log_size, -jnp.inf)
        loss = jnp.where(exists, log_size, jnp.inf)
        any_gain = jnp.any(exists & (sign > 0), axis=1)
        proposal = jnp.where(any_gain, jnp.argmax(gain, axis=1), jnp.argmin(loss, axis=1))
        log_shares, values = chosen(proposal)
        proposed = jnp.exp(log_shares) @ values
        keep = proposed >= value - 1e-14 * jnp.abs(value)
        goes_on = keep & jnp.any(proposal != profile)
        return jnp.where(keep, proposal, profile), jnp.maximum(value, proposed), goes_on, passes + 1

    state = (jnp.argmax(surplus, axis=1), jnp.array(-jnp.inf), jnp.array(True), jnp.array(0))
    return jax.lax.while_loop(lambda s: s[2] & (s[3] < MAX_PASSES), improve, state)[0]


def _several_segments(game: LogitGame) -> Optimum:
    """The best of many ascents; exact if it meets the bound."""
    profile, welfare, bound = many_ascents(game, num_levels(game))
    exact = bool(welfare >= bound * (1 - 1e-14)) if bound > 0 else False
    return Optimum(profile, welfare, bound, exact)


def num_levels(game: LogitGame) -> tuple[int, ...]:
    """How many levels each provider has; 1 for an absent one, which keeps level 0."""
    return tuple(np.maximum(np.asarray(game.mask).sum(axis=1), 1).tolist())


def many_ascents(
    game: LogitGame, counts: tuple[int, ...]
) -> tuple[Int[Array, " providers"], Float[Array, ""], Float[Array, ""]]:
    """Best profile of coordinate ascents from the segments' own optima and random starts, its welfare, and a bound.

    Args:
        game: several segments; jits and vmaps over numbers.
        counts: how many levels each provider has.
    """
    segments, providers, _ = game.log_attraction.shape
    own = [_dinkelbach(game, s) for s in range(segments)]
    bound = sum(game.segment_weight[s] * _segment_welfare(game, own[s], s) for s in range(segments))
    position = jnp.asarray(np.random.default_rng(0).integers(0, counts, size=(NUM_STARTS, providers)), int)
    random = masked.first_levels(game)[jnp.arange(providers), position]
    profiles, welfare = _ascend_all(game, jnp.concatenate([jnp.stack(own), random]))
    best = jnp.argmax(welfare)
    return profiles[best], welfare[best], jnp.asarray(bound)


def _segment_welfare(game: LogitGame, profile: Int[Array, " providers"], segment: int) -> Float[Array, ""]:
    logs = jnp.take_along_axis(masked.log_attraction(game)[segment], profile[:, None], axis=1)[:, 0]
    values = jnp.take_along_axis(masked.surplus(game)[segment], profile[:, None], axis=1)[:, 0]
    values = jnp.where(jnp.isfinite(logs), values, 0.0)
    shares = jax.nn.softmax(jnp.append(logs, game.log_outside_attraction[segment]))
    return shares @ jnp.append(values, game.outside_surplus[segment])


@compiled
def _ascend_all(game: LogitGame, starts: Int[Array, "starts providers"]):
    providers, levels = game.mask.shape

    def ascend(start: Int[Array, " providers"]):
        def turn(i, profile):
            tries = jax.vmap(lambda k: game.welfare(profile.at[i].set(k)))(jnp.arange(levels))
            return profile.at[i].set(jnp.argmax(jnp.where(game.mask[i], tries, -jnp.inf)))

        def sweep(state):
            profile, _, passes = state
            after = jax.lax.fori_loop(0, providers, turn, profile)
            return after, game.welfare(after) > game.welfare(profile), passes + 1

        first = (start, jnp.array(True), jnp.array(0))
        end = jax.lax.while_loop(lambda s: s[1] & (s[2] < MAX_PASSES), sweep, first)[0]
        return end, game.welfare(end)

    return jax.vmap(ascend)(starts)
