"""The command that shows a market in a browser and solves it again at every move of a slider."""

from typing import Annotated

import typer

from solver.cli.market_commands import Rationality
from solver.cli.options import MarketOptions, chosen_rationality, load_markets, takes_market


@takes_market
def explore(
    market: MarketOptions,
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A bundled market, GPQA/majority by default.")
    ] = None,
    rationality: Rationality = None,
    mechanism: Annotated[str, typer.Option(help="The mechanism to start with, as in `compare`.")] = "second-score",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 for any that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    ahead: Annotated[
        bool,
        typer.Option("--ahead/--on-demand", help="Compile mechanisms before they are asked for, or when they are."),
    ] = True,
) -> None:
    """Show a market as a local web page with sliders, until Ctrl+C; nobody but this machine can open it.

    Example: ttc-games explore GPQA/majority
    """
    _require_packages()
    from dataclasses import fields, replace

    from solver.explorer.state import state_of

    chosen = load_markets([scenario] if scenario else [], market, default=["GPQA/majority"])[0]
    rationality, notes = chosen_rationality(rationality, chosen, market)
    for note in notes:
        typer.echo(note)
    chosen = replace(chosen, users=chosen.users.with_rationality(rationality))
    # With options that change who sells or what users want, code can no longer load the market by its name alone.
    plain = all(
        getattr(market, f.name) == f.default for f in fields(market) if f.name not in ("margin", "value_per_correct")
    )
    state = state_of(chosen, mechanism=mechanism, bundled=chosen.name if plain else None)
    from solver.explorer.server import serve

    try:
        serve(
            state,
            port=port,
            browser=browser,
            ahead=ahead,
            say=lambda text: typer.echo(f"explore: {text} …", err=True),
            ready=lambda address: typer.echo(f"explorer: {address} (Ctrl+C ends it)"),
        )
    except KeyboardInterrupt:
        return  # the way to end it


def _require_packages() -> None:
    from importlib.util import find_spec

    from games.errors import InputError

    for package in ("panel", "panel_material_ui", "vl_convert", "jinja2"):
        if find_spec(package) is None:
            raise InputError(f"explore: {package} is not installed; run: pip install 'ttc-games[explore]'")
