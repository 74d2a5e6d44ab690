"""Random markets of two providers and five levels, with one or two segments of users: many have mixed equilibria only."""

import numpy as np

from games import Market, PayPerCompute, Users

LEVELS = 5


def two_provider_market(
    rng: np.random.Generator, segments: int, *, log_rationality: tuple[float, float] = (1.5, 4.0)
) -> PayPerCompute:
    """Prices over two decades and a half; β within the given powers of ten."""
    price = np.sort(10 ** rng.uniform(-4, -1.5, (2, LEVELS)), axis=1)
    market = Market.from_arrays(
        accuracy=rng.uniform(0, 1, (2, LEVELS)),
        tokens=price * 5e6,
        price_per_million=0.2,
        margin=float(10 ** rng.uniform(-1.5, 0.5)),
    )
    users = Users(
        10 ** rng.uniform(-3, -1, segments),
        10 ** rng.uniform(*log_rationality, segments),
        weight=rng.uniform(0.1, 1, segments),
    )
    return PayPerCompute(market, users)
