"""The question log and its statistics over HTTP, and what each setting leaves in the database."""

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import create_engine, inspect, text

from app.settings import LogQuestions, Settings
from tests.api.question_log import ADMIN, EDIT_KEY, ask, emptied, give, questions, redacting, service, shared_settings

__all__ = ["emptied", "redacting", "shared_settings"]

EMAIL, PHONE, IBAN, CARD, KEY = (
    "anna.b@example.com",
    "+49 170 1234567",
    "DE89370400440532013000",
    "4111 1111 1111 1111",
    "sk-proj-abcDEF123456ghiJKL",
)
WORD = "sesquipedalian"
PRIVATE = f"When do I get my {WORD} refund? {EMAIL} {PHONE} {IBAN} {CARD} {KEY}"


def dump(settings: Settings) -> str:
    """Every row of every table, and every byte of every file of FAQ_HOME but the vectors of the index."""
    engine = create_engine(settings.sqlalchemy_url)
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = [str(list(connection.execute(text(f'SELECT * FROM "{table}"')))) for table in tables]
    engine.dispose()
    files = (file for file in settings.home.rglob("*") if file.is_file() and "index" not in file.parts)
    return "\n".join([*rows, *(file.read_bytes().decode("latin-1") for file in files)])


# --- what each setting keeps


@pytest.mark.parametrize("mode", ["off", "counts"])
def test_without_texts_no_text_of_a_question_is_stored(emptied: Settings, mode: LogQuestions) -> None:
    with service(emptied, mode) as client:
        reply = ask(client, PRIVATE, session="a-session")
        assert ("feedback_token" in reply) is (mode == "counts")
        listed = client.get("/v1/admin/questions", headers=ADMIN).json()
        assert listed["questions"] == []
        assert f"FAQ_LOG_QUESTIONS={mode} keeps no texts" in listed["notice"]
        assert "Set FAQ_LOG_QUESTIONS=redacted" in listed["notice"]
        refused = client.get("/v1/admin/questions/export", headers=ADMIN)
        assert (refused.status_code, "FAQ_LOG_QUESTIONS=redacted" in refused.json()["detail"]) == (409, True)
    stored = dump(emptied)
    for part in (WORD, EMAIL, PHONE, IBAN, CARD, KEY, reply["request_id"], "a-session"):
        assert part not in stored
    assert ("('answered'" in stored or "'no_answer'" in stored or "'ambiguous'" in stored) is (mode == "counts")


def test_redacted_questions_hold_no_personal_data(emptied: Settings) -> None:
    with service(emptied, "redacted") as client:
        ask(client, PRIVATE)
        notice = client.get("/v1/admin/questions", headers=ADMIN).json()["notice"]
        assert notice is None
    stored = dump(emptied)
    assert f"my {WORD} refund? [email] [phone] [iban] [card] [key]" in stored
    for part in (EMAIL, PHONE, IBAN, CARD, KEY, "sk-proj"):
        assert part.lower() not in stored.lower()


def test_full_questions_are_kept_as_asked(emptied: Settings) -> None:
    with service(emptied, "full") as client:
        ask(client, PRIVATE)
        (logged,) = questions(client, 1)
    assert logged["question"] == PRIVATE


@pytest.mark.parametrize("mode", ["counts", "full"])
def test_feedback_keeps_its_question_redacted(emptied: Settings, mode: LogQuestions) -> None:
    with service(emptied, mode) as client:
        reply = ask(client, PRIVATE)
        given = give(client, reply, question=PRIVATE, comment=f"Write to {EMAIL}")
        assert given["comment"] == "Write to [email]"
        (kept,) = client.get("/v1/admin/feedback", headers=ADMIN).json()["feedback"]
        assert kept["question"] == f"When do I get my {WORD} refund? [email] [phone] [iban] [card] [key]"
        if mode == "full":
            questions(client, 1)
            erased = client.delete("/v1/admin/questions", params={"session": "none"}, headers=ADMIN)
            assert erased.json() == {"questions": 0, "feedback": 0}
    if mode == "counts":
        stored = dump(emptied)
        assert not [part for part in (EMAIL, PHONE, IBAN, CARD, KEY) if part in stored]


def test_an_erased_session_is_in_no_file(emptied: Settings) -> None:
    with service(emptied, "full") as client:
        reply = ask(client, PRIVATE, session="s-1")
        give(client, reply, question=PRIVATE)
        ask(client, "what about another sesquipedalion?", session="s-2")
        questions(client, 2)
        erased = client.delete("/v1/admin/questions", params={"session": "s-1"}, headers=ADMIN)
        assert erased.json() == {"questions": 1, "feedback": 1}
        (left,) = questions(client, 1)
        assert left["session"] == "s-2"
    stored = dump(emptied)
    assert not [part for part in (WORD, EMAIL, reply["request_id"], "s-1") if part in stored]


# --- the log


