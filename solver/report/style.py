"""How the report shows names and numbers: one unit of money for the whole page; and the colours of ``--plot``."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# For figures of ``--plot``; the page has those of ``solver.report.palette``. Twelve hues, told apart with the usual forms of
# colour blindness together with the markers below.
LIGHT = (
    *("#0072b2", "#d55e00", "#009e73", "#b5508d", "#3d22c8", "#c81046"),
    *("#857600", "#3f8cff", "#5a1266", "#1f4d1a", "#7a4a21", "#00575e"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "d")
INK, MUTED, GRID, PAPER = "#1c2024", "#6b7280", "#d8dbe0", "#fffffe"
USERS = "#2f6fb3"
MAX_HIGHLIGHTED = len(LIGHT)
MAX_NAME = 28


@dataclass(frozen=True)
class ProviderStyle:
    """How one provider looks in the figures of ``--plot``.

    Args:
        short: name cut to a length that fits a figure, unique in it.
        colour: a colour of ``LIGHT``, or ``MUTED``.
        marker: a matplotlib marker.
    """

    short: str
    colour: str
    marker: str


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
    """One unit of money for a whole page: dollars per query where they are many, else cents per query or per thousands.

    Args:
        queries: amounts are shown per so many queries.
        cents: whether they are cents, not dollars.
        decimals: of a table's amounts; smaller ones have more, so that three digits are left.
    """

    queries: int
    cents: bool = False
    decimals: int = 3

    @classmethod
    def for_amounts(cls, dollars_per_query: Sequence[float]) -> "Money":
        """The unit that suits the largest of the amounts: from 1 dollar on dollars, from 0.01 cents on cents.

        Example:
            >>> [Money.for_amounts([largest, 0.00002]).unit for largest in (2.5, 0.007, 0.00003)]
            ['$ per query', '¢ per query', '¢ per 1,000 queries']
        """
        largest = max((abs(x) for x in dollars_per_query if math.isfinite(x)), default=0.0)
        if largest == 0:
            return cls(1, cents=True)
        # 0.9995 dollars are 100 cents when rounded to three digits.
        if largest >= 0.9995:
            return cls(1)
        thousands = 0
        while largest * 1000**thousands < 0.00009995 and thousands < 5:
            thousands += 1
        shown = 100 * largest * 1000**thousands
        return cls(1000**thousands, cents=True, decimals=3 if shown >= 0.0995 else 4)

    @property
    def unit(self) -> str:
        """The unit in words."""
        return f"{'¢' if self.cents else '$'} {self.per}"

    @property
    def per(self) -> str:
        """What follows an amount in a sentence."""
        return "per query" if self.queries == 1 else f"per {self.queries:,} queries"

    def scaled(self, dollars_per_query: float) -> float:
        """The amount in this unit."""
        return dollars_per_query * self.queries * (100 if self.cents else 1)

    def number(self, dollars_per_query: float) -> str:
        """The amount in this unit, for a table; no fewer than three digits, but for what is next to nothing.

        Example:
            >>> [Money(1, cents=True).number(x) for x in (0.0153, 0.000042, -3e-19, 0.0)]
            ['1.530', '0.00420', '−3e-17', '0.000']
        """
        value = self.scaled(dollars_per_query)
        if not math.isfinite(value):
            return not_finite(value)
        size = abs(value)
        sign = "−" if value < 0 else ""
        if 0 < size < 1e-6:
            return f"{sign}{size:.0e}"
        return f"{sign}{size:,.{max(self.decimals, three_digits(size))}f}"

    def amount(self, dollars_per_query: float) -> str:
        """The amount with its sign and the sign of the currency, for a sentence.

        Example:
            >>> [Money(1, cents=True).amount(x) for x in (-0.0073, 0.0153, 0.00002)], Money(1).amount(1.2)
            (['−0.730¢', '1.53¢', '0.00200¢'], '$1.20')
        """
        value = self.scaled(dollars_per_query)
        if not math.isfinite(value):
            return not_finite(value)
        size = abs(value)
        # Ten cents and more are written as prices are where the unit is dollars.
        decimals = 2 if size >= 0.1 and not self.cents else max(2, three_digits(size))
        number = "0" if size == 0 else f"{size:.0e}" if size < 1e-6 else f"{size:,.{decimals}f}"
        return ("−" if value < 0 else "") + (f"{number}¢" if self.cents else f"${number}")

    def apart(self, one: float, other: float) -> tuple[str, str]:
        """Two amounts for a sentence, with enough decimals to show by how much they differ.

        Example:
            >>> Money(1, cents=True).apart(0.01525, 0.01545), Money(1, cents=True).apart(0.01, 0.03)
            (('1.525¢', '1.545¢'), ('1.00¢', '3.00¢'))
        """
        gap = abs(self.scaled(one) - self.scaled(other))
        digits = max(2, min(6, three_digits(gap) - 1)) if math.isfinite(gap) and gap > 1e-6 else 2
        return self._with(one, digits), self._with(other, digits)

    def _with(self, dollars_per_query: float, decimals: int) -> str:
        size = abs(self.scaled(dollars_per_query))
        if not math.isfinite(size) or size == 0 or max(2, three_digits(size)) >= decimals:
            return self.amount(dollars_per_query)
        number = f"{size:,.{decimals}f}"
        return ("−" if dollars_per_query < 0 else "") + (f"{number}¢" if self.cents else f"${number}")


def three_digits(size: float) -> int:
    """Decimals that leave a positive number three digits that count; 0 for 0.

    Example:
        >>> three_digits(0.0123), three_digits(0.99996), three_digits(12.0)
        (4, 2, 1)
    """
    if size <= 0:
        return 0
    exponent = int(f"{size:.2e}".split("e")[1])
    return max(0, 2 - exponent)


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
    if not math.isfinite(value):
        return not_finite(value)
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


def plural(number: int, one: str, more: str) -> str:
    """A number with a noun whose plural is irregular.

    Example:
        >>> plural(1, "equilibrium", "equilibria"), plural(3, "equilibrium", "equilibria")
        ('1 equilibrium', '3 equilibria')
    """
    return f"{number:,} {one if number == 1 else more}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """Names in a sentence, the tail of a long list counted.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d", "e"])
        ('a, b and c', 'a, b, c and 2 more')
    """
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
