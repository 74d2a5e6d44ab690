"""Verified quality: paying for answers whose quality is promised, checked by a fallible judge, or audited now and then.

An answer is right (y = 1) with probability P and then worth α dollars, so that its quality is q = αP. The winner of a
second-score auction promised q̂, and the best rival score (or the reserve) is M. A judge approves right answers at rate r1 and
wrong ones at rate r0 < r1; its verdict ỹ, corrected to ŷ = (ỹ − r0)/(r1 − r0), has mean P. With probability ρ the answer
is audited (A = 1), and the provider receives

    pay = q̂ − M + A · max((αŷ − q̂)/ρ, −B),

weighting by inverse probability (Horvitz & Thompson, J. Am. Stat. Assoc. 47, 1952), with at most the bond B clawed back.
Without a binding bond the mean is q − M for every promise; ρ = 1 pays on the verdict, ρ = 0 on the promise alone. With it,
overstating by δ gains Σ_v P(ỹ = v)·(δ − clip(αŷ_v − q + ρB, 0, δ)) (docs/theory/verified-quality.md).
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from games.base import is_concrete
from games.errors import InputError

# Differences below this share of the amounts compared are rounding.
ROUNDING = 1e-12
# Every state of the world: audited or not, approved or not, right or not.
AUDITED = np.array([0, 0, 0, 0, 1, 1, 1, 1])
APPROVED = np.array([0, 0, 1, 1, 0, 0, 1, 1])
RIGHT = np.array([0, 1, 0, 1, 0, 1, 0, 1])


def _number(value: object) -> Float[Array, ""]:
    """Numbers as arrays: jit would compile again for every new Python float."""
    return jnp.asarray(value, float)


class Judge(eqx.Module):
    """Who says whether an answer is right: a checker, a rubric, a language model.

    Args:
        true_positive: r1, probability that a right answer is approved.
        false_positive: r0 < r1, probability that a wrong answer is approved.

    Raises:
        InputError: a rate lies outside [0, 1], or r1 ≤ r0, so that verdicts say nothing.

    Example:
        >>> [round(float(x), 4) for x in Judge(0.9, 0.2).corrected()]
        [-0.2857, 1.1429]
    """

    true_positive: Float[Array, ""] = eqx.field(converter=_number, default=1.0)
    false_positive: Float[Array, ""] = eqx.field(converter=_number, default=0.0)

    def __check_init__(self) -> None:
        if not is_concrete(self.true_positive, self.false_positive):
            return
        r1, r0 = float(self.true_positive), float(self.false_positive)
        for name, rate in (("true_positive", r1), ("false_positive", r0)):
            if not 0 <= rate <= 1:
                raise InputError(f"judge: {name} is {rate:g}; it must lie within [0, 1]")
        if r1 <= r0:
            raise InputError(
                f"judge: true_positive {r1:g} is not above false_positive {r0:g}, so that its verdict says nothing "
                "about the answer; take a judge that approves right answers more often than wrong ones"
            )

    def approval(self, correct: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """P(ỹ = 1) of an answer that is right with probability ``correct``."""
        return self.false_positive + (self.true_positive - self.false_positive) * correct

    def corrected(self) -> Float[Array, "2"]:
        """ŷ of a rejected and of an approved answer; its mean is the probability of a right answer."""
        return (jnp.arange(2) - self.false_positive) / (self.true_positive - self.false_positive)


class PayLottery(eqx.Module):
    """What one sale pays in every state (audited or not, approved or not, right or not); 8 states on the last axis.

    Args:
        probability: of the state.
        pay: dollars that the provider receives.
        worth: dollars that the answer is worth to the user, α or 0.
    """

    probability: Float[Array, "*shape states"]
    pay: Float[Array, "*shape states"]
    worth: Float[Array, "*shape states"]

    @property
    def mean(self) -> Float[Array, "*shape"]:
        """Mean pay, dollars per query served."""
        return (self.probability * self.pay).sum(axis=-1)

    @property
    def variance(self) -> Float[Array, "*shape"]:
        """Variance of pay, dollars² per query served."""
        return (self.probability * (self.pay - self.mean[..., None]) ** 2).sum(axis=-1)

    @property
    def user_value(self) -> Float[Array, "*shape states"]:
        """Worth less pay in every state, dollars; where probability is 0, of no meaning."""
        return self.worth - self.pay

    def loss_probability(self, cost: ArrayLike) -> Float[Array, "*shape"]:
        """Probability that pay falls short of the cost of serving, by more than rounding.

        Args:
            cost: dollars per query served, shaped like ``mean``.

        Example:
            >>> lottery = QualityContract().lottery(value=0.05, correct=0.8, promise=0.04, threshold=0.01)
            >>> round(float(lottery.loss_probability(0.002)), 6)
            0.2
        """
        owed = jnp.asarray(cost, float)[..., None]
        size = jnp.maximum(jnp.abs(self.pay), jnp.abs(owed))
        return jnp.where(self.pay < owed - ROUNDING * size, self.probability, 0.0).sum(axis=-1)


class QualityContract(eqx.Module):
    """How the winner of a second-score auction is paid (module formula).

    Args:
        audit_rate: ρ, probability that the judge looks: 1 pays on the verdict, 0 on the promise.
        judge: who looks; by default one that never errs.
        bond: B, the most that an audit can take back from the fee q̂ − M, dollars per query; ``None`` for no limit.
        cost_per_audit: dollars that the platform spends on an audit.

    Raises:
        InputError: a value is out of range, or a bond is asked for and nothing audited.

    Example:
        >>> contract = QualityContract(audit_rate=0.1, judge=Judge(0.9, 0.2))
        >>> means = [contract.lottery(0.05, 0.8, promise, 0.01).mean for promise in (0.0, 0.04, 0.05)]
        >>> [round(float(mean), 9) for mean in means]
        [0.03, 0.03, 0.03]
    """

    audit_rate: Float[Array, ""]
    judge: Judge
    bond: Float[Array, ""]
    cost_per_audit: Float[Array, ""]

    def __init__(
        self,
        audit_rate: ArrayLike = 1.0,
        judge: Judge | None = None,
        *,
        bond: ArrayLike | None = None,
        cost_per_audit: ArrayLike = 0.0,
    ) -> None:
        self.audit_rate = _number(audit_rate)
        self.judge = Judge() if judge is None else judge
        self.bond = _number(jnp.inf if bond is None else bond)
        self.cost_per_audit = _number(cost_per_audit)

    def __check_init__(self) -> None:
        if not is_concrete(self.audit_rate, self.bond, self.cost_per_audit):
            return
        rate, bond, cost = float(self.audit_rate), float(self.bond), float(self.cost_per_audit)
        if not 0 <= rate <= 1:
            raise InputError(f"contract: audit_rate is {rate:g}; it must lie within [0, 1]")
        check_bond(bond, "contract")
        if not (np.isfinite(cost) and cost >= 0):
            raise InputError(f"contract: cost_per_audit is {cost:g}; it must be a finite number of dollars, at least 0")
        if rate == 0 and np.isfinite(bond):
            raise InputError(
                f"contract: a bond of {bond:g} dollars and audit_rate 0: without audits nothing is ever taken from "
                "the bond; set audit_rate above 0 (smallest_audit says how far) or leave the bond out"
            )

    @property
    def audit_budget(self) -> Float[Array, ""]:
        """ρ times the cost of an audit, dollars per query served."""
        return self.audit_rate * self.cost_per_audit

    def lottery(self, value: ArrayLike, correct: ArrayLike, promise: ArrayLike, threshold: ArrayLike) -> PayLottery:
        """Pay in every state, by enumeration.

        Args:
            value: α, dollars that a right answer is worth; this and the rest of one shape, or broadcast.
            correct: P, probability of a right answer.
            promise: q̂, dollars per query.
            threshold: M, the best rival score or the reserve, dollars per query.

        Raises:
            InputError: a value is not positive, or a probability outside [0, 1].
        """
        alpha, right, promised, rival = broadcast_contract(value, correct, promise, threshold)
        rate = self.audit_rate
        approval = jnp.where(jnp.asarray(RIGHT) == 1, self.judge.true_positive, self.judge.false_positive)
        probability = (
            jnp.where(jnp.asarray(AUDITED) == 1, rate, 1 - rate)
            * jnp.where(jnp.asarray(APPROVED) == 1, approval, 1 - approval)
            * jnp.where(jnp.asarray(RIGHT) == 1, right[..., None], 1 - right[..., None])
        )
        owed = alpha[..., None] * self.judge.corrected()[APPROVED] - promised[..., None]
        correction = jnp.maximum(owed / jnp.where(rate > 0, rate, 1.0), -self.bond)
        pay = (promised - rival)[..., None] + jnp.where(jnp.asarray(AUDITED) == 1, correction, 0.0)
        return PayLottery(probability, pay, alpha[..., None] * jnp.asarray(RIGHT, float))

    def overstatement_gain(
        self, value: ArrayLike, correct: ArrayLike, overstatement: ArrayLike
    ) -> Float[Array, "*shape"]:
        """What promising q + δ rather than q adds to mean pay, dollars per query served; exactly 0 where no bond binds.

        Args:
            value: α, dollars; this and the rest of one shape, or broadcast.
            correct: P.
            overstatement: δ, dollars; negative for an understatement, which never gains.

        Example:
            >>> float(QualityContract(0.0).overstatement_gain(0.05, 0.8, 0.003))
            0.003
            >>> capped = QualityContract(0.5, bond=0.05)
            >>> round(float(capped.overstatement_gain(0.05, 0.8, 0.003)), 9)  # (1 − P)·δ: ρB is below q
            0.0006
        """
        alpha, right, delta = broadcast_contract(value, correct, overstatement)
        size, low = jnp.abs(delta), alpha * right + jnp.minimum(delta, 0.0)
        room = self.verdict_worth(alpha) - low[..., None] + self._liability
        lost = jnp.clip(room, 0.0, size[..., None])
        gain = (self.verdict_probability(right) * (size[..., None] - lost)).sum(axis=-1)
        return jnp.sign(delta) * jnp.where(self.audit_rate > 0, gain, size)

    def overpayment(self, value: ArrayLike, correct: ArrayLike) -> Float[Array, "*shape"]:
        """Mean pay of an honest promise less q − M, dollars per query served: what a limit to clawbacks leaves.

        Args:
            value: α, dollars; of one shape with ``correct``, or broadcast.
            correct: P.

        Example:
            >>> round(float(QualityContract(0.5, bond=0.05).overpayment(0.05, 0.8)), 9)  # (1 − P)·(q − ρB)
            0.003
        """
        alpha, right = broadcast_contract(value, correct)
        short = (alpha * right)[..., None] - self.verdict_worth(alpha) - self._liability
        kept = (self.verdict_probability(right) * jnp.maximum(short, 0.0)).sum(axis=-1)
        return jnp.where(self.audit_rate > 0, kept, 0.0)

    @property
    def _liability(self) -> Float[Array, ""]:
        """ρB; infinite without a bond."""
        return jnp.where(jnp.isfinite(self.bond), self.audit_rate * self.bond, jnp.inf)

    def verdict_probability(self, correct: Float[Array, "*shape"]) -> Float[Array, "*shape 2"]:
        """Probability of a rejecting and of an approving verdict."""
        approved = self.judge.approval(correct)
        return jnp.stack([1 - approved, approved], axis=-1)

    def verdict_worth(self, value: Float[Array, "*shape"]) -> Float[Array, "*shape 2"]:
        """αŷ of a rejecting and of an approving verdict, dollars."""
        return value[..., None] * self.judge.corrected()


def broadcast_contract(value: ArrayLike, correct: ArrayLike, *rest: ArrayLike) -> tuple[Array, ...]:
    """Floats of one shape; refuses what is no worth and no probability."""
    if is_concrete(value, correct):
        if not np.all(np.isfinite(np.asarray(value)) & (np.asarray(value) > 0)):
            raise InputError(f"verified quality: value is {value}; it must be a positive number of dollars")
        # q/α of a sure answer may exceed 1 by rounding.
        if not np.all((np.asarray(correct) >= 0) & (np.asarray(correct) <= 1 + ROUNDING)):
            raise InputError(f"verified quality: correct is {correct}; it must be a probability within [0, 1]")
    # A list or a tuple, as the version of JAX will have it.
    return tuple(jnp.broadcast_arrays(*(jnp.asarray(each, float) for each in (value, correct, *rest))))


def check_bond(bond: float, place: str) -> None:
    """Refuse what is no bond, naming the place."""
    if np.isnan(bond) or bond < 0:
        raise InputError(f"{place}: bond is {bond:g}; it must be a number of dollars, at least 0")
