"""Texts that were decoded in the wrong encoding before they came here: `â€™`, `Ã©`. Knows no rows."""

from collections.abc import Mapping


def is_mojibake(text: str) -> bool:
    """True for a text that reads better once its encoding is repaired."""
    return repaired(text) != text


def repaired(text: str) -> str:
    """The text with its encoding repaired; the same text where there is nothing to repair."""
    if text.isascii():
        return text
    from ftfy import fix_encoding  # with its tables, which few files need

    return fix_encoding(text)


def repaired_values(values: Mapping[str, object]) -> tuple[dict[str, object], bool]:
    """The values with every text and every list of texts repaired, and whether that changed any."""
    fixed = {key: _repaired(value) for key, value in values.items()}
    return fixed, fixed != values


def _repaired(value: object) -> object:
    if isinstance(value, str):
        return repaired(value)
    if isinstance(value, list):
        return [repaired(item) if isinstance(item, str) else item for item in value]
    return value
