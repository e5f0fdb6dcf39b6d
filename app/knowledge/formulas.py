"""Cells of a CSV that a spreadsheet would evaluate: an apostrophe before them keeps them text. Knows no entries."""

import re

FORMULA = re.compile(r"'*[=+\-@]")
_SHIELDED = re.compile(r"'+[=+\-@]")


def shielded(cell: str) -> str:
    """The cell with an apostrophe before it where it begins like a formula, or like one that is shielded already."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unshielded(cell: str) -> str:
    """The inverse of `shielded`. A spreadsheet hides that apostrophe too."""
    return cell[1:] if _SHIELDED.match(cell) else cell
