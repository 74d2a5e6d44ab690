"""Which entry of a price list a name in a log means.

A log says ``openai/gpt-4o``, or model ``gpt-4o`` of provider ``openai``, or ``gpt-4o-2024-08-06``. A list has these names, or
the same with another path in front. The first of these rules that finds an entry holds:

1. an entry of exactly this name, with the provider in front or without;
2. one whose name is the same but for the path in front and for case;
3. one whose name is the same but for a day at the end too, which the entry's remark then says.

Entries of the log's provider come before those of others. Where the entries that are left differ in price, nobody can tell
which one is meant: that is an error that lists them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from games.errors import InputError
from games.logs.names import DATE, split_provider
from games.prices import ListPrice

# One seller under several names: of logs, of LiteLLM, of OpenRouter.
_ALIASES = {
    "gemini": "google",
    "vertex": "vertex_ai",
    "together": "together_ai",
    "fireworks": "fireworks_ai",
    "grok": "xai",
    "x-ai": "xai",
    "mistralai": "mistral",
    "text-completion-openai": "openai",
}
_SHOWN = 8


def rows_for(prices: Sequence[ListPrice], model: str, provider: str | None) -> list[ListPrice]:
    """The entries that a name may mean; empty where there is none.

    Args:
        prices: entries of a list.
        model: as the log has it, perhaps with the provider in front.
        provider: who sells it, as the log has it; None where it does not say.

    Example:
        >>> entries = [ListPrice("azure/ada", 9.0, provider="azure"), ListPrice("ada-2026-01-02", 8.0, provider="acme")]
        >>> [entry.model for entry in rows_for(entries, "acme/ada", None)]
        ['ada-2026-01-02']
    """
    in_front, bare = split_provider(model)
    seller = provider or in_front
    names = {model.casefold(), *(() if provider is None else (f"{provider}/{model}".casefold(),))}
    names |= {bare.casefold()} if in_front is not None else set()
    rules: list[Callable[[ListPrice], bool]] = [
        lambda entry: entry.model.casefold() in names,
        lambda entry: _last(entry.model) == _last(model),
        lambda entry: _undated(entry.model) == _undated(model),
    ]
    sold = [p for p in prices if seller is not None and _seller(p.provider) == _seller(seller)]
    for entries in (sold, prices) if seller is not None else (prices,):
        for number, rule in enumerate(rules):
            if number == 2 and _undated(model) != _last(model):
                # A dated name means its own day, else the undated entry, never another day.
                found = [p for p in entries if _last(p.model) == _undated(model)]
            else:
                found = [p for p in entries if rule(p)]
            if found:
                return [_told(p, model, provider) for p in found]
    return []


def only_price(rows: Sequence[ListPrice], model: str, name: str) -> ListPrice:
    """The one price that all entries have.

    Raises:
        InputError: they differ; the text lists them.
    """
    rates = {
        (p.usd_per_million_tokens, p.usd_per_million_input_tokens, p.usd_per_million_cached_tokens, p.tiers)
        for p in rows
    }
    if len(rates) > 1:
        listed = ", ".join(
            f"{p.model} ({'no price' if (into := p.usd_per_million_input_tokens) is None else f'{into:g}'} in, "
            f"{p.usd_per_million_tokens:g} out)"
            for p in rows[:_SHOWN]
        )
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        raise InputError(
            f"{name}: {model!r} may be any of these, whose prices differ ($/M): {listed}{more}; call the model by one of these "
            "names with aliases={'" + model + "': ...}, or name its provider"
        )
    return rows[0]


def _told(entry: ListPrice, model: str, provider: str | None) -> ListPrice:
    """The entry with remarks where its version or its seller is not the log's."""
    told = list(entry.remarks)
    if _last(entry.model) != _last(model):
        told.append(f"taken from {entry.model!r} of the list, the nearest version")
    if provider is not None and entry.provider is not None and _seller(entry.provider) != _seller(provider):
        told.append(f"the list has none of {provider}; that of {entry.provider} is taken ({entry.model!r})")
    return replace(entry, remarks=tuple(told))


def _last(name: str) -> str:
    return name.strip().casefold().rpartition("/")[2]


def _undated(name: str) -> str:
    return DATE.sub("", _last(name))


def _seller(name: str | None) -> str | None:
    if name is None:
        return None
    plain = name.strip().casefold()
    return _ALIASES.get(plain, "vertex_ai" if plain.startswith("vertex_ai") else plain)
