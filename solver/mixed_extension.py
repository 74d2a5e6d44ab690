"""Expected payoffs under independent mixed strategies: exact for tables, a one-dimensional integral for logit games.

A logit game needs no sum over the K^N profiles. With attractions a = e^{βV}, a_0 = e^{βV0} and profit m per query sold,
1/(R + a) = ∫_0^∞ e^{−t(R + a)} dt turns the expectation over the rivals' levels into a product over rivals:

    E[share_i(k)] = a_k ∫ e^{−t(a_k + a_0)} Π_{j≠i} φ_j(t) dt,    φ_j(t) = Σ_l x_jl e^{−t a_jl},

O(N·K·Q) for Q nodes. In u = ln t the trapezoid rule of step h errs, relative to the integral itself and whatever
the game, by less than 2e·(2π/h)·e^{−π²/h}: 1e-15 at the default h = 1/4 (docs/theory/mixed.md). Attractions may span
thousands of orders of magnitude: everything is a logarithm, and stretches of u where no factor changes are summed as
geometric series (``solver.log_time``).
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from games import demand
from games.base import FiniteGame, LogitGame, require
from games.normal_form import NormalForm
from solver import masked
from solver.log_time import LogTimeNodes, log_time_nodes

NODES_PER_BLOCK = 256


class ExpectedShares(eqx.Module):
    """Expected shares of a logit game; natural logarithms, finite where the shares underflow.

    Args:
        log_shares: of each level if its provider played it, the others mixing; -inf where no level exists.
        log_outside: of the outside option, all mixing; -inf without one.
    """

    log_shares: Float[Array, "segments providers levels"]
    log_outside: Float[Array, " segments"]


class LogitExtension(eqx.Module):
    """The mixed extension of a logit game: its payoffs at mixed profiles, by the integral of the module.

    Args:
        game: the game.
        nodes: where the integrand is evaluated.
        fixed_scale: whether ``scaled`` measures payoffs against one bound for the whole game, not against the best
            payoff of the moment.
    """

    game: LogitGame
    nodes: LogTimeNodes
    fixed_scale: bool = eqx.field(static=True, default=False)

    @property
    def mask(self) -> Bool[Array, "providers levels"]:
        """True where a level exists."""
        return self.game.mask

    def anonymous(self) -> "LogitExtension":
        """The same without names, so that one compiled solver serves all games of a shape."""
        game = self.game.anonymous() if hasattr(self.game, "anonymous") else self.game
        return LogitExtension(game, self.nodes, self.fixed_scale)

    def log_payoffs(self, log_mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """ln E[U_i(k)], dollars per query, from the logarithms of a mixed profile; -inf where no level exists."""
        shares = expected_shares(self.game, log_mixed, self.nodes)
        weight = jnp.log(self.game.segment_weight)[:, None, None]
        profit = masked.log_unit_profit(self.game)
        log_sold = jax.nn.logsumexp(jnp.where(self.mask, shares.log_shares, 0.0) + weight, axis=0)
        return jnp.where(self.mask, log_sold + profit, -jnp.inf)

    def payoffs(self, mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """E[U_i(k)], dollars per query; -inf where no level exists."""
        return jnp.where(self.mask, jnp.exp(self.log_payoffs(safe_log(mixed))), -jnp.inf)

    def utility(self, log_mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """ln E[U_i(k)]: a difference is a relative gain, in any currency; 0 where no level exists."""
        return jnp.where(self.mask, self.log_payoffs(log_mixed), 0.0)

    def scaled(self, mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """E[U_i(k)] over a scale, within [0, 1]; 0 where no level exists.

        The scale is max_k E[U_i(k)], exact where payoffs underflow; with ``fixed_scale`` it is a bound on U_i over all
        profiles (every rival at its least attractive level), under which the guarantees of no-regret learning hold.
        """
        log_payoffs = self.log_payoffs(safe_log(mixed))
        if not self.fixed_scale:
            return jnp.exp(log_payoffs - log_payoffs.max(axis=1, keepdims=True))
        return jnp.exp(log_payoffs - self._log_bound()[:, None])

    def relative_regret(
        self, mixed: Float[Array, "providers levels"], values: Float[Array, "providers levels"]
    ) -> Float[Array, " providers"]:
        """Largest gain of every provider as a fraction of its payoff, from ``scaled`` payoffs at the profile."""
        own = (mixed * values).sum(axis=1)
        return values.max(axis=1) / jnp.where(own > 0, own, 1.0) - jnp.where(own > 0, 1.0, -jnp.inf)

    def _log_bound(self) -> Float[Array, " providers"]:
        attraction = masked.log_attraction(self.game)
        weakest = jnp.where(self.mask, attraction, jnp.inf).min(axis=-1)
        rivals = demand.log_sum_of_others(weakest, self.game.log_outside_attraction)[..., None]
        log_share = jnp.where(self.mask, attraction - jnp.logaddexp(rivals, attraction), -jnp.inf)
        weight = jnp.log(self.game.segment_weight)[:, None, None]
        log_profit = masked.log_unit_profit(self.game)
        return (jax.nn.logsumexp(log_share + weight, axis=0) + log_profit).max(axis=-1)

    def welfare(self, mixed: Float[Array, "providers levels"]) -> Float[Array, ""]:
        """E[Σ_s w_s (Σ_i s_i W_i + s_0 V0)], dollars per query."""
        shares = expected_shares(self.game, safe_log(mixed), self.nodes)
        surplus = jnp.where(self.mask, self.game.surplus, 0.0)
        created = (mixed * jnp.exp(shares.log_shares) * surplus).sum(axis=(1, 2))
        outside = jnp.exp(shares.log_outside) * self.game.outside_surplus
        return self.game.segment_weight @ (created + outside)


class TableExtension(eqx.Module):
    """The mixed extension of a game given as a table, by contraction; O(N·K^N).

    Args:
        table: the game; small, since the table has N·K^N entries.
    """

    table: NormalForm

    @property
    def mask(self) -> Bool[Array, "providers levels"]:
        """True where a level exists."""
        return self.table.mask

    def payoffs(self, mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """E[U_i(k)]; -inf where no level exists."""
        tensor = jnp.where(jnp.isfinite(self.table.tensor), self.table.tensor, 0.0)
        rows = []
        for i, payoffs in enumerate(tensor):
            values = payoffs
            # Contract the last axes first, so that the positions of the axes still to come stay what they are.
            for j in reversed(range(len(mixed))):
                values = values if j == i else jnp.tensordot(values, mixed[j], axes=(j, 0))
            rows.append(values)
        return jnp.where(self.mask, jnp.stack(rows), -jnp.inf)

    def scaled(self, mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """(E[U_i(k)] − min U_i) / (max U_i − min U_i) over all profiles, within [0, 1]; 0 where no level exists."""
        low, spread = payoff_range(self.table)
        values = (self.payoffs(mixed) - low[:, None]) / jnp.where(spread > 0, spread, 1.0)[:, None]
        return jnp.where(self.mask, values, 0.0)

    def relative_regret(
        self, mixed: Float[Array, "providers levels"], values: Float[Array, "providers levels"]
    ) -> Float[Array, " providers"]:
        """Largest gain of every provider as a fraction of its payoff range, from ``scaled`` payoffs at the profile."""
        return jnp.where(self.mask, values, 0.0).max(axis=1) - (mixed * values).sum(axis=1)

    def utility(self, log_mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
        """``scaled``, from the logarithms of a mixed profile."""
        return self.scaled(jnp.exp(log_mixed))


MixedExtension = LogitExtension | TableExtension


def safe_log(mixed: Float[Array, "providers levels"]) -> Float[Array, "providers levels"]:
    """ln x, with -inf and a zero derivative at x = 0."""
    positive = mixed > 0
    return jnp.where(positive, jnp.log(jnp.where(positive, mixed, 1.0)), -jnp.inf)


def payoff_range(table: NormalForm) -> tuple[Float[Array, " providers"], Float[Array, " providers"]]:
    """Every provider's lowest payoff over all profiles, and the distance to its highest."""
    axes = tuple(range(1, table.tensor.ndim))
    exists = jnp.ones(table.tensor.shape[1:], bool)
    for i, row in enumerate(table.mask):
        exists &= row.reshape((-1,) + (1,) * (len(table.mask) - 1 - i))
    low = jnp.where(exists, table.tensor, jnp.inf).min(axis=axes)
    return low, jnp.where(exists, table.tensor, -jnp.inf).max(axis=axes) - low


