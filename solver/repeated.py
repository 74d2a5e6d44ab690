"""Repeated play: providers learn asks or levels over many queries, the platform learns quality; many seeds at once.

Each query every provider draws an action from its mixed one, one query is served, and a rule of ``solver.learning_rules``
turns what it is told into the next mixed action. The *regret* of a provider after T queries is what the best fixed action would
have earned in hindsight, less what was earned, the others' actions and the platform's knowledge as they were:

    regret_i(T) = max_k Σ_t u_i(k; a_{−i,t}) − Σ_t u_i(a_t).

Rules with no regret have regret/T → 0, so that joint play approaches the coarse correlated equilibria (Hart & Mas-Colell,
Econometrica 68, 2000); where play of a single profile ends is read off the mixed actions (docs/how-to/repeated-play.md).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from games.errors import InputError
from games.readable import readable
from solver.compile import compiled
from solver.feedback import Feedback, FullInformation
from solver.learning_curve import chosen_steps
from solver.learning_rules import LearningRule, RegretMatchingPlus
from solver.repeated_stage import Knowledge, PerProvider, Round, Stage, Table

QUANTILES = (0.1, 0.5, 0.9)


class RepeatedPlay(eqx.Module):
    """Many seeds of a repeated game, at some of its queries; dollars.

    Args:
        queries: number of queries played at each point, ``[points]``.
        regret: cumulative regret of every provider (module formula), ``[seeds, points, providers]``.
        action: mean of what is chosen from then on (dollars asked, or tokens), ``[seeds, points, providers]``.
        served: share of the queries so far that each provider served, ``[seeds, points, providers]``.
        user_value: mean so far, dollars per query, ``[seeds, points]``.
        welfare: mean so far, dollars per query, ``[seeds, points]``.
        earned: mean profit so far, dollars per query, ``[seeds, points, providers]``.
        quality: the platform's estimate of what each provider last offered, dollars, ``[seeds, points, providers]``.
        mixed: mixed actions at the end, ``[seeds, providers, actions]``.
        payoff_range: largest less least payoff of each provider, dollars per query: the scale of its regret.
    """

    __repr__ = readable

    queries: Int[Array, " points"]
    regret: Float[Array, "seeds points providers"]
    action: Float[Array, "seeds points providers"]
    served: Float[Array, "seeds points providers"]
    user_value: Float[Array, "seeds points"]
    welfare: Float[Array, "seeds points"]
    earned: Float[Array, "seeds points providers"]
    quality: Float[Array, "seeds points providers"]
    mixed: Float[Array, "seeds providers actions"]
    payoff_range: Float[Array, " providers"]

    @property
    def average_regret(self) -> Float[Array, "seeds points providers"]:
        """Regret per query as a fraction of the provider's payoff range."""
        return self.regret / self.queries[:, None] / self.payoff_range

    def recent(self, means: Float[Array, "seeds points *rest"]) -> Float[Array, "seeds points *rest"]:
        """Means over the queries since the previous point, from means so far."""
        count = self.queries.reshape((1, -1) + (1,) * (means.ndim - 2)).astype(float)
        total = means * count
        before = jnp.concatenate([jnp.zeros_like(total[:, :1]), total[:, :-1]], axis=1)
        fresh = jnp.diff(count, axis=1, prepend=0.0)
        return (total - before) / fresh

    def bands(
        self, values: Float[Array, "seeds *rest"], quantiles: Sequence[float] = QUANTILES
    ) -> Float[np.ndarray, "quantiles *rest"]:
        """Quantiles over seeds.

        Raises:
            InputError: a quantile outside [0, 1].

        Example:
            >>> from games import load_scenario
            >>> from solver import AskStage, repeated_play
            >>> scenario = load_scenario("GPQA/reasoning_effort")
            >>> played = repeated_play(AskStage.of(scenario.market, scenario.users), num_queries=50, num_seeds=4, points=5)
            >>> played.bands(played.user_value).shape
            (3, 5)
        """
        if not all(0 <= q <= 1 for q in quantiles):
            raise InputError(f"bands: quantiles are {tuple(quantiles)}; they must lie within [0, 1]")
        return np.quantile(np.asarray(values), quantiles, axis=0)


class _State(NamedTuple):
    rule: Any
    mixed: Table
    knowledge: Knowledge
    hindsight: Table  # cumulative payoff of every fixed action
    earned: PerProvider
    served: PerProvider
    user_value: Float[Array, ""]
    welfare: Float[Array, ""]
    estimate: PerProvider


class _Point(NamedTuple):
    regret: PerProvider
    action: PerProvider
    served: PerProvider
    user_value: Float[Array, ""]
    welfare: Float[Array, ""]
    earned: PerProvider
    quality: PerProvider


