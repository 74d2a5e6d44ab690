"""Fitted accuracy curves: parametric forms, least squares with standard errors, and a choice by cross-validation.

Measured levels are few and noisy; a fitted form smooths them and extrapolates. With z = ln(θ/θ0), θ0 the least tokens measured:

    power        a∞ − (a∞ − a0)·e^{−kz}                    saturating; z ↦ θ^{−k}
    weibull      a∞ − (a∞ − a0)·exp(−(kz)^g)               saturating, with a start that may be slow or steep
    logistic     a0 + (a1 − a0)/(1 + exp(−k(z − c)))       saturating, S-shaped in log tokens
    quadratic    a0 + b·z + c·z²                           rises and falls

Leave-one-out cross-validation over curves ranks the forms (``cross_validate``). A form that only saturates cannot follow a
curve that falls back; its residual says so, and PCHIP (``games.curves``) remains the honest choice there.
"""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator
from scipy.optimize import least_squares

from games.curves import PchipCurves
from games.errors import InputError
from games.market import Market

Points = Sequence[float] | np.ndarray | Float[Array, " points"]


@dataclasses.dataclass(frozen=True)
class CurveForm:
    """A parametric form of accuracy in z, the log of tokens over the least tokens measured.

    Args:
        name: its name.
        parameters: names of its parameters.
        function: accuracy from an array module (NumPy or JAX), z and the parameters.
        starts: first guesses of the parameters from data, one row each; the best fit wins.
        lower, upper: bounds of the parameters.
    """

    name: str
    parameters: tuple[str, ...]
    function: Callable
    starts: Callable[[np.ndarray, np.ndarray], list[list[float]]]
    lower: tuple[float, ...]
    upper: tuple[float, ...]


def _power(xp, z, a0, limit, k):
    return limit - (limit - a0) * xp.exp(-k * z)


def _weibull(xp, z, a0, limit, k, g):
    # At z = 0 the power has an infinite derivative for g < 1: start a hair above.
    return limit - (limit - a0) * xp.exp(-((k * xp.maximum(z, 1e-9)) ** g))


def _logistic(xp, z, a0, a1, k, c):
    return a0 + (a1 - a0) / (1 + xp.exp(-k * (z - c)))


def _quadratic(xp, z, a0, b, c):
    return a0 + b * z + c * z**2


