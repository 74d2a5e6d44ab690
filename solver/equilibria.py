"""All pure equilibria of the pay-per-compute game.

One segment of users: exact. The ends of the lattice (``solver.lattice``) certify uniqueness in a few sweeps; where they
differ, the levels between them are searched completely (``solver.enumeration``). Several segments: no order and no
potential exist; small games are enumerated, larger ones searched by dynamics from many starts, and the result says
that the list may be incomplete. Any other finite game has no such structure: it is enumerated where it is small, else
refused.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from games.base import FiniteGame, LogitGame, is_concrete, missing_members, require, require_double_precision
from games.errors import InputError
from games.readable import readable
from solver import masked
from solver.best_response import Order, Reply, best_response_dynamics
from solver.brute_force import MAX_PROFILES, brute_force, num_profiles
from solver.compile import compiled
from solver.enumeration import Enumeration, enumerate_equilibria
from solver.lattice import (
    DEFAULT_TOLERANCE,
    LOOSEST,
    LogitArrays,
    lattice_bounds,
    resolution,
    sharpness,
    single_segment,
)
from solver.regret import regret

NUM_STARTS = 256


class Equilibria(eqx.Module):
    """A set of pure equilibria, lowest welfare first.

    Args:
        profiles: level of every provider, ``[equilibria, providers]``.
        welfare: dollars per query, ``[equilibria]``; the sum of payoffs for games without a ``welfare``.
        max_regret: independent certificate of each, relative, ``[equilibria]``; see ``solver.regret``.
        complete: whether the list is proved to hold every equilibrium within the tolerance.
        reason: why it is complete, or why it may not be.
        tolerance: relative gain below which a deviation does not count.
    """

    __repr__ = readable

    profiles: Int[Array, "equilibria providers"]
    welfare: Float[Array, " equilibria"]
    max_regret: Float[Array, " equilibria"]
    complete: bool = eqx.field(static=True)
    reason: str = eqx.field(static=True)
    tolerance: float = eqx.field(static=True)

    def __len__(self) -> int:
        return self.profiles.shape[0]

    @property
    def worst(self) -> Int[Array, " providers"]:
        """The equilibrium of lowest welfare."""
        return self.profiles[0]

    @property
    def best(self) -> Int[Array, " providers"]:
        """The equilibrium of highest welfare."""
        return self.profiles[-1]


def pure_equilibria(
    game: FiniteGame,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    max_equilibria: int = 10_000,
    key: PRNGKeyArray | None = None,
) -> Equilibria:
    """Every pure equilibrium: every profile from which no deviation gains more than ``tolerance``, relatively.

    Args:
        game: a logit game, for example ``games.PayPerCompute``; any rationality from 0 to 10^6 and beyond. Or any other
            finite game of up to 200,000 profiles, which are all tried.
        tolerance: relative gain in payoff that does not count as one, so that ties are found; raised, and said
            in the result, where β·V is so large (beyond about 3·10^5 at the default) that rounding exceeds it. Raised
            beyond 1e-6 (|β·V| above about 3·10^8) the list is not called complete.
        max_equilibria: longer lists are cut and called incomplete (duplicated levels multiply equilibria).
        key: random key of the starts for large games with several segments; a fixed one by default.

    Returns:
        The equilibria, lowest welfare first. With one segment there is at least one (the game has a potential); with
        several the set can be empty.

    Raises:
        InputError: the game lacks members of ``games.FiniteGame``; is no logit game and too large to enumerate; is
            traced by jit or vmap; or its β·V is so large (about 3·10^14) that rounding exceeds payoffs themselves.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import load_scenario
        >>> equilibria = pure_equilibria(load_scenario("GPQA/majority").game(rationality=1000))
        >>> len(equilibria), equilibria.complete, bool(equilibria.max_regret.max() < 1e-9)
        (1, True, True)
    """
    require_double_precision("pure_equilibria")
    require(game, FiniteGame, "pure_equilibria")
    if not is_concrete(game):
        raise InputError(
            "pure_equilibria: how many equilibria there are depends on the game's numbers, and these are traced by jit, vmap "
            "or grad; call it outside, or take solver.lattice_bounds or solver.batch.equilibria"
        )
    asked, rounding = tolerance, _rounding(game) if isinstance(game, LogitGame) else 0.0
    if not isinstance(game, LogitGame):
        profiles, complete, reason = _enumerated(game, tolerance)
    elif game.segment_weight.shape[0] == 1:
        profiles, complete, reason, tolerance = _one_segment(game, tolerance, max_equilibria)
    elif num_profiles(game) <= MAX_PROFILES:
        tolerance = max(tolerance, rounding)
        profiles = np.asarray(brute_force(game, tolerance=tolerance).equilibria)
        complete, reason = True, f"all {num_profiles(game):,} profiles were checked"
    else:
        tolerance = max(tolerance, rounding)
        profiles = _many_starts(game, tolerance, key)
        complete, reason = (
            False,
            f"several user segments: {NUM_STARTS} starts of best replies, others may exist",
        )
    if rounding > max(asked, LOOSEST):
        complete = False
        reason = f"users choose so sharply that rounding decides: gains below {float(tolerance):.1e} of a payoff cannot be told"
    return _certified(game, profiles, complete, reason, float(tolerance))


def _rounding(game: LogitGame) -> float:
    """Relative error of payoffs by the rounding of β·V; refuses users for whom it exceeds the payoffs."""
    logs = masked.log_attraction(game), game.log_outside_attraction
    found = float(resolution(*logs))
    if found > 1:
        size = float(sharpness(*logs))
        raise InputError(
            f"pure_equilibria: β·V reaches {size:.1e}, and in double precision the payoffs of users who choose so sharply "
            f"are rounding alone; divide their rationality by {found / LOOSEST:.0e} or more for answers that are complete"
        )
    return found


def _enumerated(game: FiniteGame, tolerance: float) -> tuple[np.ndarray, bool, str]:
    """All equilibria of a game of which only payoffs are known."""
    total = num_profiles(game)
    if total > MAX_PROFILES:
        raise InputError(
            f"pure_equilibria: {total:,} profiles are too many to try all (more than {MAX_PROFILES:,}), and larger games "
            f"need the logit form (games.LogitGame), of which {type(game).__name__} has no "
            f"{', '.join(missing_members(game, LogitGame))}; add what is missing, allow more profiles with "
            "solver.brute_force(max_profiles=), or let solver.best_response_dynamics play the game"
        )
    return np.asarray(brute_force(game, tolerance=tolerance).equilibria), True, f"all {total:,} profiles were checked"


def _one_segment(game: LogitGame, tolerance: float, max_equilibria: int) -> tuple[np.ndarray, bool, str, float]:
    bounds = lattice_bounds(game, tolerance=tolerance)
    least, greatest = np.asarray(bounds.least), np.asarray(bounds.greatest)
    tolerance = float(bounds.tolerance)
    if bounds.unique:
        return least[None], True, "least and greatest equilibrium agree, so that there is no other", tolerance
    found = between(
        *(np.asarray(a) for a in _arrays(game)),
        least=least,
        greatest=greatest,
        rank=np.asarray(bounds.rank),
        tolerance=tolerance,
        max_equilibria=max_equilibria,
    )
    reason = "every aggregate between the least and the greatest equilibrium was searched"
    if not found.complete:
        reason = f"more than {max_equilibria} equilibria: the list was cut"
    return found.profiles, found.complete, reason, tolerance


def between(
    log_attraction: np.ndarray,
    log_unit_profit: np.ndarray,
    log_outside: np.ndarray | float,
    *,
    least: np.ndarray,
    greatest: np.ndarray,
    rank: np.ndarray,
    tolerance: float,
    max_equilibria: int,
) -> Enumeration:
    """All equilibria between the ends of the lattice; providers without a level are absent, and keep level 0."""
    every = np.arange(len(least))
    low, high = rank[every, least][:, None], rank[every, greatest][:, None]
    allowed = (rank >= low) & (rank <= high) & np.isfinite(log_attraction)
    there = allowed.any(axis=1)
    found = enumerate_equilibria(
        log_attraction[there],
        log_unit_profit[there],
        float(log_outside),
        allowed[there],
        tolerance=tolerance,
        max_equilibria=max_equilibria,
    )
    profiles = np.zeros((len(found.profiles), len(there)), int)
    profiles[:, there] = found.profiles
    return found._replace(profiles=profiles)


def some_starts(game: LogitGame, key: PRNGKeyArray | None = None) -> Int[Array, "starts providers"]:
    """All-lowest, all-highest and random profiles, ``NUM_STARTS`` in all."""
    providers = game.mask.shape[0]
    count = game.mask.sum(axis=1)
    position = jax.random.randint(
        jax.random.key(0) if key is None else key,
        (NUM_STARTS - 2, providers),
        0,
        jnp.broadcast_to(count, (NUM_STARTS - 2, providers)),
    )
    places = jnp.concatenate([jnp.zeros((1, providers), int), (count - 1)[None], position])
    return masked.first_levels(game)[jnp.arange(providers), places]


@compiled
def follow_starts(
    game: LogitGame, starts: Int[Array, "starts providers"], tolerance: Float[Array, ""]
) -> tuple[Int[Array, "starts providers"], Bool[Array, " starts"]]:
    """Where best replies end from every start, and whether that is an equilibrium."""

    def run(start: Int[Array, " providers"]):
        return best_response_dynamics(game, start=start, order=Order.SEQUENTIAL, reply=Reply.BEST, tolerance=tolerance)

    ends = jax.vmap(run)(starts)
    return ends.profile, ends.max_regret <= tolerance


def _many_starts(game: LogitGame, tolerance: float, key: PRNGKeyArray | None) -> np.ndarray:
    """The distinct limits of best replies from all-lowest, all-highest and random starts."""
    ends, settled = follow_starts(game, some_starts(game, key), jnp.asarray(tolerance))
    return np.unique(np.asarray(ends)[np.asarray(settled)], axis=0)


def _certified(game: FiniteGame, profiles: np.ndarray, complete: bool, reason: str, tolerance: float) -> Equilibria:
    """Order by welfare and attach the independent certificate."""
    found = np.asarray(profiles, int).reshape(-1, game.mask.shape[0])
    # Padded to 1, 16, 256, ..., so that lists of different length share one compiled function.
    size = 16 ** math.ceil(math.log(max(1, len(found)), 16))
    padded = np.pad(found, ((0, size - len(found)), (0, 0)))
    welfare, regrets = (np.asarray(x)[: len(found)] for x in _welfare_and_regret(game, jnp.asarray(padded)))
    order = np.argsort(welfare, kind="stable")
    ordered = [jnp.asarray(column[order]) for column in (found, welfare, regrets)]
    return Equilibria(ordered[0], ordered[1], ordered[2], complete, reason, tolerance)


@compiled
def _arrays(game: LogitGame) -> LogitArrays:
    return single_segment(game, "pure_equilibria")


@compiled
def _welfare_and_regret(game: FiniteGame, profiles: Int[Array, "equilibria providers"]):
    def one(profile: Int[Array, " providers"]):
        welfare = game.welfare(profile) if hasattr(game, "welfare") else game.payoffs(profile).sum()
        return welfare, regret(game, profile).max_regret

    return jax.lax.map(one, profiles)
