"""The solved bootstrap: estimate, replicates, and the intervals and probabilities that they give.

Intervals (Efron & Tibshirani 1993, chapters 13 and 14; Davison & Hinkley 1997, chapter 5). *Percentile*: the middle 95 % of the
replicates. *Basic*: the same, reflected at the estimate. They agree where a figure is smooth in the averages. Where it is a
maximum of levels that hardly differ, or jumps with the equilibrium, replicates are shifted against the estimate; one of the
two is then on the wrong side, and which one depends on the figure. *Both*, the default, is the shortest interval that holds the
two, cut to the range of the figure; docs/theory/uncertainty.md shows how often each holds the truth.
"""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import ArrayLike, Float

from solver.uncertainty.intervals import BOUNDS, DEFAULT_LEVEL, check_level

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Interval(enum.StrEnum):
    """How replicates become an interval."""

    PERCENTILE = "percentile"
    BASIC = "basic"
    BOTH = "both"


# Figures cannot leave these ranges, whatever an interval says.
RANGES = {
    "price_of_anarchy": (1.0, np.inf),
    "price_of_stability": (1.0, np.inf),
    "share": (0.0, 1.0),
    "provider_profit": (0.0, np.inf),
    "profit": (0.0, np.inf),
    "auction_profit": (0.0, np.inf),
}
UNSETTLED = 0.5  # chance of the measured equilibrium below which the notes say so


