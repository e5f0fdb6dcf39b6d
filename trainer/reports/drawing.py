"""SVG by matplotlib with CSS variables for colours, so that one drawing suits light and dark pages.

An inline SVG takes its colours and typeface from the page; `standalone` adds them to a file. The same drawing gives the
same bytes.
"""

import io
import re
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SIZE = (340, 232)  # CSS pixels: two fit side by side on a laptop and one on a phone, so text is never scaled
MARGIN = 14  # CSS pixels around a standalone drawing
DASHED = (0, (3, 3))
# The colours that matplotlib draws with, and the CSS variables that replace them.
INK, SOFT, LINE, ACCENT, WRONG, BASE = (f"#00000{i}" for i in range(1, 7))
_VARIABLES = {INK: "ink", SOFT: "ink-2", LINE: "line", ACCENT: "accent", WRONG: "wrong", BASE: "base"}
_STANDALONE = """<style>
:root{--ink:#131a18;--ink-2:#55605d;--line:#dfe5e3;--accent:#0b6b5f;--wrong:#b4500b;--base:#a3adaa;--surface:#fff;
--sans:-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media(prefers-color-scheme:dark){:root{--ink:#e9eeec;--ink-2:#9ba8a4;--line:#2a3230;--accent:#63cdb9;--wrong:#ffab66;
--base:#66726e;--surface:#181d1c}}
</style><rect x="%d" y="%d" width="100%%" height="100%%" rx="10" fill="var(--surface)"/>"""


def standalone(svg: str) -> str:
    """The drawing as the content of a file, with colours and a background for both colour schemes, and a margin."""

    def opened(match: re.Match[str]) -> str:
        width, height = int(match[2]) + 2 * MARGIN, int(match[3]) + 2 * MARGIN
        size = f'width="{width}" height="{height}" viewBox="{-MARGIN} {-MARGIN} {width} {height}"'
        return f"{match[1]}{size}{match[4]}{_STANDALONE % (-MARGIN, -MARGIN)}"

    return re.sub(r'(<svg[^>]*)viewBox="0 0 (\d+) (\d+)"([^>]*>)', opened, svg, count=1) + "\n"


def drawn(title: str, unit: str, draw: Callable[[Axes], None], alternative: str, size: tuple[int, int] = SIZE) -> str:
    """SVG of what `draw` puts on the axes. `unit` labels the vertical axis; screen readers read `alternative`."""
    with rc_context(_style(title)):
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
        axes = figure.subplots()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.suptitle(title, x=0, ha="left", color=INK, weight="bold", size=12.5)
        if unit:
            axes.set_title(unit, loc="left", color=SOFT, size=11, pad=8)
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inlined(file.getvalue(), alternative)


def note(axes: Axes, text: str, at: tuple[float, float], offset: tuple[int, int], **style: Any) -> None:  # noqa: ANN401
    """Write `text` at a point of the data, moved by `offset` points; `style` is matplotlib's."""
    axes.annotate(text, at, offset, textcoords="offset points", **{"color": INK, **style})


def _style(salt: str) -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,  # deterministic ids that differ between drawings
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "axes.labelcolor": SOFT,
        "axes.edgecolor": LINE,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 1,
        "xtick.color": LINE,
        "ytick.color": LINE,
        "xtick.labelcolor": SOFT,
        "ytick.labelcolor": SOFT,
        "ytick.major.size": 0,
        "xtick.major.size": 4,
        "figure.constrained_layout.h_pad": 2 / 72,
        "figure.constrained_layout.w_pad": 2 / 72,
    }


def _inlined(svg: str, alternative: str) -> str:
    """The SVG for a page: without prolog, with CSS variables, the page's typeface and a name for screen readers."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[^"]*_\d+"', "", svg)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', f'role="img" aria-label="{alternative}"', svg, count=1)
    svg = re.sub(r"font: ([^;\"]*?)'DejaVu Sans'[^;\"]*", r"font: \1var(--sans)", svg)
    svg = re.sub(r"font-family: 'DejaVu Sans'[^;\"]*", "font-family: var(--sans)", svg)
    return re.sub(r"#00000[1-6]", lambda match: f"var(--{_VARIABLES[match.group()]})", svg).strip()
