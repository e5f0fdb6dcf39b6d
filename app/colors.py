"""Colors: the contrast of two, mixing, and the check of a color that text is set in."""

import re

LIGHT_GROUND, DARK_SURFACE = "#f7f9f8", "#181d1c"  # of app/web/page.css: where the accent color has its least contrast
READABLE = 4.5  # the least contrast of text (WCAG 2.2, success criterion 1.4.3)
_HEX = re.compile(r"^#([0-9a-f]{3}|[0-9a-f]{6})$")
_STEPS = 100


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colors as WCAG 2.2 defines it, from 1 (the same) to 21 (black and white)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(color: str, other: str, share: float) -> str:
    """`color` with a `share` of `other`, from 0 to 1."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable(color: str, ground: str, toward: str) -> str:
    """`color`, mixed with as little of `toward` as gives text in it enough contrast on `ground`."""
    steps = (mixed(color, toward, step / _STEPS) for step in range(_STEPS + 1))
    return next((step for step in steps if contrast(step, ground) >= READABLE), toward)


def accent(text: str) -> str:
    """The color as `#rrggbb`. Raises ValueError unless it is one, and dark enough for text on the page's ground."""
    color = text.strip().lower()
    if not _HEX.match(color):
        raise ValueError(f"{text!r} is not a color; write it as #rrggbb, such as #0b6b5f")
    if len(color) == len("#rgb"):
        color = "#" + "".join(digit * 2 for digit in color[1:])
    ratio = contrast(color, LIGHT_GROUND)
    if ratio < READABLE:
        darker = readable(color, LIGHT_GROUND, "#000000")
        raise ValueError(
            f"{color} has a contrast of {ratio:.1f}:1 on the page's ground, and text needs {READABLE}:1; "
            f"a darker color of its kind is {darker}"
        )
    return color


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    """The relative luminance of WCAG 2.2, from 0 to 1."""
    scaled = (channel / 255 for channel in _channels(color))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in scaled)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
