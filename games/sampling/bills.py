"""What each sample costs beside its tokens at list prices.

A list price holds for all queries alike. Tariffs with tiers by length of the prompt do not: a tier applies to a request, so
that the mean of the charges is not the charge for the mean. A bill holds the difference sample by sample; its means are added
to tokens × list prices. So is what input tokens that were read from a cache cost less. A cost that the log recorded is such a
difference too, from list prices of 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from games.market import DOLLARS_PER_MILLION
from games.prices import ListPrice


@dataclass(frozen=True)
class Bill:
    """The surcharge of every sample of one model at one level.

    Args:
        fixed: dollars, whatever the output; nan where a sample's charge is unknown, ``[questions, samples]``.
        per_token: dollars per billable output token.
    """

    fixed: Float[np.ndarray, "questions samples"]
    per_token: Float[np.ndarray, "questions samples"]

    def surcharge(
        self, output_tokens: Float[np.ndarray, "questions samples"]
    ) -> Float[np.ndarray, "questions samples"]:
        """Dollars of every sample beside its tokens at list prices.

        Args:
            output_tokens: billable output tokens of every sample, as they were or cut off.
        """
        # A sample without output tokens has no charge that could be told.
        return self.fixed + np.where(self.per_token == 0, 0.0, self.per_token * output_tokens)


def bill_of(
    price: ListPrice,
    input_tokens: Float[np.ndarray, "questions samples"],
    cost: Float[np.ndarray, "questions samples"],
    cached_tokens: Float[np.ndarray, "questions samples"] | None = None,
) -> Bill | None:
    """The bill under a tariff with tiers, each request at the tier of its own prompt, or by recorded costs; else None.

    Args:
        price: list prices, with tiers or without.
        input_tokens: tokens of every prompt; one that is unknown (nan) is charged at the list price.
        cost: recorded dollars of every sample; nan where unknown.
        cached_tokens: those of the prompt that were read from a cache; none where nan.

    Example:
        >>> from games.prices import PriceTier
        >>> price = ListPrice("Ada", 10.0, 1.0, tiers=(PriceTier(0, 10.0, 1.0), PriceTier(1000, 15.0, 2.0)))
        >>> tokens, cost = np.array([[500.0, 2000.0]]), np.array([[0.1, 0.2]])
        >>> bill_of(price, tokens, cost).surcharge(np.array([[100.0, 100.0]])).round(6).tolist()
        [[0.0, 0.0025]]
        >>> bill_of(ListPrice("Ada", 0.0, 0.0, recorded=True), tokens, cost).fixed.tolist()
        [[0.1, 0.2]]
    """
    if price.recorded:
        return Bill(cost, np.zeros(cost.shape))
    read = np.zeros(cost.shape) if cached_tokens is None else np.nan_to_num(cached_tokens)
    if not price.tiers and (price.usd_per_million_cached_tokens is None or not read.any()):
        return None
    output, given, cached = price.rates(input_tokens)
    more = (given - (price.usd_per_million_input_tokens or 0.0)) * np.nan_to_num(input_tokens) + (cached - given) * read
    return Bill(more * DOLLARS_PER_MILLION, (output - price.usd_per_million_tokens) * DOLLARS_PER_MILLION)
