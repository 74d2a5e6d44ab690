"""How results print: small arrays by their numbers, large ones by type, shape and range."""

import dataclasses
from typing import Any

import jax
import numpy as np
import wadler_lindig as wl

MOST_NUMBERS = 64  # of an array that is printed whole
WIDTH = 100


def readable(result: Any) -> str:
    """The ``__repr__`` of results, six digits of every number.

    Args:
        result: an ``equinox.Module`` or a dataclass whose class says ``__repr__ = readable``.

    Example:
        >>> from games import SecondScoreAuction, load_scenario
        >>> scenario = load_scenario("GPQA/reasoning_effort")
        >>> print(SecondScoreAuction(scenario.market, scenario.users).outcome())  # doctest: +ELLIPSIS
        AuctionOutcome(
          winner=[2],
          runner_up=[0],
          levels=[[1, 1, 2]],
          winner_surplus=[0.0159669],
          ...
    """
    return wl.pformat(result, width=WIDTH, custom=_document)


def _document(value: Any) -> wl.AbstractDoc | None:
    """How a result or an array prints; None for everything else, and for arrays that jit or vmap trace."""
    if getattr(type(value), "__repr__", None) is readable:
        fields = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return wl.bracketed(
            begin=wl.TextDoc(f"{type(value).__name__}("),
            docs=wl.named_objs(fields, custom=_document),
            sep=wl.comma,
            end=wl.TextDoc(")"),
            indent=2,
        )
    if isinstance(value, jax.core.Tracer) or not isinstance(value, jax.Array | np.ndarray):
        return None
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key) or np.dtype(value.dtype).kind not in "bfiu":
        return None
    held = np.asarray(value)
    if held.size <= MOST_NUMBERS:
        return wl.pdoc(_six_digits(held.tolist()))
    finite = held[np.isfinite(held)]
    span = f" from {finite.min():.6g} to {finite.max():.6g}" if finite.size else ""
    return wl.TextDoc(f"{held.dtype}{list(held.shape)}{span}")


def _six_digits(values: Any) -> Any:
    if isinstance(values, list):
        return [_six_digits(value) for value in values]
    return float(f"{values:.6g}") if isinstance(values, float) else values
