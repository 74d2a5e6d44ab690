"""Every mixed equilibrium of a two-provider game, by nashpy, on payoffs that its absolute tolerances can see.

nashpy (support enumeration, vertex enumeration, Lemke–Howson from every label) compares numbers to fixed tolerances,
and payoffs here are of the order of 1e-5 dollars and can span thousands of orders of magnitude. So the game is
rescaled first, in a way that maps equilibria one to one. Let A be the payoffs of provider 1 (rows), B those of provider 2.
Scaling column l of A by d_l > 0 changes no comparison between rows if y_l becomes y_l/d_l: with d_l = 1/max_k A_kl
every column has its best reply at 1, whatever rationality does. Likewise the rows of B, and x. Games without positive
payoffs are shifted and scaled to [1, 2]. Each candidate is mapped back, merged with its duplicates, and certified by
``solver.mixed_regret`` on the original game.
"""

import contextlib
import enum
import warnings
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from games.base import FiniteGame, LogFiniteGame, LogitGame, require, require_double_precision
from games.errors import InputError, unknown_name
from games.readable import readable
from solver.compile import compiled
from solver.mixed_extension import mixed_extension
from solver.mixed_regret import enumerated_regret

DEFAULT_TOLERANCE = 1e-9
# Rescaled probabilities this close belong to one equilibrium.
SAME = 1e-7
# Largest regret of a candidate in the rescaled game: nashpy's rounding, before the certificate speaks.
CANDIDATE = 1e-7
# Orders of the levels to try.
ORDERS = 4


class Method(enum.StrEnum):
    """Which of nashpy's algorithms enumerates."""

    ALL = "all"  #: support and vertex enumeration, and again with the levels in another order if an equilibrium is missing
    SUPPORT = "support"
    VERTEX = "vertex"
    LEMKE_HOWSON = "lemke-howson"


class MixedEquilibria(eqx.Module):
    """A set of mixed equilibria, lowest welfare first where the game has a welfare.

    Args:
        profiles: probability of every level, ``[equilibria, providers, levels]``.
        payoffs: expected payoff of every provider, dollars per query, ``[equilibria, providers]``.
        welfare: expected welfare, dollars per query, ``[equilibria]``; nan for games without one.
        max_regret: independent certificate of each, ``[equilibria]``: the largest gain as a fraction of the
            provider's payoff, or of its payoff range where payoffs are not positive.
        range_regret: the same as a fraction of the payoff range in either case, ``[equilibria]``.
        complete: whether the list is known to hold every equilibrium.
        degenerate: whether the game was seen to be degenerate, so that infinitely many may exist.
        rejected: candidates of nashpy that the certificate refused.
        reason: why the list is complete, or why it may not be.
    """

    __repr__ = readable

    profiles: Float[Array, "equilibria providers levels"]
    payoffs: Float[Array, "equilibria providers"]
    welfare: Float[Array, " equilibria"]
    max_regret: Float[Array, " equilibria"]
    range_regret: Float[Array, " equilibria"]
    complete: bool = eqx.field(static=True)
    degenerate: bool = eqx.field(static=True)
    rejected: int = eqx.field(static=True)
    reason: str = eqx.field(static=True)

    def __len__(self) -> int:
        return self.profiles.shape[0]


