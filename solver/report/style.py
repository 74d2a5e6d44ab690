"""How the report shows names, colours and numbers: one style per provider and one unit of money for the whole page."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Twelve hues, told apart with the usual forms of colour blindness together with the markers below. Each has a darker
# variant for light pages and figures in files, and a lighter one for dark pages.
LIGHT = (
    *("#0072b2", "#d55e00", "#009e73", "#b5508d", "#3d22c8", "#c81046"),
    *("#857600", "#3f8cff", "#5a1266", "#1f4d1a", "#7a4a21", "#00575e"),
)
DARK = (
    *("#5ab4f0", "#ff8a4a", "#2fd0a0", "#f0a0d0", "#8f86ff", "#ff5c83"),
    *("#e0d34a", "#b5d7ff", "#c78be0", "#9ad98a", "#d2a679", "#6fe0e6"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d")
INK, MUTED, GRID, PAPER = "#1c2024", "#6b7280", "#d8dbe0", "#fffffe"
USERS, PROVIDERS, PLATFORM = "#2f6fb3", "#c77c11", "#7d5ba6"
WARNING = "#c0392b"
# Variables of the page's style sheet that take the place of these colours inside the page.
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    USERS: "--users",
    PROVIDERS: "--providers",
    PLATFORM: "--platform",
    WARNING: "--warning",
} | {colour: f"--p{i}" for i, colour in enumerate(LIGHT)}
MAX_HIGHLIGHTED = len(LIGHT)
MAX_NAME = 28


@dataclass(frozen=True)
class ProviderStyle:
    """How one provider looks everywhere on the page.

    Args:
        short: name cut to a length that fits a figure, unique on the page.
        colour: a colour of ``LIGHT``, or ``MUTED``.
        marker: a matplotlib marker.
    """

    short: str
    colour: str
    marker: str

    @property
    def variable(self) -> str:
        """The style sheet's variable that holds the colour."""
        return VARIABLES[self.colour]


def provider_styles(highlighted: Iterable[str], others: Iterable[str] = ()) -> dict[str, ProviderStyle]:
    """One style for each distinct name: colours in the order given, after twelve again with another marker; others grey.

    Example:
        >>> styles = provider_styles(["Ada", "Bell", "Ada"], ["Bell", "Cora"])
        >>> [style.colour for style in styles.values()]
        ['#0072b2', '#d55e00', '#6b7280']
    """
    styles: dict[str, ProviderStyle] = {}
    taken: set[str] = set()
    coloured = dict.fromkeys(highlighted)
    for i, name in enumerate(dict.fromkeys([*coloured, *others])):
        short = shorten(name)
        if short in taken:
            short = f"{shorten(name, MAX_NAME - 6)} ({i + 1})"
        taken.add(short)
        turn = i // len(LIGHT)
        if name in coloured:
            styles[name] = ProviderStyle(short, LIGHT[i % len(LIGHT)], MARKERS[(i + turn) % len(MARKERS)])
        else:
            styles[name] = ProviderStyle(short, MUTED, "o")
    return styles


def shorten(text: str, length: int = MAX_NAME) -> str:
    """The text on one line, its middle cut out where it is longer than ``length``.

    Example:
        >>> shorten("a very long name of a provider of answers", 20)
        'a very long…answers'
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    tail = (length - 1) * 2 // 5
    return f"{text[: length - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


@dataclass(frozen=True)
class Money:
    """One unit of money for a whole page, so that typical amounts have one to three digits before the point.

    Args:
        queries: amounts are shown in dollars per so many queries.
    """

    queries: int

    @classmethod
    def for_amounts(cls, dollars_per_query: Sequence[float]) -> "Money":
        """The unit that suits the largest of the amounts.

        Example:
            >>> Money.for_amounts([0.007, 0.00002]).unit
            '$ per 1,000 queries'
        """
        largest = max((abs(x) for x in dollars_per_query if math.isfinite(x)), default=0.0)
        if largest == 0:
            return cls(1000)
        return cls(1000 ** max(0, min(4, math.ceil(-math.log10(largest) / 3))))

    @property
    def unit(self) -> str:
        """The unit in words."""
        return "$ per query" if self.queries == 1 else f"$ per {self.queries:,} queries"

    @property
    def per(self) -> str:
        """What follows an amount in a sentence."""
        return "per query" if self.queries == 1 else f"per {self.queries:,} queries"

    def scaled(self, dollars_per_query: float) -> float:
        """The amount in this unit."""
        return dollars_per_query * self.queries

    def number(self, dollars_per_query: float) -> str:
        """The amount in this unit, for a table."""
        value = self.scaled(dollars_per_query)
        if not math.isfinite(value):
            return not_finite(value)
        if value != 0 and abs(value) < 0.0005:
            return f"{value:.0e}".replace("-", "−", 1) if value < 0 else f"{value:.0e}"
        return f"{value:,.3f}".replace("-", "−")

    def amount(self, dollars_per_query: float) -> str:
        """The amount with its sign and a dollar sign, for a sentence.

        Example:
            >>> Money(1000).amount(-0.00726)
            '−$7.26'
        """
        value = self.scaled(dollars_per_query)
        if not math.isfinite(value):
            return not_finite(value)
        size = abs(value)
        digits = 2 if size >= 0.1 else min(8, 1 - math.floor(math.log10(size))) if size > 0 else 2
        return ("−" if value < 0 else "") + f"${size:,.{digits}f}"


def not_finite(value: float) -> str:
    """A number that is infinite or undefined, in a word."""
    return "undefined" if math.isnan(value) else "infinite" if value > 0 else "−infinite"


def ratio(value: float) -> str:
    """A ratio near 1."""
    return f"{value:,.3f}" if math.isfinite(value) else not_finite(value)


def percent(value: float) -> str:
    """A fraction as a percentage.

    Example:
        >>> percent(0.1234), percent(0.0004), percent(0.0)
        ('12.3%', '<0.1%', '0%')
    """
    if not math.isfinite(value):
        return not_finite(value)
    if value == 0:
        return "0%"
    if abs(value) < 0.001:
        return "<0.1%" if value > 0 else "−<0.1%"
    return f"{100 * value:.1f}%".replace("-", "−")


def plain(value: float | int) -> str:
    """A count, a number of tokens or a rationality: thousands separated, no decimals above 10.

    Example:
        >>> plain(100000.0), plain(2.5)
        ('100,000', '2.5')
    """
    if not math.isfinite(value):
        return not_finite(value)
    return f"{value:,.0f}" if abs(value) >= 10 or float(value).is_integer() else f"{value:,.3g}"


def tiny(value: float) -> str:
    """A number whose size matters, not its digits.

    Example:
        >>> tiny(3.1e-13), tiny(0.0)
        ('3e-13', '0')
    """
    return "0" if value == 0 else f"{value:.0e}"


def times(larger: float, smaller: float) -> str:
    """How many times as large, in words.

    Example:
        >>> times(400.0, 100.0), times(110.0, 100.0)
        ('4.0 times', '1.1 times')
    """
    factor = larger / smaller if smaller > 0 else math.inf
    return (
        f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times" if factor >= 1.05 else f"{factor:.3f} times"
    )


def count(number: int, noun: str) -> str:
    """A number with its noun in the right form.

    Example:
        >>> count(1, "provider"), count(3, "provider")
        ('1 provider', '3 providers')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence, the tail of a long list counted.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"])
        ('a, b and c', 'a, b, c and 2 more')
    """
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
