"""Levels of compute in the pay-per-compute market, query after query; users may have to learn quality."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from games import demand
from games.errors import InputError
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from games.verified_quality import Judge
from solver.mixed_extension import LogitExtension, mixed_extension
from solver.quality_learning import QualityLearner, learned
from solver.repeated_stage import Knowledge, PerProvider, Round, Table


class LevelStage(eqx.Module):
    """The pay-per-compute game with one segment of users, who choose by the quality that is known or learned.

    A payoff is the profit expected over users' choice, given the levels; the served provider is drawn, for verdicts.

    Args:
        game: the game at true quality.
        learner: how quality is learned, level by level; ``None`` if it is known.
        judge: whose verdicts it is learned from.
        extension: the game's ``mixed_extension``, for rules that ask for expected payoffs.
    """

    game: PayPerCompute
    learner: QualityLearner | None
    judge: Judge
    extension: LogitExtension

    @classmethod
    def of(
        cls, market: Market, users: Users, *, learner: QualityLearner | None = None, judge: Judge | None = None
    ) -> "LevelStage":
        """The stage of a market.

        Args:
            market: N providers, K levels.
            users: one segment.
            learner, judge: see the class.

        Raises:
            InputError: several segments, or a level that earns nothing.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GPQA/reasoning_effort")
            >>> LevelStage.of(scenario.market, scenario.users).mask.sum(axis=1).tolist()
            [5, 5, 5]
        """
        if users.num_segments != 1:
            raise InputError(f"repeated play: one segment of users at a time; these have {users.num_segments}")
        game = PayPerCompute(market, users)
        extension = mixed_extension(game)
        assert isinstance(extension, LogitExtension)
        return cls(game, learner, Judge() if judge is None else judge, extension)

    def anonymous(self) -> "LevelStage":
        """The same stage without names, which are static and would make compiled solvers compile again."""
        return LevelStage(self.game.anonymous(), self.learner, self.judge, self.extension.anonymous())

    @property
    def mask(self) -> Bool[Array, "providers actions"]:
        """Which levels exist."""
        return self.game.mask

    @property
    def actions(self) -> Table:
        """Tokens per query."""
        return self.game.market.tokens

    @property
    def bounds(self) -> tuple[PerProvider, PerProvider]:
        """0, and the best level against nobody but the outside option and the others' least attractive levels."""
        attraction = self.game.log_attraction[0]
        if self.learner is not None:
            return jnp.zeros(len(attraction)), self.game.unit_profit.max(axis=1)
        weakest = jnp.where(self.mask, attraction, jnp.inf).min(axis=1)
        rest = demand.log_sum_of_others(weakest, self.game.log_outside_attraction[0])
        sold = jnp.exp(attraction - jnp.logaddexp(rest[:, None], attraction))
        return jnp.zeros(len(attraction)), (sold * self.game.unit_profit).max(axis=1)

    def start(self) -> Knowledge:
        """Nothing seen yet."""
        return Knowledge(jnp.zeros(self.mask.shape), jnp.zeros(self.mask.shape))

    def play(self, knowledge: Knowledge, chosen: Int[Array, " providers"], query: Array, key: PRNGKeyArray) -> Round:
        """Users choose among the levels offered; learn from the verdict on the answer served."""
        choice_key, verdict_key = jax.random.split(key)
        game, value = self.game, self.game.users.value_per_correct[0]
        quality = game.quality[0]
        if self.learner is None:
            estimate = quality
        else:
            estimate = value * learned(self.learner, self.judge, *knowledge, query)
        believed = jnp.where(self.mask, estimate - game.market.price, -jnp.inf)
        attraction = demand.log_attraction(game.users.rationality, believed[None])[0]

        def at(table: Table) -> PerProvider:
            return jnp.take_along_axis(table, chosen[:, None], axis=1)[:, 0]

        log_outside = game.log_outside_attraction[0]
        rest = demand.log_sum_of_others(at(attraction), log_outside)[:, None]
        values = game.unit_profit * jnp.exp(attraction - jnp.logaddexp(rest, attraction))
        options = jnp.append(at(attraction), log_outside)
        shares = jax.nn.softmax(options)
        created = jnp.append(at(jnp.where(self.mask, game.surplus[0], 0.0)), game.outside_surplus[0])
        welfare = shares @ created
        served = jax.random.categorical(choice_key, options)
        right = at(quality) / value
        approved = jax.random.bernoulli(verdict_key, self.judge.approval(jnp.append(right, 0.0)[served]))
        hit = (jnp.arange(len(chosen)) == served)[:, None] & (jnp.arange(self.mask.shape[1]) == chosen[:, None])
        seen = Knowledge(knowledge.approved + hit * approved, knowledge.seen + hit)
        user_value = welfare - at(values).sum()
        return Round(values, attraction, user_value, welfare, shares[:-1], seen, at(estimate))

    def expected(self, standing: Float[Array, "providers levels"], mixed: Table) -> Table:
        """Exact expected payoffs (docs/theory/mixed.md).

        Raises:
            InputError: quality is learned, so that the game changes from query to query.
        """
        if self.learner is not None:
            raise InputError(
                "repeated play: this rule asks for expected payoffs, which are not available while quality is learned; "
                "take a rule that learns from what happened, such as Hedge or RegretMatchingPlus"
            )
        return self.extension.payoffs(mixed)