def mixed_extension(game: FiniteGame | MixedExtension, *, fixed_scale: bool = False) -> MixedExtension:
    """The payoffs of a game at mixed profiles, prepared once for solvers that evaluate them often.

    Args:
        game: a logit game of any size, or any other finite game small enough for a table.
        fixed_scale: see ``LogitExtension``; tables have a fixed scale anyway.

    Raises:
        InputError: the game is traced by jit or vmap (prepare it outside), too large for a table, or lacks
            members of ``games.FiniteGame``.

    Example:
        >>> from games import load_scenario
        >>> extension = mixed_extension(load_scenario("GSM8K/majority").game(rationality=1000))
        >>> extension.payoffs(jnp.full((9, 6), 1 / 6)).shape
        (9, 6)
    """
    if isinstance(game, LogitExtension | TableExtension):
        return game
    if isinstance(game, NormalForm):
        return TableExtension(game)
    require(game, FiniteGame, "mixed strategies")
    if isinstance(game, LogitGame):
        return LogitExtension(game, log_time_nodes(game), fixed_scale)
    return TableExtension(NormalForm.from_game(game))


def expected_shares(
    game: LogitGame, log_mixed: Float[Array, "providers levels"], nodes: LogTimeNodes
) -> ExpectedShares:
    """Expected shares at a mixed profile given by its logarithms.

    Args:
        game: a logit game.
        log_mixed: ln x, ``[providers, levels]``; -inf for levels never played.
        nodes: from ``log_time_nodes``.
    """
    log_mixed = jnp.where(game.mask, log_mixed, -jnp.inf)
    log_shares, log_outside = jax.vmap(_segment_shares, in_axes=(0, 0, None, 0, 0))(
        masked.log_attraction(game), game.log_outside_attraction, log_mixed, nodes.log_time, nodes.log_weight
    )
    return ExpectedShares(log_shares, log_outside)


