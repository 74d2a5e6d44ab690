"""How a continuous equilibrium moves with anything it depends on: derivatives by the implicit function theorem.

At an equilibrium every provider that no bound holds satisfies d ln U_i/dx_i = 0, and a held one sits at its bound. These
N equations G(x, t) = 0 give dx/dt = −(∂G/∂x)⁻¹ ∂G/∂t for any parameter t of the game: users' β and α, list prices, margins,
levies, caps, curves. A provider held by a bound follows the bound, and moves not at all if t does not move it.

The equations have no such derivative where ∂G/∂x is singular (two equilibria merge: a fold) or where a bound just begins
to bind (the derivatives from the two sides differ). Both are reported, with finite numbers: see ``Regularity``.
"""

import enum
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from games.base import ContinuousLogitGame, require
from games.readable import readable
from games.smooth import ContinuousLogit
from solver.aggregate import continuous_bounds, first_order, own_slopes, polish
from solver.compile import compiled

LogCompute = Float[Array, " providers"]

# A bound within this fraction of a provider's interval from its free optimum is just binding.
JUST_BINDING = 1e-6


class Regularity(enum.IntEnum):
    """Whether an equilibrium has derivatives."""

    REGULAR = 0  #: derivatives exist and are right
    BOUND_JUST_BINDING = 1  #: a bound is about to bind or to let go; derivatives hold on one side only
    SINGULAR = 2  #: equilibria merge here; derivatives do not exist, the numbers given are a pseudo-inverse's
    NOT_STATIONARY = 3  #: the point is no equilibrium of the game; derivatives mean nothing

    @property
    def text(self) -> str:
        """The verdict in words."""
        return {
            Regularity.REGULAR: "regular: derivatives exist",
            Regularity.BOUND_JUST_BINDING: "a bound is just binding: derivatives hold on one side only",
            Regularity.SINGULAR: "singular: equilibria merge here, derivatives do not exist",
            Regularity.NOT_STATIONARY: "not stationary: this is no equilibrium, derivatives mean nothing",
        }[self]


class DifferentiableEquilibrium(eqx.Module):
    """An equilibrium whose ``log_compute`` carries derivatives in everything the game was built from.

    Args:
        log_compute: natural logarithm of tokens per query, ``[providers]``.
        regularity: a ``Regularity`` as an integer.
        conditioning: smallest over largest singular value of ∂G/∂x, rows scaled to a diagonal of ±1; 0 at a fold.
        held: which providers a bound holds, ``[providers]``.
        unique: whether it is proved to be the only equilibrium; never where ``near`` was given.
    """

    log_compute: LogCompute
    regularity: Int[Array, ""]
    conditioning: Float[Array, ""]
    held: Bool[Array, " providers"]
    unique: Bool[Array, ""]


@compiled
def differentiable_equilibrium(
    game: ContinuousLogitGame, *, near: LogCompute | None = None
) -> DifferentiableEquilibrium:
    """The equilibrium of a game, for use inside ``jax.grad``, ``jax.jvp``, ``jax.jacfwd`` and ``jax.vmap``.

    Args:
        game: a continuous logit game, built inside the function that is differentiated.
        near: an equilibrium to take, which Newton's method polishes; by default the least one (lowest user value), from
            ``solver.continuous_bounds``, which needs one segment of users.

    Raises:
        InputError: the game lacks members of ``games.ContinuousLogitGame``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> def mean_log_compute(rationality):
        ...     users = scenario.users.with_rationality(rationality)
        ...     return differentiable_equilibrium(ContinuousCompute(scenario.market, users)).log_compute.mean()
        >>> bool(jax.grad(mean_log_compute)(1000.0) < 0)
        True
    """
    require(game, ContinuousLogitGame, "differentiable_equilibrium")
    fixed = jax.tree.map(lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, game)
    if near is None:
        bounds = continuous_bounds(fixed)
        x, unique = bounds.least, bounds.unique
    else:
        x, unique = polish(fixed, jax.lax.stop_gradient(near)), jnp.array(False)
    x = jax.lax.stop_gradient(x)
    lower, upper = fixed.bounds
    # The Jacobian is that of the first-order conditions, also of held providers, to see how far a bound is from letting go.
    slopes, jacobian = first_order(fixed, x)
    at_lower, at_upper = (x <= lower) & (slopes <= 0), (x >= upper) & (slopes >= 0)
    held = at_lower | at_upper

    def equations(of: ContinuousLogitGame) -> Callable[[LogCompute], LogCompute]:
        low, high = of.bounds
        return lambda y: jnp.where(at_lower, y - low, jnp.where(at_upper, y - high, own_slopes(of, y)))

    curvature = jnp.abs(jnp.diagonal(jacobian))
    system = jnp.where(held[:, None], jnp.eye(x.size, dtype=x.dtype), jacobian)
    conditioning = _conditioning(_scaled(system)[0])
    singular = conditioning < jnp.sqrt(jnp.finfo(x.dtype).eps)

    def tangent_solve(linear: Callable[[LogCompute], LogCompute], target: LogCompute) -> LogCompute:
        matrix, scale = _scaled(jax.jacfwd(linear)(jnp.zeros_like(target)))
        regular = jnp.where(singular, jnp.eye(x.size, dtype=x.dtype), matrix)
        pseudo = jnp.linalg.pinv(jax.lax.stop_gradient(jnp.where(singular, matrix, jnp.eye(x.size, dtype=x.dtype))))
        return jnp.where(singular, pseudo @ (target / scale), jnp.linalg.solve(regular, target / scale))

    found = jax.lax.custom_root(equations(game), x, lambda _, start: start, tangent_solve)
    width = upper - lower
    newton = jnp.abs(slopes) / jnp.where(curvature > 0, curvature, 1.0)
    distance = jnp.where(held, newton, jnp.minimum(x - lower, upper - x))
    just = jnp.any((distance < JUST_BINDING * width) & (width > 0))
    # A flat payoff is stationary wherever it is; else a Newton step must be small.
    rests = jnp.all(held | (newton < 1e-3 * width))
    regularity = jnp.where(
        ~rests,
        int(Regularity.NOT_STATIONARY),
        jnp.where(
            singular,
            int(Regularity.SINGULAR),
            jnp.where(just, int(Regularity.BOUND_JUST_BINDING), int(Regularity.REGULAR)),
        ),
    )
    return DifferentiableEquilibrium(found, regularity, conditioning, held, unique)


