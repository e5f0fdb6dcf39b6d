"""Imports a FAQ file into the store and reports the outcome to its sender. Knows no HTTP and no terminal."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from app.encoding.lengths import Lengths
from app.knowledge.entry import Entry
from app.knowledge.files import EntryFile
from app.knowledge.intake import ImportReport, KeptOld, Match, Mode
from app.knowledge.readers.warning import ReadWarning, Warnings
from app.knowledge.store import Store


@dataclass(frozen=True)
class Imported:
    """The outcome of an import, or of a dry run, and its warnings."""

    file: EntryFile
    report: ImportReport
    dry_run: bool
    warnings: list[ReadWarning]

    def as_dict(self) -> dict[str, Any]:
        """For programs; refused rows are not part of it."""
        report = asdict(self.report)
        del report["kept_old"]
        return {
            **report,
            "dry_run": self.dry_run,
            "format": self.file.format,
            "encoding": self.file.encoding,
            "encoding_guessed": self.file.guessed,
            "mapping": self.file.mapping,
            "merged": list(map(str, self.file.merged)),
            "warnings": list(map(str, self.warnings)),
        }


def import_file(
    store: Store,
    file: EntryFile,
    *,
    mode: Mode = "append",
    match: Match = "id",
    dry_run: bool = False,
    lengths: Lengths | None = None,
    by: str | None = None,
    publish: bool = False,
) -> Imported:
    """Import the entries of a file. `lengths`: measures texts in tokens of the encoder; None: not known. `by`: who
    imports. `publish`: wish that the store answers as it then is.

    Raises InputError, StoreError.
    """
    report = store.import_entries(file.entries, mode, dry_run, match, by, publish)
    warnings = Warnings()
    for kept in report.kept_old:
        warnings.add("kept_old", _kept_old(kept), file.places.get(kept.id))
    if lengths:
        _note_lengths(warnings, file, lengths)
    return Imported(file, report, dry_run, [*file.warnings, *warnings.listed()])


def _kept_old(kept: KeptOld) -> str:
    old = ", ".join(f"`{name}`" for name in kept.old_ids)
    return (
        f"`{kept.id}` is added beside {old} of the store, which has the same question and stays. "
        f"Give the row that id to update it instead{', or use --match question' if kept.derived else ''}"
    )


def _note_lengths(warnings: Warnings, file: EntryFile, lengths: Lengths) -> None:
    for entry in file.entries:
        for name in _cut(entry, lengths):
            limit = lengths.of_answer if name == "answer" else lengths.of_question
            message = f"`{name}` is longer than the {limit:,} tokens that the active bundle's encoder reads"
            warnings.add("beyond_encoder", f"{message}; the rest is found only by its words", file.places.get(entry.id))


def _cut(entry: Entry, lengths: Lengths) -> Iterable[str]:
    """The fields that the encoder does not read to their end."""
    if lengths.beyond_question(entry.question):
        yield "question"
    for name in ("alternatives", "negatives"):
        if any(map(lengths.beyond_question, getattr(entry, name))):
            yield name
    if lengths.beyond_answer(entry.plain_answer):
        yield "answer"
