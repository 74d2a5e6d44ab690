"""One chart, and the parts that specifications are put together from.

Names of providers and markets are values of data and never parts of an expression or a field name, so that no name can
change what a specification means.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solver.report.palette import Look

Spec = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A chart with what stands around it.

    Args:
        key: stem of its file name and part of its id.
        title: what it shows.
        caption: how to read it.
        spec: Vega-Lite specification without title, config or schema; its width is ``"container"``, its height a
            number of pixels, axes and legend included.
        text: text alternative, with the numbers that the picture shows.
        stepped: whether it has the parameter ``step``, which one slider moves for all stepped charts of a market.
        wide: whether it takes the whole width of the page.
    """

    key: str
    title: str
    caption: str
    spec: Spec
    text: str
    stepped: bool = False
    wide: bool = False

    @property
    def by_provider(self) -> bool:
        """Whether providers can be hidden in it."""
        return any(parameter["name"] == "hidden" for parameter in self.spec.get("params", []))


def rounded(value: float | int | None, digits: int = 6) -> float | int | None:
    """A number with so many significant digits; None for what is not finite, which a chart cannot draw.

    Example:
        >>> rounded(0.123456789), rounded(float("nan")), rounded(12)
        (0.123457, None, 12)
    """
    if value is None or isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def rows(records: Iterable[Mapping[str, Any]]) -> Spec:
    """Records as the data of a specification, numbers rounded."""
    return {"values": [{k: _value(v) for k, v in record.items()} for record in records]}


def _value(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    return rounded(value) if isinstance(value, float) else value


HIDDEN: Spec = {"name": "hidden", "value": []}
NOT_HIDDEN: Spec = {"filter": "indexof(hidden, datum.provider) < 0"}


def zoom(*channels: str) -> Spec:
    """Parameter of a layer: drag moves, the wheel with Ctrl zooms, a double click goes back; buttons do the same."""
    return {
        "name": "grid",
        "select": {
            "type": "interval",
            "encodings": list(channels or ("x",)),
            "zoom": "wheel![event.ctrlKey || event.metaKey]",
        },
        "bind": "scales",
    }


def tip(field: str, title: str, form: str | None = None) -> Spec:
    """A line of a tooltip; ``form`` is a d3 format, without it the value is text."""
    return {"field": field, "title": title} | (
        {"type": "quantitative", "format": form} if form else {"type": "nominal"}
    )


def colour(looks: Sequence[Look]) -> Spec:
    """The colour of each provider; the page's list of providers is its legend."""
    return _by_provider([(look.short, look.colour) for look in looks])


def shape(looks: Sequence[Look]) -> Spec:
    """The marker of each provider."""
    return _by_provider([(look.short, look.shape) for look in looks])


def dash(looks: Sequence[Look]) -> Spec:
    """The dashes of each provider's line."""
    return _by_provider([(look.short, list(look.dash) or [1, 0]) for look in looks])


def _by_provider(pairs: Sequence[tuple[str, Any]]) -> Spec:
    domain, values = [name for name, _ in pairs], [value for _, value in pairs]
    return {"field": "provider", "type": "nominal", "scale": {"domain": domain, "range": values}, "legend": None}


def fixed(field: str, pairs: Sequence[tuple[str, str]], legend: bool = True) -> Spec:
    """A colour for each value of a field, with a legend above the chart."""
    scale = {"domain": [name for name, _ in pairs], "range": [value for _, value in pairs]}
    return {"field": field, "type": "nominal", "scale": scale} | ({} if legend else {"legend": None})


def tokens(field: str = "tokens", title: str = "output tokens per query") -> Spec:
    """Tokens along a logarithmic axis."""
    return {"field": field, "type": "quantitative", "scale": {"type": "log", "nice": False, "padding": 8}, "title": title,
            "axis": {"format": "~s"}}  # fmt: skip


def rationality(values: Sequence[float]) -> Spec:
    """β along a logarithmic axis, as far as it was swept."""
    scale: Spec = {"type": "log", "nice": False}
    if values[0] < values[-1]:
        scale["domain"] = [float(values[0]), float(values[-1])]
    axis = {"format": "~s"}
    return {
        "field": "beta",
        "type": "quantitative",
        "scale": scale,
        "title": "users' rationality β, per dollar",
        "axis": axis,
    }


def quantity(field: str, title: str, form: str = "~g", *, zero: bool = False, **more: Any) -> Spec:
    """A number along a linear axis."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": zero},
        "axis": {"format": form},
    } | more
