"""Logit quantal response equilibria: what providers play who err, from chance (precision 0) to perfect replies.

With ``precision`` λ a provider plays level k with probability

    x_ik ∝ e^{λ u_ik(x)},    u_ik(x) the utility of level k while the others play x

(McKelvey & Palfrey, Games Econ. Behav. 10, 1995). Utility is ``utility`` of the game's mixed extension. In a logit game
it is ln E[U_ik], so that x_ik ∝ E[U_ik]^λ, λ is free of currency and scale, and λ = 100 tells levels apart that
differ by 1 % in payoff; in a game given as a table it is the payoff as a fraction of the provider's range.

In logits z, centred per provider, the equilibria are the zeros of F(z, λ) = z − λ·(u(x(z)) − mean_k u). From the centroid
z = 0 at λ = 0 runs the principal branch. It is followed by arclength, so that it may turn back in λ (a fold): an Euler
predictor along the tangent, Newton on the bordered system as corrector, and steps short enough that no probability moves
far (Turocy, Games Econ. Behav. 51, 2005). Folds and branch points, where det F_z changes sign, are counted.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from games.base import FiniteGame, machine_epsilon
from games.errors import InputError
from games.readable import readable
from solver.compile import compiled
from solver.mixed_extension import MixedExtension, mixed_extension
from solver.result import Status

FIRST_STEP = 0.05
NEWTON_STEPS = 8
# A step is taken back if a probability moves farther than this, or the corrector moves one farther than that.
FARTHEST_MOVE = 0.1
FARTHEST_CORRECTION = 0.02


class QuantalPath(eqx.Module):
    """The principal branch, point by point; rows behind ``num_points`` repeat the last.

    Args:
        precision: λ of every point, ``[points]``; not monotone where the branch folds.
        profiles: the quantal response equilibrium there, ``[points, providers, levels]``.
        logits: z, centred per provider, ``[points, providers, levels]``; 0 where no level exists.
        residual: largest |F| over the larger of 1 and the largest |z|, ``[points]``.
        num_points: points found, the centroid included.
        num_folds: turns of the branch in λ.
        num_branch_points: places where another branch crosses (det F_z changes sign without a fold), as in symmetric games.
        status: a ``Status`` as an integer: converged if λ reached the requested precision.
    """

    __repr__ = readable

    precision: Float[Array, " points"]
    profiles: Float[Array, "points providers levels"]
    logits: Float[Array, "points providers levels"]
    residual: Float[Array, " points"]
    num_points: Int[Array, ""]
    num_folds: Int[Array, ""]
    num_branch_points: Int[Array, ""]
    status: Int[Array, ""]

    @property
    def converged(self) -> bool:
        """Whether every branch in the (possibly batched) result was followed up to the requested precision."""
        return bool(np.all(np.asarray(self.status) == Status.CONVERGED))

    @property
    def last(self) -> Float[Array, "providers levels"]:
        """The profile at the end of the path."""
        return self.profiles[-1]


class _State(NamedTuple):
    point: Float[Array, " unknowns"]  # logits, then λ
    tangent: Float[Array, " unknowns"]
    orientation: Float[Array, ""]  # sign of det F_z
    step: Float[Array, ""]
    found: Int[Array, ""]
    attempts: Int[Array, ""]
    folds: Int[Array, ""]
    branches: Int[Array, ""]
    points: Float[Array, "points unknowns"]


def quantal_path(
    game: FiniteGame | MixedExtension, *, max_precision: float = 1e4, max_points: int = 300
) -> QuantalPath:
    """Follow the principal branch from the centroid until λ reaches ``max_precision`` for the first time.

    Args:
        game: any finite game, or its ``mixed_extension`` where the call is traced. Every step solves a dense linear system
            in all levels of all providers: meant for up to a few hundred of them.
        max_precision: λ at which to stop; the last point lies exactly there.
        max_points: points after which to give up; attempts may be four times as many.

    Raises:
        InputError: the precision is not a positive number, or the game is traced and not prepared.

    Example:
        >>> from games import load_scenario
        >>> path = quantal_path(load_scenario("GPQA/reasoning_effort").game(rationality=1000))
        >>> path.converged, int(path.num_folds), bool(path.residual.max() < 1e-11)
        (True, 0, True)
    """
    if not max_precision > 0 or max_precision == float("inf"):
        raise InputError(f"quantal_path: max_precision is {max_precision}; it must be a positive, finite number")
    extension = mixed_extension(game)
    return _follow(extension, jnp.asarray(max_precision, float), max_points)


def quantal_response(
    game: FiniteGame | MixedExtension, precision: float, *, max_points: int = 300
) -> Float[Array, "providers levels"]:
    """The quantal response equilibrium of the principal branch at one precision.

    Args:
        game: a finite game, or what ``mixed_extension`` made of it.
        precision: λ; 0 for blind choice, larger for fewer errors.
        max_points: points of the branch after which to give up.

    Raises:
        InputError: the precision is unusable, or the branch does not reach it within ``max_points``.

    Example:
        >>> from games import NormalForm
        >>> pennies = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
        >>> quantal_response(pennies, 3.0).round(6).tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    path = quantal_path(game, max_precision=precision, max_points=max_points)
    if not path.converged:
        raise InputError(
            f"quantal_response: the branch reached precision {float(path.precision[-1]):.4g} only, not {precision:g}; "
            "allow more points (max_points=)"
        )
    return path.last