def repeated_play(
    stage: Stage,
    rule: LearningRule | None = None,
    *,
    feedback: Feedback | None = None,
    num_queries: int = 10_000,
    num_seeds: int = 16,
    key: PRNGKeyArray | None = None,
    points: int = 40,
) -> RepeatedPlay:
    """Let providers learn over many queries, for many seeds at once.

    Args:
        stage: what is played each time, for example ``AskStage.of(market, users)``.
        rule: how providers learn, one of ``solver.learning_rules``; ``RegretMatchingPlus()`` by default.
        feedback: what they are told; everything by default. ``exp3_ix`` gives rule and feedback of a bandit.
        num_queries: queries per seed.
        num_seeds: independent runs.
        key: random key, split over the seeds; ``jax.random.key(0)`` by default.
        points: at how many queries, evenly spread in their logarithm, to record.

    Raises:
        InputError: a count below 1, or a rule that cannot play this stage.

    Example:
        >>> from games import load_scenario
        >>> from solver import AskStage
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> stage = AskStage.of(scenario.market, scenario.users)
        >>> played = repeated_play(stage, num_queries=2000, num_seeds=4, points=5)
        >>> played.regret.shape, bool(played.average_regret[:, -1].max() < 0.02)
        ((4, 5, 3), True)
    """
    for name, value in (("num_queries", num_queries), ("num_seeds", num_seeds), ("points", points)):
        if value < 1:
            raise InputError(f"repeated play: {name} is {value}; it must be at least 1")
    # A start at 0 queries would have nothing to average.
    queries = jnp.asarray(chosen_steps(num_queries, points + 1)[1:])
    keys = jax.random.split(jax.random.key(0) if key is None else key, num_seeds)
    rule = RegretMatchingPlus() if rule is None else rule
    feedback = FullInformation() if feedback is None else feedback
    return _play(stage, rule, feedback, queries, keys)


@compiled
def _play(
    stage: Stage,
    rule: LearningRule,
    feedback: Feedback,
    queries: Int[Array, " points"],
    keys: Shaped[Array, "seeds *raw"],
) -> RepeatedPlay:
    least, most = stage.bounds
    spread = jnp.where(most > least, most - least, 1.0)

    def scaled(values: Table) -> Table:
        return jnp.where(stage.mask, jnp.clip((values - least[:, None]) / spread[:, None], 0.0, 1.0), 0.0)

    def seed(key: PRNGKeyArray) -> tuple[_Point, Table]:
        def query(t: Int[Array, ""], state: _State) -> _State:
            draw_key, stage_key = jax.random.split(jax.random.fold_in(key, t))
            log_mixed = jnp.where(state.mixed > 0, jnp.log(jnp.where(state.mixed > 0, state.mixed, 1.0)), -jnp.inf)
            chosen = jax.random.categorical(draw_key, log_mixed, axis=1)
            happened: Round = stage.play(state.knowledge, chosen, t, stage_key)
            told = jnp.where(stage.mask, feedback.told(scaled(happened.values), state.mixed, chosen, t), 0.0)
            rule_state, mixed = rule.update(
                state.rule, state.mixed, told, lambda m: scaled(stage.expected(happened.standing, m)), t
            )
            own = jnp.take_along_axis(happened.values, chosen[:, None], axis=1)[:, 0]
            return _State(
                rule=rule_state,
                mixed=mixed,
                knowledge=happened.knowledge,
                hindsight=state.hindsight + happened.values,
                earned=state.earned + own,
                served=state.served + happened.served,
                user_value=state.user_value + happened.user_value,
                welfare=state.welfare + happened.welfare,
                estimate=happened.estimate,
            )

        def to_point(carry: tuple[Int[Array, ""], _State], until: Int[Array, ""]):
            since, state = carry
            state = jax.lax.fori_loop(since, until, query, state)
            best = jnp.where(stage.mask, state.hindsight, -jnp.inf).max(axis=1)
            point = _Point(
                regret=best - state.earned,
                action=(state.mixed * stage.actions).sum(axis=1),
                served=state.served / until,
                user_value=state.user_value / until,
                welfare=state.welfare / until,
                earned=state.earned / until,
                quality=state.estimate,
            )
            return (until, state), point

        start = stage.mask / stage.mask.sum(axis=1, keepdims=True)
        nothing, none = jnp.zeros(stage.mask.shape[0]), jnp.array(0.0)
        first = _State(
            rule=rule.init(stage.mask, start),
            mixed=start,
            knowledge=stage.start(),
            hindsight=jnp.zeros(stage.mask.shape),
            earned=nothing,
            served=nothing,
            user_value=none,
            welfare=none,
            estimate=nothing,
        )
        (_, end), found = jax.lax.scan(to_point, (jnp.array(0, queries.dtype), first), queries)
        return found, end.mixed

    found, mixed = jax.vmap(seed)(keys)
    return RepeatedPlay(queries=queries, mixed=mixed, payoff_range=most - least, **found._asdict())
