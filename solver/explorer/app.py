"""The explorer's page: controls on the left, what follows from them on the right."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as ui
import param

from games import frontier_names, load_scenario, scenario_names
from games.errors import InputError
from solver.explorer import changes, charts, controls, forms, parts, texts
from solver.explorer.charts import Scene
from solver.explorer.python_code import to_python
from solver.explorer.report_job import file_name, report_of
from solver.explorer.session import Session
from solver.explorer.state import State, state_of
from solver.explorer.warm import Warm
from solver.mechanisms.registry import MECHANISMS

TITLE = "Test-time compute market"
WIDE = {"sizing_mode": "stretch_width"}
SIDEBAR = 340
DRAWN = (charts.value, charts.anarchy, charts.ledger)


class Explorer:
    """One page of one reader.

    Args:
        state: where the reader starts.
        warm: what is compiled, shared by all pages.
    """

    def __init__(self, state: State, warm: Warm) -> None:
        document = pn.state.curdoc
        assert document is not None
        self._document = document
        self._quiet = False
        self._reason = ""
        self.session = Session(state, warm, self._beside, self._show)
        self._make_controls()
        self._make_results()
        self._first = state
        self._fill()
        self.session.refresh()

    def page(self) -> ui.Page:
        """The whole page."""
        add = ui.Accordion(
            ("Copy this provider", forms.copy_form(self._change, lambda: str(self._who.value))),
            ("Add a provider by numbers", forms.new_form(self._change)),
            ("A market of your own", forms.upload_form(lambda: self.session.state, self._adopt, self._say)),
            active=[], disable_gutters=True, title_variant="subtitle1", **WIDE,
        )  # fmt: skip
        left = [
            self._scenario, self._mechanisms, self._beta, self._alpha, self._margin, self._cap,
            ui.Divider(**WIDE), self._who, self._price, self._own_cap, self._drop, add,
        ]  # fmt: skip
        value, anarchy, ledger = self._drawings
        buttons = ui.FlexBox(self._again, self._copy, self._make_report, self._save, gap="8px")
        right = [
            self._alert, self._about, self._cards, self._note, buttons, self._status, value,
            ui.Grid(ui.Grid(anarchy, size={"xs": 12, "lg": 6}), ui.Grid(ledger, size={"xs": 12, "lg": 6}),
                    container=True, spacing=3, **WIDE),
            self._table, self._dialog,
        ]  # fmt: skip
        page = ui.Page(
            title=TITLE, sidebar=[*left, self._fitting], main=[ui.Column(*right, margin=(10, 16), **WIDE)],
            sidebar_width=SIDEBAR, sidebar_resizable=False, sidebar_open="Mobi" not in str(pn.state.headers.get("User-Agent")),
        )  # fmt: skip
        self._fitting.param.watch(lambda _: self._fit(page), "seen")
        page.param.watch(lambda event: setattr(self._fitting, "dark", event.new), "dark_theme")
        return page

    def _fit(self, page: ui.Page) -> None:
        """Take on the reader's light or dark, and leave a narrow window to the results."""
        # What is set before the page has loaded does not reach it; the page says the same again.
        if pn.state.loaded and not self._fitting.heard:
            dark, narrow, _ = self._fitting.seen
            self._fitting.heard = True
            page.param.update(dark_theme=bool(dark), sidebar_open=not narrow)

    # What happens

    def _beside(self, run: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run something in a thread, and hand its result to the page's own."""

        def work() -> None:
            found = run()
            self._document.add_next_tick_callback(lambda: then(found))

        threading.Thread(target=work, daemon=True).start()

    def _say(self, text: str) -> None:
        """Show what is wrong, or nothing."""
        self._alert.param.update(object=text, visible=bool(text))

    def _change(self, make: Callable[[State], State]) -> bool:
        wrong = self.session.change(make)
        self._say(wrong)
        if not wrong:
            self._fill_names()
        return not wrong

    def _adopt(self, state: State) -> None:
        """Go to another market: every control takes its values from it."""
        wrong = self.session.adopt(state)
        self._say(wrong)
        if not wrong:
            self._first = state
            self._fill()

    def _show(self, scene: Scene | None, status: str) -> None:
        self._status.object = f'<p role="status">{status}</p>'
        self._forget_report()
        if scene is None:
            return
        for drawing, draw in zip(self._drawings, DRAWN, strict=True):
            drawing.drawing = parts.Drawing.of(draw(scene), scene.looks)
        self._cards.object = texts.headline(scene)
        self._note.object = texts.mechanism_note(scene)
        self._table.object = texts.providers(scene)
        self._about.object = texts.about(scene.state)
        played = scene.mechanism
        self._reason = played.reason if played is not None and played.ledger is None else ""

    # Controls

    def _make_controls(self) -> None:
        self._scenario = ui.Select(label="Market", options=[*scenario_names(), *frontier_names()], **WIDE)
        self._mechanisms = ui.Select(label="Mechanism", options=list(MECHANISMS), **WIDE)
        self._who = ui.Select(label="One provider", **WIDE)
        self._scenario.param.watch(self._chosen, "value")
        self._mechanisms.param.watch(
            lambda event: self._quiet or self._change(lambda s: changes.with_mechanism(s, event.new)), "value"
        )
        self._who.param.watch(lambda _: self._fill_provider(), "value")
        self._beta = self._slider(
            "Users’ rationality β, per dollar", lambda s, x: changes.with_numbers(s, rationality=x)
        )
        self._alpha = self._slider(
            "Value of a correct answer α", lambda s, x: changes.with_numbers(s, value_per_correct=x)
        )
        self._margin = self._slider("Margin on cost, all", lambda s, x: changes.with_numbers(s, margin=x))
        self._cap = self._slider("Compute cap, all", changes.with_cap_for_all)
        self._price = self._slider("Its price, times list", lambda s, x: changes.with_price(s, str(self._who.value), x))
        self._own_cap = self._slider("Its compute cap", lambda s, x: changes.with_cap(s, str(self._who.value), x))
        self._drop = ui.Button(label="Drop it", variant="outlined", **WIDE)
        self._drop.on_click(self._toggle)
        self._again = ui.Button(label="Start again", variant="outlined")
        self._again.on_click(lambda _: self._adopt(self._first))
        self._copy = ui.Button(label="Copy as Python", variant="outlined")
        self._copy.on_click(self._show_code)
        self._make_report = ui.Button(label="Make report", variant="outlined")
        self._make_report.on_click(self._start_report)
        self._save = ui.FileDownload(label="Save report", filename="report.html", visible=False)

    def _slider(self, label: str, apply: Callable[[State, float], State]) -> ui.DiscreteSlider:
        slider = ui.DiscreteSlider(label=label, options={"1": 1.0, "2": 2.0}, value=1.0, **WIDE)

        def moved(event: Any) -> None:
            if self._quiet or event.new is None:
                return
            # What is released is numbered by its place among the options; the value itself is at hand already.
            value = float(slider.value)
            # Forgotten at once, so that a release at the same place is news again.
            with param.edit_constant(slider):
                slider.value_throttled = None
            self._change(lambda s: apply(s, value))

        slider.param.watch(moved, "value_throttled")
        return slider

    def _make_results(self) -> None:
        self._alert = ui.Alert(object="", severity="error", visible=False, **WIDE)
        self._about, self._cards, self._note, self._status = (
            pn.pane.HTML("", stylesheets=[parts.CARDS], margin=(4, 0), **WIDE) for _ in range(4)
        )
        self._table = pn.pane.HTML("", stylesheets=[parts.TABLE], margin=(4, 0), **WIDE)
        self._drawings = [parts.Drawing(**WIDE) for _ in DRAWN]
        self._code = parts.Code(**WIDE)
        self._fitting = parts.Fitting()
        self._dialog = ui.Dialog(
            self._code, title="This state as Python", show_close_button=True, close_on_click=True, width_option="lg"
        )

    def _fill(self) -> None:
        """Set every control to the state."""
        state = self.session.state
        before, self._quiet = self._quiet, True
        name = state.bundled or f"{state.name} (yours)"
        if name not in self._scenario.options:
            self._scenario.options = [*self._scenario.options, name]
        self._scenario.value = name
        self._mechanisms.value = state.mechanism
        _set(self._beta, controls.rationalities(state), state.rationality)
        _set(self._alpha, controls.values_per_correct(state), state.value_per_correct)
        _set(self._margin, controls.margins(state), state.margin)
        _set(self._cap, controls.caps(state.offers), np.inf)
        self._who.param.update(options=[offer.name for offer in state.offers], value=state.offers[0].name)
        self._quiet = before
        self._fill_provider()

    def _fill_names(self) -> None:
        names = [offer.name for offer in self.session.state.offers]
        if names != self._who.options:
            self._who.param.update(options=names, value=names[-1])
        self._fill_provider()

    def _fill_provider(self) -> None:
        """Set the controls of one provider to it."""
        names = [offer.name for offer in self.session.state.offers]
        if self._who.value not in names:
            return
        before, self._quiet = self._quiet, True
        offer = self.session.state.offer(str(self._who.value))
        _set(self._price, controls.factors(offer.price_factor), offer.price_factor)
        _set(self._own_cap, controls.caps((offer,), offer.cap), offer.cap)
        self._drop.label = "Drop it" if offer.present else "Bring it back"
        self._quiet = before

    def _toggle(self, _: Any) -> None:
        name = str(self._who.value)
        self._change(lambda s: (changes.drop if s.offer(name).present else changes.restore)(s, name))

    def _chosen(self, event: Any) -> None:
        if not self._quiet and event.new in (*scenario_names(), *frontier_names()):
            mechanism = self.session.state.mechanism
            self._adopt(state_of(load_scenario(event.new), mechanism=mechanism, bundled=event.new))

    # What a reader takes home

    def _show_code(self, _: Any) -> None:
        self._code.code = to_python(self.session.state, undefined=self._reason)
        self._dialog.open = True

    def _start_report(self, _: Any) -> None:
        state = self.session.state
        self._make_report.param.update(disabled=True, label="Report: starting …")

        def said(text: str) -> None:
            self._document.add_next_tick_callback(lambda: setattr(self._make_report, "label", f"Report: {text}"))

        def run() -> Any:
            try:
                return report_of(state, said)
            except InputError as error:
                return str(error)

        def done(made: Any) -> None:
            self._forget_report()
            if isinstance(made, str):
                self._say(made)
            elif state is self.session.state:
                self._save.param.update(file=made, filename=file_name(state), visible=True)

        self._beside(run, done)

    def _forget_report(self) -> None:
        self._make_report.param.update(disabled=False, label="Make report")
        self._save.visible = False


def _set(slider: ui.DiscreteSlider, choices: controls.Choices, value: float) -> None:
    slider.param.update(options=choices, value=controls.nearest(choices, value))
    # The same value may stand at another place among the new choices.
    slider.param.trigger("value")