def log_profile(
    logits: Float[Array, "providers levels"], mask: Bool[Array, "providers levels"]
) -> Float[Array, "providers levels"]:
    """ln x of logits; -inf where no level exists."""
    return jax.nn.log_softmax(jnp.where(mask, logits, -jnp.inf), axis=1)


def quantal_residual(
    extension: MixedExtension, logits: Float[Array, "providers levels"], precision: Float[Array, ""]
) -> Float[Array, "providers levels"]:
    """F(z, λ) of the module; zero at a quantal response equilibrium, differentiable in all its arguments.

    Args:
        extension: from ``mixed_extension``.
        logits: z, ``[providers, levels]``, each provider's summing to 0; 0 where no level exists.
        precision: λ.

    Example:
        >>> from games import NormalForm
        >>> from solver import mixed_extension
        >>> pennies = NormalForm(jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]]))
        >>> quantal_residual(mixed_extension(pennies), jnp.zeros((2, 2)), jnp.array(3.0)).tolist()  # even odds, any λ
        [[0.0, 0.0], [0.0, 0.0]]
    """
    mask = extension.mask
    utility = jnp.where(mask, extension.utility(log_profile(logits, mask)), 0.0)
    mean = utility.sum(axis=1, keepdims=True) / mask.sum(axis=1, keepdims=True)
    return logits - precision * jnp.where(mask, utility - mean, 0.0)


