"""The table "Which solver when" says which solvers take several segments of users: each is asked."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import solver
import solver.batch
from games import ContinuousCompute, InputError, Market, PayPerCompute, Users
from solver.learning_rules import Hedge

PAGE = (Path(__file__).parents[1] / "docs/which-solver.md").read_text("utf-8").partition("## How mature")[0]
ROWS = re.findall(r"^\| [^|]+ \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
MARKET = Market.from_arrays(accuracy=[[0.5, 0.8], [0.4, 0.7]], tokens=[[100, 900], [100, 700]], price_per_million=1.0)
TWO = Users([0.01, 0.02], [500, 1500])
GAME = PayPerCompute(MARKET, TWO)


CONTINUOUS = ContinuousCompute(MARKET, TWO)


def stacked():
    return solver.batch.stack_games([GAME, GAME])


CALLS = {
    "solver.pure_equilibria": lambda: solver.pure_equilibria(GAME),
    "solver.lattice_bounds": lambda: solver.lattice_bounds(GAME),
    "solver.welfare_optimum": lambda: solver.welfare_optimum(GAME),
    "solver.best_response_dynamics": lambda: solver.best_response_dynamics(GAME),
    "solver.paper_dynamics": lambda: solver.paper_dynamics(GAME, key=jax.random.key(0)),
    "solver.efficiency": lambda: solver.efficiency(GAME),
    "solver.sweep": lambda: solver.sweep(MARKET, TWO, [200.0, 1000.0]),
    "solver.batch": lambda: solver.batch.equilibria(stacked()),
    "solver.regret": lambda: solver.regret(GAME, jnp.zeros(2, int)),
    "solver.brute_force": lambda: solver.brute_force(GAME),
    "solver.continuous_equilibria": lambda: solver.continuous_equilibria(CONTINUOUS),
    "solver.gradient_dynamics": lambda: solver.gradient_dynamics(CONTINUOUS, max_steps=2),
    "solver.learn": lambda: solver.learn(GAME, Hedge(), max_steps=2),
    "solver.two_player_equilibria": lambda: solver.two_player_equilibria(GAME),
    "solver.quantal_path": lambda: solver.quantal_path(GAME),
    "solver.correlated_bounds": lambda: solver.correlated_bounds(GAME),
    "solver.differentiable_equilibrium": lambda: solver.differentiable_equilibrium(CONTINUOUS),
}


def said(name: str) -> str:
    """What the table says of a function's segments."""
    return next(segments for functions, segments in ROWS if f"`{name}`" in functions)


@pytest.mark.parametrize("name", CALLS)
def test_segments_are_as_the_table_says(name):
    if said(name).partition(";")[0] == "one":
        with pytest.raises(InputError, match="one segment"):
            CALLS[name]()
    else:
        assert CALLS[name]() is not None


def test_batches_of_several_segments():
    games, profiles = stacked(), jnp.zeros((2, 2), int)
    assert solver.batch.dynamics(games, jax.random.split(jax.random.key(0), 2)) is not None
    assert solver.batch.welfare(games, profiles).shape == (2,)
