"""The benchmark scripts run, at a tiny size; they check their own answers before they time anything."""

import jax.numpy as jnp
import numpy as np

from benchmarks import compare_mechanisms, dynamics, million, paper_sweep, peer_page, peers, roofline, scaling
from games import load_scenario
from solver import batch
from solver.blocks import memory_per_market
from solver.cells import Stages
from solver.sweep_run import ChunkSolver


def test_paper_sweep(capsys):
    paper_sweep.main(betas=3, brute=False)
    printed = capsys.readouterr().out
    assert "27 markets" in printed
    assert "per market" in printed


def test_brute_force_finds_our_optimum_on_a_small_market():
    """The two NumPy versions that the ratio is taken against agree with each other and with us."""
    from solver import welfare_optimum

    scenario = load_scenario("GSM8K/majority")
    small = scenario.market.subset(scenario.market.providers[:5])
    game = type(scenario.game())(small, scenario.users)
    attraction, worth, outside = paper_sweep._weights(game)
    ours = float(welfare_optimum(game).welfare)
    for method in (paper_sweep._gather, paper_sweep._outer):
        assert abs(method(attraction, worth, outside, 1000) / ours - 1) < 1e-12


def test_scaling_row():
    row = scaling.run((5, 8))
    assert row.num_equilibria >= 1
    assert row.optimum > 0


def test_dynamics(capsys, monkeypatch):
    # The benchmark forgets compiled code to time compilation; the tests behind this one would compile everything again.
    monkeypatch.setattr("jax.clear_caches", lambda: None)
    dynamics.main(["AIME/reasoning_effort"], starts=0, steps=50, only="sequential, nearest")
    dynamics.main(["AIME/reasoning_effort"], starts=0, steps=50, only="hedge")
    dynamics.main(["AIME/reasoning_effort"], starts=20, steps=50, only="extragradient")
    printed = capsys.readouterr().out
    for method in ("levels: sequential, nearest_better", "mixed: hedge", "continuous: extragradient"):
        assert method in printed
    assert "20 starts" in printed


def test_compare_mechanisms(capsys, tmp_path):
    names = [f"--mechanism={name}" for name in ("pay-per-compute", "second-score", "second-score-no-harm")]
    compare_mechanisms.main(["GPQA/reasoning_effort", "--rationality=200,1000", *names, "--out", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "cells in which welfare falls under the auction: 0" in printed
    assert "-0.1976" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "mechanisms.csv",
        "mechanisms.json",
        "providers.csv",
    ]


def test_million():
    task = million.Task("GPQA/reasoning_effort", 24, True, 0)
    assert million.make_grid(task).shape == (2, 3, 4)
    row = million.run(task)
    assert row.max_regret < 1e-9
    assert row.rate > 0
    assert row.disk > 24 * 8
    million.print_table([row])
    million.print_cost(row)


def test_blocks_in_threads_equal_blocks_one_by_one():
    grid = million.make_grid(million.Task("GPQA/reasoning_effort", 96, True, 0))
    one, two = (ChunkSolver(grid, Stages(), 1e-9, 0, 24, threads)(range(1, 90)) for threads in (1, 2))
    assert one["worst_level_index"].shape == (89, 3)
    for name, values in one.items():
        np.testing.assert_array_equal(values, two[name], err_msg=name)


def test_memory_of_a_block_is_what_the_compiler_says():
    """Within a factor of 2 for the certificate, which takes most, on the nine-provider market."""
    game = load_scenario("GSM8K/majority").game()
    games = batch.rationality_grid(game, jnp.array([200.0, 1000.0, 5000.0]))
    compiled = batch._judge.lower(games, jnp.zeros((3, 9), int)).compile().compiled
    memory = compiled.memory_analysis()
    stated = (memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes) / 3
    assert 0.5 < stated / memory_per_market(game.market) < 2


def test_roofline():
    """Hand count of a 3 × 4 market: NumPy's count of the optimum's passes ends, and every kernel has a need."""
    found = roofline.kernels("GPQA/reasoning_effort", 4)
    assert [kernel.name for kernel in found] == ["ends", "optimum", "dynamics", "certificate"]
    assert all(min(kernel.need) > 0 for kernel in found)
    assert 2 <= found[1].passes <= 10
    rates = roofline.Machine(1e10, 2e10, 1e10, 2e10, 1e8)
    row = roofline.analyse(found[3], 4, rates)
    assert row[9] == "functions"
    assert float(row[-1]) > 0


def test_peers(tmp_path, capsys):
    """nashpy, which is installed, in a process of its own; a wrong answer is called wrong; the page is written."""
    game = load_scenario("GPQA/reasoning_effort").game(rationality=1000)
    rows = peers.ladder(game, [2], 2, 20.0, 4.0, ["nashpy-vertex", "gambit"])
    printed = capsys.readouterr().out
    assert rows[2, 2]["nashpy-vertex"].right, printed
    assert not rows[2, 2]["gambit"].right or peers.installed(peers.METHODS["gambit"])
    peer_page.write_page(tmp_path, "How.", "GPQA", rows, ["ours", "nashpy-vertex"], ["gambit"], "Load 1.")
    page = (tmp_path / "peers.md").read_text("utf-8")
    assert "nashpy, vertices (rescaled)" in page
    assert "2 × 2" in page
    assert (tmp_path / "images" / "peers.svg").stat().st_size > 1000

    size = peers.prepare(game, 2, 2)
    (right,) = size.equilibria
    corners = np.eye(2)[np.array([right, (1 - right[0], right[1])])]
    everything, one = peers.METHODS["nashpy"], peers.METHODS["mclennan"]
    assert peers.judge(everything, size, corners[:1]) == ""
    assert peers.judge(everything, size, corners) == "1 false"
    assert peers.judge(everything, size, corners[:0]) == "1 missed"
    assert peers.judge(one, size, corners[:1]) == ""
    assert peers.judge(one, size, corners[1:]).startswith("regret")
    assert peer_page.Cell(0.5, "1 false").text == "0.50 s, 1 false"
    slow = peers.solve("nashpy", size, 0.000001, 4.0, tmp_path)
    assert slow.note.startswith(">")
    assert not slow.right
