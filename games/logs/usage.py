"""A record of usage, as vendors log it, made into the tokens that are billed: prompt and output, each token once.

A record holds input, output and total tokens, cached ones (read, written) and thinking tokens. Two questions have no one
answer. Are cached tokens inside the input tokens (input + output = total) or outside (input + cached + output = total)? Is
thinking inside the output tokens, only in the total, or a second time in the total? With I, O, T the input, output and total
tokens, C the cached and R the thinking ones, T − I − O is

    0          cached inside, thinking inside          C          cached outside, thinking inside
    R          cached inside, thinking outside         C + R      cached outside, thinking outside

Where the total fits one reading, that one holds. Where it is missing or fits two, the vendor and version decide
(``games.logs.conventions``). What is left is a guess, and comes back as one, with its amounts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from games.logs.conventions import Convention

SETTLED = "billable_output_tokens"
FIELDS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
"""The columns of logged usage."""

BILLED = ("input_tokens", "cached_tokens", "billable_output_tokens", "reasoning_tokens")
"""The columns of the canonical table that come of them."""

Counts = Float[np.ndarray, " rows"]
Flags = Bool[np.ndarray, " rows"]
_Note = Callable[[str, Flags, Counts], None]


@dataclass(frozen=True)
class Guess:
    """A reading that the log does not settle.

    Args:
        what: the reading, in words, with the remedy; the same for all rows of one kind.
        rows: how many rows were read so.
        tokens: how many tokens it moves, over these rows.
        example: counts of the first of them; empty where it has none.
    """

    what: str
    rows: int
    tokens: float | int
    example: str

    def plus(self, other: "Guess") -> "Guess":
        """Both together."""
        return Guess(self.what, self.rows + other.rows, self.tokens + other.tokens, self.example)

    def __str__(self) -> str:
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        counts = f"{rows}, {self.tokens:,.0f} tokens" if self.tokens else rows
        return f"a guess in {counts}: {self.what}{f' (the first: {self.example})' if self.example else ''}"


def added_up(guesses: Iterable[Guess]) -> tuple[Guess, ...]:
    """One guess of each kind, by order of appearance."""
    found: dict[str, Guess] = {}
    for guess in guesses:
        found[guess.what] = found[guess.what].plus(guess) if guess.what in found else guess
    return tuple(found.values())


class Reading(NamedTuple):
    """Billed tokens of every row, the columns ``BILLED``, and what had to be guessed."""

    tokens: pd.DataFrame
    guesses: tuple[Guess, ...]


class _Parts(NamedTuple):
    """Counts of all rows; nan where unknown."""

    given: Counts
    output: Counts
    total: Counts
    read: Counts
    written: Counts
    thinking: Counts

    @property
    def cached(self) -> Counts:
        return np.nan_to_num(self.read) + np.nan_to_num(self.written)


_CACHED_INSIDE = "cached tokens are taken as part of the input tokens; a column of totals would tell"
_CACHED_OUTSIDE = (
    "cached tokens are taken as prompt beside the input tokens, since the total holds more than input and output"
)
_REST = (
    "tokens of the total that are neither input nor output are billed as output, as thinking that is not counted there"
)
_TWICE_OR_NOT = (
    "thinking is billed beside the output tokens, since the total holds it beside them; it may be counted twice there"
)
_THINKING = "more thinking than output tokens and no total: they are billed one beside the other"
_PROMPT_REST = "tokens of the total that are neither input, output nor thinking are taken as prompt, that of tools"
_UNBILLED = (
    "the total holds tokens that are neither input nor billed output; where they are thinking, say which column holds "
    "output_tokens instead of billable_output_tokens"
)
_ZERO = "all counts are zero, as where no usage was recorded: the tokens are unknown"
_TOTAL_LOW = "the total is less than input and output; it is not used"


def read_usage(logged: pd.DataFrame, convention: Convention = Convention()) -> Reading:  # noqa: B008  (it is frozen)
    """Billed tokens of every row of logged usage.

    A row whose counts are all zero is a row without usage: its tokens are unknown.

    Args:
        logged: the columns ``FIELDS``; NA where unknown, a column that is not there is unknown in all rows. With a column
            ``billable_output_tokens`` in place of ``output_tokens``, the bill is settled and only the prompt is looked at.
        convention: of the vendor and version that wrote the rows.

    Returns:
        The columns ``BILLED``, indexed as ``logged``: prompt tokens, cached ones included; those of them read from a cache;
        output tokens, thinking included once; thinking tokens. And the guesses.

    Example:
        >>> rows = pd.DataFrame({"input_tokens": [15235, 50], "output_tokens": [281, 100], "total_tokens": [15516, 1100],
        ...                      "cache_read_tokens": [9088, 950]})
        >>> read_usage(rows).tokens[["input_tokens", "cached_tokens", "billable_output_tokens"]].values.tolist()
        [[15235.0, 9088.0, 281.0], [1000.0, 950.0, 100.0]]
        >>> print(read_usage(pd.DataFrame({"input_tokens": [1000], "output_tokens": [10], "total_tokens": [1310]})).guesses[0])
        a guess in 1 row, 300 tokens: tokens of the total that are neither input nor output are billed as output, ...
    """
    parts, empty = _parts(logged)
    guesses: list[Guess] = []

    def guess(what: str, rows: Flags, tokens: Counts) -> None:
        if rows.any():
            guesses.append(Guess(what, int(rows.sum()), float(tokens[rows].sum()), _example(parts, int(rows.argmax()))))

    guess(_ZERO, empty, np.zeros(len(logged)))
    # A total below input and output is none; with the output unknown, all of the rest is output.
    low = parts.total < np.nan_to_num(parts.given) + np.nan_to_num(parts.output)
    guess(_TOTAL_LOW, low, np.nan_to_num(parts.given) + np.nan_to_num(parts.output) - parts.total)
    parts = parts._replace(total=np.where(low | (parts.total == 0), np.nan, parts.total))
    if SETTLED in logged.columns:
        prompt, billed = _prompt(parts._replace(thinking=np.zeros(len(logged))), convention, guess), parts.output
        guess(_UNBILLED, parts.total > prompt + billed, parts.total - prompt - billed)
    else:
        billed, prompt = _billed(parts, _prompt(parts, convention, guess), convention, guess)
    tokens = dict(zip(BILLED, (prompt, parts.read, billed, parts.thinking), strict=True))
    frame = pd.DataFrame(
        {name: pd.array(values, dtype="Float64") for name, values in tokens.items()}, index=logged.index
    )
    return Reading(frame, tuple(guesses))


def _parts(logged: pd.DataFrame) -> tuple[_Parts, Flags]:
    """The counts, and which rows hold nothing but zeros."""
    unknown = np.full(len(logged), np.nan)
    names = [SETTLED if name == "output_tokens" and SETTLED in logged.columns else name for name in FIELDS]
    columns = [logged[name].to_numpy(dtype=float, na_value=np.nan) if name in logged else unknown for name in names]
    zero = np.all([np.nan_to_num(column) == 0 for column in columns], axis=0)
    told = zero & np.any([column == 0 for column in columns], axis=0)
    return _Parts(*(np.where(zero, np.nan, column) for column in columns)), told


def _prompt(parts: _Parts, convention: Convention, guess: _Note) -> Counts:
    """Prompt tokens, cached ones included: I or I + C."""
    cached, thinking = parts.cached, np.nan_to_num(parts.thinking)
    more = parts.total - parts.given - np.nan_to_num(parts.output)  # nan without a total
    whole = ~np.isnan(parts.output)
    inside = whole & ((more == 0) | (more == thinking))
    outside = whole & ((more == cached) | (more == cached + thinking))
    asked = (cached > 0) & ~np.isnan(parts.given)
    # Where the total does not tell: more cached than input tokens are not inside, and no room in the total is not outside.
    beyond, no_room = cached > parts.given, more < cached
    open_case = asked & (inside == outside) & ~beyond & ~no_room
    if convention.cached is None:
        # The reading that leaves less of the total unexplained.
        take = ~np.isnan(more)
        guess(_CACHED_OUTSIDE, open_case & take, cached)
        guess(_CACHED_INSIDE, open_case & ~take, cached)
    else:
        take = np.full(len(cached), convention.cached == "outside")
    is_outside = asked & np.where(open_case, take, np.where(inside == outside, beyond & ~no_room, outside))
    return parts.given + np.where(is_outside, cached, 0.0)


def _billed(parts: _Parts, prompt: Counts, convention: Convention, guess: _Note) -> tuple[Counts, Counts]:
    """Output tokens with all thinking once, and prompt tokens with what the total holds of tools' prompts."""
    output, thinking = parts.output, np.nan_to_num(parts.thinking)
    # No output tokens logged: they are the rest of the total.
    output = np.where(np.isnan(output), parts.total - prompt, output)
    rest = np.where(np.isnan(parts.output), 0.0, parts.total - prompt - output)  # nan without a total or a prompt
    more, unknown = rest > 0, np.isnan(rest)
    both = more & (rest == thinking)  # thinking only in the total, or there a second time
    sure = both & ((thinking > output) | (convention.thinking in ("total", "twice")))
    twice = sure & (thinking <= output) & (convention.thinking == "twice")
    tools = more & ~both & (rest > thinking) & (thinking > 0) & (convention.thinking == "total")
    other = more & ~both & ~tools
    guess(_TWICE_OR_NOT, both & ~sure, rest)
    guess(_PROMPT_REST, tools, rest - thinking)
    guess(_REST, other, rest)
    apart = unknown & (thinking > 0) & ~np.isnan(output)
    beside = apart & ((thinking > output) & (convention.thinking is None) | (convention.thinking == "total"))
    guess(_THINKING, beside & (convention.thinking is None), thinking)
    added = np.where(tools | beside, thinking, np.where(more & ~twice, np.nan_to_num(rest), 0.0))
    return output + added, prompt + np.where(tools, rest - thinking, 0.0)


def _example(parts: _Parts, row: int) -> str:
    names = ("input", "output", "total", "cache read", "cache write", "thinking")
    known = zip(names, (column[row] for column in parts), strict=True)
    return ", ".join(f"{name} {count:,.0f}" for name, count in known if not np.isnan(count))
