"""The forms of the explorer's sidebar: a market of one's own, and new providers."""

from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as ui

from games.errors import InputError
from solver.explorer import changes
from solver.explorer.state import State
from solver.explorer.uploads import state_of_upload

WIDE = {"sizing_mode": "stretch_width"}
SMALL = WIDE | {"size": "small"}


def upload_form(get: Callable[[], State], adopt: Callable[[State], None], say: Callable[[str], None]) -> ui.Column:
    """Files, and what a correct answer is worth; says what is wrong with a file, row by row, and changes nothing then."""
    curves = pn.widgets.FileInput(name="Curves, CSV", accept=".csv", **WIDE)
    prices = pn.widgets.FileInput(name="Prices, CSV (optional)", accept=".csv", **WIDE)
    alpha = ui.TextInput(label="Dollars per correct answer", value="0.01", **SMALL)
    benchmark = ui.TextInput(label="Benchmark, if several", **SMALL)
    method = ui.TextInput(label="Method, if several; or all", **SMALL)
    show = ui.Button(label="Show my market", **WIDE)
    there = pn.pane.HTML("", **WIDE)

    def read(_: Any) -> None:
        try:
            if curves.value is None:
                raise InputError("curves: no file; choose a CSV table with the columns model, level, accuracy, tokens")
            state = state_of_upload(
                (str(curves.filename), curves.value),
                None if prices.value is None else (str(prices.filename), prices.value),
                value_per_correct=_number(alpha),
                benchmark=_text(benchmark),
                method=_text(method),
                mechanism=get().mechanism,
            )
        except InputError as error:
            say(str(error))
            return
        adopt(state)

    def arrived(*_: Any) -> None:
        names = [str(files.filename) for files in (curves, prices) if files.value is not None]
        there.object = f"<p>Here: {escape(', '.join(names))}</p>" if names else ""

    show.on_click(read)
    for files in (curves, prices):
        files.param.watch(arrived, ["value", "filename"])
    columns = ui.Typography(
        "Curves: model, level, accuracy, tokens. Prices: model, usd_per_million_tokens; without them the bundled price list.",
        variant="caption",
    )
    return ui.Column(columns, curves, prices, there, alpha, benchmark, method, show, **WIDE)


def copy_form(change: Callable[[Callable[[State], State]], bool], model: Callable[[], str]) -> ui.Column:
    """A new provider like the chosen one, with other prices, accuracy or tokens."""
    name = ui.TextInput(label="Name of the copy", **SMALL)
    price = ui.TextInput(label="Price per token, times", value="0.5", **SMALL)
    accuracy = ui.TextInput(label="Accuracy, times", value="1.0", **SMALL)
    tokens = ui.TextInput(label="Tokens, times", value="1.0", **SMALL)
    fields = {"price": price, "accuracy": accuracy, "tokens": tokens}
    add = ui.Button(label="Add the copy", variant="outlined", **WIDE)

    def run(_: Any) -> None:
        def copied(state: State) -> State:
            given = {key: _number(field) for key, field in fields.items()}
            return changes.add_copy(state, model(), _text(name) or f"{model()}, copy", **given)

        if change(copied):
            _clear(name)

    add.on_click(run)
    return ui.Column(name, price, accuracy, tokens, add, **WIDE)


def new_form(change: Callable[[Callable[[State], State]], bool]) -> ui.Column:
    """A new provider by its numbers."""
    name = ui.TextInput(label="Name", **SMALL)
    accuracy = ui.TextInput(label="Accuracy at each level", placeholder="0.6, 0.7, 0.75", **SMALL)
    tokens = ui.TextInput(label="Tokens at each level", placeholder="200, 800, 3200", **SMALL)
    price = ui.TextInput(label="Dollars per million tokens", value="0.2", **SMALL)
    add = ui.Button(label="Add it", variant="outlined", **WIDE)

    def run(_: Any) -> None:
        if change(lambda s: changes.add_offer(s, _text(name), _text(accuracy), _text(tokens), _number(price))):
            _clear(name, accuracy, tokens)

    add.on_click(run)
    return ui.Column(name, accuracy, tokens, price, add, **WIDE)


def _text(field: ui.TextInput) -> str:
    """What stands in a field, whether or not the reader has left it."""
    return str(field.value_input or "").strip()


def _clear(*fields: ui.TextInput) -> None:
    for field in fields:
        field.param.update(value="", value_input="")


def _number(field: ui.TextInput) -> float:
    """The number that stands in a field.

    Raises:
        InputError: there is none.
    """
    text = _text(field)
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{field.label}: {text!r} is not a number; write one such as 0.5") from None
