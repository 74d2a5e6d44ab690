"""A grid of markets: one market and its users, and the parameters that vary, by name.

Axes form a product; axes that are zipped run together along one dimension. Every cell of the grid is the pay-per-compute
game in which the parameters have the cell's values. Nothing is built before it is asked for: a grid of a million
markets is a few arrays, and ``games_at`` makes the games of some cells in one compiled call.

Axes, in the order in which they are applied:

    draw               weights of the questions of a bootstrap replicate (needs ``questions``)
    providers          lists of names: only these take part
    list_price         prices times a factor, costs as they are
    margin             price / cost − 1, prices as they are
    compute_cap        no level above so many tokens; the lowest level always stays
    value_per_correct  α, dollars that a correct answer is worth
    baseline           worth of any answer as a fraction of α
    outside_value      V0, dollars per query
    rationality        β, per dollar
    reserve            the auction's reserve, dollars per query; V0 counts where it is more
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from games.errors import InputError, unknown_name
from games.market import Market
from games.pay_per_compute import PayPerCompute
from games.users import Users
from solver.axes import ORDER, PARAMETERS, ROWS, Axis, make_axis

if TYPE_CHECKING:
    from games.sampling.question_curves import QuestionCurves

SEPARATOR = "+"


@dataclass(frozen=True)
class Grid:
    """A market, its users, and axes; make one with ``Grid.of``.

    Args:
        market: N providers.
        users: one segment.
        dims: groups of axes; the axes of a group run together.
        questions: curves question by question, if there is an axis ``draw``.
        name: of the market.
    """

    market: Market
    users: Users
    dims: tuple[tuple[Axis, ...], ...]
    questions: "QuestionCurves | None" = None
    name: str = ""

    @classmethod
    def of(
        cls,
        market: Market,
        users: Users,
        axes: Mapping[str, Any],
        *,
        zipped: Sequence[Sequence[str]] = (),
        questions: "QuestionCurves | None" = None,
        seed: int = 0,
        name: str = "",
    ) -> "Grid":
        """Check the axes and put them in order: first axis slowest.

        Args:
            market: the providers.
            users: one segment.
            axes: values by parameter; for ``providers`` lists of names, for ``draw`` the number of bootstrap draws.
            zipped: names of axes that run together along one dimension.
            questions: curves question by question, needed by ``draw``.
            seed: of the bootstrap draws.
            name: of the market, for the results' attributes.

        Raises:
            InputError: an unknown parameter, a value out of range, zipped axes of different length, several segments.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GSM8K/majority")
            >>> grid = Grid.of(scenario.market, scenario.users, {"rationality": [200, 1000], "margin": [0.1, 0.25, 1]})
            >>> grid.shape, grid.size, grid.dim_names
            ((2, 3), 6, ('rationality', 'margin'))
        """
        if users.num_segments != 1:
            raise InputError(
                "sweep: a grid needs one segment of users; of several only β can be swept, with solver.sweep and no other axis"
            )
        if not axes:
            raise InputError(f"sweep: no axis; give at least one of {', '.join(ORDER)}")
        made = {key: make_axis(key, values, market, questions, seed) for key, values in axes.items()}
        groups: list[tuple[Axis, ...]] = []
        together = {key: tuple(group) for group in zipped for key in group}
        for key in [key for group in zipped for key in group]:
            if key not in made:
                raise unknown_name("zipped axis", key, made)
        for key in made:
            group = together.get(key, (key,))
            if key != group[0]:
                continue
            sizes = {other: len(made[other].labels) for other in group}
            if len(set(sizes.values())) > 1:
                raise InputError(f"sweep: zipped axes differ in length ({sizes}); give them equally many values")
            groups.append(tuple(made[other] for other in group))
        return cls(market, users, tuple(groups), questions, name)

    @property
    def dim_names(self) -> tuple[str, ...]:
        """Name of each dimension; those of zipped axes joined by ``+``."""
        return tuple(SEPARATOR.join(axis.name for axis in group) for group in self.dims)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""
        return tuple(len(group[0].labels) for group in self.dims)

    @property
    def size(self) -> int:
        """Number of markets."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def axes(self) -> dict[str, tuple[int, Axis]]:
        """Every axis by name, in the order in which it is applied, with its dimension."""
        found = {axis.name: (d, axis) for d, group in enumerate(self.dims) for axis in group}
        return {name: found[name] for name in ORDER if name in found}

    def cell(self, number: int) -> dict[str, Any]:
        """The coordinates of one cell, for messages.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GSM8K/majority")
            >>> Grid.of(scenario.market, scenario.users, {"rationality": [200, 1000], "margin": [0.1, 1]}).cell(1)
            {'margin': 1.0, 'rationality': 200.0}
        """
        index = np.unravel_index(number, self.shape)
        return {name: axis.labels[index[d]].item() for name, (d, axis) in self.axes.items()}

    def fingerprints(self) -> dict[str, str]:
        """Hashes of the data and of the axes: equal grids have equal hashes, and hardly any others.

        Example:
            >>> from games import load_scenario
            >>> scenario = load_scenario("GSM8K/majority")
            >>> one, two = (Grid.of(scenario.market, scenario.users, {"margin": [m]}).fingerprints() for m in (1, 2))
            >>> one["data"] == two["data"], one["axes"] == two["axes"]
            (True, False)
        """
        market, users = self.market, self.users
        data = [np.asarray(leaf) for leaf in jax.tree.leaves((market, users, self.questions))]
        axes = [axis.values for group in self.dims for axis in group]
        names = (market.providers, market.level_labels, type(users.value_curve).__name__)
        return {"data": _hash(data, names), "axes": _hash(axes, self.dim_names)}


