"""What a page need not carry of a matplotlib drawing: a page holds some two hundred, most of whose text says nothing.

Unused ids, empty groups, invisible shapes, white space, repeated styles and points that lie on a line with their
neighbours go; coordinates keep a tenth of a point, those of markers, which a drawing repeats, a hundredth.
"""

import re
from xml.etree.ElementTree import Element

import numpy as np

# Points nearer than this to the line between their neighbours are left out; a point is about 1.5 pixels on a screen.
FLATNESS = 0.04
_NUMBER = re.compile(r"-?\d*\.?\d+(?:e-?\d+)?")
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_UNTURNED = re.compile(r"^rotate\(-?0(\.0+)? [^)]*\)$")
# Everything else that a <use> hands down is overruled by the style of the shape it repeats.
_OWN = {"opacity"}


def compact(root: Element) -> None:
    """Make a drawing smaller, in place; it looks the same."""
    used = {reference for element in root.iter() for reference in _references(element)}
    styles = {element.get("id"): _covered(element) for element in root.iter("path") if element.get("id") in used}
    _clean(root, used, styles, digits=1)


def _references(element: Element) -> list[str]:
    found = [match for value in element.attrib.values() for match in _REFERENCE.findall(value)]
    link = element.get("href", "")
    return [*found, link.removeprefix("#")] if link else found


def _style(element: Element) -> dict[str, str]:
    pairs = (part.split(":", 1) for part in element.get("style", "").split(";") if ":" in part)
    return {name.strip(): value.strip() for name, value in pairs}


def _covered(shape: Element) -> set[str]:
    """Properties that a shape settles for whoever repeats it; a single line has nothing to fill."""
    line = {"fill"} if len(_NUMBER.findall(shape.get("d", ""))) <= 4 else set()
    return {*_style(shape), *line}


def _clean(element: Element, used: set[str], styles: dict[str | None, set[str]], digits: int) -> None:
    """One element and what is in it."""
    if element.get("id") not in used:
        element.attrib.pop("id", None)
    style = _style(element)
    style.pop("font-family", None)  # the page's own
    repeated = styles.get(element.get("href", "").removeprefix("#"), set())
    if element.tag == "use" and style.keys() - _OWN <= repeated:
        style = {name: value for name, value in style.items() if name in _OWN}
    element.attrib.pop("style", None)
    if style:
        element.set("style", ";".join(f"{name}:{value}" for name, value in style.items()))
    if _UNTURNED.match(element.get("transform", "")):
        del element.attrib["transform"]
    for name in ("x", "y"):
        if name in element.attrib and element.tag in ("use", "text"):
            element.set(name, _short(float(element.attrib[name]), 1))
    if "d" in element.attrib:
        element.set("d", _path(element.attrib["d"], digits))
    if element.tag not in ("text", "tspan", "title"):
        element.text = element.tail = None
    children = []
    for child in list(element):
        _clean(child, used, styles, digits=2 if element.tag == "defs" else digits)
        child.tail = None
        if child.tag == "style" or (child.tag in ("g", "defs") and not len(child)) or _invisible(child):
            continue
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    if element.tag not in ("text", "tspan"):
        element[:] = children


def _invisible(element: Element) -> bool:
    """A shape without paint that nothing refers to."""
    return element.tag == "path" and "id" not in element.attrib and element.get("style") == "fill:none"


def _short(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _path(text: str, digits: int) -> str:
    """The ``d`` of a path in fewer characters."""
    parts = [(letter, [float(x) for x in _NUMBER.findall(rest)]) for letter, rest in _COMMAND.findall(text)]
    if len(parts) > 8:
        parts = _fewer(parts)
    pieces: list[str] = []
    last = ""
    for letter, numbers in parts:
        # After M a pair of numbers is a line; a letter is said once for all that follow it.
        said = letter if letter != last and not (letter == "L" and last == "M") else ""
        words = [_short(x, digits) for x in numbers]
        joined = "".join(w if not i or w.startswith("-") else f" {w}" for i, w in enumerate(words))
        pieces.append(said + joined if said or joined.startswith("-") or not pieces else f" {joined}")
        last = "" if letter in "Zz" else letter
    return "".join(pieces)


def _fewer(parts: list[tuple[str, list[float]]]) -> list[tuple[str, list[float]]]:
    """Each run of straight lines without the points that its neighbours give away."""
    kept: list[tuple[str, list[float]]] = []
    run: list[tuple[str, list[float]]] = []
    for part in [*parts, ("", [])]:
        if part[0] == "L" or (part[0] == "M" and not run):
            run.append(part)
            continue
        if run:
            chosen = _corners(np.array([numbers[:2] for _, numbers in run]))
            kept += [run[i] for i in chosen]
        run = [part] if part[0] == "M" else []
        if part[0] and part[0] != "M":
            kept.append(part)
    return kept


def _corners(points: np.ndarray) -> list[int]:
    """Indices kept by the algorithm of Ramer, Douglas and Peucker."""
    kept, pending = {0, len(points) - 1}, [(0, len(points) - 1)]
    while pending:
        first, last = pending.pop()
        if last - first < 2:
            continue
        between = points[first + 1 : last] - points[first]
        chord = points[last] - points[first]
        length = float(chord @ chord)
        along = np.clip(between @ chord / length, 0, 1) if length > 0 else np.zeros(len(between))
        distance = np.hypot(*(between - along[:, None] * chord).T)
        worst = int(np.argmax(distance))
        if distance[worst] > FLATNESS:
            at = first + 1 + worst
            kept.add(at)
            pending += [(first, at), (at, last)]
    return sorted(kept)
