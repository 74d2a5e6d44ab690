"""What solvers return. Failure is data: a status to look at, raised only where the caller asks."""

import enum

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Int

from games.readable import readable


class Status(enum.IntEnum):
    """How a solver ended."""

    CONVERGED = 0  #: a fixed point: no provider has a reply that improves its payoff
    CYCLE = 1  #: the dynamics repeat a round exactly and will do so for ever
    MAX_ROUNDS = 2  #: the allowed number of rounds was used up
    LOCAL_OPTIMUM = 3  #: no small change of compute pays, but a large one would: not an equilibrium
    NO_EQUILIBRIUM = 4  #: none exists, or none that is finite

    @property
    def text(self) -> str:
        """The status in words."""
        return {
            Status.CONVERGED: "converged: no provider has an improving reply",
            Status.CYCLE: "cycle: the dynamics repeat themselves and have no limit",
            Status.MAX_ROUNDS: "stopped: the allowed number of rounds was used up",
            Status.LOCAL_OPTIMUM: "local optimum: no small change pays, but a provider gains by a large one",
            Status.NO_EQUILIBRIUM: "no equilibrium: none exists, or none that is finite",
        }[self]


class DidNotConverge(RuntimeError):
    """Raised by ``Solution.require_convergence``."""


class Solution(eqx.Module):
    """Where a dynamic ended, with an independent certificate; leaves gain leading axes under ``vmap``.

    Args:
        profile: level of every provider.
        payoffs: dollars per query of every provider.
        max_regret: largest relative gain of a unilateral deviation (ε of an ε-equilibrium), from ``solver.regret``.
        status: a ``Status`` as an integer.
        num_rounds: rounds played, the last one without a move included.
        cycle_length: rounds after which the dynamics repeat; 0 without a cycle.
        trajectory: profile after every round, ``[max_rounds + 1, providers]``, row 0 the start; rows behind
            ``num_rounds`` repeat the end. ``None`` unless recorded.
    """

    __repr__ = readable

    profile: Int[Array, " providers"]
    payoffs: Float[Array, " providers"]
    max_regret: Float[Array, ""]
    status: Int[Array, ""]
    num_rounds: Int[Array, ""]
    cycle_length: Int[Array, ""]
    trajectory: Int[Array, "rounds providers"] | None = None

    @property
    def converged(self) -> bool:
        """Whether every solution in the (possibly batched) result is a fixed point."""
        return bool(np.all(np.asarray(self.status) == Status.CONVERGED))

    def require_convergence(self) -> "Solution":
        """Return itself, or raise where it did not converge.

        Raises:
            DidNotConverge: the text says how it ended and what to try.
        """
        if not self.converged:
            worst = Status(int(np.max(np.asarray(self.status))))
            raise DidNotConverge(
                f"{worst.text}; try more rounds (max_rounds=), another order or reply, or solver.pure_equilibria"
            )
        return self

    def describe(self) -> str:
        """One line for people."""
        jax.block_until_ready(self.status)
        if np.ndim(self.status):
            counts = {s.name.lower(): int(np.sum(np.asarray(self.status) == s)) for s in Status}
            return f"{np.size(self.status)} runs: " + ", ".join(f"{n} {name}" for name, n in counts.items() if n)
        text = f"{Status(int(self.status)).text}, after {int(self.num_rounds)} rounds"
        return text + (f", period {int(self.cycle_length)}" if int(self.cycle_length) else "")
