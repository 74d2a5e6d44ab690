"""Size and axes that the figures of the commands' ``--plot`` share; each draws into a fresh figure, without pyplot."""

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

SIZE = (4.4, 3.1)
MARGINS = {"left": 0.17, "right": 0.965, "bottom": 0.165, "top": 0.96}


def token_axis(axes: Axes, label: str = "output tokens per query") -> None:
    """Tokens on a logarithmic axis with readable ticks."""
    axes.set_xscale("log")
    readable(axes.xaxis)
    axes.set_xlabel(label)


def readable(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, and on short ranges also at 2 and 5."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 40 * low else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda x, _: short_number(x)))
    axis.set_minor_formatter(NullFormatter())


def short_number(value: float) -> str:
    """A tick's label: 500, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def percents(axis: Axis) -> None:
    """Ticks of fractions as percentages, with as many decimals as they need: 82.5%, 85%."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{round(100 * x, 6) + 0.0:g}%"))
