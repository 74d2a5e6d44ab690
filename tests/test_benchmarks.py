"""The benchmark scripts run, at a tiny size; they check their own answers before they time anything."""

from benchmarks import compare_mechanisms, dynamics, paper_sweep, scaling


def test_paper_sweep(capsys):
    paper_sweep.main(betas=3, brute=False)
    printed = capsys.readouterr().out
    assert "27 markets" in printed
    assert "per market" in printed


def test_brute_force_finds_our_optimum_on_a_small_market():
    """The two NumPy versions that the ratio is taken against agree with each other and with us."""
    from games import load_scenario
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