def _hash(arrays: Sequence[np.ndarray], names: tuple) -> str:
    digest = hashlib.sha256(repr(names).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class Cells(NamedTuple):
    """The games of some cells, stacked, and the auction's reserve in each."""

    games: PayPerCompute
    reserve: Float[Array, " cells"]


def games_at(grid: Grid, cells: Int[Array, " cells"]) -> Cells:
    """The games of the cells of these numbers (row-major), stacked along a leading axis, in one compiled call.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("GSM8K/majority")
        >>> grid = Grid.of(scenario.market, scenario.users, {"rationality": [200, 1000], "margin": [0.1, 0.25, 1]})
        >>> games_at(grid, jnp.array([0, 5])).games.users.rationality.ravel().tolist()
        [200.0, 1000.0]
    """
    names = tuple(grid.axes)
    columns = tuple(jnp.asarray(axis.values) for _, axis in grid.axes.values())
    dims = tuple(d for d, _ in grid.axes.values())
    base = PayPerCompute(grid.market, grid.users).anonymous()
    index = tuple(jnp.asarray(i) for i in np.unravel_index(np.asarray(cells), grid.shape))
    questions = None if grid.questions is None else grid.questions.anonymous()
    return _build(base, questions, names, columns, tuple(index[d] for d in dims))


@eqx.filter_jit
def _build(
    base: PayPerCompute,
    questions: "QuestionCurves | None",
    names: tuple[str, ...],
    columns: tuple[Array, ...],
    index: tuple[Int[Array, " cells"], ...],
) -> Cells:
    reserve = jnp.array(-jnp.inf)

    def one(*positions: Array) -> Cells:
        game, floor = base, reserve
        for name, column, position in zip(names, columns, positions, strict=True):
            value = column[position]
            if name == "draw":
                assert questions is not None
                game = PayPerCompute(questions.market(value).anonymous(), game.users)
            elif name == "reserve":
                floor = value
            else:
                game = ROWS[name](game, value) if name in ROWS else PARAMETERS[name].apply(game, value)
        return Cells(game, floor)

    return jax.vmap(one)(*index)
