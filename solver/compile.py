"""Compilation of solvers: one executable for all games of a shape, whatever their providers are called.

Names travel with a market as static data, and JAX compiles anew whenever static data differ. Solvers never look at
names, so they are taken off before a compiled function sees the game. Python floats (tolerances, step sizes)
become arrays for the same reason; integers, booleans and enumerations stay settings that code is compiled for.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax.numpy as jnp

P = ParamSpec("P")
T = TypeVar("T")


def compiled(solver: Callable[P, T]) -> Callable[P, T]:
    """Like ``equinox.filter_jit``, for functions whose first argument is a game.

    Args:
        solver: the function; further arguments that are floats become arrays, integers and booleans stay settings.

    Example:
        >>> from games import load_scenario
        >>> game = load_scenario("GSM8K/majority").game(rationality=1000)
        >>> float(compiled(lambda game: game.users.rationality[0])(game))
        1000.0
    """
    jitted = eqx.filter_jit(solver)

    @functools.wraps(solver)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        game: Any = args[0]
        anonymous = game.anonymous() if hasattr(game, "anonymous") else game
        rest = [_as_data(value) for value in args[1:]]
        return jitted(anonymous, *rest, **{name: _as_data(value) for name, value in kwargs.items()})

    return call


def _as_data(value: Any) -> Any:
    return jnp.asarray(value) if isinstance(value, float) else value
