"""Passages of documents, for which queries are generated.

A file is a FAQ or has texts in rows (`answer`, `text` or `passage`; JSON lines, JSON, CSV), or is plain text, Markdown
or HTML; a directory stands for all such files in it. Long texts are split at headings, paragraphs and sentences.
"""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser
from semantic_text_splitter import MarkdownSplitter, TextSplitter

from app.errors import FileError, InputError, Place, RowError
from app.knowledge.readers.decoding import NotDecodable, decode
from app.knowledge.readers.detection import SUFFIXES
from app.knowledge.readers.reading import read_rows
from app.knowledge.readers.row_file import RowFile
from app.text.markup import plain_text
from app.text.normalize import normalize
from trainer.data.generated_parts import flat

LENGTH = 600  # the most characters of a passage, about 160 tokens
WORDS = 4  # shorter pieces are headings or thanks, which answer no question
_ROW_SUFFIXES = [suffix for suffix, format in SUFFIXES.items() if format in ("json", "table", "xlsx", "yaml")]
COLUMNS = ("answer", "text", "passage")

_NO_TEXT = "script, style, noscript, template, nav, header, footer, form, iframe, svg"
_INLINE_BREAKS = "br, td, th"
_BLOCKS = (
    "address, article, aside, blockquote, dd, div, dl, dt, h1, h2, h3, h4, h5, h6, hr, li, main, ol, p, pre, section, "
    "table, tr, ul"
)

log = logging.getLogger("trainer")


def read(path: Path, length: int = LENGTH) -> list[str]:
    """The distinct passages of a file or a directory in order, each on one line.

    Raises FileError with every row that has no text, and InputError if a file cannot be read or there is no passage.
    """
    passages: dict[str, str] = {}
    taken = repeated = short = 0
    for text in (text for file in _files(path) for text in _texts(file, length)):
        taken += 1
        if len(text.split()) < WORDS:
            short += 1
        elif passages.setdefault(normalize(text), text) is not text:
            repeated += 1
    if not passages:
        raise InputError(f"{path} has no passage of {WORDS} words or more.", "passages")
    log.info(
        "%d passages; of %d pieces %d repeat others and %d have fewer than %d words",
        len(passages), taken, repeated, short, WORDS,
    )  # fmt: skip
    return list(passages.values())


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix.lower() in _READERS)
    if not files:
        raise InputError(f"{path} has no file that ends in one of {', '.join(sorted(_READERS))}.", "passages")
    return files


def _texts(file: Path, length: int) -> Iterator[str]:
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file}: the name of the file must end in one of {', '.join(sorted(_READERS))}.", "passages")
    for piece in reader(file, length):
        if text := flat(piece):
            yield text


def _rows(file: Path, length: int) -> Iterator[str]:
    opened, cut = RowFile.open(file), TextSplitter(length).chunks
    for row in read_rows(opened):
        text = next((row.values[name] for name in COLUMNS if row.values.get(name) is not None), None)
        if isinstance(text, str):
            yield from cut(plain_text(text))
        else:
            opened.reject(row.place, f"needs a text in one of {', '.join(f'`{name}`' for name in COLUMNS)}")
    opened.check()


def _plain_text(file: Path, length: int) -> Iterator[str]:
    yield from TextSplitter(length).chunks(_content(file))


def _markdown(file: Path, length: int) -> Iterator[str]:
    yield from MarkdownSplitter(length).chunks(_content(file))


def _html(file: Path, length: int) -> Iterator[str]:
    yield from TextSplitter(length).chunks(text_of_html(_content(file)))


def text_of_html(html: str) -> str:
    """The text of a page with an empty line between blocks, without navigation, forms and scripts."""
    tree = LexborHTMLParser(html)
    for node in tree.css(_NO_TEXT):
        node.decompose()
    for node in tree.css(_INLINE_BREAKS):
        node.insert_after(" ")
    for node in tree.css(_BLOCKS):
        node.insert_before("\n\n")
        node.insert_after("\n\n")
    text = tree.body.text() if tree.body else ""
    blocks = (flat(block) for block in text.split("\n\n"))
    return "\n\n".join(block for block in blocks if block)


def _content(file: Path) -> str:
    opened = RowFile.open(file)
    try:
        return decode(opened.data).text
    except NotDecodable as error:
        raise FileError([RowError(str(file), Place(error.line), str(error))]) from error


_READERS: dict[str, Callable[[Path, int], Iterator[str]]] = {
    **dict.fromkeys(_ROW_SUFFIXES, _rows),
    ".txt": _plain_text,
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
}
