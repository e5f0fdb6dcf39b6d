"""Releases: what they hold and what changed, activating, the jobs and the training reports."""

from collections.abc import Callable

from app.encoding.bundle import Bundle
from app.jobs.jobs import Jobs
from app.keys import KeyScope
from app.knowledge.entry import Entry
from app.knowledge.store import Store
from app.settings import Settings
from tests.conftest import publish_home
from tests.console.conftest import Person
from tests.console.test_entries import add


def test_releases_show_what_changed_and_one_is_rolled_back_to(person: Person, keyed: Settings, bundle: Bundle) -> None:
    first = person.client.get("/readyz").json()["release"]
    add(keyed, Entry(id="newer", question="What is newer?", answer="This."))
    assert "1 entry changed since" in person.see("state", part=True)
    assert "What is newer?" in person.see("releases").partition("Not published yet")[2]
    second = publish_home(keyed, bundle)
    page = person.see("releases")
    assert "1 change since the release before" in page
    assert person.send("activate", release=first) == "releases"
    assert person.client.get("/readyz").json()["release"] == first
    page = person.see("releases")
    assert f"{first} answers now" in page
    assert page.count("Answers now") == 1
    person.send("activate", release=second)


def test_a_release_that_does_not_exist_is_not_activated(person: Person) -> None:
    assert "There is no release" in person.send("activate", 404, release="faq-000000000000-000000000000")


def test_a_job_is_shown_and_canceled_and_the_page_is_loaded_again_at_its_end(person: Person, keyed: Settings) -> None:
    store = Store.open(keyed.sqlalchemy_url)
    job = Jobs(store.database).queue("reindex")
    address = f"/console/jobs?running={job.job_id}"
    response = person.client.get(address, headers={"HX-Request": "true"})
    assert "Waiting" in response.text
    assert "HX-Refresh" not in response.headers
    assert "Publishing" in person.see("state", part=True)
    assert "is queued" in person.send("reindex", 409)
    assert person.send("cancel", job=job.job_id) == "releases"
    assert person.client.get(address, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
    store.close()


def test_a_training_report_is_shown_and_may_run_nothing(person: Person, keyed: Settings, bundle: Bundle) -> None:
    address = f"report/{bundle.manifest.revision}"
    assert "no training report" in person.see(address, 404)
    (keyed.home / "models" / bundle.manifest.revision / "report.html").write_text("<p>Report</p>")
    response = person.client.get(f"/console/{address}")
    assert response.text == "<p>Report</p>"
    assert response.headers["Content-Security-Policy"].endswith("sandbox")
    assert f'href="{address}"' in person.see("releases")


def test_who_may_only_edit_publishes_nothing(person_with: Callable[[KeyScope], Person]) -> None:
    person = person_with("edit")
    page = person.see("releases")
    assert "Publish now" not in page
    for address in ("reindex", "activate", "cancel"):
        assert "lacks the scope" in person.send(address, 403)
