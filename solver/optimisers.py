"""Which optax optimisers gradient methods can take: those that need gradients only."""

import jax
import jax.numpy as jnp
import optax

from games.errors import InputError


def check_optimiser(optimiser: optax.GradientTransformation, solver: str) -> None:
    """Refuse an optimiser that asks for more than gradients, such as a line search on a value.

    Providers climb payoffs of their own, so that there is no one value to search along.

    Args:
        optimiser: any optax optimiser.
        solver: what the text of the error begins with.

    Raises:
        InputError: its update takes further arguments, or it is no optimiser.

    Example:
        >>> check_optimiser(optax.adam(0.1), "gradient dynamics")
    """
    place = jnp.zeros(())

    def step(gradient, point):
        return optimiser.update(gradient, optimiser.init(point), point)

    try:
        jax.eval_shape(step, place, place)
    except (TypeError, AttributeError) as error:
        raise InputError(
            f"{solver}: this optimiser needs more than gradients ({error}); take one that needs gradients only, such as "
            "optax.adam, optax.sgd or optax.rprop"
        ) from None