def test_every_question_is_logged_with_its_reply_from_the_cache_and_in_a_batch_too(redacting: TestClient) -> None:
    first, second = ask(redacting, session="s"), ask(redacting, session="s")
    batch = {"questions": ["zzz qqq", "When do I get my money back?"]}
    replies = redacting.post("/v1/ask/batch", json=batch, headers=ADMIN).json()["results"]
    listed = {logged["request_id"]: logged for logged in questions(redacting, 4)}
    assert set(listed) == {reply["request_id"] for reply in (first, second, *replies)}
    logged = listed[second["request_id"]]
    assert (logged["question"], logged["outcome"], logged["faq_id"]) == (
        "When do I get my money back?",
        "answered",
        "refund",
    )
    assert logged["confidence"] == pytest.approx(second["answers"][0]["confidence"], abs=1e-4)
    assert (logged["release"], logged["session"], logged["key_name"]) == (second["release"], "s", None)
    in_batch = listed[replies[0]["request_id"]]
    assert (in_batch["outcome"], in_batch["session"]) == ("no_answer", None)
    assert in_batch["key_name"].startswith("admin-")
    metrics = redacting.get("/metrics").text
    assert "faqtual_questions_not_logged_total 0.0" in metrics


def test_the_list_is_paged_and_filtered_and_the_export_has_all(redacting: TestClient) -> None:
    for question in ("=1+1 money back", "zzz qqq", "zzz QQQ xxx"):
        ask(redacting, question)
    questions(redacting, 3)
    client = redacting
    first = client.get("/v1/admin/questions", params={"limit": 2}, headers=ADMIN).json()
    rest = client.get("/v1/admin/questions", params={"after": first["next_after"]}, headers=ADMIN).json()
    assert [logged["question"] for logged in first["questions"] + rest["questions"]] == [
        "zzz QQQ xxx",
        "zzz qqq",
        "=1+1 money back",
    ]
    assert len(questions(redacting, 2, search="Zzz qqQ", outcome="no_answer")) == 2
    lines = client.get("/v1/admin/questions/export", headers=ADMIN).text.splitlines()
    assert len(lines) == 3
    csv = client.get("/v1/admin/questions/export", params={"format": "csv"}, headers=ADMIN).text
    assert csv.startswith('\ufeff"request_id","asked_at","question"')
    assert '"\'=1+1 money back"' in csv
    for params in ({"after": "x"}, {"limit": 0}, {"asked_from": "yesterday"}, {"unknown": 1}):
        assert client.get("/v1/admin/questions", params=params, headers=ADMIN).status_code == 422


def test_editors_may_read_and_only_administrators_export_and_erase(redacting: TestClient) -> None:
    headers = {"X-API-Key": EDIT_KEY}
    assert redacting.get("/v1/admin/questions").status_code == 401
    assert redacting.get("/v1/admin/questions", headers=headers).status_code == 200
    assert redacting.get("/v1/admin/questions/export", headers=headers).status_code == 403
    assert redacting.delete("/v1/admin/questions", params={"session": "s"}, headers=headers).status_code == 403


def test_a_session_that_could_be_a_name_or_an_address_is_refused(redacting: TestClient) -> None:
    for session in ("anna@example.com", "Anna B", "", "x" * 65):
        refused = redacting.post("/v1/ask", json={"question": "q", "session": session})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "session")


# --- statistics


def test_statistics_as_json_and_csv(redacting: TestClient) -> None:
    reply = ask(redacting)
    ask(redacting, "when do i get my money back")
    ask(redacting, "zzz qqq")
    give(redacting, reply, faq_id="refund", helpful=True)
    questions(redacting, 3)

    def get(name: str, **params: str | int) -> httpx2.Response:
        return redacting.get(f"/v1/admin/statistics/{name}", params=params, headers={"X-API-Key": EDIT_KEY})

    refund, *others = get("entries").json()["entries"]
    assert (refund["faq_id"], refund["hits"], refund["helpful"], refund["helpful_share"]) == ("refund", 2, 1, 1.0)
    assert {entry["hits"] for entry in others} == {0}
    assert len(get("entries", never=True).json()["entries"]) == 3
    assert (
        get("entries", format="csv").text.splitlines()[1].startswith('"refund","When will I get my refund?","live","2"')
    )
    outcomes = get("outcomes").json()
    assert (outcomes["answered"], outcomes["no_answer"], sum(outcomes["confidence"])) == (2, 1, 3)
    assert len(get("outcomes", format="csv").text.splitlines()) == 1 + len(outcomes["hours"])
    top = get("questions").json()
    assert (top["questions"][0]["asked"], top["notice"]) == (2, None)
    assert len(get("questions", format="csv", limit=1).text.splitlines()) == 2
    backwards = get("outcomes", start="2026-02-01T00:00:00Z", end="2026-01-01T00:00:00Z")
    assert (backwards.status_code, "must be before" in backwards.json()["detail"]) == (422, True)


def test_without_texts_top_questions_say_how_to_turn_them_on(emptied: Settings) -> None:
    with service(emptied, "counts") as client:
        ask(client)
        top = client.get("/v1/admin/statistics/questions", headers=ADMIN).json()
        assert (top["questions"], "FAQ_LOG_QUESTIONS=redacted" in top["notice"]) == ([], True)
