"""The options that say which market to solve, shared by all commands, and how texts become numbers."""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solver.cli.output import warnings_in_words

if TYPE_CHECKING:
    import numpy as np

    from games import Market, Scenario
    from games.users import ValueCurve

DEFAULT_RATIONALITY = 1000.0
PUBLISHED_RATIONALITY = "200,1000,100000"
SWEEP_RATIONALITY = "1:1e6:100"
MAX_COUNT = 1_000_000
# Shares that are nearer to 0, 1 or each other tell nothing about who competes with whom.
ONE_SHARE = 1e-6
_PANEL = "Market (a bundled scenario, a market file, or your own two CSV files)"


@dataclass(frozen=True)
class MarketOptions:
    """Where the market comes from and who its users are; ``None`` keeps the scenario's own value.

    Each field is one option of the command line; the help texts say what it means.
    """

    market: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Market file that 'ttc-games ingest' made of logs.", rich_help_panel=_PANEL),
    ] = None
    curves: Annotated[
        Path | None,
        typer.Option(help="CSV: model,level,accuracy,tokens[,benchmark,method].", rich_help_panel=_PANEL),
    ] = None
    prices: Annotated[
        Path | None,
        typer.Option(
            help="CSV: model,usd_per_million_tokens; or JSON of LiteLLM or OpenRouter.", rich_help_panel=_PANEL
        ),
    ] = None
    benchmark: Annotated[
        str | None,
        typer.Option(help="Which benchmark, where --market or --curves holds several.", rich_help_panel=_PANEL),
    ] = None
    method: Annotated[
        str | None,
        typer.Option(help="Which method, where --curves holds several; 'all' for all.", rich_help_panel=_PANEL),
    ] = None
    value_per_correct: Annotated[
        float | None,
        typer.Option(
            help="Dollars a correct answer is worth; needed with --market and --curves.", rich_help_panel=_PANEL
        ),
    ] = None
    segments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV of user segments: segment,weight,value_per_correct[,rationality,outside_value,baseline].",
            rich_help_panel=_PANEL,
        ),
    ] = None
    margin: Annotated[float | None, typer.Option(help="price / cost - 1; 0.25 by default.", rich_help_panel=_PANEL)] = (
        None
    )
    value_curve: Annotated[
        str,
        typer.Option(
            help="linear, power[:EXPONENT] or exponential[:CURVATURE]; 3.5 and 6 by default.", rich_help_panel=_PANEL
        ),
    ] = "linear"
    outside_value: Annotated[
        float | None,
        typer.Option(
            help="Dollars per query of not buying; -inf for no such option; 0 by default.", rich_help_panel=_PANEL
        ),
    ] = None
    baseline: Annotated[
        float | None,
        typer.Option(
            help="Worth of any answer, as a fraction of a correct one; 0.1 by default.", rich_help_panel=_PANEL
        ),
    ] = None
    unprofitable: Annotated[
        str,
        typer.Option(
            metavar="refuse|leave",
            help="What becomes of a provider that sells no level above its cost: an error, or it leaves the market.",
            rich_help_panel=_PANEL,
        ),
    ] = "refuse"
    providers: Annotated[str | None, typer.Option(help="Only these, comma-separated.", rich_help_panel=_PANEL)] = None

    @property
    def users_outside_value(self) -> float:
        """V0, dollars per query: as written, or 0."""
        return 0.0 if self.outside_value is None else self.outside_value

    @property
    def users_baseline(self) -> float:
        """Worth of any answer as a fraction of a correct one: as written, or 0.1."""
        return 0.1 if self.baseline is None else self.baseline

    def arguments(self) -> list[str]:
        """The words on a command line that make these options.

        Example:
            >>> MarketOptions(margin=0.5, providers="Ada,Bell").arguments()
            ['--margin=0.5', '--providers=Ada,Bell']
        """
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return [f"--{name.replace('_', '-')}={value}" for name, value in given]


