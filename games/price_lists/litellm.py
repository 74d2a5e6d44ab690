"""LiteLLM's ``model_prices_and_context_window.json``: an object of models, dollars per token.

Fields: ``input_cost_per_token``, ``output_cost_per_token``, ``cache_read_input_token_cost``, each also with ``_batches`` or
``_above_200k_tokens`` (or another threshold) behind; ``litellm_provider``, ``mode``.
"""

import re
from collections.abc import Mapping
from typing import Any

from games.price_lists.per_token import per_million
from games.prices import ListPrice, PriceTier

_OUTPUT, _INPUT, _CACHED = "output_cost_per_token", "input_cost_per_token", "cache_read_input_token_cost"
_ABOVE = re.compile(r"_above_(\d+)(k?)_tokens$")
_TEXT_MODES = (None, "chat", "completion", "responses")
_NO_MODEL = "sample_spec"  # the file's own explanation of its fields


def looks_so(document: Any) -> bool:
    """Whether a JSON document is such a list: an object of objects, one of them with a price per token."""
    return (
        isinstance(document, dict)
        and all(isinstance(entry, dict) for entry in document.values())
        and any(name in entry for entry in document.values() for name in (_INPUT, _OUTPUT))
    )


def prices(document: Mapping[str, Mapping[str, Any]], name: str, batch: bool) -> tuple[ListPrice, ...]:
    """The models that answer in text and have a price of output tokens.

    Args:
        document: what the file holds.
        name: of the file, for messages.
        batch: prices of batches, where the list has them.

    Raises:
        InputError: a price is no number.
    """
    found = []
    for model, entry in document.items():
        if model == _NO_MODEL or entry.get("mode") not in _TEXT_MODES or entry.get(_OUTPUT) is None:
            continue
        found.append(_price(model, entry, name, batch))
    return tuple(found)


def _price(model: str, entry: Mapping[str, Any], name: str, batch: bool) -> ListPrice:
    def rate(field: str) -> float | None:
        return per_million(entry.get(field), f"{name}, {model}: {field}")

    output, given, cached = rate(_OUTPUT), rate(_INPUT), rate(_CACHED)
    remarks = []
    tiers: tuple[PriceTier, ...] = ()
    if batch and (half := rate(f"{_OUTPUT}_batches")) is not None:
        output, given, cached = half, rate(f"{_INPUT}_batches"), rate(f"{_CACHED}_batches")
    else:
        if batch:
            remarks.append("the list has no price of batches; the usual one is taken")
        tiers = _tiers(entry, (output, given, cached), rate)
    thinking = rate("output_cost_per_reasoning_token")
    if thinking is not None and thinking != output:
        remarks.append(f"thinking is listed at {thinking:g} $/M and charged as output, {output:g} $/M")
    seller = entry.get("litellm_provider")
    return ListPrice(
        model=model,
        usd_per_million_tokens=output or 0.0,
        usd_per_million_input_tokens=given,
        provider=seller if isinstance(seller, str) else None,
        source=name,
        tiers=tiers,
        usd_per_million_cached_tokens=cached,
        remarks=tuple(remarks),
    )


def _tiers(
    entry: Mapping[str, Any], base: tuple[float | None, float | None, float | None], rate: Any
) -> tuple[PriceTier, ...]:
    """Prices by length of the prompt; what a tier does not list stays as below it."""
    starts = {}
    for field in entry:
        ending = _ABOVE.search(field)
        if ending and field.removesuffix(ending[0]) in (_OUTPUT, _INPUT, _CACHED):
            starts[int(ending[1]) * (1000 if ending[2] else 1)] = ending[0]
    if not starts:
        return ()
    output, given, cached = base
    found = [PriceTier(0, output or 0.0, given or 0.0, cached)]
    for start, suffix in sorted(starts.items()):
        output, given, cached = (
            old if (new := rate(f"{field}{suffix}")) is None else new
            for field, old in ((_OUTPUT, output), (_INPUT, given), (_CACHED, cached))
        )
        found.append(PriceTier(start, output or 0.0, given or 0.0, cached))
    return tuple(found)