def two_player_equilibria(
    game: FiniteGame, *, method: Method | str = Method.ALL, tolerance: float = DEFAULT_TOLERANCE
) -> MixedEquilibria:
    """Mixed equilibria of a game of two providers.

    Args:
        game: any finite game of two providers; enumeration is exponential in the number of levels, so up to about 8.
        method: ``"support"`` and ``"vertex"`` find every equilibrium of a nondegenerate game up to rounding, which makes
            each miss one now and then; ``"all"`` joins the two; ``"lemke-howson"`` finds at least one.
        tolerance: largest regret of an equilibrium, relative to the payoff (or its range, where it is not positive).

    Raises:
        InputError: the game has not two providers or lacks members of ``games.FiniteGame``, or the method is unknown.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import NormalForm
        >>> pennies = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
        >>> two_player_equilibria(pennies).profiles.round(9).tolist()
        [[[0.5, 0.5], [0.5, 0.5]]]
    """
    require_double_precision("two_player_equilibria")
    require(game, FiniteGame, "two_player_equilibria")
    if game.mask.shape[0] != 2:
        raise InputError(
            f"two_player_equilibria: the game has {game.mask.shape[0]} providers, not 2; for more use solver.learn, "
            "solver.quantal_path or solver.pure_equilibria"
        )
    try:
        how = Method(method)
    except ValueError:
        raise unknown_name("method", str(method), [str(m) for m in Method]) from None
    mask = np.asarray(game.mask)
    levels = [np.flatnonzero(row) for row in mask]
    log_d, log_e, rows, columns = _rescaled(game, levels)
    candidates: list[tuple[np.ndarray, np.ndarray]] = []
    even = True
    for shift in range(ORDERS if how is Method.ALL else 1):
        # A nondegenerate game has an odd number of equilibria (Wilson 1971): an even one means that rounding hid some.
        if even:
            _collect(candidates, rows, columns, how, shift)
            even = len(candidates) % 2 == 0
    even = even and how is not Method.LEMKE_HOWSON
    ties = any(_more_replies_than_support(rows, columns, x, y) for x, y in candidates)
    degenerate = even or ties
    profiles = np.zeros((len(candidates), *mask.shape))
    for profile, (x, y) in zip(profiles, candidates, strict=True):
        profile[0, levels[0]] = _map_back(x, log_e)
        profile[1, levels[1]] = _map_back(y, log_d)
    return _certified(game, profiles, how, degenerate, tolerance)


def _rescaled(game: FiniteGame, levels: list[np.ndarray]):
    """ln d, ln e and the two rescaled payoff matrices (module formula)."""
    # Missing levels are tabulated too and dropped behind, so that ragged games share one compiled function.
    size = game.mask.shape[1]
    every = jnp.asarray(np.indices((size, size)).reshape(2, -1).T)
    values = np.asarray(_tabulate(game, every)).reshape(size, size, 2)[np.ix_(*levels)]
    a, b = values[..., 0], values[..., 1]
    if isinstance(game, LogFiniteGame):
        log_d, log_e = -a.max(axis=0), -b.max(axis=1)
        return log_d, log_e, np.exp(a + log_d), np.exp(b + log_e[:, None])
    a, b = (1 + (m - m.min()) / (np.ptp(m) if np.ptp(m) > 0 else 1.0) for m in (a, b))
    return np.zeros(a.shape[1]), np.zeros(a.shape[0]), a, b


@compiled
def _tabulate(game: FiniteGame, profiles: Array) -> Array:
    return jax.vmap(game.log_payoffs if isinstance(game, LogFiniteGame) else game.payoffs)(profiles)


def _collect(
    candidates: list[tuple[np.ndarray, np.ndarray]], rows: np.ndarray, columns: np.ndarray, method: Method, shift: int
) -> None:
    """Add to the list what nashpy finds with both players' levels shifted round by so many places."""
    orders = [np.roll(np.arange(size), shift) for size in rows.shape]
    back = [np.argsort(order) for order in orders]
    with warnings.catch_warnings():
        # An even number of equilibria makes nashpy warn; here it becomes a field of the result.
        warnings.simplefilter("ignore")
        for x, y in _candidates(rows[np.ix_(*orders)], columns[np.ix_(*orders)], method):
            # Lemke–Howson can return nan or vectors of a wrong length for degenerate games.
            if (len(x), len(y)) != rows.shape or not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
                continue
            x, y = _polished(rows, columns, np.asarray(x, float)[back[0]], np.asarray(y, float)[back[1]])
            if _gap(rows, columns, x, y) > CANDIDATE:
                continue
            if not any(np.abs(x - a).max() < SAME and np.abs(y - b).max() < SAME for a, b in candidates):
                candidates.append((x, y))


