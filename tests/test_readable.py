"""What results print: their numbers, and nothing that a trace cannot know."""

import jax
import jax.numpy as jnp
import numpy as np

import solver
from games import load_scenario
from games.readable import MOST_NUMBERS, readable
from solver import efficiency, lattice_bounds, regret

GAME = load_scenario("GPQA/reasoning_effort").game(1000)


def test_results_print_numbers():
    verdict = efficiency(GAME)
    told = repr(verdict)
    assert f"profiles={verdict.equilibria.profiles.tolist()}" in told
    assert f"{float(verdict.optimum.welfare):.6g}" in told
    assert "f64[" not in told
    assert repr(regret(GAME, verdict.equilibria.worst)).startswith("Regret(")


def test_large_arrays_print_shape_and_range():
    many = solver.Solution(
        profile=jnp.arange(MOST_NUMBERS + 1),
        payoffs=jnp.full(MOST_NUMBERS + 1, jnp.nan),
        max_regret=jnp.asarray(0.5),
        status=jnp.asarray(0),
        num_rounds=jnp.asarray(3),
        cycle_length=jnp.asarray(0),
    )
    assert f"profile=int64[{MOST_NUMBERS + 1}] from 0 to {MOST_NUMBERS}" in repr(many)
    assert f"payoffs=float64[{MOST_NUMBERS + 1}]" in repr(many)


def test_traced_results_print_types():
    seen = []

    @jax.jit
    def run(game):
        bounds = lattice_bounds(game)
        seen.append(repr(bounds))
        return bounds.least

    run(GAME)
    assert "least=i64[3]" in seen[0]


def test_every_public_result_prints_numbers():
    """Whatever holds a certificate is a result; a class that is added without numbers fails here."""
    results = [
        each
        for each in (getattr(solver, name) for name in dir(solver) if not name.startswith("_"))
        if isinstance(each, type) and "max_regret" in getattr(each, "__dataclass_fields__", {})
    ]
    assert len(results) > 5
    assert [each.__name__ for each in results if each.__repr__ is not readable] == []
    assert np.all([callable(each.__repr__) for each in results])
