"""OpenRouter's ``/models``: ``{"data": [{"id": "openai/gpt-4o", "pricing": {...}}]}``, dollars per token as text.

Fields of ``pricing``: ``prompt``, ``completion``, ``input_cache_read``, ``request`` (dollars per request). A price of −1 stands
for a router, whose price is that of the model it picks; it is left out.
"""

from collections.abc import Mapping
from typing import Any

from games.errors import InputError
from games.price_lists.per_token import per_million
from games.prices import ListPrice

_NOT_FIXED = ("-1", "-1.0")


def looks_so(document: Any) -> bool:
    """Whether a JSON document is such a list."""
    entries = _entries(document)
    return bool(entries) and all(
        isinstance(e, dict) and "id" in e and isinstance(e.get("pricing"), dict) for e in entries
    )


def _entries(document: Any) -> list[Any]:
    held = document.get("data") if isinstance(document, dict) else document
    return held if isinstance(held, list) else []


def prices(document: Any, name: str, batch: bool) -> tuple[ListPrice, ...]:
    """The models that have a price of their own.

    Args:
        document: what the file holds.
        name: of the file, for messages.
        batch: refused: the list has no prices of batches.

    Raises:
        InputError: a price is no number, or prices of batches are asked for.
    """
    if batch:
        raise InputError(f"{name}: this list has no prices of batches; leave batch out")
    found = []
    for entry in _entries(document):
        pricing: Mapping[str, Any] = entry["pricing"]
        model = str(entry["id"])
        if pricing.get("completion") is None or str(pricing["completion"]).strip() in _NOT_FIXED:
            continue

        def rate(field: str, pricing: Mapping[str, Any] = pricing, model: str = model) -> float | None:
            return per_million(pricing.get(field), f"{name}, {model}: {field}")

        output, fee = rate("completion"), rate("request")
        remarks = (f"the list's fee of {fee / 1e6:g} $ a request is not charged",) if fee else ()
        found.append(
            ListPrice(
                model=model,
                usd_per_million_tokens=output or 0.0,
                usd_per_million_input_tokens=rate("prompt"),
                provider=model.partition("/")[0] if "/" in model else None,
                source=name,
                usd_per_million_cached_tokens=rate("input_cache_read"),
                remarks=remarks,
            )
        )
    return tuple(found)