def _ends(z: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    return float(y[0]), float(y[-1])


INF = float("inf")
POWER = CurveForm(
    "power",
    ("start", "limit", "rate"),
    _power,
    lambda z, y: [[*_ends(z, y), k] for k in (0.3, 1.0, 3.0)],
    (0.0, 0.0, 1e-3),
    (1.0, 1.0, 200.0),
)
WEIBULL = CurveForm(
    "weibull",
    ("start", "limit", "rate", "shape"),
    _weibull,
    lambda z, y: [[*_ends(z, y), k, g] for k in (0.3, 2.0) for g in (0.7, 1.5)],
    (0.0, 0.0, 1e-3, 0.2),
    (1.0, 1.0, 200.0, 5.0),
)
LOGISTIC = CurveForm(
    "logistic",
    ("below", "above", "rate", "centre"),
    _logistic,
    lambda z, y: [[*_ends(z, y), k / max(z[-1], 1e-9), c * z[-1]] for k in (3.0, 8.0) for c in (0.0, 0.5)],
    (-1.0, 0.0, 1e-3, -20.0),
    (1.0, 2.0, 200.0, 20.0),
)
QUADRATIC = CurveForm(
    "quadratic",
    ("start", "slope", "curvature"),
    _quadratic,
    lambda z, y: [[*_ends(z, y)[:1], 0.0, 0.0]],
    (-INF, -INF, -INF),
    (INF, INF, INF),
)
FORMS = (POWER, WEIBULL, LOGISTIC, QUADRATIC)


@dataclasses.dataclass(frozen=True)
class CurveFit:
    """One fitted curve.

    Args:
        form: the form.
        log_start: ln θ0, the origin of z.
        values: parameters, in the order of ``form.parameters``.
        standard_errors: of the parameters, from the Jacobian and the residual variance; infinite without degrees of
            freedom or where the data do not determine a parameter, NaN for one that sits at its bound.
        residual: root mean square of the residuals, in accuracy.
        degrees_of_freedom: points less parameters.
    """

    form: CurveForm
    log_start: float
    values: np.ndarray
    standard_errors: np.ndarray
    residual: float
    degrees_of_freedom: int

    def __call__(self, log_tokens: float | np.ndarray) -> np.ndarray:
        """Accuracy at log tokens, cut to [0, 1]."""
        z = np.asarray(log_tokens, float) - self.log_start
        return np.asarray(np.clip(self.form.function(np, z, *self.values), 0.0, 1.0))


class FittedCurves(eqx.Module):
    """One fitted curve of a common form per provider; called like ``PchipCurves``.

    Args:
        log_start: ln θ0, ``[providers]``.
        values: parameters, ``[providers, parameters]``.
        form: the form.
    """

    log_start: Float[Array, " providers"]
    values: Float[Array, "providers parameters"]
    form: CurveForm = eqx.field(static=True)

    def __call__(self, log_compute: Float[Array, " providers"]) -> Float[Array, " providers"]:
        """Accuracy of every provider at its own log compute, cut to [0, 1]."""
        z = log_compute - self.log_start
        return jnp.clip(self.form.function(jnp, z, *self.values.T), 0.0, 1.0)


def fit_curve(form: CurveForm, log_tokens: Points, accuracy: Points, *, log_start: float | None = None) -> CurveFit:
    """Fit one form to one curve by bounded least squares (SciPy's trust-region reflective), from several starts.

    Args:
        form: for example ``games.fit.POWER``.
        log_tokens: increasing.
        accuracy: one for each.
        log_start: ln θ0, the origin of z; the first of ``log_tokens`` by default.

    Raises:
        InputError: fewer than two points, or log tokens that do not increase.

    Example:
        >>> fit = fit_curve(POWER, np.log([100, 200, 400, 800]), [0.5, 0.6, 0.65, 0.675])
        >>> [f"{value:.3f}" for value in fit.values]
        ['0.500', '0.700', '1.000']
    """
    x, y = np.asarray(log_tokens, float), np.asarray(accuracy, float)
    if len(x) < 2 or not np.all(np.diff(x) > 0):
        raise InputError("fit_curve: needs two points or more, with log tokens that increase")
    origin = float(x[0]) if log_start is None else log_start
    z, low, high = x - origin, np.array(form.lower), np.array(form.upper)

    def residuals(values):
        return form.function(np, z, *values) - y

    runs = [
        least_squares(
            residuals, np.clip(start, low + 1e-9, high - 1e-9), bounds=(low, high), xtol=1e-10, ftol=1e-10, gtol=1e-10
        )
        for start in form.starts(z, y)
    ]
    best = min(runs, key=lambda run: run.cost)
    freedom = len(x) - len(best.x)
    return CurveFit(
        form=form,
        log_start=origin,
        values=best.x,
        standard_errors=_standard_errors(best.jac, 2 * best.cost, freedom, best.active_mask != 0),
        residual=float(np.sqrt(2 * best.cost / len(x))),
        degrees_of_freedom=freedom,
    )


def _standard_errors(jacobian: np.ndarray, square_sum: float, freedom: int, fixed: np.ndarray) -> np.ndarray:
    """√ of the diagonal of s²(JᵀJ)⁻¹ over the parameters that no bound holds."""
    errors = np.full(jacobian.shape[1], np.nan)
    free = np.flatnonzero(~fixed)
    if freedom <= 0:
        errors[free] = INF
        return errors
    reduced = jacobian[:, free]
    size = np.linalg.norm(reduced, axis=0)
    scaled = reduced / np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    if len(free) and (np.any(size == 0) or values[0] < 1e-12 * values[-1]):
        errors[free] = INF
        return errors
    covariance = (vectors / values) @ vectors.T
    errors[free] = np.sqrt(np.diag(covariance) * square_sum / freedom) / size
    return errors


def fit_curves(market: Market, form: CurveForm = POWER) -> FittedCurves:
    """Fit one form to every provider of a market.

    Args:
        market: measured levels, N providers.
        form: the parametric form.

    Example:
        >>> from games import load_scenario
        >>> fit_curves(load_scenario("GSM8K/majority").market).values.shape
        (9, 3)
    """
    points = PchipCurves.from_market(market)
    fits = []
    for x, y, count in zip(
        np.asarray(points.log_tokens), np.asarray(points.accuracy), np.asarray(points.count), strict=True
    ):
        fits.append(fit_curve(form, x[:count], y[:count]))
    return FittedCurves(
        jnp.asarray([fit.log_start for fit in fits]), jnp.asarray(np.stack([fit.values for fit in fits])), form
    )


def cross_validate(curves: Sequence[tuple[np.ndarray, np.ndarray]], forms: Sequence[CurveForm] = FORMS) -> pd.DataFrame:
    """Leave every point out in turn, fit the rest, and predict it; PCHIP beside the forms.

    Args:
        curves: pairs of log tokens and accuracy.
        forms: the forms to compare.

    Returns:
        One row a form, best first, of root mean square errors: ``relative``, of predictions of points inside a curve, as a
        fraction of the curve's range (the ranking); ``interior``, the same in accuracy; ``ends``, for the two ends of a
        curve, extrapolated; ``residual``, of fits to all points.

    Example:
        >>> tokens = np.log(np.array([100.0, 200.0, 400.0, 800.0]))
        >>> cross_validate([(tokens, np.array([0.5, 0.6, 0.68, 0.74]))], [POWER]).form.tolist()
        ['pchip', 'power']
    """
    rows = []
    for form in (*forms, None):
        inside, outside, relative, residual = [], [], [], []
        for x, y in curves:
            spread = float(np.ptp(y)) or 1.0
            for k in range(len(x)):
                error = _predict_without(form, x, y, k) - y[k]
                if 0 < k < len(x) - 1:
                    inside.append(error)
                    relative.append(error / spread)
                else:
                    outside.append(error)
            residual.append(0.0 if form is None else fit_curve(form, x, y).residual)
        errors = {"relative": relative, "interior": inside, "ends": outside, "residual": residual}
        rows.append(
            {"form": "pchip" if form is None else form.name, "parameters": 0 if form is None else len(form.parameters)}
            | {name: float(np.sqrt(np.mean(np.square(values)))) for name, values in errors.items()}
        )
    return pd.DataFrame(rows).sort_values("relative", ignore_index=True)


def _predict_without(form: CurveForm | None, x: np.ndarray, y: np.ndarray, left_out: int) -> float:
    """Accuracy predicted at a point by a fit, or PCHIP, to the others."""
    kept = np.arange(len(x)) != left_out
    if form is None:
        return float(np.clip(PchipInterpolator(x[kept], y[kept])(x[left_out]), 0, 1))
    return float(fit_curve(form, x[kept], y[kept], log_start=float(x[0]))(x[left_out]))
