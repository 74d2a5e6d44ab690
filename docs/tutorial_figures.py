"""Pictures of the tutorials: ``python docs/tutorial_figures.py`` draws docs/images/reserve.svg and learning.svg."""

import jax.numpy as jnp
import numpy as np
from readme_figures import IMAGES, PROVIDERS, USERS, save

from games import ContinuousCompute, Market, PayPerCompute, SecondScoreAuction, Users, load_scenario
from solver import (
    RegretMatchingPlus,
    best_response_dynamics,
    gradient_dynamics,
    learn,
    mixed_extension,
    pure_equilibria,
)

COLOURS = (USERS, PROVIDERS, "#009E73")
DASHES = ("-", "--", ":")


def draw_reserve(path) -> None:
    """Users' value against the reserve, in the measured market and over 4,000 draws of it."""
    from matplotlib.figure import Figure

    scenario = load_scenario("GPQA/reasoning_effort")
    users = scenario.users.with_rationality(1000)
    game = scenario.game(rationality=1000)
    auction = SecondScoreAuction(scenario.market, users).outcome()
    best, second = float(auction.winner_surplus[0]), float(auction.runner_up_surplus[0])
    posted = float(game.expected_user_value(pure_equilibria(game).worst))
    error = np.random.default_rng(0).normal(0, 0.03, size=(4000, 3, 1)) * 0.9 * float(users.value_per_correct[0])
    quality = np.asarray(game.quality[0])
    drawn = np.sort((quality + error - np.asarray(scenario.market.cost)).max(axis=2), axis=1)
    reserve = np.linspace(0.0140, 0.0168, 201)
    known = np.where(reserve <= best, np.maximum(reserve, second), 0.0)
    bound = np.maximum(drawn[:, -2:-1], reserve)
    uncertain = np.where(drawn[:, -1:] >= reserve, bound, 0.0).mean(axis=0)

    figure = Figure(figsize=(7, 3), layout="constrained")
    axis = figure.subplots()
    axis.plot(1000 * reserve, 1000 * known, color=USERS, label="accuracies known")
    axis.plot(1000 * reserve, 1000 * uncertain, color=PROVIDERS, linestyle="--", label="known to 3 points")
    axis.axhline(1000 * posted, color="0.4", linewidth=0.8, linestyle=":")
    axis.annotate("users in the posted market", (14.02, 1000 * posted + 0.04), fontsize=8, color="0.3")
    marks = ((second, "W₂"), (posted, "no-harm"), (best, "W₁"))
    for at, name in marks:
        axis.plot(1000 * at, 1000 * max(at, second), "o", color=USERS, markersize=4)
        axis.annotate(
            name, (1000 * at, 1000 * max(at, second)), (-4, 6), textcoords="offset points", ha="right", fontsize=8
        )
    axis.set(xlabel="reserve, dollars per 1,000 queries", ylabel="users get", ylim=(13.0, 16.4))
    axis.legend(frameon=False, loc="lower left", fontsize=8)
    save(figure, path)


def draw_learning(path) -> None:
    """Compute by round under replies, regret matching and gradients, in two markets."""
    from matplotlib.figure import Figure

    scenario = load_scenario("GPQA/reasoning_effort")
    market = Market.from_arrays(
        accuracy=[[0.85, 0.90], [0.75, 0.80]],
        tokens=[[3200, 12100], [3700, 14100]],
        price_per_million=[0.8, 0.3],
        providers=["Ada", "Bell"],
    )
    cycling = PayPerCompute(market, Users(value_per_correct=[0.005, 0.05], rationality=[2000, 500]))
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots(2, 3, sharey="row")
    titles = ("best replies, one at a time", "regret matching (mean tokens)", "gradients")
    for row, game in zip(axes, (scenario.game(rationality=1000), cycling), strict=True):
        tokens = np.asarray(game.market.tokens)
        for axis, title, path_of in zip(row, titles, _paths(game, tokens), strict=True):
            for i, name in enumerate(game.market.providers):
                axis.plot(path_of[:, i], color=COLOURS[i], linestyle=DASHES[i], linewidth=1.3, label=name)
            axis.set_title(title if game is not cycling else "", fontsize=9)
        row[0].set_ylabel("tokens per query", fontsize=8)
        row[0].legend(frameon=False, fontsize=7)
    for axis, label in zip(axes[1], ("round", "round", "step"), strict=True):
        axis.set_xlabel(label, fontsize=8)
    for axis in axes.ravel():
        axis.tick_params(labelsize=7)
    save(figure, path)


def _paths(game: PayPerCompute, tokens: np.ndarray) -> list[np.ndarray]:
    """Tokens of every provider, round by round, under the three rules."""
    everyone = np.arange(len(tokens))
    replies = best_response_dynamics(game, record=True)
    rounds = np.asarray(replies.trajectory)[: int(replies.num_rounds) + 1]
    while len(rounds) < 9:  # a limit stays, a cycle goes on
        rounds = np.concatenate([rounds, rounds[[-max(int(replies.cycle_length), 1)]]])
    extension = mixed_extension(game, fixed_scale=True)
    mixing = learn(extension, RegretMatchingPlus(), max_steps=200, tolerance=0.0, record=True)
    climbing = gradient_dynamics(ContinuousCompute(game.market, game.users), record=True)
    return [
        tokens[everyone, rounds],
        np.asarray((mixing.trajectory * tokens).sum(axis=2)),
        np.asarray(jnp.exp(climbing.trajectory))[:61],
    ]


if __name__ == "__main__":
    draw_reserve(IMAGES / "reserve.svg")
    draw_learning(IMAGES / "learning.svg")
