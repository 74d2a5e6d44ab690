"""How vendors count tokens: whether cached prompt tokens stand inside ``input_tokens``, and thinking inside ``output_tokens``.

The total of a record tells in most cases (``games.logs.usage``); these tables decide where it is missing, or where two
readings fit it. Sources: the adapters of Inspect AI at the versions named, and the vendors' own API references.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Cached = Literal["inside", "outside"]
Thinking = Literal["inside", "total", "twice"]
Version = tuple[int, ...]


@dataclass(frozen=True)
class Convention:
    """What one vendor's counts mean.

    Args:
        cached: cached prompt tokens are "inside" the input tokens or "outside"; None where nothing says.
        thinking: thinking tokens are "inside" the output tokens, only in the "total", or inside the output tokens and
            "twice" in the total; None where nothing says.
    """

    cached: Cached | None = None
    thinking: Thinking | None = None


@dataclass(frozen=True)
class AdapterRow:
    """One row of the table: adapters of Inspect AI, from a version on and before another; empty for no bound."""

    adapters: tuple[str, ...]
    since: str
    before: str
    convention: Convention


_OPENAI_LIKE = ("openai", "azureai", "openai-api", "openrouter", "together", "fireworks", "groq", "mistral", "vllm")
INSPECT: tuple[AdapterRow, ...] = (
    AdapterRow(("anthropic",), "", "0.3.77", Convention("outside", "inside")),
    AdapterRow(("anthropic",), "0.3.77", "0.3.88", Convention("outside", "twice")),
    AdapterRow(("anthropic",), "0.3.88", "", Convention("outside", "inside")),
    AdapterRow(("google", "vertex"), "", "0.3.208", Convention("inside", "total")),
    AdapterRow(("google", "vertex"), "0.3.208", "0.3.245", Convention("outside", "total")),
    AdapterRow(("google", "vertex"), "0.3.245", "", Convention("outside", "inside")),
    AdapterRow(("grok",), "", "0.3.184", Convention("inside", "total")),
    AdapterRow(("grok",), "0.3.184", "", Convention("outside", "total")),
    AdapterRow(_OPENAI_LIKE, "", "0.3.184", Convention("inside", "inside")),
    AdapterRow(_OPENAI_LIKE, "0.3.184", "", Convention("outside", "inside")),
    AdapterRow((), "0.3.184", "", Convention("outside", None)),
)
"""By adapter and version of Inspect AI, the first row that fits; no adapter stands for any other one."""

COLUMN_NAMES: tuple[tuple[tuple[str, ...], Convention], ...] = (
    (("cache_read_input_tokens", "cache_creation_input_tokens"), Convention("outside", "inside")),
    (("cached_content_token_count", "thoughts_token_count"), Convention("inside", "total")),
    (("cached_tokens", "cached_input_tokens"), Convention("inside", "inside")),
)
"""By the columns of a flat table: names that only one vendor's API, or this package's own table, gives them."""


def parse_version(text: str) -> Version | None:
    """The numbers at the start of a version; None where there is none.

    Example:
        >>> parse_version("0.3.95.dev12+g1a2b"), parse_version("unknown")
        ((0, 3, 95), None)
    """
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return None if found is None else tuple(int(part) for part in found[1].split("."))


def inspect_convention(model: str, version: str | None) -> Convention:
    """The convention of a log of Inspect AI.

    Args:
        model: the model's full name; what stands before the first slash is the adapter. Claude and Gemini keep the convention
            of their vendor where another platform serves them through that vendor's adapter.
        version: of Inspect AI, as the log has it; None where it does not say.

    Example:
        >>> inspect_convention("openai/gpt-4o", "0.3.95").cached, inspect_convention("openai/gpt-4o", "0.3.184").cached
        ('inside', 'outside')
        >>> inspect_convention("anthropic/bedrock/claude-3-7-sonnet", "0.3.80").thinking
        'twice'
    """
    number = parse_version(version or "")
    adapter = model.partition("/")[0]
    rows = [row for row in INSPECT if adapter in row.adapters] or [row for row in INSPECT if not row.adapters]
    if number is not None:
        rows = [row for row in rows if _covers(row, number)]
    # A log without a version: what all versions of the adapter have in common.
    cached = {row.convention.cached for row in rows}
    thinking = {row.convention.thinking for row in rows}
    known = any(adapter in row.adapters for row in rows) or number is not None
    return Convention(
        cached.pop() if known and len(cached) == 1 else None, thinking.pop() if known and len(thinking) == 1 else None
    )


def column_convention(names: Iterable[str]) -> Convention:
    """The convention that the names of a flat table's columns tell.

    Example:
        >>> column_convention(["input_tokens", "cache_read_input_tokens"])
        Convention(cached='outside', thinking='inside')
    """
    have = set(names)
    return next((convention for known, convention in COLUMN_NAMES if have.intersection(known)), Convention())


def _covers(row: AdapterRow, number: Version) -> bool:
    since, before = parse_version(row.since) or (), parse_version(row.before)
    return since <= number and (before is None or number < before)