def _segment_shares(
    log_attraction: Float[Array, "providers levels"],
    log_outside: Float[Array, ""],
    log_mixed: Float[Array, "providers levels"],
    log_time: Float[Array, " nodes"],
    log_weight: Float[Array, " nodes"],
) -> tuple[Float[Array, "providers levels"], Float[Array, ""]]:
    """Blocks of nodes at a time, so that memory does not grow with the spread of the attractions."""
    # Sums of N such terms stay finite, and e^{−overflow} is 0 for every purpose.
    overflow = math.log(float(jnp.finfo(log_attraction.dtype).max)) - math.log(1e3 * log_attraction.shape[0])

    def decay(log_rate):
        return jnp.exp(jnp.minimum(log_rate, overflow))

    def block(node_block):
        u, weight = node_block
        rate = decay(u[:, None, None] + log_attraction)
        log_phi = jax.nn.logsumexp(log_mixed - rate, axis=-1)
        # Products over the rivals without division: what lies before and behind a provider, never the total less it.
        nothing = jnp.zeros_like(log_phi[:, :1])
        ahead = jnp.concatenate([nothing, jnp.cumsum(log_phi, axis=1)], axis=1)
        behind = jnp.concatenate([jnp.cumsum(log_phi[:, ::-1], axis=1)[:, ::-1], nothing], axis=1)
        rivals = ahead[:, :-1] + behind[:, 1:]
        common = (weight + u - decay(u + log_outside))[:, None]
        by_level = (common + rivals)[:, :, None] - rate
        served_by_nobody = common[:, 0] + ahead[:, -1]
        return jax.nn.logsumexp(by_level, axis=0), jax.nn.logsumexp(served_by_nobody)

    blocks = (log_time.reshape(-1, NODES_PER_BLOCK), log_weight.reshape(-1, NODES_PER_BLOCK))
    by_level, by_nobody = jax.lax.map(block, blocks)
    log_shares = log_attraction + jax.nn.logsumexp(by_level, axis=0)
    return log_shares, log_outside + jax.nn.logsumexp(by_nobody, axis=0)
