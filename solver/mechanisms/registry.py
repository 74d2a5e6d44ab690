"""The mechanisms that comparisons, contract tests and the command line know by name."""

from collections.abc import Callable

from games.errors import InputError, unknown_name
from games.router import ArgmaxRouter, ConfidentRouter
from games.verified_quality import QualityContract
from solver.mechanisms.collusion import Collusion
from solver.mechanisms.first_score import FirstScore
from solver.mechanisms.outcome import Mechanism
from solver.mechanisms.pay_per_compute import MarketOptimum, PayPerComputeEquilibrium
from solver.mechanisms.posted_price import PostedPrice
from solver.mechanisms.price_and_compute import PriceAndCompute
from solver.mechanisms.routers import Router
from solver.mechanisms.second_score import SecondScore
from solver.mechanisms.truthful_logit import TruthfulLogit
from solver.mechanisms.verified_quality import VerifiedQuality
from solver.own_code import own_code

# The first one is what the others are compared with. A new mechanism is one file and one row.
MECHANISMS: dict[str, Callable[[], Mechanism]] = {
    "pay-per-compute": PayPerComputeEquilibrium,
    "market-optimum": MarketOptimum,
    "second-score": SecondScore,
    "second-score-no-harm": lambda: SecondScore(reserve="no-harm"),
    "second-score-user-optimal": lambda: SecondScore(reserve="user-optimal"),
    "second-score-revenue-optimal": lambda: SecondScore(reserve="revenue-optimal"),
    "first-score": FirstScore,
    "posted-price": PostedPrice,
    "price-and-compute": PriceAndCompute,
    "collusion": Collusion,
    "truthful-logit": TruthfulLogit,
    "verified-quality": VerifiedQuality,
    "promised-quality": lambda: VerifiedQuality(QualityContract(0.0)),
    "inverse-power-router": Router,
    "argmax-router": lambda: Router(ArgmaxRouter()),
    "confident-router": lambda: Router(ConfidentRouter()),
}
"""The registered mechanisms by name, each made without arguments."""


def mechanism(name: str) -> Mechanism:
    """The mechanism of that name with its default options, or a class of your own as ``module:Class``.

    Args:
        name: a name in ``MECHANISMS``, or ``module:Class``, of a file ``module.py`` in the current folder or an
            installed module.

    Raises:
        InputError: an unknown name (the text lists the nearest), or a class that cannot be imported.

    Example:
        >>> mechanism("second-score").name, mechanism("solver.mechanisms:FirstScore").name
        ('second-score', 'first-score')
    """
    if name in MECHANISMS:
        return MECHANISMS[name]()
    if ":" not in name:
        raise unknown_name("mechanism", name, MECHANISMS)
    try:
        own = own_code(name)
    except InputError as error:
        raise InputError(f"mechanism {error}") from None
    try:
        made = own()
    except (ValueError, TypeError) as error:
        raise InputError(
            f"mechanism {name}: cannot be made ({error}); module:Class is made without arguments"
        ) from None
    if not isinstance(made, Mechanism):
        raise InputError(f"mechanism {name}: has no name and outcome(market, users); see docs/how-to/add-mechanism.md")
    return made
