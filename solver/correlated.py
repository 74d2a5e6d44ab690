"""Correlated play: the worst and best welfare that correlated and coarse correlated equilibria allow, by linear programme.

A distribution p over profiles is a coarse correlated equilibrium if no provider gains by committing to one level,

    Σ_θ p(θ) [U_i(k', θ_−i) − U_i(θ)] ≤ 0                      for every provider i and level k',

and a correlated equilibrium (Aumann 1974) if no provider gains by another level after being told its own,

    Σ_{θ: θ_i = k} p(θ) [U_i(k', θ_−i) − U_i(θ)] ≤ 0           for every i, k and k'.

The first is the set that the time averages of no-regret learners reach (Hannan 1957; Moulin & Vial 1978), so that its
price of anarchy bounds what such learners can lose. Both sets hold all mixtures of Nash equilibria. Every row is
divided by its largest coefficient, since the solver (HiGHS, through ``scipy.optimize.linprog``) has absolute tolerances;
what it returns is checked by ``solver.correlated_regret``.
"""

import enum

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.base import FiniteGame, require, require_double_precision
from games.errors import InputError, unknown_name
from games.readable import readable
from solver.compile import compiled
from solver.correlated_regret import correlated_regret
from solver.efficiency import ratio_note, welfare_ratio

MAX_PROFILES = 50_000
# The tightest that HiGHS takes.
FEASIBILITY = 1e-10
NEVER = 1e-12


class Concept(enum.StrEnum):
    """Which deviations a recommendation must withstand."""

    COARSE = "coarse"
    CORRELATED = "correlated"


class Correlated(eqx.Module):
    """A distribution over profiles.

    Args:
        profiles: the profiles that have probability, ``[profiles, providers]``.
        probabilities: theirs, ``[profiles]``.
        welfare: expected welfare, dollars per query; the sum of payoffs for games without a welfare.
        payoffs: expected payoff of every provider, dollars per query.
        max_regret: the largest gain that an incentive constraint leaves, as a fraction of the provider's payoff range over
            all profiles, from ``solver.correlated_regret``.
    """

    __repr__ = readable

    profiles: Int[Array, "profiles providers"]
    probabilities: Float[Array, " profiles"]
    welfare: Float[Array, ""]
    payoffs: Float[Array, " providers"]
    max_regret: Float[Array, ""]


class CorrelatedBounds(eqx.Module):
    """The two ends of the welfare that a set of correlated equilibria allows.

    Args:
        worst, best: an equilibrium of lowest and of highest welfare.
        optimal_welfare: highest welfare of any profile, dollars per query.
        price_of_anarchy: optimal welfare over the worst; ``inf`` if that is not positive, ``nan`` if undefined.
        price_of_stability: optimal welfare over the best.
        note: why the first ratio is infinite or undefined; empty otherwise.
        concept: which set.
    """

    __repr__ = readable

    worst: Correlated
    best: Correlated
    optimal_welfare: float = eqx.field(static=True)
    price_of_anarchy: float = eqx.field(static=True)
    price_of_stability: float = eqx.field(static=True)
    note: str = eqx.field(static=True)
    concept: Concept = eqx.field(static=True)


