"""One query of repeated play: what every action would have earned against the others' actions, and what was learned.

``solver.repeated_asks.AskStage``      providers choose asks in a score auction.
``solver.repeated_levels.LevelStage``  providers choose levels of compute and users choose by the logit rule.

Both tell the payoff of *all* actions of a provider, the others' as they were: full information, from which regret is exact. If
the platform does not know quality it learns it from verdicts on served answers (``solver.quality_learning``).
"""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

PerProvider = Float[Array, " providers"]
Table = Float[Array, "providers actions"]


class Knowledge(NamedTuple):
    """Verdicts so far, by provider (asks) or by provider and level."""

    approved: Float[Array, "*entries"]
    seen: Float[Array, "*entries"]


class Round(NamedTuple):
    """What one query brought; dollars.

    Args:
        values: payoff of every action of every provider, the others' as they were.
        standing: what scores or attractions rested on; ``expected`` takes it.
        user_value: worth less payment, on average over verdicts.
        welfare: user value + profits.
        served: probability that a provider served.
        knowledge: verdicts so far.
        estimate: the platform's estimate of the quality of what each provider offered.
    """

    values: Table
    standing: Float[Array, "..."]
    user_value: Float[Array, ""]
    welfare: Float[Array, ""]
    served: PerProvider
    knowledge: Knowledge
    estimate: PerProvider


@runtime_checkable
class Stage(Protocol):
    """What ``repeated_play`` asks of the game that is played query after query."""

    @property
    def mask(self) -> Bool[Array, "providers actions"]:
        """Which actions exist."""

    @property
    def actions(self) -> Table:
        """What an action stands for: dollars asked, or tokens."""

    @property
    def bounds(self) -> tuple[PerProvider, PerProvider]:
        """Least and largest payoff of each provider, dollars per query."""

    def start(self) -> Knowledge:
        """Nothing seen yet."""

    def play(self, knowledge: Knowledge, chosen: Int[Array, " providers"], query: Array, key: PRNGKeyArray) -> Round:
        """Play one query."""

    def expected(self, standing: Float[Array, "..."], mixed: Table) -> Table:
        """Expected payoff of every action against mixed actions of the others, dollars."""
