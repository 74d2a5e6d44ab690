"""Parts of the page that Panel does not have: a drawing with a text alternative, and code with a button that copies it."""

from collections.abc import Mapping
from typing import Any

import panel as pn
import param

from solver.report.charts.chart import Chart
from solver.report.charts.theme import DARK, LIGHT, config
from solver.report.palette import Look, variables

_DRAW = """
export function render({model, el}) {
  const frame = document.createElement("figure")
  const legend = document.createElement("div")
  legend.className = "legend"
  legend.setAttribute("aria-hidden", "true")
  const title = document.createElement("h2")
  const caption = document.createElement("figcaption")
  const place = document.createElement("div")
  place.className = "place"
  place.setAttribute("role", "img")
  frame.append(title, legend, place, caption)
  el.append(frame)
  let turn = 0, shown = null
  async function draw() {
    const {spec, text, heading, note, colours, config, names} = model.drawing
    const now = ++turn
    for (const [name, value] of Object.entries(colours)) el.style.setProperty(name, value)
    title.textContent = heading
    caption.textContent = note
    legend.replaceChildren(...names.map(([name, colour, dash]) => {
      const entry = document.createElement("span")
      const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg")
      const line = document.createElementNS(ns, "line")
      svg.setAttribute("width", "26"); svg.setAttribute("height", "8")
      for (const [k, v] of Object.entries({x1: 0, x2: 26, y1: 4, y2: 4})) line.setAttribute(k, v)
      line.style.cssText = `stroke: ${colour}; stroke-width: 2.4; stroke-dasharray: ${dash.join(" ")}`
      svg.append(line)
      entry.append(svg, name)
      return entry
    }))
    place.setAttribute("aria-label", text)
    place.style.minHeight = `${spec.height}px`
    // Drawn out of sight, then put in the place of the old one: nothing flickers and nothing jumps.
    const next = document.createElement("div")
    next.className = "next"
    next.setAttribute("aria-hidden", "true")
    place.append(next)
    const made = await window.vegaEmbed(next, spec, {renderer: "svg", actions: false, config})
    if (now !== turn) { made.finalize(); next.remove(); return }
    if (shown) { shown.made.finalize(); shown.next.remove() }
    next.className = ""
    shown = {made, next}
    place.dataset.drawn = String(now)
  }
  model.on("drawing", draw)
  new ResizeObserver(() => shown && shown.made.view.resize().runAsync()).observe(place)
  draw()
}
"""
_LOOK = """
:host { display: block; width: 100%; }
figure { margin: 1rem 0 0; }
h2 { font-size: 1.05rem; font-weight: 600; margin: 0 0 .4rem; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem .9rem; font-size: .78rem; color: var(--ink); margin-bottom: .3rem; }
.legend span { white-space: nowrap; } .legend svg { margin-right: .35rem; }
figcaption { color: var(--muted); font-size: .82rem; margin-top: .3rem; line-height: 1.4; }
.place { position: relative; width: 100%; }
.place > div { width: 100%; }
.next { position: absolute; inset: 0 0 auto 0; visibility: hidden; }
"""
_FIT = """
export function render({model, el}) {
  const colour = () => { document.documentElement.style.colorScheme = model.dark ? "dark" : "light" }
  model.on("dark", colour)
  colour()
  const fits = (query) => matchMedia(query).matches
  // Nothing comes of it while the page is still loading: say it again, later and later.
  const tell = (pause) => {
    if (model.heard || pause > 20000) return
    model.seen = [fits("(prefers-color-scheme: dark)"), fits("(max-width: 600px)"), Date.now()]
    setTimeout(() => tell(2 * pause), pause)
  }
  setTimeout(() => tell(500), 100)
  const name = () => {
    for (let node = el; node; node = node.parentNode || node.host) {
      if (node.matches?.(".MuiDrawer-paper")) node.setAttribute("aria-label", "Controls")
      node.querySelector?.("[role=progressbar]")?.setAttribute("aria-label", "At work")
    }
  }
  name()
  setTimeout(name, 500)
}
"""
_COPY = """
export function render({model, el}) {
  const button = document.createElement("button")
  const said = document.createElement("span")
  const code = document.createElement("pre")
  button.type = "button"
  button.textContent = "Copy"
  said.setAttribute("role", "status")
  code.tabIndex = 0
  code.setAttribute("aria-label", "Python code of this state")
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(model.code); said.textContent = "copied" }
    catch { getSelection().selectAllChildren(code); said.textContent = "selected: press Ctrl+C" }
  }
  const show = () => { code.textContent = model.code; said.textContent = "" }
  model.on("code", show)
  show()
  el.append(button, said, code)
}
"""
_COPY_LOOK = """
:host { display: block; }
button { font: inherit; padding: .35rem .9rem; border-radius: 4px; border: 1px solid var(--line); cursor: pointer;
  background: var(--card); color: var(--ink); }
span { margin-left: .8rem; color: var(--muted); }
pre { overflow: auto; max-height: 60vh; font-size: .8rem; background: var(--card); color: var(--ink);
  border: 1px solid var(--line); padding: .8rem; border-radius: 4px; }
"""