def correlated_bounds(game: FiniteGame, *, concept: Concept | str = Concept.COARSE) -> CorrelatedBounds:
    """Worst and best welfare over the (coarse) correlated equilibria of a small game.

    Args:
        game: any finite game of up to 50,000 profiles.
        concept: ``"coarse"`` or ``"correlated"``.

    Raises:
        InputError: the game is too large or lacks members of ``games.FiniteGame``, the concept is unknown, or HiGHS
            found no solution.
        PrecisionError: JAX runs with 32-bit floats.

    Example:
        >>> from games import NormalForm
        >>> row = jnp.array([[6.0, 2.0], [7.0, 0.0]])
        >>> chicken = NormalForm(jnp.stack([row, row.T]))
        >>> round(float(correlated_bounds(chicken, concept="correlated").best.welfare), 6)
        10.5
    """
    require_double_precision("correlated_bounds")
    require(game, FiniteGame, "correlated_bounds")
    try:
        which = Concept(concept)
    except ValueError:
        raise unknown_name("concept", str(concept), [str(c) for c in Concept]) from None
    levels = [np.flatnonzero(row) for row in np.asarray(game.mask)]
    sizes = tuple(len(row) for row in levels)
    total = int(np.prod([float(n) for n in sizes]))
    if total > MAX_PROFILES:
        raise InputError(
            f"correlated_bounds: {total:,} profiles, more than {MAX_PROFILES:,}; take fewer providers or levels "
            "(Market.subset), or let providers learn (solver.learn)"
        )
    digits = np.indices(sizes).reshape(len(sizes), -1)
    profiles = np.stack([row[d] for row, d in zip(levels, digits, strict=True)], axis=1)
    payoffs, welfare = (np.asarray(v) for v in _tabulate(game, jnp.asarray(profiles)))
    spread = np.ptp(payoffs, axis=0)
    matrix = _constraints(payoffs.T.reshape(-1, *sizes), which)
    ends = []
    for sign in (1.0, -1.0):
        weights = _solve(sign * welfare, matrix)
        played = np.flatnonzero(weights > NEVER)
        p = weights[played] / weights[played].sum()
        regret = correlated_regret(game, jnp.asarray(profiles[played]), jnp.asarray(p), jnp.asarray(spread))
        gain = regret.coarse if which is Concept.COARSE else regret.correlated
        ends.append(
            Correlated(
                jnp.asarray(profiles[played]),
                jnp.asarray(p),
                jnp.asarray(p @ welfare[played]),
                jnp.asarray(p @ payoffs[played]),
                gain,
            )
        )
    worst, best = ends
    optimum = float(welfare.max())
    return CorrelatedBounds(
        worst,
        best,
        optimum,
        welfare_ratio(optimum, float(worst.welfare)),
        welfare_ratio(optimum, float(best.welfare)),
        ratio_note(optimum, float(worst.welfare)),
        which,
    )


@compiled
def _tabulate(game: FiniteGame, profiles: Int[Array, "profiles providers"]):
    def one(profile: Int[Array, " providers"]):
        payoffs = game.payoffs(profile)
        return payoffs, game.welfare(profile) if hasattr(game, "welfare") else payoffs.sum()

    return jax.lax.map(one, profiles, batch_size=1024)


def _constraints(tensor: np.ndarray, concept: Concept):
    """Incentive constraints as a sparse matrix over the flattened profiles; rows scaled to a largest entry of 1."""
    from scipy.sparse import csr_array, vstack

    sizes = tensor.shape[1:]
    index = np.arange(int(np.prod(sizes))).reshape(sizes)
    blocks = []
    for i, size in enumerate(sizes):
        # Provider i's own level first, everybody else's flattened.
        values = np.moveaxis(tensor[i], i, 0).reshape(size, -1)
        columns = np.moveaxis(index, i, 0).reshape(size, -1)
        for k in range(size):
            gains = values[k] - values
            if concept is Concept.COARSE:
                rows = [(gains.ravel(), columns.ravel())]
            else:
                rows = [(values[k] - values[told], columns[told]) for told in range(size) if told != k]
            for gain, column in rows:
                largest = np.abs(gain).max()
                if largest > 0:
                    shape = (1, index.size)
                    blocks.append(csr_array((gain / largest, (np.zeros(len(gain), int), column)), shape=shape))
    return vstack(blocks).tocsr() if blocks else None


def _solve(objective: np.ndarray, matrix) -> np.ndarray:
    """Minimise the objective over the distributions that satisfy matrix·p ≤ 0."""
    from scipy.optimize import linprog

    scale = np.abs(objective).max()
    solution = linprog(
        objective / (scale if scale > 0 else 1.0),
        A_ub=matrix,
        b_ub=None if matrix is None else np.zeros(matrix.shape[0]),
        A_eq=np.ones((1, len(objective))),
        b_eq=np.ones(1),
        method="highs",
        options={"primal_feasibility_tolerance": FEASIBILITY, "dual_feasibility_tolerance": FEASIBILITY},
    )
    if not solution.success:
        raise InputError(
            f"correlated_bounds: HiGHS found no solution ({solution.message}); payoffs may be spread too widely "
            "for a linear programme: lower the rationality, or enumerate with solver.pure_equilibria"
        )
    return np.maximum(solution.x, 0.0)
