"""Curves question by question: what a benchmark measured before it is averaged.

Averages over questions make a market; averages over *reweighted* questions make a replicate of it, so that the
uncertainty of a finite benchmark can be carried through a whole solver.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float

from games.base import is_concrete
from games.errors import InputError, unknown_name
from games.market import DEFAULT_MARGIN, DOLLARS_PER_MILLION, Market


def _floats(values: ArrayLike) -> Float[Array, "*shape"]:
    return jnp.asarray(values, float)


def _cells(values: ArrayLike) -> Float[Array, "questions providers levels"]:
    """One number for all cells as an array of one cell."""
    array = jnp.asarray(values, float)
    return array.reshape(1, 1, 1) if array.ndim == 0 else array


def _flags(values: ArrayLike) -> Bool[Array, "*shape"]:
    return jnp.asarray(values, bool)


class QuestionCurves(eqx.Module):
    """Probability of a correct answer and mean tokens of every question, provider and level.

    Ragged levels are padded behind the existing ones, and ``mask`` says which exist. Cells that were not measured are
    False in ``answered`` and never looked at, whatever they hold.

    Args:
        correct: probability that the answer to a question is right, ``[questions, providers, levels]``, in [0, 1].
        output_tokens: mean billable output tokens per query, ``[questions, providers, levels]``.
        input_tokens: mean input tokens per query, shaped like ``correct``; 0 where unknown.
        answered: which cells were measured, ``[questions, providers, levels]``.
        mask: True where a level exists, ``[providers, levels]``.
        price_per_million: list price, dollars per million output tokens, ``[providers]``.
        input_price_per_million: list price, dollars per million input tokens, ``[providers]``.
        surcharge: mean dollars per query beside tokens × list prices, shaped like ``correct`` or one for all: what tariffs by
            length of the prompt add; 0 by default.
        margin: price / cost − 1; the paper uses 0.25.
        providers: names, one per provider.
        level_labels: names of the existing levels, one tuple per provider.
        questions: names, one per question.
        notes: what a reader of the curves should know, such as a level that rests on few samples.

    Raises:
        InputError: a value is out of range, there is no question, or nobody answered a level; the text names the place.

    Example:
        >>> curves = QuestionCurves(
        ...     correct=np.array([[[1.0, 1.0]], [[0.0, 0.5]]]), output_tokens=np.array([[[100, 400]], [[300, 900]]]),
        ...     input_tokens=np.zeros((2, 1, 2)), answered=np.ones((2, 1, 2)), mask=np.ones((1, 2)),
        ...     price_per_million=np.array([2.0]), input_price_per_million=np.array([0.0]),
        ...     providers=("Ada",), level_labels=(("1", "4"),), questions=("q1", "q2"))
        >>> curves.market().accuracy.tolist(), curves.market(jnp.array([3.0, 1.0])).tokens.tolist()
        ([[0.5, 0.75]], [[150.0, 525.0]])
    """

    correct: Float[Array, "questions providers levels"] = eqx.field(converter=_floats)
    output_tokens: Float[Array, "questions providers levels"] = eqx.field(converter=_floats)
    input_tokens: Float[Array, "questions providers levels"] = eqx.field(converter=_floats)
    answered: Bool[Array, "questions providers levels"] = eqx.field(converter=_flags)
    mask: Bool[Array, "providers levels"] = eqx.field(converter=_flags)
    price_per_million: Float[Array, " providers"] = eqx.field(converter=_floats)
    input_price_per_million: Float[Array, " providers"] = eqx.field(converter=_floats)
    surcharge: Float[Array, "#questions #providers #levels"] = eqx.field(converter=_cells, default=0.0)
    margin: Float[Array, ""] = eqx.field(converter=_floats, default=DEFAULT_MARGIN)
    providers: tuple[str, ...] = eqx.field(static=True, default=())
    level_labels: tuple[tuple[str, ...], ...] = eqx.field(static=True, default=())
    questions: tuple[str, ...] = eqx.field(static=True, default=())
    notes: tuple[str, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        # Anonymous curves are a copy of ones that were checked.
        if self.providers and is_concrete(self):
            _check(self)

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return self.correct.shape[-3]

    @property
    def num_providers(self) -> int:
        """Number of providers N."""
        return self.correct.shape[-2]

    @property
    def num_levels(self) -> int:
        """Largest number of levels K of a provider."""
        return self.correct.shape[-1]

    def market(self, weights: Float[Array, " questions"] | None = None) -> Market:
        """The market of the weighted means over the questions that each level answered.

        Price = output tokens × list price + input tokens × list price of input + surcharge; cost = price / (1 + margin). The
        function is differentiable and can be vmapped over ``weights``. A level whose answered questions all have weight 0 is
        refused, and is NaN where the weights are traced and cannot be looked at.

        Args:
            weights: one per question, not negative, of any scale, ``[questions]``; equal by default.

        Raises:
            InputError: weights of the wrong shape, negative or not finite, or a level left without weight.
        """
        weight = jnp.ones(self.num_questions) if weights is None else jnp.asarray(weights, float)
        if is_concrete(self, weight):
            _check_weights(self, np.asarray(weight))
        accuracy, tokens, price, cost = _weighted_means(
            (self.correct, self.output_tokens, self.input_tokens, self.surcharge),
            self.answered,
            self.mask,
            (self.price_per_million, self.input_price_per_million),
            self.margin,
            weight,
        )
        return Market(
            accuracy=accuracy,
            tokens=tokens,
            price=price,
            cost=cost,
            mask=self.mask,
            providers=self.providers,
            level_labels=self.level_labels,
        )

    def anonymous(self) -> "QuestionCurves":
        """The same curves without names: they are static, and compiled code would compile again for each set."""
        return QuestionCurves(
            correct=self.correct,
            output_tokens=self.output_tokens,
            input_tokens=self.input_tokens,
            answered=self.answered,
            mask=self.mask,
            price_per_million=self.price_per_million,
            input_price_per_million=self.input_price_per_million,
            surcharge=self.surcharge,
            margin=self.margin,
        )

    def subset(self, providers: Sequence[str]) -> "QuestionCurves":
        """The curves of some providers only, in the order given.

        Raises:
            InputError: a name is not among the providers.
        """
        for name in providers:
            if name not in self.providers:
                raise unknown_name("provider", name, self.providers)
        index = np.array([self.providers.index(name) for name in providers], dtype=int)
        labels = tuple(self.level_labels[i] for i in index)
        width = max((len(row) for row in labels), default=0)
        return QuestionCurves(
            correct=self.correct[:, index, :width],
            output_tokens=self.output_tokens[:, index, :width],
            input_tokens=self.input_tokens[:, index, :width],
            answered=self.answered[:, index, :width],
            mask=self.mask[index, :width],
            price_per_million=self.price_per_million[index],
            input_price_per_million=self.input_price_per_million[index],
            surcharge=jnp.broadcast_to(self.surcharge, self.correct.shape)[:, index, :width],
            margin=self.margin,
            providers=tuple(providers),
            level_labels=labels,
            questions=self.questions,
            notes=self.notes,
        )


@jax.jit
def _weighted_means(
    values: tuple[Float[Array, "#questions #providers #levels"], ...],
    answered: Bool[Array, "questions providers levels"],
    mask: Bool[Array, "providers levels"],
    prices: tuple[Float[Array, " providers"], ...],
    margin: Float[Array, ""],
    weight: Float[Array, " questions"],
) -> tuple[Float[Array, "providers levels"], ...]:
    """Accuracy, tokens, price and cost over the questions that each level answered; 0 where no level exists."""
    total = jnp.einsum("q,qnk->nk", weight, answered.astype(float))
    sums = (jnp.einsum("q,qnk->nk", weight, jnp.where(answered, value, 0.0)) for value in values)
    accuracy, output, given, extra = (jnp.where(mask, x / jnp.where(mask, total, 1.0), 0.0) for x in sums)
    price = (output * prices[0][:, None] + given * prices[1][:, None]) * DOLLARS_PER_MILLION + extra
    # A mean of ones can round to more than 1.
    return jnp.clip(accuracy, 0.0, 1.0), output, price, price / (1 + margin)


def _check(curves: QuestionCurves) -> None:
    """Refuse values out of range, naming question, provider and level."""
    shape = curves.correct.shape
    if len(shape) != 3 or shape[0] == 0 or shape[1] == 0:
        raise InputError("question curves: no question or no provider; give at least one of each")
    for field in ("output_tokens", "input_tokens", "answered"):
        if getattr(curves, field).shape != shape:
            raise InputError(f"question curves: {field} has shape {getattr(curves, field).shape}, correct {shape}")
    extra = np.asarray(curves.surcharge)
    if extra.shape not in (shape, (1, 1, 1)) or not np.isfinite(extra).all():
        raise InputError(f"question curves: surcharge must be finite, and one number or of shape {shape}")
    _check_names(curves)
    mask, answered = np.asarray(curves.mask), np.asarray(curves.answered)
    for i, k in np.argwhere(mask & ~answered.any(axis=0)):
        raise InputError(
            f"question curves: no question was answered at level {curves.level_labels[i][k]!r} of "
            f"{curves.providers[i]!r}; leave the level out"
        )
    for field, high in (("correct", 1.0), ("output_tokens", np.inf), ("input_tokens", np.inf)):
        values = np.asarray(getattr(curves, field))
        good = np.isfinite(values) & (values >= 0) & (values <= high)
        for q, i, k in np.argwhere(answered & mask & ~good):
            wanted = "within [0, 1]" if field == "correct" else "finite and not negative"
            raise InputError(
                f"question curves: {field} of {curves.providers[i]!r} at level {curves.level_labels[i][k]!r}, question "
                f"{curves.questions[q]!r}, is {values[q, i, k]:g}; it must be {wanted}"
            )
    for field in ("price_per_million", "input_price_per_million"):
        values = np.asarray(getattr(curves, field))
        for i in np.flatnonzero(~(np.isfinite(values) & (values >= 0))):
            raise InputError(
                f"question curves: {field} of {curves.providers[i]!r} is {values[i]:g}; it must be finite and not negative"
            )
    margin = float(curves.margin)
    if not (np.isfinite(margin) and margin > -1):
        raise InputError(f"question curves: margin is {margin:g}; it must be a finite number above -1")


def _check_names(curves: QuestionCurves) -> None:
    """One name for each question, provider and existing level, and levels without gaps."""
    questions, providers, levels = curves.correct.shape
    for field, size in (("providers", providers), ("level_labels", providers), ("questions", questions)):
        if len(getattr(curves, field)) != size:
            raise InputError(f"question curves: {len(getattr(curves, field))} {field} for {size}; give one name each")
    for name in ("providers", "questions"):
        known = getattr(curves, name)
        if len(set(known)) < len(known):
            repeated = next(value for value in known if known.count(value) > 1)
            raise InputError(f"question curves: {name} hold {repeated!r} twice; give each its own name")
    sizes = np.array([len(row) for row in curves.level_labels])
    for i in np.flatnonzero(sizes == 0):
        raise InputError(f"question curves: provider {curves.providers[i]!r} has no level; leave it out")
    if curves.mask.shape != (providers, levels) or not np.array_equal(
        np.asarray(curves.mask), np.arange(levels) < sizes[:, None]
    ):
        raise InputError("question curves: mask and level_labels disagree; existing levels come first, one label each")
    for field in ("price_per_million", "input_price_per_million"):
        if getattr(curves, field).shape != (providers,):
            raise InputError(f"question curves: {field} needs one number for each of {providers} providers")


def _check_weights(curves: QuestionCurves, weight: np.ndarray) -> None:
    """Refuse weights that leave a level without a question."""
    if weight.shape != (curves.num_questions,):
        raise InputError(
            f"question weights: shape {weight.shape}; give one for each of {curves.num_questions} questions"
        )
    for q in np.flatnonzero(~(np.isfinite(weight) & (weight >= 0))):
        raise InputError(f"question weights: entry {q} is {weight[q]:g}; weights must be finite and not negative")
    total = np.einsum("q,qnk->nk", weight, np.asarray(curves.answered))
    for i, k in np.argwhere(np.asarray(curves.mask) & ~(total > 0)):
        names = (curves.level_labels[i][k], curves.providers[i]) if curves.providers else (k, i)
        raise InputError(
            f"question weights: all questions answered at level {names[0]!r} of provider {names[1]!r} have weight 0; "
            "give one of them weight or leave the level out"
        )
