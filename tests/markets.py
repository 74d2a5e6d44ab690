"""Random markets that are nasty on purpose: ragged, with ties, duplicated levels and twin providers."""

import itertools

import numpy as np

from games import ExponentialValue, Market, PayPerCompute, PowerValue, Users


def random_game(
    rng: np.random.Generator, providers: int, levels: int, *, segments: int = 1, log_rationality: float | None = None
) -> PayPerCompute:
    """A market with up to ``levels`` levels (the first provider has all of them) and β over six decades."""
    sizes = rng.integers(1, levels + 1, providers)
    sizes[0] = levels
    accuracy, tokens = [], []
    for size in sizes:
        acc, tok = np.sort(rng.uniform(0, 1, size)), np.sort(rng.uniform(100, 20000, size))
        style = rng.integers(4)
        if style == 1 and size > 1:  # a level listed twice
            acc[-1], tok[-1] = acc[0], tok[0]
        elif style == 2:  # rounded numbers, so that several levels tie
            acc, tok = np.round(acc, 1), np.round(tok, -4) + 1000
        elif style == 3:  # accuracy that falls with compute
            acc = acc[::-1]
        accuracy.append(acc.tolist())
        tokens.append(tok.tolist())
    price = rng.uniform(0.05, 0.5, providers) if rng.random() < 0.7 else np.full(providers, 0.1)
    if providers > 1 and rng.random() < 0.2:  # twins
        twin = rng.integers(1, providers)
        accuracy[twin], tokens[twin], price[twin] = accuracy[0], tokens[0], price[0]
    value = 10 ** rng.uniform(-3, -1, segments)
    rationality = 10 ** (rng.uniform(0, 6, segments) if log_rationality is None else np.full(segments, log_rationality))
    outside = [0.0, -np.inf, float(value.min()) / 2][rng.integers(3)]
    curve = [None, PowerValue(), ExponentialValue()][(providers + levels) % 3]
    users = Users(value, rationality, weight=rng.uniform(0.2, 1, segments), outside_value=outside, value_curve=curve)
    market = Market.from_arrays(
        accuracy=accuracy, tokens=tokens, price_per_million=price, margin=float(10 ** rng.uniform(-2, 0.5))
    )
    return PayPerCompute(market, users)


def profiles_of(array) -> set[tuple[int, ...]]:
    """Profiles as a set of tuples."""
    return set(map(tuple, np.asarray(array).tolist()))


def all_profiles(game: PayPerCompute) -> np.ndarray:
    """Every profile of a small game."""
    return np.array(list(itertools.product(*[np.flatnonzero(row) for row in np.asarray(game.mask)])))
