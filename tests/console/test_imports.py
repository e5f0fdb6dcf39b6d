"""Importing a file: the dry run as a table, the import, and files that cannot be read."""

import re

from app.settings import Settings
from tests.console.conftest import Person
from tests.console.test_editor import EVIL, UNSAFE
from tests.console.test_entries import stored

FILE = "id,question,answer\nrefund,When will I get my refund?,Within ten days.\nnews,What is new?,This page.\n"


def send(person: Person, content: str, status: int = 200, name: str = "faq.csv", **fields: str) -> str:
    response = person.client.post(
        "/console/import",
        data={"csrf": person.token, **fields},
        files={"file": (name, content.encode())},
        headers={"HX-Request": "true"},
    )
    assert response.status_code == status, response.text
    return response.text


def test_a_file_is_checked_first_and_then_imported(person: Person, keyed: Settings) -> None:
    plan = send(person, FILE, act="check")
    assert "What faq.csv would change" in plan
    assert "Import 2 changes" in plan
    assert re.search(r"<td>answer, [^<]*metadata.category", plan)
    assert stored(keyed, "refund").answer == "Within five days of the return."
    done = send(person, FILE, act="import")
    assert "What faq.csv changed" in done
    assert stored(keyed, "refund").answer == "Within ten days."
    assert "The file holds nothing new" in send(person, FILE, act="check")


def test_rows_that_cannot_be_read_are_listed_beside_the_plan(person: Person) -> None:
    page = send(person, FILE + "bad,Has no answer,\n", 422, act="check")
    assert "1 row cannot be read. Nothing was changed." in page
    assert "<td>line 4</td>" in page
    assert "Import" not in page


def test_a_file_that_is_none_and_no_file_are_told(person: Person) -> None:
    assert 'role="alert"' in send(person, "", 422, act="check")
    assert "Choose a file first" in person.send("import", 422, act="check")


def test_columns_are_mapped_by_hand(person: Person) -> None:
    content = "Frage;Antwort\nWas kostet das?;Nichts.\n"
    assert "Was kostet das?" in send(person, content, act="check", mapping="question=Frage\nanswer=Antwort")
    assert "must be written as FIELD=COLUMN" in send(person, content, 422, act="check", mapping="Frage")


def test_texts_and_names_of_a_file_never_become_markup(person: Person) -> None:
    quoted = EVIL.replace('"', '""')
    for content in (
        f'question,answer\n"{quoted}","{quoted}"\n',
        f'"{quoted}",answer\nx,\n',
        f'question,answer\n"{quoted}",\n',
    ):
        for name in ("faq.csv", f"{EVIL}.csv".replace('"', "'")):
            response = person.client.post(
                "/console/import", data={"csrf": person.token}, files={"file": (name, content.encode())}
            )
            assert not UNSAFE.search(response.text)