class Drawing(pn.custom.JSComponent):
    """A chart of ``solver.explorer.charts``, redrawn whenever ``drawing`` changes."""

    drawing: Mapping[str, Any] = param.Dict(default={})  # type: ignore[assignment]

    _esm = _DRAW
    _stylesheets = [_LOOK]  # noqa: RUF012 (Panel reads it off the class)

    @staticmethod
    def of(chart: Chart, looks: Mapping[str, Look]) -> dict[str, Any]:
        """The value of ``drawing`` that shows a chart; one of providers gets a legend of those that have colours."""
        light, dark = variables(dict(looks)), variables(dict(looks), dark=True)
        colours = {name: f"light-dark({light[name]},{dark[name]})" for name in light}
        return {
            "spec": chart.spec,
            "text": chart.text,
            "heading": chart.title,
            "note": chart.caption,
            "colours": colours,
            # As high as the specification says, whatever stands around the plot.
            "config": config() | {"autosize": {"type": "fit-x", "contains": "padding"}},
            "names": [[k.short, k.colour, list(k.dash)] for k in looks.values() if k.coloured] if chart.wide else [],
        }


class Fitting(pn.custom.JSComponent):
    """Sits in the sidebar and tells what the reader's window is like; names parts of the page for screen readers."""

    seen = param.List(default=[], doc="Whether dark, whether narrow, and when this was said.")
    heard = param.Boolean(default=False)
    dark = param.Boolean(default=False)

    _esm = _FIT


class Code(pn.custom.JSComponent):
    """Code, and a button that copies it."""

    code = param.String(default="")

    _esm = _COPY
    _stylesheets = [_COPY_LOOK]  # noqa: RUF012 (Panel reads it off the class)


def page_style() -> str:
    """The style sheet of the whole page: the colours that charts name, in light and dark, and its tables and cards."""
    colours = "".join(f"{name}: light-dark({LIGHT[name]}, {DARK[name]}); " for name in LIGHT)
    return f":root {{ {colours} }}"


CARDS = """
:host { width: 100%; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .6rem; }
.card { border: 1px solid var(--line); background: var(--card); color: var(--ink); border-radius: 6px;
  padding: .55rem .75rem; min-width: 0; }
.what { color: var(--muted); font-size: .78rem; overflow-wrap: anywhere; }
.number { font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.note { color: var(--muted); font-size: .74rem; line-height: 1.3; }
p { margin: .2rem 0; line-height: 1.45; overflow-wrap: anywhere; color: var(--ink); }
"""
TABLE = """
:host { width: 100%; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .84rem; color: var(--ink); width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child { text-align: left; }
thead th { color: var(--muted); font-weight: 500; }
thead tr:first-child th[colspan] { text-align: center; }
tbody th { font-weight: 500; }
.gone { color: var(--muted); }
.gone td { text-align: left; }
.swatch { display: inline-block; width: .7rem; height: .7rem; border-radius: 2px; margin-right: .45rem; }
"""
