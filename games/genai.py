"""List prices from the optional package ``genai-prices``, dated and for the usage that was measured."""

from datetime import UTC, date, datetime, time
from importlib.util import find_spec
from typing import TYPE_CHECKING

from games.errors import InputError, unknown_name
from games.prices import ListPrice, PriceTier

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, PriceCalculation, Provider

MILLION = 1_000_000


def genai_price(
    model: str,
    provider: str | None = None,
    *,
    input_tokens: float | int,
    output_tokens: float | int,
    at: date | None = None,
) -> ListPrice:
    """The list price in the package ``genai-prices``, for the usage that was measured.

    Prices can have tiers by length of the context, so that a made-up query of a million tokens would be charged more than
    a real one. Rates here are charge over tokens of one query of the size given; ``tiers`` holds those of all sizes.

    Args:
        model: name of the model; dated names such as ``gpt-5-2025-08-07`` are known.
        provider: id of the seller in that package. Needed where sellers of one model differ, as for most open models.
        input_tokens: mean input tokens per query.
        output_tokens: mean billable output tokens per query.
        at: day of the queries; today's price where it is not given.

    Raises:
        InputError: the package is missing, does not know the model or seller, or sellers differ in price.

    Example:
        >>> price = genai_price("gpt-5-2025-08-07", "openai", input_tokens=260, output_tokens=7000, at=date(2025, 10, 29))
        >>> price.usd_per_million_tokens, price.usd_per_million_input_tokens
        (10.0, 1.25)
    """
    if find_spec("genai_prices") is None:
        raise InputError(
            f'price of {model!r}: the package genai-prices is not installed; run: pip install "ttc-games[logs]", or give '
            "a table of prices"
        )
    from genai_prices import Usage
    from genai_prices.data_snapshot import get_snapshot

    # The package infers a missing count; a probe of at least one token each keeps a rate defined.
    counts = (max(1, round(input_tokens)), max(1, round(output_tokens)))
    usage = Usage(input_tokens=counts[0], output_tokens=counts[1])
    moment = datetime.now(UTC) if at is None else datetime.combine(at, time(12), UTC)
    snapshot = get_snapshot()
    sellers: dict[str, PriceCalculation] = {}
    for seller in snapshot.providers:
        own = seller.find_model(model) if provider is None else None
        if own is not None:
            sellers[seller.id] = own.calc_price(usage, seller, genai_request_timestamp=moment)
    if provider is not None:
        try:
            found = snapshot.calc(usage, model, provider, None, moment)
        except LookupError:
            raise _unknown_to_genai(model, provider) from None
        sellers[found.provider.id] = found
    if not sellers:
        raise _unknown_to_genai(model, provider)
    rates = {
        seller: (_rate(p.output_price, counts[1]), _rate(p.input_price, counts[0])) for seller, p in sellers.items()
    }
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{seller} ({into:g} in, {out:g} out)" for seller, (out, into) in sorted(rates.items()))
        raise InputError(
            f"price of {model!r}: sellers differ, in $/M: {listed}; name the provider, or give your own price"
        )
    name, (output, given) = sorted(rates.items())[0]
    tiers = _tiers(sellers[name].model, sellers[name].provider, moment)
    cached = _cached_rate(sellers[name].model, sellers[name].provider, moment, counts[0])
    return ListPrice(
        model,
        output,
        given,
        name,
        moment.date(),
        source=_genai_source(),
        tiers=tiers,
        usd_per_million_cached_tokens=cached,
    )


def _cached_rate(model: "ModelInfo", seller: "Provider", moment: datetime, tokens: int) -> float | None:
    """Dollars per million of prompt tokens that were all read from a cache; None where no such price is listed."""
    from genai_prices import Usage

    if model.get_prices(moment).cache_read_mtok is None:
        return None
    usage = Usage(input_tokens=tokens, cache_read_tokens=tokens, output_tokens=1)
    return _rate(model.calc_price(usage, seller, genai_request_timestamp=moment).input_price, tokens)


def _tiers(model: "ModelInfo", seller: "Provider", moment: datetime) -> tuple[PriceTier, ...]:
    """Prices by length of the prompt; empty where there is one price for all."""
    from genai_prices import Usage
    from genai_prices.types import TieredPrices

    listed = vars(model.get_prices(moment)).values()
    starts = sorted({tier.start for price in listed if isinstance(price, TieredPrices) for tier in price.tiers})
    if not starts:
        return ()
    found = []
    for start in (0, *starts):
        # A prompt just above the threshold, which is not in the tier itself.
        usage = Usage(input_tokens=start + 1, output_tokens=1)
        charge = model.calc_price(usage, seller, genai_request_timestamp=moment)
        cached = _cached_rate(model, seller, moment, start + 1)
        found.append(PriceTier(start, _rate(charge.output_price, 1), _rate(charge.input_price, start + 1), cached))
    return tuple(found)


def _unknown_to_genai(model: str, provider: str | None) -> InputError:
    """Word the error for a model or seller that the package does not list, with the nearest ones."""
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot

    providers = get_snapshot().providers
    if provider is not None and (seller := find_provider_by_id(providers, provider)) is None:
        seller_error = unknown_name("provider in genai-prices", provider, [p.id for p in providers])
        if "did you mean" not in str(seller_error):
            seller_error = InputError(f"unknown provider in genai-prices {provider!r}, and no name is near")
        return InputError(
            f"price of {model!r}: {seller_error}; use that package's name, or add it to your own table of prices"
        )
    known = sorted({m.id for p in providers if provider is None or p is seller for m in p.models})
    nearest = str(unknown_name("model in genai-prices", model, known))
    hint = nearest if "did you mean" in nearest else f"unknown model in genai-prices {model!r}, and no name is near"
    return InputError(f"{hint}{'' if provider is None else f' (of {provider})'}; add it to your own table of prices")


def _genai_source() -> str:
    from genai_prices import __version__

    return f"genai-prices {__version__}"


def _rate(charge: "Decimal", tokens: int) -> float:
    """Dollars per million tokens; the charge is an exact decimal, so that 10 $/M stays 10."""
    return float(charge * MILLION / tokens)
