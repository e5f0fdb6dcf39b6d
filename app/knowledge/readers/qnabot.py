"""QnABot's JSON: `qid`, `q`, `a`, `alt.markdown`. The Markdown is the answer where there is one, as QnABot shows it.

Buttons of the response card (`r`) that lead to other items are follow-ups."""

import re
from collections.abc import Iterable, Iterator, Mapping

from app.knowledge.readers.row import Row
from app.knowledge.readers.row_file import RowFile

FORMAT = "QnABot"
_MARKUP = re.compile(r"[\W_]+")
_TARGET = re.compile(r"^QID::", re.IGNORECASE)


def is_item(values: Mapping[str, object]) -> bool:
    """True for a row that is an item of QnABot."""
    return "qid" in values and ("q" in values or "a" in values)


def renamed(rows: Iterable[Row], file: RowFile) -> Iterator[Row]:
    """The items that are questions and answers, as rows. A plain answer that says other than the Markdown is kept as
    the metadata `plain_answer`; what is neither text, number nor list of texts is not taken, with a warning."""
    for row in rows:
        values = dict(row.values)
        kind = values.pop("type", "qna")
        if kind != "qna":
            file.warn("not_taken", f"items of the type `{kind}` are not taken", row.place)
            continue
        questions = values.pop("q", None)
        question, *alternatives = questions if isinstance(questions, list) and questions else [questions]
        plain, markdown = values.pop("a", None), _markdown(values.pop("alt", None))
        if isinstance(plain, str) and markdown and not _same(plain, markdown):
            values["plain_answer"] = plain
        values["r"], follow_ups = _card(values.get("r"))
        entry = {
            "id": values.pop("qid"),
            "entry.follow_ups": follow_ups,
            "question": question,
            "alternatives": alternatives,
            "answer": markdown or plain,
        }
        yield Row(row.place, entry | _flat(values, row, file))


def _card(card: object) -> tuple[object, list[str]]:
    """What a response card holds beside the buttons that lead to other items, and the ids of those items."""
    if not isinstance(card, dict) or not isinstance(card.get("buttons"), list):
        return card, []
    buttons = card["buttons"]
    leading = [button for button in buttons if isinstance(button, dict) and _TARGET.match(str(button.get("value")))]
    rest = {key: value for key, value in card.items() if key != "buttons" and value}
    if others := [button for button in buttons if button not in leading]:
        rest["buttons"] = others
    return rest, [_TARGET.sub("", button["value"]).strip() for button in leading]


def _markdown(alt: object) -> str | None:
    markdown = alt.get("markdown") if isinstance(alt, dict) else None
    return markdown if isinstance(markdown, str) and markdown.strip() else None


def _same(plain: str, markdown: str) -> bool:
    return _MARKUP.sub("", plain) == _MARKUP.sub("", markdown)


def _flat(values: Mapping[str, object], row: Row, file: RowFile) -> dict[str, object]:
    """What metadata can hold of the rest."""
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(item, str) for item in value)):
            if value:
                file.warn("not_taken", f"`{key}` is not taken: metadata is flat", row.place)
        elif value not in ("", [], None):
            flat[key] = value
    return flat
