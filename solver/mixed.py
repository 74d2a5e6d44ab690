"""Providers that learn to mix: one loop for every rule of ``solver.learning_rules``, last iterate and time average.

Both ends carry their regret. No-regret rules (Hedge, regret matching+) drive the *joint* play to the coarse correlated
equilibria. The averages of the marginals approach an equilibrium too where interests are opposed or play settles; in
general they need not. So the result states both numbers, and ``converged`` means that one fell below the tolerance.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from games.base import FiniteGame, machine_epsilon
from games.errors import InputError
from games.readable import readable
from solver.compile import compiled
from solver.expected_payoffs import check_mixed_profile
from solver.learning_rules import LearningRule
from solver.mixed_extension import (
    LogitExtension,
    MixedExtension,
    TableExtension,
    mixed_extension,
    payoff_range,
    safe_log,
)
from solver.mixed_regret import can_enumerate, enumerated_regret
from solver.result import Status

DEFAULT_TOLERANCE = 1e-6


class Learning(eqx.Module):
    """Where learning went; leaves gain leading axes under ``vmap``.

    Args:
        mixed: the last mixed profile, ``[providers, levels]``.
        average: the time average of all mixed profiles, start included, ``[providers, levels]``.
        payoffs: expected payoff of every provider at ``mixed``, dollars per query.
        last_regret: largest relative regret of ``mixed``: a fraction of the provider's payoff where payoffs are
            positive, else of its range.
        average_regret: the same of ``average``.
        status: a ``Status`` as an integer; converged if one of the two fell to the tolerance.
        num_steps: steps taken.
        tolerance: the tolerance that was used; at least the rounding of the floats in use.
        trajectory: mixed profile after every step, ``[steps + 1, providers, levels]``, row 0 the start; rows behind
            ``num_steps`` repeat the end. ``None`` unless recorded.
        certified: whether the regrets come from ``solver.mixed_regret``, by enumeration; else from the expected
            payoffs that learning itself used.
    """

    __repr__ = readable

    mixed: Float[Array, "providers levels"]
    average: Float[Array, "providers levels"]
    payoffs: Float[Array, " providers"]
    last_regret: Float[Array, ""]
    average_regret: Float[Array, ""]
    status: Int[Array, ""]
    num_steps: Int[Array, ""]
    tolerance: Float[Array, ""]
    trajectory: Float[Array, "steps providers levels"] | None
    certified: bool = eqx.field(static=True)

    @property
    def converged(self) -> bool:
        """Whether, in every run of the (possibly batched) result, the last iterate or the average is an equilibrium."""
        return bool(np.all(np.asarray(self.status) == Status.CONVERGED))

    def describe(self) -> str:
        """One line for people: how it ended, and how far the last profile and the average are from an equilibrium.

        Example:
            >>> from games import load_scenario
            >>> from solver import RegretMatchingPlus, learn
            >>> learn(load_scenario("GPQA/reasoning_effort").game(1000), RegretMatchingPlus(), max_steps=200).describe()
            'converged: no provider has an improving reply; 10 steps, largest relative gain 0.0e+00 over the last ...'
        """
        proof = "" if self.certified else ", by its own expected payoffs"
        return (
            f"{Status(int(self.status)).text}; {int(self.num_steps)} steps, largest relative gain "
            f"{float(self.last_regret):.1e} over the last profile, {float(self.average_regret):.1e} over the average "
            f"(tolerance {float(self.tolerance):.1e}{proof})"
        )

    def averages(self) -> Float[Array, "steps providers levels"]:
        """Time average after every step, from the recorded trajectory.

        Raises:
            InputError: nothing was recorded.
        """
        if self.trajectory is None:
            raise InputError("learning: no trajectory; call learn with record=True")
        steps = self.trajectory.shape[0]
        return jnp.cumsum(self.trajectory, axis=0) / jnp.arange(1, steps + 1)[:, None, None]


class _State(NamedTuple):
    rule: Any
    mixed: Float[Array, "providers levels"]
    total: Float[Array, "providers levels"]
    steps: Int[Array, ""]
    stopped: Bool[Array, ""]
    trajectory: Float[Array, "steps providers levels"] | None


def learn(
    game: FiniteGame | MixedExtension,
    rule: LearningRule,
    *,
    start: Float[Array, "providers levels"] | None = None,
    key: PRNGKeyArray | None = None,
    max_steps: int = 1000,
    tolerance: float = DEFAULT_TOLERANCE,
    record: bool = False,
) -> Learning:
    """Let every provider learn by ``rule`` until the last iterate is an equilibrium, or for ``max_steps``.

    Args:
        game: any finite game, or its ``mixed_extension`` where the call is traced; vmaps over starts and keys. For the
            no-regret guarantees in a logit game pass ``mixed_extension(game, fixed_scale=True)``.
        rule: one of ``solver.learning_rules``, for example ``Hedge()``.
        start: first mixed profile, ``[providers, levels]``; levels with probability 0 are never tried by rules that
            multiply. By default all levels alike, or, with a key, a random point inside.
        key: random key of the start.
        max_steps: steps after which to stop.
        tolerance: relative regret of the last iterate at which to stop; 0 plays all steps.
        record: keep every mixed profile.

    Raises:
        InputError: the start is no mixed profile, or the game is traced and not prepared.

    Example:
        >>> from games import load_scenario
        >>> from solver.learning_rules import RegretMatchingPlus
        >>> found = learn(load_scenario("GPQA/reasoning_effort").game(rationality=1000), RegretMatchingPlus())
        >>> found.converged, found.certified, bool(found.last_regret < 1e-6)
        (True, True, True)
    """
    extension = mixed_extension(game)
    mask = extension.mask
    if start is None:
        weights = jnp.ones(mask.shape) if key is None else jax.random.exponential(key, mask.shape)
        weights = jnp.where(mask, weights, 0.0)
        start = weights / weights.sum(axis=1, keepdims=True)
    start = check_mixed_profile(mask, start)
    return _run(extension, rule, start, jnp.asarray(tolerance, float), max_steps, record)


@compiled
def _run(
    extension: MixedExtension,
    rule: LearningRule,
    start: Float[Array, "providers levels"],
    tolerance: Float[Array, ""],
    max_steps: int,
    record: bool,
) -> Learning:
    # Smaller regrets than the rounding of a sum of payoffs cannot be told from 0.
    effective = jnp.where(tolerance > 0, jnp.maximum(tolerance, 64 * machine_epsilon()), -1.0)

    def step(state: _State) -> _State:
        values = extension.scaled(state.mixed)
        settled = extension.relative_regret(state.mixed, values).max() <= effective
        rule_state, mixed = rule.update(state.rule, state.mixed, values, extension.scaled, state.steps)
        # The profile that was found to be an equilibrium is the answer, not the one behind it.
        new, old = (rule_state, mixed), (state.rule, state.mixed)
        kept_state, kept = jax.tree.map(lambda ours, theirs: jnp.where(settled, theirs, ours), new, old)
        steps = jnp.where(settled, state.steps, state.steps + 1)
        return _State(
            rule=kept_state,
            mixed=kept,
            total=jnp.where(settled, state.total, state.total + mixed),
            steps=steps,
            stopped=settled,
            trajectory=None if state.trajectory is None else state.trajectory.at[steps].set(kept),
        )

    first = _State(
        rule=rule.init(extension.mask, start),
        mixed=start,
        total=start,
        steps=jnp.array(0),
        stopped=jnp.array(False),
        trajectory=jnp.broadcast_to(start, (max_steps + 1, *start.shape)) if record else None,
    )
    end = jax.lax.while_loop(lambda s: (s.steps < max_steps) & ~s.stopped, step, first)
    trajectory = end.trajectory
    if trajectory is not None:
        played = jnp.arange(max_steps + 1)[:, None, None] <= end.steps
        trajectory = jnp.where(played, trajectory, end.mixed)
    average = end.total / (end.steps + 1)
    payoffs, last, certified = _judge(extension, end.mixed)
    _, averaged, _ = _judge(extension, average)
    reached = jnp.minimum(last, averaged) <= jnp.maximum(tolerance, 64 * machine_epsilon())
    return Learning(
        mixed=end.mixed,
        average=average,
        payoffs=payoffs,
        last_regret=last,
        average_regret=averaged,
        status=jnp.where(reached, int(Status.CONVERGED), int(Status.MAX_ROUNDS)),
        num_steps=end.steps,
        tolerance=jnp.maximum(tolerance, 64 * machine_epsilon()),
        trajectory=trajectory,
        certified=certified,
    )


def _judge(extension: MixedExtension, mixed: Float[Array, "providers levels"]) -> tuple[Array, Array, bool]:
    """Payoffs, largest relative regret, and whether the certificate computed it."""
    game = extension.game if isinstance(extension, LogitExtension) else extension.table
    if can_enumerate(game):
        found = enumerated_regret(game, mixed)
        return found.payoffs, found.max_regret, True
    payoffs = extension.payoffs(mixed)
    own = jnp.where(mixed > 0, mixed * payoffs, 0.0).sum(axis=1)
    if isinstance(extension, TableExtension):
        _, spread = payoff_range(extension.table)
        return own, ((payoffs.max(axis=1) - own) / jnp.where(spread > 0, spread, 1.0)).max(), False
    logs = extension.log_payoffs(safe_log(mixed))
    log_own = jax.nn.logsumexp(jnp.where(mixed > 0, safe_log(mixed) + logs, -jnp.inf), axis=1)
    return own, jnp.expm1(jnp.maximum(logs.max(axis=1) - log_own, 0.0)).max(), False
