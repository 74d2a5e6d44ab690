"""Price lists that others publish: which kinds there are, and how a file is told to be one of them.

Each kind has a file of its own that turns its JSON into ``ListPrice`` entries; ``JSON_KINDS`` is the one list of them.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from games.errors import InputError
from games.price_lists import litellm, openrouter
from games.prices import ListPrice, PriceTable


class Kind(NamedTuple):
    """One kind of JSON price list.

    Args:
        looks_so: whether a JSON document is of this kind.
        prices: its entries; gets the document, what messages call the file, and whether prices of batches are wanted.
        shape: what it looks like, for messages.
    """

    looks_so: Callable[[Any], bool]
    prices: Callable[[Any, str, bool], tuple[ListPrice, ...]]
    shape: str


JSON_KINDS = {
    "litellm": Kind(litellm.looks_so, litellm.prices, '{"MODEL": {"input_cost_per_token": ...}}, as LiteLLM publishes'),
    "openrouter": Kind(
        openrouter.looks_so, openrouter.prices, '{"data": [{"id": ..., "pricing": ...}]}, as OpenRouter\'s /models'
    ),
}
CSV_SHAPE = "a CSV table with the columns model, usd_per_million_tokens"


def read_price_list(path: str | Path, *, batch: bool = False) -> PriceTable:
    """Read a price list of any known kind; one that is JSON is told by its shape.

    Args:
        path: the file.
        batch: prices of batches, where the list has them; a model without one keeps its usual price.

    Raises:
        InputError: no such file, an unknown kind, or a price that is no number; the text names the place and the remedy.

    Example:
        >>> _ = Path("list.json").write_text(
        ...     '{"ada": {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6, "litellm_provider": "acme"}}')
        >>> read_price_list("list.json").price("acme/ada").usd_per_million_tokens
        4.0
    """
    if not looks_json(path):
        if batch:
            raise InputError(
                f"{path}: a CSV table has no prices of batches; give them as its prices, and leave batch out"
            )
        return PriceTable.from_csv(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON that can be read ({error}); download or save it again") from None
    for kind in JSON_KINDS.values():
        if kind.looks_so(document):
            found = kind.prices(document, str(path), batch)
            if not found:
                raise InputError(f"{path}: no model with a price per token; give another list")
            return PriceTable(found, name=str(path), loose=True)
    shapes = "; or ".join((CSV_SHAPE, *(kind.shape for kind in JSON_KINDS.values())))
    raise InputError(f"{path}: JSON, but no price list of a known kind; known are {shapes}")


def looks_json(path: str | Path) -> bool:
    """Whether a file begins as JSON does; one that cannot be opened does not."""
    try:
        with open(path, "rb") as file:
            return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except OSError:
        return False
