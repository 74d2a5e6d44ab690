"""Colours of the report: one hue for each family of providers, one shade, marker and dash for each of its members.

A family is what the names of its members start with: Llama, Qwen, gpt. Hues stay apart for the usual forms of colour
blindness as far as five and more can; markers and dashes tell providers apart where hues do not. Colours are variables
of the style sheet, so that one drawing serves light pages, dark pages and, with the light values put in, paper.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from solver.report.style import MAX_NAME, shorten

# Hue angles of OKLCH: blue, orange, teal, magenta, olive, violet, cyan, red, green, pink, brown, indigo.
HUES = (250.0, 50.0, 175.0, 345.0, 105.0, 300.0, 220.0, 22.0, 145.0, 0.0, 75.0, 275.0)
LIGHT_SHADES, DARK_SHADES = (0.36, 0.64), (0.90, 0.66)
ONE_SHADE = {"light": 0.52, "dark": 0.76}
CHROMA = 0.145
SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left"),
    "M0,-1.1L0.26,-0.36L1.05,-0.34L0.42,0.14L0.65,0.89L0,0.44L-0.65,0.89L-0.42,0.14L-1.05,-0.34L-0.26,-0.36Z",
    "M-0.87,-0.5L0,-1L0.87,-0.5L0.87,0.5L0,1L-0.87,0.5Z",
    "M0,-1L0.95,-0.31L0.59,0.81L-0.59,0.81L-0.95,-0.31Z",
    "M-1,-0.45L-0.45,-1L0,-0.55L0.45,-1L1,-0.45L0.55,0L1,0.45L0.45,1L0,0.55L-0.45,1L-1,0.45L-0.55,0Z",
)
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
MUTED = "var(--muted)"
NO_FAMILY = frozenset(("provider", "model", "seller", "firm", "llm", "p", "m"))


@dataclass(frozen=True)
class Look:
    """How one provider looks in every drawing.

    Args:
        short: name cut to a length that fits a drawing, unique on the page.
        family: what the names of its family start with; the name itself where families say nothing.
        colour: variable of the style sheet, ``var(--f0-1)``, or ``MUTED``.
        light: the colour on light pages, ``#rrggbb``.
        dark: the colour on dark pages.
        shape: name or path of a Vega symbol.
        dash: lengths of strokes and gaps; empty for a solid line.
    """

    short: str
    family: str
    colour: str
    light: str
    dark: str
    shape: str
    dash: tuple[int, ...]

    @property
    def coloured(self) -> bool:
        """Whether it has a colour of its own; the others are grey."""
        return self.colour != MUTED


def provider_looks(coloured: Iterable[str], others: Iterable[str] = ()) -> dict[str, Look]:
    """One look for each distinct name; names in ``others`` alone are grey.

    Example:
        >>> looks = provider_looks(["Llama-3-8B", "Qwen2-7B", "Llama-3.2-1B"], ["Mistral-7B"])
        >>> [(look.family, look.colour) for look in looks.values()]
        [('llama', 'var(--f0-0)'), ('qwen', 'var(--f1-0)'), ('llama', 'var(--f0-1)'), ('mistral', 'var(--muted)')]
    """
    named = list(dict.fromkeys(coloured))
    families: dict[str, list[str]] = {}
    for name in named:
        families.setdefault(family_of(name), []).append(name)
    if len(families) == 1:  # names as "Provider 1" and "Provider 2" say nothing about families
        families = {name: [name] for name in named}
    looks: dict[str, Look] = {}
    taken: set[str] = set()
    place = {name: (f, m, key) for f, (key, members) in enumerate(families.items()) for m, name in enumerate(members)}
    for i, name in enumerate(dict.fromkeys([*named, *others])):
        short = shorten(name)
        if short in taken:
            short = f"{shorten(name, MAX_NAME - 6)} ({i + 1})"
        taken.add(short)
        if name not in place:
            looks[name] = Look(short, family_of(name), MUTED, "#5d6673", "#a0a8b3", "circle", ())
            continue
        f, m, key = place[name]
        light, dark = _shade(f, m, len(families[key]))
        shape, dash = SHAPES[i % len(SHAPES)], DASHES[m % len(DASHES)]
        looks[name] = Look(short, key, f"var(--f{f}-{m})", light, dark, shape, dash)
    return looks


def family_of(name: str) -> str:
    """The letters that a name starts with, in lower case; the whole name where they only say that it is a provider.

    Example:
        >>> family_of("Qwen2.5-7B"), family_of("gpt-5-mini"), family_of("7B"), family_of("Provider 7")
        ('qwen', 'gpt', '7b', 'provider 7')
    """
    text = name.strip().casefold()
    letters = re.match(r"[^\W\d_]+", text)
    return letters.group() if letters and letters.group() not in NO_FAMILY else text


def variables(looks: Mapping[str, Look], *, dark: bool = False) -> dict[str, str]:
    """The colours of all looks by the name of their variable, without ``var()``."""
    return {
        look.colour.removeprefix("var(").removesuffix(")"): look.dark if dark else look.light
        for look in looks.values()
        if look.coloured
    }


def _shade(family: int, member: int, members: int) -> tuple[str, str]:
    """The colour of one member on light and on dark pages."""
    hue = HUES[family % len(HUES)]
    if members == 1:
        return _hex(ONE_SHADE["light"], CHROMA, hue), _hex(ONE_SHADE["dark"], CHROMA, hue)
    part = member / (members - 1)
    light, dark = (low + part * (high - low) for low, high in (LIGHT_SHADES, DARK_SHADES))
    return _hex(light, CHROMA, hue), _hex(dark, CHROMA, hue)


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """OKLCH as ``#rrggbb``, by the matrices of B. Ottosson, "A perceptual color space for image processing", 2020.

    The chroma shrinks until the colour can be shown.
    """
    angle = math.radians(hue)
    for part in np.linspace(1, 0, 41):
        a, b = part * chroma * math.cos(angle), part * chroma * math.sin(angle)
        linear = _linear(lightness, a, b)
        if linear.min() >= -1e-4 and linear.max() <= 1 + 1e-4:
            break
    linear = np.clip(linear, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * x):02x}" for x in shown)


def _linear(lightness: float, a: float, b: float) -> np.ndarray:
    """OKLab as linear sRGB."""
    cubes = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    )
    mixed = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray(mixed @ (cubes @ np.array([lightness, a, b])) ** 3)


def contrast(first: str, second: str) -> float:
    """Contrast of two colours as WCAG 2 defines it, 1 to 21.

    Example:
        >>> round(contrast("#000000", "#ffffff"), 1)
        21.0
    """
    bright, dim = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = list(bytes.fromhex(colour[1:]))
    values = np.array(parts) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
