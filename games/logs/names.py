"""Names of models: who sells them, and the same one under two names."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

DATE = re.compile(r"[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


def split_provider(name: str) -> tuple[str | None, str]:
    """Provider and model of a name such as Inspect AI gives.

    Example:
        >>> split_provider("openai/gpt-5"), split_provider("together/openai/gpt-oss-120b"), split_provider("ada")
        (('openai', 'gpt-5'), ('together', 'openai/gpt-oss-120b'), (None, 'ada'))
    """
    provider, slash, model = name.partition("/")
    return (provider, model) if slash and provider and model else (None, name)


def rename_models(table: pd.DataFrame, aliases: Mapping[str, str]) -> pd.DataFrame:
    """Give models the names of ``aliases`` (old name: new name); "provider/model" renames one seller's only."""
    if not aliases:
        return table
    full = table["provider"].fillna("") + "/" + table["model"]
    new = full.map(dict(aliases)).astype(pd.StringDtype())
    return table.assign(
        model=new.fillna(table["model"].map(dict(aliases)).astype(pd.StringDtype())).fillna(table["model"])
    )


def two_names(models: Iterable[tuple[str | None, str]]) -> list[str]:
    """Warn of pairs (provider, model) that look like one model under two names, with what to do.

    Names count as the same that differ in case, punctuation, a date at the end or a path in front. One model
    sold by two providers is two offers, and no reason to warn.

    Example:
        >>> two_names([("openai", "gpt-5"), ("openai", "gpt-5-2025-08-07"), ("azure", "gpt-5")])
        ["'gpt-5' and 'gpt-5-2025-08-07' (openai) look like one model; if so, merge them with ...'gpt-5'}"]
    """
    alike = defaultdict(list)
    for provider, model in dict.fromkeys(models):
        alike[_plain(model)].append((provider, model))
    warnings = []
    for offers in alike.values():
        for k, (seller, first) in enumerate(offers):
            for other, second in offers[k + 1 :]:
                if first != second and _same_seller(seller, other):
                    where = f" ({seller})" if seller else ""
                    cure = f"merge them with aliases={{{second!r}: {first!r}}}"
                    warnings.append(f"{first!r} and {second!r}{where} look like one model; if so, {cure}")
                elif first == second and _same_seller(seller, other):
                    who = " and ".join("no provider" if name is None else repr(name) for name in (seller, other))
                    cure = "give both the same with constants={'provider': ...}"
                    warnings.append(f"{first!r} stands under {who}; if that is one provider, {cure}")
    return warnings


def _plain(model: str) -> str:
    name = model.strip().lower().rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", DATE.sub("", name))


def _same_seller(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one.strip().lower() == other.strip().lower()