def _scaled(matrix: Float[Array, "n n"]) -> tuple[Float[Array, "n n"], Float[Array, " n"]]:
    """Rows divided by the size of their diagonal entry, and that size: units drop out."""
    size = jnp.abs(jnp.diagonal(matrix))
    largest = jnp.max(jnp.abs(matrix), axis=1)
    # A payoff that is flat in one's own compute leaves no diagonal to divide by.
    scale = jnp.where(size > 1e-6 * largest, size, jnp.where(largest > 0, largest, 1.0))
    return matrix / scale[:, None], scale


def _conditioning(matrix: Float[Array, "n n"]) -> Float[Array, ""]:
    values = jnp.linalg.svd(matrix, compute_uv=False)
    # Scaled rows have entries of ±1 on the diagonal, unless the payoff is flat.
    return values[-1] / jnp.maximum(values[0], 1.0)


class Sensitivity(eqx.Module):
    """Outcomes at an equilibrium and their derivatives in the parameters; money in dollars per query.

    Args:
        values: ``log_compute`` ``[providers]``, ``payoffs`` ``[providers]``, ``shares`` ``[segments, providers]``,
            ``welfare`` and ``user_value``.
        derivatives: the same names, each with a last axis over the parameters.
        regularity: a ``Regularity`` as an integer.
        conditioning: see ``DifferentiableEquilibrium``.
        held: which providers a bound holds.
    """

    __repr__ = readable

    values: dict[str, Float[Array, "*shape"]]
    derivatives: dict[str, Float[Array, "*shape parameters"]]
    regularity: Int[Array, ""]
    conditioning: Float[Array, ""]
    held: Bool[Array, " providers"]

    def describe(self) -> str:
        """The verdict in words."""
        return Regularity(int(self.regularity)).text


@eqx.filter_jit
def sensitivities(
    game_of: Callable[[Float[Array, " parameters"]], ContinuousLogit],
    parameters: Float[Array, " parameters"],
    *,
    near: LogCompute | None = None,
) -> Sensitivity:
    """Outcomes of the equilibrium of ``game_of(parameters)`` and their derivatives in every parameter.

    Args:
        game_of: builds the game from the parameters; see ``games.instruments`` for ready-made changes of a game.
        parameters: where to look.
        near: see ``differentiable_equilibrium``.

    Example:
        >>> from games import ContinuousCompute, load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> result = sensitivities(
        ...     lambda t: ContinuousCompute(scenario.market, scenario.users.with_rationality(t[0])), jnp.array([1000.0]))
        >>> result.describe(), result.derivatives["log_compute"].shape
        ('regular: derivatives exist', (9, 1))
    """

    def outcomes(t: Float[Array, " parameters"]):
        game = game_of(t)
        equilibrium = differentiable_equilibrium(game, near=near)
        x = equilibrium.log_compute
        values = {
            "log_compute": x,
            "payoffs": game.payoffs(x),
            "shares": game.shares(x),
            "welfare": game.welfare(x),
            "user_value": game.expected_user_value(x),
        }
        return values, (values, equilibrium)

    derivatives, (values, equilibrium) = jax.jacfwd(outcomes, has_aux=True)(parameters)
    return Sensitivity(values, derivatives, equilibrium.regularity, equilibrium.conditioning, equilibrium.held)
