"""Imports a FAQ file into the store and reports the outcome to its sender. Knows no HTTP and no terminal."""

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from app.encoding.lengths import Lengths
from app.knowledge.files import EntryFile
from app.knowledge.flaws import flaws_of, unfit_follow_up
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
            "warning_counts": self.warning_counts,
        }

    @property
    def warning_counts(self) -> dict[str, int]:
        """How many warnings of each kind there are."""
        counts: Counter[str] = Counter()
        for warning in self.warnings:
            counts[warning.kind] += warning.count
        return dict(counts)


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
    _note_flaws(warnings, file, store, mode)
    if lengths:
        _note_lengths(warnings, file, lengths)
    return Imported(file, report, dry_run, [*file.warnings, *warnings.listed()])


def _kept_old(kept: KeptOld) -> str:
    old = ", ".join(f"`{name}`" for name in kept.old_ids)
    return (
        f"`{kept.id}` is added beside {old} of the store, which has the same question and stays. "
        f"Give the row that id to update it instead{', or use --match question' if kept.derived else ''}"
    )


def _note_flaws(warnings: Warnings, file: EntryFile, store: Store, mode: Mode) -> None:
    """Warn of what is wrong with entries by themselves, and of follow-ups that lead nowhere."""
    now = datetime.now(UTC)
    wanted = {name for entry in file.entries for name in entry.follow_ups}
    known = {} if mode == "replace" else {entry.id: entry for entry in store.entries_of(wanted)}
    known |= {entry.id: entry for entry in file.entries if entry.id in wanted}
    for entry in file.entries:
        place = file.places.get(entry.id)
        for flaw in flaws_of(entry, now):
            warnings.add(flaw.kind, _lower(flaw.message), place)
        for name in entry.follow_ups:
            if reason := unfit_follow_up(known.get(name), now):
                warnings.add("dead_follow_up", f"the follow-up `{name}` {reason}, so it is not shown", place)


def _lower(message: str) -> str:
    """The sentence as the end of a line that begins with a place."""
    return message[0].lower() + message[1:].removesuffix(".")


def _note_lengths(warnings: Warnings, file: EntryFile, lengths: Lengths) -> None:
    for entry in file.entries:
        lists = {"alternatives": entry.alternatives, "negatives": entry.negatives}
        for name, limit in lengths.cut(entry.question, lists, entry.plain_answer).items():
            message = f"`{name}` is longer than the {limit:,} tokens that the active bundle's encoder reads"
            warnings.add("beyond_encoder", f"{message}; the rest is found only by its words", file.places.get(entry.id))