def _gap(rows: np.ndarray, columns: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """The larger regret of the two players in the rescaled game, relative to their best payoff."""
    to_x, to_y = rows @ y, x @ columns
    return max(float(1 - x @ to_x / to_x.max()), float(1 - y @ to_y / to_y.max()))


def _polished(rows: np.ndarray, columns: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same supports with indifference solved anew, where that is possible and better: Qhull rounds coarsely."""
    x, y = np.maximum(x, 0.0), np.maximum(y, 0.0)
    x, y = x / x.sum(), y / y.sum()
    one, two = np.flatnonzero(x > SAME), np.flatnonzero(y > SAME)
    if len(one) != len(two):
        return x, y
    better_x, better_y = np.zeros_like(x), np.zeros_like(y)
    try:
        better_x[one] = np.linalg.solve(columns[np.ix_(one, two)].T, np.ones(len(one)))
        better_y[two] = np.linalg.solve(rows[np.ix_(one, two)], np.ones(len(two)))
    except np.linalg.LinAlgError:
        return x, y
    if better_x[one].min() <= 0 or better_y[two].min() <= 0:
        return x, y
    better = better_x / better_x.sum(), better_y / better_y.sum()
    return better if _gap(rows, columns, *better) <= _gap(rows, columns, x, y) else (x, y)


def _candidates(rows: np.ndarray, columns: np.ndarray, method: Method) -> Iterator[tuple[Any, Any]]:
    import nashpy
    from scipy.spatial import QhullError

    game = nashpy.Game(rows, columns)
    if method is Method.LEMKE_HOWSON:
        yield from game.lemke_howson_enumeration()
    if method in (Method.ALL, Method.SUPPORT):
        yield from game.support_enumeration()
    if method in (Method.ALL, Method.VERTEX):
        # Qhull gives up on polytopes that are flat, as with a single level or payoffs that do not differ.
        with contextlib.suppress(QhullError):
            yield from game.vertex_enumeration()


def _more_replies_than_support(rows: np.ndarray, columns: np.ndarray, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a player has more pure best replies than the other mixes over: the mark of a degenerate game."""
    close = 1e-9
    to_y, to_x = rows @ y, x @ columns
    replies = np.sum(to_y >= to_y.max() * (1 - close)), np.sum(to_x >= to_x.max() * (1 - close))
    return bool(replies[0] > np.sum(y > close) or replies[1] > np.sum(x > close))


def _map_back(scaled: np.ndarray, log_scale: np.ndarray) -> np.ndarray:
    """x_k ∝ x'_k e_k; in logarithms, since the scales can be far apart."""
    positive = scaled > 0
    logs = np.where(positive, np.log(np.where(positive, scaled, 1.0)) + log_scale, -np.inf)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _certified(
    game: FiniteGame, profiles: np.ndarray, method: Method, degenerate: bool, tolerance: float
) -> MixedEquilibria:
    """Certify, drop what fails, order by welfare."""
    # Padded to a power of two, so that lists of different length share one compiled function.
    size = 1 << max(0, len(profiles) - 1).bit_length()
    uniform = np.asarray(game.mask) / np.asarray(game.mask).sum(axis=1, keepdims=True)
    padded = jnp.asarray(np.concatenate([profiles, np.broadcast_to(uniform, (size - len(profiles), *uniform.shape))]))
    payoffs, relative, in_range, welfare = (
        np.asarray(v)[: len(profiles)] for v in _judge(game, _extension(game), padded)
    )
    good = np.flatnonzero(relative <= tolerance)
    order = good[np.argsort(welfare[good], kind="stable")]
    complete = method is not Method.LEMKE_HOWSON and not degenerate and len(good) == len(profiles)
    if complete:
        reason = "support and vertex enumeration" if method is Method.ALL else f"{method} enumeration"
        reason += ", an odd number of equilibria, and no sign of degeneracy"
    elif method is Method.LEMKE_HOWSON:
        reason = "Lemke–Howson from every label: others may exist"
    elif degenerate:
        reason = "the game is degenerate (a tie between levels, or an even number of equilibria): others may exist"
    else:
        reason = f"{len(profiles) - len(good)} candidates failed the certificate at tolerance {tolerance:g}"
    return MixedEquilibria(
        jnp.asarray(profiles[order]),
        jnp.asarray(payoffs[order]),
        jnp.asarray(welfare[order]),
        jnp.asarray(relative[order]),
        jnp.asarray(in_range[order]),
        complete,
        degenerate,
        len(profiles) - len(good),
        reason,
    )


def _extension(game: FiniteGame):
    return mixed_extension(game) if isinstance(game, LogitGame) else None


@compiled
def _judge(game: FiniteGame, extension, profiles: Float[Array, "equilibria providers levels"]):
    def one(mixed: Float[Array, "providers levels"]):
        found = enumerated_regret(game, mixed)
        welfare = jnp.array(jnp.nan) if extension is None else extension.welfare(mixed)
        return found.payoffs, found.max_regret, found.range_regret.max(), welfare

    return jax.lax.map(one, profiles)
