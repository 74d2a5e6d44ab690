"""What a solver may ask of a game: small protocols, from the general to the particular.

``FiniteGame``     N providers, provider i chooses one of its levels; the minimum that solvers of finite games accept.
``LogFiniteGame``  payoffs are positive and their logarithms are available, so that nothing underflows.
``LogitGame``      providers compete for logit shares: U_i(k) = m_ik Σ_s w_s a_sik / (R_si + a_sik), where
                   R is the attraction of everybody else. All exact algorithms for large games rest on this form.

A profile is an integer array ``[providers]``: the index of the level that each provider plays.

``ContinuousGame``       provider i chooses any compute within its bounds, as a natural logarithm of tokens.
``ContinuousLogitGame``  the same with logit shares, so that a best reply depends on everybody else's attraction alone.

Solvers call ``require``, so that a game of one's own that lacks something is told what (docs/how-to/own-game.md). Arrays
may hold anything where ``mask`` is False: solvers look at the mask themselves (``solver.masked``).
"""

import inspect

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

# On Python 3.11 the standard isinstance check of a protocol evaluates its properties; the backport only looks them up.
from typing_extensions import Protocol, get_protocol_members, runtime_checkable

from games.errors import InputError, PrecisionError


@runtime_checkable
class FiniteGame(Protocol):
    """A finite game in strategic form with ragged strategy sets."""

    @property
    def mask(self) -> Bool[Array, "providers levels"]:
        """True where a level exists."""

    def payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, " providers"]:
        """Payoff of every provider, in dollars per query."""

    def deviation_payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, "providers levels"]:
        """Payoff of every unilateral deviation, the others as in the profile; -inf where no level exists."""


@runtime_checkable
class LogFiniteGame(FiniteGame, Protocol):
    """A finite game whose payoffs are positive and given by their natural logarithms."""

    def log_payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, " providers"]:
        """Natural logarithm of ``payoffs``."""

    def log_deviation_payoffs(self, profile: Int[Array, " providers"]) -> Float[Array, "providers levels"]:
        """Natural logarithm of ``deviation_payoffs``; -inf where no level exists."""

    def provider_log_payoffs(
        self, profile: Int[Array, " providers"], provider: Int[Array, ""]
    ) -> Float[Array, " levels"]:
        """One row of ``log_deviation_payoffs``, without the cost of the others."""


@runtime_checkable
class LogitGame(LogFiniteGame, Protocol):
    """A game for logit shares, described by attractions a = exp(log_attraction) and profits per query sold."""

    @property
    def log_attraction(self) -> Float[Array, "segments providers levels"]:
        """β·V of every level; -inf where no level exists."""

    @property
    def log_outside_attraction(self) -> Float[Array, " segments"]:
        """β·V0; -inf where users have no outside option."""

    @property
    def unit_profit(self) -> Float[Array, "providers levels"]:
        """Price less cost of a query sold, in dollars; positive where a level exists."""

    @property
    def surplus(self) -> Float[Array, "segments providers levels"]:
        """Quality less cost, in dollars per query served."""

    @property
    def outside_surplus(self) -> Float[Array, " segments"]:
        """What an unserved user keeps, in dollars per query."""

    @property
    def segment_weight(self) -> Float[Array, " segments"]:
        """Share of queries that each segment of users sends; sums to 1."""

    def welfare(self, profile: Int[Array, " providers"]) -> Float[Array, ""]:
        """Share-weighted surplus, in dollars per query."""


@runtime_checkable
class ContinuousGame(Protocol):
    """A game in which every provider chooses a number, the natural logarithm of its compute, within an interval."""

    @property
    def bounds(self) -> tuple[Float[Array, " providers"], Float[Array, " providers"]]:
        """Lowest and highest log compute of every provider."""

    def payoffs(self, log_compute: Float[Array, " providers"]) -> Float[Array, " providers"]:
        """Payoff of every provider, in dollars per query."""

    def log_payoffs(self, log_compute: Float[Array, " providers"]) -> Float[Array, " providers"]:
        """Natural logarithm of ``payoffs``."""

    def log_deviation_payoffs(
        self, log_compute: Float[Array, " providers"], choices: Float[Array, " providers"]
    ) -> Float[Array, " providers"]:
        """ln payoff of every provider if it alone played its entry of ``choices``, the others as in ``log_compute``."""


@runtime_checkable
class ContinuousLogitGame(ContinuousGame, Protocol):
    """Continuous compute with logit shares; the functions work entry by entry, provider by provider."""

    def log_attraction(self, log_compute: Float[Array, " providers"]) -> Float[Array, "segments providers"]:
        """β·V of every provider at its own compute."""

    @property
    def log_outside_attraction(self) -> Float[Array, " segments"]:
        """β·V0; -inf where users have no outside option."""

    def log_unit_profit(self, log_compute: Float[Array, " providers"]) -> Float[Array, " providers"]:
        """ln of the profit of a query sold, in dollars, at each provider's own compute."""


def missing_members(game: object, protocol: type) -> tuple[str, ...]:
    """Members of a protocol that a game lacks, sorted; empty if it has all of them.

    Args:
        game: any object.
        protocol: one of the protocols above.

    Example:
        >>> from games import NormalForm
        >>> missing_members(NormalForm(jax.numpy.zeros((1, 2))), LogFiniteGame)
        ('log_deviation_payoffs', 'log_payoffs', 'provider_log_payoffs')
    """

    def lacks(name: str) -> bool:
        try:
            inspect.getattr_static(game, name)
        except AttributeError:
            return True
        return False

    return tuple(sorted(filter(lacks, get_protocol_members(protocol))))


def require(game: object, protocol: type, solver: str, remedy: str = "") -> None:
    """Refuse a game that lacks members of a protocol, in words that name them.

    Args:
        game: what a solver was called with.
        protocol: the protocol that the solver needs.
        solver: its name, which begins the message.
        remedy: what to use instead, if there is something.

    Raises:
        InputError: a member is missing.

    Example:
        >>> from games import NormalForm
        >>> require(NormalForm(jax.numpy.zeros((1, 2))), FiniteGame, "regret")
    """
    missing = missing_members(game, protocol)
    if missing:
        raise InputError(
            f"{solver}: needs a {protocol.__name__} (games.{protocol.__name__}), and {type(game).__name__} has no "
            f"{', '.join(missing)}; add what is missing{', or ' + remedy if remedy else ''}"
        )


def is_concrete(*values: object) -> bool:
    """Whether the values can be looked at now, that is, none is traced by jit, vmap or grad."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(values))


def require_double_precision(solver: str) -> None:
    """Refuse to run an exact solver in single precision.

    Raises:
        PrecisionError: JAX runs with 32-bit floats.
    """
    if not jax.config.read("jax_enable_x64"):
        raise PrecisionError(
            f"{solver} needs double precision, and JAX runs with 32-bit floats: unset JAX_ENABLE_X64 "
            "(or set it to 1) before importing games"
        )


def machine_epsilon() -> float:
    """Relative spacing of the floating-point numbers in use."""
    return float(np.finfo(np.float64 if jax.config.read("jax_enable_x64") else np.float32).eps)