@compiled
def _follow(extension: MixedExtension, max_precision: Float[Array, ""], max_points: int) -> QuantalPath:
    mask = extension.mask
    shape, size = mask.shape, mask.size

    def residual(point: Float[Array, " unknowns"]) -> Float[Array, " equations"]:
        return quantal_residual(extension, point[:-1].reshape(shape), point[-1]).ravel()

    def profile(point: Float[Array, " unknowns"]) -> Float[Array, "providers levels"]:
        return jnp.exp(log_profile(point[:-1].reshape(shape), mask))

    def newton(start, border, target):
        """Zeros of F on the hyperplane border·point = target; whether it settled."""

        def refine(state):
            point, _, count = state
            matrix = jnp.concatenate([jax.jacfwd(residual)(point), border[None]])
            defect = jnp.append(residual(point), border @ point - target)
            change = jnp.linalg.solve(matrix, defect)
            return point - change, jnp.abs(change).max() / (1 + jnp.abs(point).max()), count + 1

        def unsettled(state):
            # Newton squares the error: from this change on the next one is rounding.
            return (state[1] > machine_epsilon() ** 0.7) & (state[2] < NEWTON_STEPS)

        point, change, _ = jax.lax.while_loop(unsettled, refine, (start, jnp.array(jnp.inf), jnp.array(0)))
        return point, change <= machine_epsilon() ** 0.7

    def direction(point, before):
        """Unit tangent that does not turn back on the one before, and the sign of det F_z."""
        jacobian = jax.jacfwd(residual)(point)
        matrix = jnp.concatenate([jacobian, before[None]])
        tangent = jnp.linalg.solve(matrix, jnp.zeros(size + 1).at[-1].set(1.0))
        return tangent / jnp.linalg.norm(tangent), jnp.linalg.slogdet(jacobian[:, :-1])[0]

    def attempt(state: _State) -> _State:
        guess = state.point + state.step * state.tangent
        point, settled = newton(guess, state.tangent, state.tangent @ guess)
        # The first crossing of the requested precision ends the path there exactly.
        crosses = point[-1] >= max_precision
        share = (max_precision - state.point[-1]) / jnp.where(crosses, point[-1] - state.point[-1], 1.0)
        between = state.point + jnp.where(crosses, share, 1.0) * (point - state.point)
        only_precision = jnp.zeros(size + 1).at[-1].set(1.0)
        point, also = jax.lax.cond(
            crosses, lambda: newton(between, only_precision, max_precision), lambda: (point, jnp.array(True))
        )
        tangent, orientation = direction(point, state.tangent)
        old, new = profile(state.point), profile(point)
        move = jnp.abs(new - old).max()
        correction = jnp.where(crosses, 0.0, jnp.abs(new - profile(guess)).max())
        good = settled & also & jnp.all(jnp.isfinite(tangent))
        good &= (move <= FARTHEST_MOVE) & (correction <= FARTHEST_CORRECTION)
        calm = (move <= FARTHEST_MOVE / 3) & (correction <= FARTHEST_CORRECTION / 8)
        step = state.step * jnp.where(good, jnp.where(calm, 2.0, 1.0), 0.5)
        found = state.found + good
        fold = good & (tangent[-1] * state.tangent[-1] < 0)
        turned = good & (orientation * state.orientation < 0)
        return _State(
            point=jnp.where(good, point, state.point),
            tangent=jnp.where(good, tangent, state.tangent),
            orientation=jnp.where(good, orientation, state.orientation),
            step=step,
            found=found,
            attempts=state.attempts + 1,
            folds=state.folds + fold,
            branches=state.branches + (turned & ~fold),
            points=jnp.where(good, state.points.at[found].set(point), state.points),
        )

    def unfinished(state: _State) -> Bool[Array, ""]:
        alive = state.step > machine_epsilon() * (1 + jnp.abs(state.point).max())
        below = state.point[-1] < max_precision
        return below & alive & (state.found < max_points - 1) & (state.attempts < 4 * max_points)

    origin = jnp.zeros(size + 1)
    tangent, orientation = direction(origin, origin.at[-1].set(1.0))
    zero = jnp.array(0)
    points = jnp.zeros((max_points, size + 1))
    first = _State(origin, tangent, orientation, jnp.array(FIRST_STEP), zero, zero, zero, zero, points)
    end = jax.lax.while_loop(unfinished, attempt, first)
    filled = jnp.arange(max_points)[:, None] <= end.found
    points = jnp.where(filled, end.points, end.point)

    def measure(point: Float[Array, " unknowns"]):
        return profile(point), jnp.abs(residual(point)).max() / jnp.maximum(1.0, jnp.abs(point[:-1]).max())

    profiles, residuals = jax.lax.map(measure, points)
    reached = end.point[-1] >= max_precision * (1 - 4 * machine_epsilon())
    return QuantalPath(
        precision=points[:, -1],
        profiles=profiles,
        logits=points[:, :-1].reshape(-1, *shape),
        residual=residuals,
        num_points=end.found + 1,
        num_folds=end.folds,
        num_branch_points=end.branches,
        status=jnp.where(reached, int(Status.CONVERGED), int(Status.MAX_ROUNDS)),
    )