def takes_market(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command with a parameter ``market: MarketOptions`` take each of its fields as an option.

    Typer reads options off a function's signature. Writing the ten options into it here, once, keeps the commands
    alike and their bodies short. An option of the command itself comes before one of the same name here.
    """
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.name != "market"]
    taken = {p.name for p in own}
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type)
        for f in fields(MarketOptions)
        if f.name not in taken
    ]

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        values = {p.name: arguments.pop(p.name) for p in shared}
        with warnings_in_words():
            command(market=MarketOptions(**values), **arguments)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def load_markets(names: Sequence[str], market: MarketOptions, *, default: Sequence[str] = ()) -> "list[Scenario]":
    """The scenarios named, or the one that the user's files make; ``default`` where neither is given.

    Raises:
        InputError: an unknown scenario, an unusable file, or options that do not belong together.
    """
    from games.errors import InputError

    if market.market is not None:
        if names:
            raise InputError(f"scenario {names[0]}: give a scenario or --market, not both")
        return [_of_market_file(market.market, market)]
    if market.curves is not None or market.prices is not None:
        if names:
            raise InputError(f"scenario {names[0]}: give a scenario or --curves and --prices, not both")
        return [_own_market(market)]
    for option, home, value in (
        ("--benchmark", "--curves and --market", market.benchmark),
        ("--method", "--curves", market.method),
    ):
        if value is not None:
            raise InputError(
                f"{option}: belongs to {home}; a bundled scenario is named BENCHMARK/METHOD, for example GSM8K/majority"
            )
    if not names and not default:
        raise InputError(
            "no market: name a scenario ('ttc-games scenarios' lists them) or give --curves, --prices and "
            "--value-per-correct, or --market and --value-per-correct"
        )
    chosen = list(names or default)
    repeated = [name for name in chosen if chosen.count(name) > 1]
    if repeated:
        raise InputError(f"scenario {repeated[0]}: named twice; name it once")
    return [_bundled(name, market) for name in chosen]


def default_rationality(scenario: "Scenario", options: MarketOptions) -> float:
    """β where none is asked for, per dollar: that of the segments file, 1,000 for bundled markets, else by the market's scale.

    Example:
        >>> from games import load_scenario
        >>> scenario = load_scenario("AIME/majority")
        >>> default_rationality(scenario, MarketOptions()), default_rationality(scenario, MarketOptions(curves=Path("own.csv")))
        (1000.0, 400.0)
    """
    from solver.cli.segment_files import own_rationality

    own = own_rationality(scenario.users, options)
    if own is not None:
        return own
    bundled = options.market is None and options.curves is None
    return DEFAULT_RATIONALITY if bundled else scenario.users.scale_free_rationality


def default_list(text: str, scenario: "Scenario", options: MarketOptions) -> str:
    """The list of β, written for bundled markets, at the scale of this market.

    Example:
        >>> from games import load_scenario
        >>> default_list("200,1000", load_scenario("AIME/majority"), MarketOptions(curves=Path("own.csv")))
        '80,400'
    """
    factor = default_rationality(scenario, options) / DEFAULT_RATIONALITY
    if factor in (0.0, 1.0):
        return text
    scaled = lambda part: f"{float(part) * factor:.12g}"  # noqa: E731
    if ":" in text:
        low, high, count = text.split(":")
        return f"{scaled(low)}:{scaled(high)}:{count}"
    return ",".join(map(scaled, text.split(",")))


def chosen_rationality(given: float | None, scenario: "Scenario", options: MarketOptions) -> tuple[float, list[str]]:
    """β of a command that takes one, and lines to show where it changes what a segments file says.

    Args:
        given: as written, per dollar; ``None`` for ``default_rationality``.
        scenario: the market with its users as written.
        options: of the command line.
    """
    from solver.cli.segment_files import scaling_note

    if given is None:
        return default_rationality(scenario, options), []
    return given, scaling_note(scenario.users, options, [given])


def chosen_rationalities(
    given: str | None, default: str, scenario: "Scenario", options: MarketOptions
) -> "tuple[np.ndarray, list[str]]":
    """The same for a command that takes a list; ``default`` at the market's scale where the segments file states no β."""
    import numpy as np

    from solver.cli.segment_files import own_rationality, scaling_note

    own = own_rationality(scenario.users, options)
    if given is None:
        return (parse_rationality(default_list(default, scenario, options)) if own is None else np.array([own])), []
    beta = parse_rationality(given)
    return beta, scaling_note(scenario.users, options, beta.tolist())


def scale_note(shares: "np.ndarray", rationality: float, scenario: "Scenario") -> list[str]:
    """A line that says when β is so high that every segment buys from one seller alone, or so low that all sell alike.

    Args:
        shares: of the providers in an equilibrium, ``[segments, providers]``.
        rationality: β, per dollar.
        scenario: the market.

    Example:
        >>> import numpy as np
        >>> from games import load_scenario
        >>> scale_note(np.array([[1.0, 0.0]]), 1e6, load_scenario("GPQA/majority"))[0][:67]
        "note: β = 1e+06 is off this market's scale: shares are 1 and 0. At "
    """
    largest, least = shares.max(axis=1), shares.min(axis=1)
    alone = bool((1 - largest < ONE_SHARE).all() or (largest < ONE_SHARE).all())
    alike = shares.shape[1] > 1 and bool((largest - least < ONE_SHARE).all()) and not alone
    if not (alone and shares.shape[1] > 1) and not alike:
        return []
    found = "shares are 1 and 0" if alone else "all shares are alike"
    usual = scenario.users.scale_free_rationality
    return [
        f"note: β = {rationality:.4g} is off this market's scale: {found}. At β = {usual:.4g} an offer worth a tenth of a "
        "correct answer more is chosen 7.4 times as often"
    ]


def load_market(name: str | None, market: MarketOptions) -> "Scenario":
    """The one scenario named, or the one that the user's CSV files make."""
    return load_markets([] if name is None else [name], market)[0]


def _of_market_file(path: Path, options: MarketOptions) -> "Scenario":
    from games.errors import InputError
    from solver.cli.market_files import market_of_file

    for option, value in (("--curves", options.curves), ("--prices", options.prices), ("--method", options.method)):
        if value is not None:
            raise InputError(f"{option}: give --market or {option}, not both; a market file has its own")
    # Segments bring values of their own.
    worth = 1.0 if options.segments is not None and options.value_per_correct is None else options.value_per_correct
    scenario = market_of_file(path, benchmark=options.benchmark, margin=options.margin, value_per_correct=worth)
    return _with_users(scenario, float(scenario.users.value_per_correct[0]), options)


def _bundled(name: str, options: MarketOptions) -> "Scenario":
    from games import load_scenario

    scenario = load_scenario(name) if options.margin is None else load_scenario(name, margin=options.margin)
    return _with_users(scenario, float(scenario.users.value_per_correct[0]), options)


def _own_market(options: MarketOptions) -> "Scenario":
    from games import Market, Scenario, Users
    from games.errors import InputError

    for option, is_there in (
        ("--curves", options.curves is not None),
        ("--prices", options.prices is not None),
        ("--value-per-correct", options.value_per_correct is not None or options.segments is not None),
    ):
        if not is_there:
            raise InputError(
                f"{option}: missing; a market of your own needs --curves, --prices and --value-per-correct (or --segments)"
            )
    assert options.curves is not None
    assert options.prices is not None
    market = Market.from_csv(
        options.curves,
        options.prices,
        margin=options.margin,
        benchmark=options.benchmark,
        method=options.method,
    )
    name = "/".join(part for part in (options.benchmark, options.method) if part) or options.curves.stem
    value_per_correct = 1.0 if options.value_per_correct is None else options.value_per_correct
    scenario = Scenario(
        name, market, Users(value_per_correct, 1.0), source=f"{options.curves.name}, {options.prices.name}"
    )
    return _with_users(scenario, value_per_correct, options)


def _with_users(scenario: "Scenario", value_per_correct: float, options: MarketOptions) -> "Scenario":
    """The scenario with the users and the providers that the options ask for."""
    from dataclasses import replace

    from games import Users
    from games.errors import unknown_name

    value_curve = parse_value_curve(options.value_curve)
    if options.segments is not None:
        from solver.cli.segment_files import with_segments

        scenario = with_segments(scenario, options, value_curve)
    else:
        users = Users(
            value_per_correct if options.value_per_correct is None else options.value_per_correct,
            scenario.users.rationality,
            outside_value=options.users_outside_value,
            baseline=options.users_baseline,
            value_curve=value_curve,
        )
        scenario = replace(scenario, users=users)
    market = scenario.market
    if options.providers is not None:
        market = market.subset([name.strip() for name in options.providers.split(",")])
    if options.unprofitable == "leave":
        market = _selling(market)
    elif options.unprofitable != "refuse":
        raise unknown_name("--unprofitable", options.unprofitable, ["refuse", "leave"])
    return replace(scenario, market=market)


def _selling(market: "Market") -> "Market":
    """The market without providers that sell nothing above cost; says who leaves."""
    import warnings

    from games.errors import InputWarning

    kept = market.selling()
    gone = [name for name in market.providers if name not in kept.providers]
    if gone:
        text = f"leave the market, as no level of theirs sells above its cost: {', '.join(gone)}"
        warnings.warn(text, InputWarning, stacklevel=2)
    return kept


def parse_value_curve(text: str) -> "ValueCurve":
    """``linear``, ``power[:EXPONENT]`` or ``exponential[:CURVATURE]``.

    Raises:
        InputError: an unknown curve, or a parameter that is not a positive number.
    """
    import jax.numpy as jnp

    from games import ExponentialValue, LinearValue, PowerValue
    from games.errors import InputError, unknown_name

    name, _, parameter = text.partition(":")
    curves = {"linear": LinearValue, "power": PowerValue, "exponential": ExponentialValue}
    if name not in curves:
        raise unknown_name("--value-curve", name, curves)
    if not parameter:
        return curves[name]()
    value = _number(parameter)
    if name == "linear" or value is None or not (math.isfinite(value) and value > 0):
        raise InputError(f"--value-curve {text}: write linear, power:EXPONENT or exponential:CURVATURE, above 0")
    parameter_array = jnp.asarray(value)
    return PowerValue(parameter_array) if name == "power" else ExponentialValue(parameter_array)


def parse_rationality(text: str) -> "np.ndarray":
    """Users' rationality β, per dollar: one number, a comma-separated list, or LO:HI:COUNT, log-spaced.

    Raises:
        InputError: the text is none of these, or a β is negative or infinite.

    Example:
        >>> parse_rationality("1:100:3").tolist(), parse_rationality("200, 1e3").tolist()
        ([1.0, 10.0, 100.0], [200.0, 1000.0])
    """
    import numpy as np

    from games import Users
    from games.errors import InputError

    parts = text.split(":") if ":" in text else text.split(",")
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers) or (":" in text and len(parts) != 3):
        raise InputError(
            f"--rationality {text}: not understood; give a number, a list such as 200,1000, or LO:HI:COUNT such as "
            f"{SWEEP_RATIONALITY}"
        )
    values = np.array(numbers, float)
    spaced, count = values[:2] if ":" in text else values, values[-1]
    for value in spaced[~(np.isfinite(spaced) & (spaced >= 0))]:
        Users(1.0, value)  # raises; the class words this error for the whole project
    if ":" not in text:
        return values
    if not (0 < spaced[0] <= spaced[1]):
        raise InputError(f"--rationality {text}: log spacing needs 0 < LO <= HI; for β = 0 use a list")
    if not (1 <= count <= MAX_COUNT and count == int(count)):
        raise InputError(f"--rationality {text}: COUNT must be a whole number from 1 to {MAX_COUNT:,}")
    return np.geomspace(spaced[0], spaced[1], int(count))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
