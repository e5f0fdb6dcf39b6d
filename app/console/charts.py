"""Charts as SVG, with no style attributes, which the content security policy refuses. A table stands beside each."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

BAR_WIDTH, BAR_HEIGHT = 100, 6
_BAR = Markup(
    '<svg class="share" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
    '<rect class="rail" width="{w}" height="{h}"/><rect class="{kind}" width="{filled}" height="{h}"/>'
    "{marks}</svg>"
)
_MARK = Markup('<rect class="mark" x="{x}" width="1" height="{h}"/>')


def share_bar(share: float, *marks: float, kind: str = "fill") -> Markup:
    """A horizontal bar filled to a share between 0 and 1; `marks`: thresholds on it."""
    filled = round(BAR_WIDTH * min(max(share, 0.0), 1.0), 1)
    lines = Markup("").join(_MARK.format(x=round(BAR_WIDTH * mark, 1), h=BAR_HEIGHT) for mark in marks)
    return _BAR.format(w=BAR_WIDTH, h=BAR_HEIGHT, kind=kind, filled=filled, marks=lines)


@dataclass(frozen=True)
class Stack:
    """One column of a chart: its label, and the value of each series from the bottom up."""

    label: str
    values: Sequence[float]


@dataclass(frozen=True)
class Block:
    """A rectangle of a chart. `series`: the number of its series."""

    series: int
    x: float
    y: float
    width: float
    height: float
    title: str


WIDTH, HEIGHT = 720.0, 160.0


def bar_chart(stacks: Sequence[Stack], names: Sequence[str]) -> list[Block]:
    """The rectangles of a chart of stacked columns, within WIDTH and HEIGHT. `names`: of the series."""
    most = max((sum(stack.values) for stack in stacks), default=0) or 1
    step = WIDTH / max(len(stacks), 1)
    blocks = []
    for column, stack in enumerate(stacks):
        top = HEIGHT
        for series, value in enumerate(stack.values):
            height = HEIGHT * value / most
            top -= height
            if height:
                title = f"{stack.label}: {names[series]} {value:g}"
                x, width = column * step + step * 0.1, step * 0.8
                blocks.append(Block(series, round(x, 1), round(top, 1), round(width, 1), round(height, 1), title))
    return blocks