@dataclass(frozen=True)
class Bootstrap:
    """A market solved as measured and as it might have been measured; money in dollars per query.

    Args:
        estimate: figures of the market as measured, over ``rationality``, ``equilibrium`` (``"worst"`` and ``"best"`` by
            welfare; the same where there is one only) and ``provider``.
        replicates: the same with ``replicate`` in front, usable replicates only.
        num_dropped: replicates left out, since they hold no question that some level answered.
        level_labels: names of the levels, one tuple per provider.
    """

    estimate: "xr.Dataset"
    replicates: "xr.Dataset"
    num_dropped: int
    level_labels: tuple[tuple[str, ...], ...]

    @property
    def num_several(self) -> int:
        """Replicates × β with several equilibria."""
        return int((self.replicates.num_equilibria > 1).sum())

    @property
    def num_incomplete(self) -> int:
        """Replicates × β with several equilibria of which the two ends of the lattice stand for all."""
        return int((~self.replicates.complete).sum())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figures must know, in sentences; empty if nothing."""
        solved = self.replicates.num_equilibria.size
        lines = []
        if self.num_several:
            lines.append(
                f"{self.num_several:,} of {solved:,} replicate markets have several equilibria: worst and best are apart there"
            )
        if self.num_incomplete:
            lines.append(
                f"{self.num_incomplete:,} of {solved:,} replicate markets were not searched between their least and greatest "
                "equilibrium: worst and best are of these two; raise max_searched"
            )
        if self.num_dropped:
            total = self.num_dropped + self.replicates.sizes["replicate"]
            lines.append(
                f"{self.num_dropped:,} of {total:,} replicates dropped: some level had no answered question in them"
            )
        undefined = int(np.isnan(self.replicates.price_of_anarchy).sum())
        if undefined:
            lines.append(
                f"the price of anarchy is undefined in {undefined:,} of {solved:,} replicate markets, left out of it"
            )
        holds = self.replicates.is_equilibrium.values.mean(axis=0)
        least = int(np.argmin(holds))
        if holds[least] < UNSETTLED:
            lines.append(
                f"the tested profile is an equilibrium in only {holds[least]:.0%} of the replicates at β = "
                f"{float(self.replicates.rationality[least]):g}: intervals of figures that jump with the equilibrium may "
                "hold the truth less often than their level says"
            )
        return tuple(lines)

    def intervals(self, *, level: float = DEFAULT_LEVEL, method: Interval = Interval.BOTH) -> "xr.Dataset":
        """Confidence interval of every figure in dollars, ratio or share, over ``bound`` (``"low"``, ``"high"``).

        Args:
            level: confidence of each interval by itself.
            method: percentile, basic or both, see the module.

        Raises:
            InputError: a level outside (0, 1).
        """
        import xarray as xr

        check_level(level)
        data = {}
        for name, values in self.replicates.items():
            if not np.issubdtype(values.dtype, np.floating) or name == "max_regret":
                continue
            ends = np.clip(
                _ends(values.values, self.estimate[name].values, level, method),
                *RANGES.get(str(name), (-np.inf, np.inf)),
            )
            data[name] = ((*values.dims[1:], "bound"), np.moveaxis(ends, 0, -1), values.attrs)
        coords = {name: coord for name, coord in self.replicates.coords.items() if name != "replicate"}
        attributes = {**self.replicates.attrs, "level": level, "method": str(method)}
        return xr.Dataset(data, {**coords, "bound": list(BOUNDS)}, attributes)

    def probabilities(self) -> "xr.Dataset":
        """Shares of replicates in which something holds.

        Returns:
            ``wins`` over ``provider``: it wins the auction; ``no_sale``: nobody does. ``is_equilibrium`` over
            ``rationality``: the tested profile (``estimate.tested_level_index``) is an equilibrium, certified by
            ``solver.regret``. ``users_lose`` over ``rationality, equilibrium``: the auction gives users less than that
            equilibrium. ``several_equilibria`` over ``rationality``. ``over_computes`` over ``rationality, equilibrium,
            provider``: in that equilibrium it computes more than its own best offer, argmax(q − c).
        """
        import xarray as xr

        replicates = self.replicates
        winner = replicates.auction_winner_index.values
        providers = np.arange(replicates.sizes["provider"])
        unit = {"units": "probability"}
        data = {
            "wins": ("provider", (winner[:, None] == providers).mean(axis=0), unit),
            "no_sale": ((), float((winner < 0).mean()), unit),
            "is_equilibrium": ("rationality", replicates.is_equilibrium.values.mean(axis=0), unit),
            "users_lose": (("rationality", "equilibrium"), replicates.users_lose.values.mean(axis=0), unit),
            "over_computes": (
                ("rationality", "equilibrium", "provider"),
                replicates.over_computes.values.mean(axis=0),
                unit,
            ),
            "several_equilibria": ("rationality", (replicates.num_equilibria.values > 1).mean(axis=0), unit),
        }
        coords = {name: coord for name, coord in replicates.coords.items() if name != "replicate"}
        return xr.Dataset(data, coords, replicates.attrs)

    def profiles(self, rationality: float, *, top: int = 10) -> "pd.DataFrame":
        """The most frequent worst equilibria among the replicates at one β, with their probabilities.

        Args:
            rationality: β, per dollar; the nearest that was solved is taken.
            top: rows at most.

        Returns:
            One column per provider with the label of its level, and ``probability``; most frequent first.
        """
        import pandas as pd

        level = (
            self.replicates.level_index.sel(equilibrium="worst").sel(rationality=rationality, method="nearest").values
        )
        rows, count = np.unique(level, axis=0, return_counts=True)
        order = np.argsort(-count, kind="stable")[:top]
        names = self.replicates.provider.values.tolist()
        labels = [[self.level_labels[i][k] for i, k in enumerate(rows[row])] for row in order]
        return pd.DataFrame(labels, columns=names).assign(probability=count[order] / len(level))


def _ends(
    replicates: Float[np.ndarray, "replicates *shape"], estimate: ArrayLike, level: float, method: Interval
) -> Float[np.ndarray, "2 *shape"]:
    """Low and high ends of the intervals."""
    middle = _quantiles(replicates, (1 - level) / 2, (1 + level) / 2)
    if method is Interval.PERCENTILE:
        return middle
    with np.errstate(invalid="ignore"):  # an infinite estimate, less the same
        mirrored = np.where(middle == estimate, middle, 2 * np.asarray(estimate) - middle)[::-1]
    if method is Interval.BASIC:
        return mirrored
    return np.stack([np.fmin(middle[0], mirrored[0]), np.fmax(middle[1], mirrored[1])])


def _quantiles(
    values: Float[np.ndarray, "replicates *shape"], lower: float, upper: float
) -> Float[np.ndarray, "2 *shape"]:
    """Order statistics, without interpolation, so that infinite replicates do no harm; NaN left out."""
    ordered = np.sort(values, axis=0)  # NaN last
    number = (~np.isnan(ordered)).sum(axis=0)
    at = np.stack([np.floor(lower * (number + 1)) - 1, np.ceil(upper * (number + 1)) - 1])
    return np.take_along_axis(ordered, np.clip(at, 0, np.maximum(number - 1, 0)).astype(int), axis=0)
