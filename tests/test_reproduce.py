"""The published tables, every cell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from games import load_scenario, published_table
from solver import paper_dynamics
from solver.reproduce import EXCEPTIONS, TOLERANCE


def test_every_published_cell_is_met(tmp_path):
    """By the program that users run, in a process of its own: optimised, unlike the code of the other tests."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    command = [
        sys.executable,
        "-c",
        "from solver.cli import main; main()",
        "reproduce",
        "--json",
        str(tmp_path / "cells.json"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "cells.json").read_text())
    cells = found["cells"]
    assert len(cells) == found["num_cells"] == 18 * 8 + 6 * 6
    assert [cell for cell in cells if not cell["passed"]] == []
    assert max(abs(cell["difference"]) for cell in cells) <= 3e-5
    loose = [cell for cell in cells if cell["tolerance"] != "infinite" and cell["tolerance"] > TOLERANCE]
    assert [(c["scenario"], c["rationality"], c["quantity"]) for c in loose] == list(EXCEPTIONS)


def test_a_wrong_market_fails():
    """The check can fail: with another margin the printed profits and welfare are off by more than the tolerance."""
    row = published_table("market").iloc[0]
    game = load_scenario("GSM8K/majority", margin=0.3).game(float(row["beta"]))
    profile = paper_dynamics(game, key=jax.random.key(0)).profile
    ours = float(game.shares(profile)[0] @ game.unit_profit[np.arange(9), profile])
    assert abs(ours - row["share_weighted_profit"]) > TOLERANCE


def test_the_order_of_moves_does_not_matter_for_the_tables():
    """Other seeds of the random order end in the same equilibrium wherever it is unique, as in every printed row."""
    for name in ("GSM8K/best_of_n", "GPQA/majority"):
        game = load_scenario(name).game(1000)
        ends = jax.vmap(lambda key, game=game: paper_dynamics(game, key=key).profile)(
            jax.random.split(jax.random.key(9), 8)
        )
        assert (np.asarray(ends) == np.asarray(ends)[0]).all()
