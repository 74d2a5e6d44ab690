"""How much auditing honesty takes: the least audit rate and budget under which an overstatement gains nothing."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from games.base import is_concrete
from games.errors import InputError
from games.readable import readable
from games.verified_quality import Judge, QualityContract, broadcast_contract, check_bond


class AuditPlan(eqx.Module):
    """The least auditing that makes an overstatement unprofitable.

    Args:
        rate: the smallest ρ; above 1 where the bond is too small for any.
        feasible: whether that rate is at most 1.
        budget: rate × cost per audit, dollars per query served; infinite where infeasible.
        smallest_bond: the bond that would do if every answer were audited, dollars per query.
    """

    __repr__ = readable

    rate: Float[Array, "*shape"]
    feasible: Bool[Array, "*shape"]
    budget: Float[Array, "*shape"]
    smallest_bond: Float[Array, "*shape"]


def smallest_audit(
    value: ArrayLike,
    correct: ArrayLike,
    overstatement: ArrayLike,
    *,
    bond: ArrayLike,
    judge: Judge | None = None,
    cost_per_audit: ArrayLike = 0.0,
) -> AuditPlan:
    """The smallest audit rate and budget at which overstating by δ gains nothing, given a bond.

    The worst verdict that can occur claims back (q + δ − αŷ)/ρ, so ρ_min = (q + δ + αr0/(r1 − r0))/B: any lower rate leaves a
    gain (docs/theory/verified-quality.md).

    Args:
        value: α, dollars; this and the next two of one shape, or broadcast.
        correct: P, probability of a right answer.
        overstatement: δ > 0, dollars per query.
        bond: B > 0, dollars per query.
        judge: who audits; by default one that never errs.
        cost_per_audit: dollars per audit.

    Raises:
        InputError: a value is out of range.

    Example:
        >>> plan = smallest_audit(0.05, 0.8, 0.005, bond=0.5, judge=Judge(0.9, 0.1), cost_per_audit=0.001)
        >>> round(float(plan.rate), 6), round(float(plan.budget), 8), bool(plan.feasible)
        (0.1025, 0.0001025, True)
    """
    alpha, right, delta = broadcast_contract(value, correct, overstatement)
    limit, judge = jnp.asarray(bond, float), Judge() if judge is None else judge
    if limit.ndim:
        raise InputError(
            f"smallest_audit: bond has shape {limit.shape}; give one number of dollars (jax.vmap takes many)"
        )
    cost = jnp.asarray(cost_per_audit, float)
    if is_concrete(cost) and not np.all(np.isfinite(cost) & (np.asarray(cost) >= 0)):
        raise InputError(
            f"smallest_audit: cost_per_audit is {cost_per_audit}; it must be a finite number of dollars, at least 0"
        )
    if is_concrete(limit, delta):
        check_bond(float(limit), "smallest_audit")
        if not np.isfinite(limit) or float(limit) == 0:
            raise InputError(
                f"smallest_audit: bond is {float(limit):g}; it must be a positive number of dollars: without a limit any "
                "audit rate above 0 will do, and without a bond none does"
            )
        if not np.all(np.asarray(delta) > 0):
            raise InputError("smallest_audit: overstatement must be a positive number of dollars")
    contract = QualityContract(1.0, judge)
    occurs = contract.verdict_probability(right) > 0
    clawback = (alpha * right + delta)[..., None] - contract.verdict_worth(alpha)
    worst = jnp.maximum(jnp.max(jnp.where(occurs, clawback, -jnp.inf), axis=-1), 0.0)
    rate = worst / limit
    feasible = rate <= 1
    budget = jnp.where(feasible, rate * cost, jnp.inf)
    return AuditPlan(rate, feasible, budget, worst)
