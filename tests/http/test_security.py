"""Rate limits, keys, deep nesting, archives, security headers, and a log without questions."""

import io
import logging
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.http.rate_limit import ADDRESSES, Buckets, RateLimited, RateLimits, network_of
from app.http.security import Keys, digest_of
from app.http.shared import Shared
from app.keys import SCOPES, NamedKey
from app.logs import TextLines
from app.settings import Rate, Settings
from tests.conftest import ADMIN_KEY, ASK_KEY
from tests.faults.service import service
from tests.service import checked_client

ROOT = Path(__file__).parents[2]
QUESTION = {"question": "When will I get my refund?"}


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


# --- rate limits


def test_a_bucket_takes_its_count_and_refills() -> None:
    clock = Clock()
    buckets = Buckets(Rate(10, 1.0), "here", Shared.created(), ADDRESSES, clock)
    for _ in range(10):
        buckets.take("a")
    with pytest.raises(RateLimited) as caught:
        buckets.take("a")
    assert caught.value.retry_after_s == pytest.approx(0.1)
    buckets.take("b")
    clock.now += 0.1
    buckets.take("a")
    with pytest.raises(RateLimited):
        buckets.take("a")


@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(1, 5))
def test_no_period_allows_more_than_twice_the_count(pauses: list[float], count: int) -> None:
    """A token bucket allows a full bucket and what is refilled meanwhile."""
    clock = Clock()
    buckets = Buckets(Rate(count, 1.0), "here", Shared.created(), ADDRESSES, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.now += pause
        try:
            buckets.take("a")
            taken.append(clock.now)
        except RateLimited:
            pass
    for start in taken:
        assert len([at for at in taken if start <= at < start + 1]) <= 2 * count


def test_a_flood_of_names_takes_no_more_memory_and_forgets_those_with_the_fullest_buckets() -> None:
    clock = Clock()
    buckets = Buckets(Rate(1000, 1000.0), "here", Shared.created(), ADDRESSES, clock)
    for _ in range(1000):
        buckets.take("busy")
    for number in range(40_000):
        buckets.take(str(number))
    with pytest.raises(RateLimited):
        buckets.take("busy")


def test_processes_share_their_buckets() -> None:
    clock, shared = Clock(), Shared.created(workers=2)
    here = Buckets(Rate(3, 1.0), "here", shared, ADDRESSES, clock)
    there = Buckets(Rate(3, 1.0), "here", Shared(os.dup(shared.descriptor), 2, 1), ADDRESSES, clock)
    for buckets in (here, there, here):
        buckets.take("a")
    with pytest.raises(RateLimited):
        there.take("a")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_network(host: str, network: str) -> None:
    assert network_of(host) == network


def test_without_limits_nothing_is_limited() -> None:
    limits = RateLimits(None, None, Shared.created())
    for _ in range(1000):
        limits.address("192.0.2.1")
        limits.key("digest")


def test_too_many_requests_from_one_address_are_refused(published: Settings) -> None:
    limited = published.model_copy(update={"rate_limit_address": Rate.of("5/hour")})
    with checked_client(limited) as client:
        for _ in range(5):
            assert client.post("/v1/ask", json=QUESTION).status_code == 200
        for response in (client.post("/v1/ask", content=b"{broken"), client.get("/v1/admin/jobs")):
            assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
            assert 0 < int(response.headers["Retry-After"]) <= 720
        assert client.get("/livez").status_code == 200


def test_too_many_requests_with_one_key_are_refused(published: Settings) -> None:
    keys = {"ask_keys": (digest_of(ASK_KEY), digest_of("other"))}
    with checked_client(published.model_copy(update={**keys, "rate_limit_key": Rate.of("3/hour")})) as client:
        known = [client.post("/v1/ask", json=QUESTION, headers={"X-API-Key": ASK_KEY}).status_code for _ in range(5)]
        assert known == [200, 200, 200, 429, 429]
        assert client.post("/v1/ask", json=QUESTION, headers={"X-API-Key": "other"}).status_code == 200
        wrong = [client.post("/v1/ask", json=QUESTION, headers={"X-API-Key": "wrong"}).status_code for _ in range(5)]
        assert set(wrong) == {401}


def test_only_a_trusted_proxy_names_the_client(published: Settings) -> None:
    limited = published.model_copy(update={"rate_limit_address": Rate.of("1/hour")})
    with service(limited) as running:
        statuses = [
            running.client.post("/v1/ask", json=QUESTION, headers={"X-Forwarded-For": f"192.0.2.{i}"}).status_code
            for i in range(3)
        ]
        assert statuses == [200, 429, 429]
    with service(limited.model_copy(update={"trusted_proxies": ("127.0.0.1",)})) as running:
        for i in range(3):
            headers = {"X-Forwarded-For": f"198.51.100.7, 192.0.2.{i}"}  # the first is the client's own claim
            assert running.client.post("/v1/ask", json=QUESTION, headers=headers).status_code == 200
        assert running.client.post("/v1/ask", json=QUESTION, headers=headers).status_code == 429


@pytest.mark.parametrize("text", ["5", "0/second", "-1/hour", "5/day", "5/", "1e3/hour", 5])
def test_a_rate_in_another_form_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="100/second"):
        Rate.of(text)


# --- keys


def test_every_key_is_compared_and_only_digests_are_kept(published: Settings) -> None:
    keys = Keys(published.model_copy(update={"ask_keys": (digest_of("old"), digest_of("new"))}))
    assert [keys.caller(key).scopes for key in ("old", "new")] == [{"ask"}] * 2  # type: ignore[union-attr]
    assert keys.caller(ADMIN_KEY).scopes == set(SCOPES)  # type: ignore[union-attr]
    assert "old" not in repr(vars(keys))
    for odd in ("", "\0", "ü" * 10_000, digest_of("old")):
        assert keys.caller(odd) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ann", "written as name:scope:digest"),
        ("ann:edit:" + "a" * 63, "the key `ann` needs a SHA-256 digest"),
        ("ann:write:" + "a" * 64, "the scopes are ask, edit, publish, admin"),
        ("Ann Lee:edit:" + "a" * 64, "begins with one of a-z, 0-9"),
        ("a" * 64 + ":edit:ann", "has 1 to 63 of the characters"),
    ],
)
def test_a_wrong_key_setting_says_which_part_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        NamedKey.of(text)
    assert "a" * 63 not in str(refused.value)


def test_a_key_that_is_set_twice_has_both_scopes() -> None:
    digest = digest_of("k")
    caller = Keys(Settings(keys=(NamedKey("ann", "edit", digest), NamedKey("ann", "publish", digest)))).caller("k")
    assert caller is not None
    assert (caller.name, caller.scopes) == ("ann", frozenset(("ask", "edit", "publish")))


# --- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 100_000,
        b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"question": "q", "filters": ' + b'{"a": ' * 30_000 + b"1" + b"}" * 30_000 + b"}",
    ],
    ids=["arrays", "open arrays", "arrays in a field", "objects in the filters"],
)
def test_deeply_nested_json_is_refused_at_once_by_the_parser(client: TestClient, body: bytes) -> None:
    """pydantic-core's parser stops at 200 levels, so the service needs no check of its own."""
    start = time.perf_counter()
    response = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert time.perf_counter() - start < 10  # milliseconds, on any machine
    assert (response.status_code, response.json()["code"]) == (422, "invalid_json")
    assert "recursion limit exceeded" in response.json()["detail"]
    assert client.post("/v1/ask", json=QUESTION).status_code == 200


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("faq.jsonl", '{"answer": "a"}\n' * 100_000)
    return stream.getvalue()


def test_archives_other_than_xlsx_are_refused(admin: TestClient) -> None:
    url = "/v1/admin/entries/import"
    archive = zipped()
    assert admin.post(url, content=archive, headers={"Content-Type": "application/zip"}).status_code == 415
    for kind in ("application/jsonl", "text/csv"):
        for extra in ({}, {"Content-Encoding": "gzip"}):
            assert admin.post(url, content=archive, headers={"Content-Type": kind, **extra}).status_code == 422
    for name in ("faq.zip", "faq.jsonl.gz", "faq.jsonl"):
        assert admin.post(url, files={"file": (name, archive, "application/zip")}).status_code == 422
    assert admin.get("/v1/admin/entries").json()["total"] == 4


# --- headers of responses


@pytest.mark.parametrize("path", ["/v1/ask", "/livez", "/metrics", "/nothing", "/docs", "/openapi.json", "/"])
def test_every_response_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert ("Cache-Control" in headers and headers["Cache-Control"] == "no-store") == path.startswith("/v1")


# --- the log


def test_an_unexpected_error_is_logged_without_its_message() -> None:
    secret = " ".join(["what", "the", "user", "asked"])  # a traceback quotes the source
    try:
        try:
            raise KeyError(secret)
        except KeyError:
            raise ValueError(secret) from InputError("ours")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    text = TextLines().format(record)
    assert secret not in text
    assert "InputError: ours" in text
    assert "ValueError: (message withheld" in text
    assert "test_security.py" in text


def test_nothing_of_a_request_is_in_the_log(published: Settings) -> None:
    with service(published) as running:
        secret = "sesquipedalian"
        post = running.client.post
        post("/v1/ask", json={"question": f"Where is my {secret}?"})
        post("/v1/ask", json={"question": secret, "filters": {secret: secret}})
        post("/v1/ask", json={"question": "q", secret: 1})
        post("/v1/ask", content=secret, headers={"Content-Type": "application/json"})
        post("/v1/ask", json={"question": secret * 1000})
        post(
            "/v1/admin/entries/import",
            content=f'{{"answer": 1, "id": "{secret}"}}',
            headers={"Content-Type": "text/csv"},
        )
        running.client.get(f"/{secret}", params={"q": secret}, headers={"X-Request-ID": secret, "X-API-Key": secret})
        running.client.get(f"/v1/admin/jobs/{secret}")
        running.terminate()
        assert secret not in running.log
        assert ADMIN_KEY not in running.log


# --- code in data


PICKLES = """
import sys
from pathlib import Path
pickles = []
sys.addaudithook(lambda event, arguments: pickles.append(arguments) if event == "pickle.find_class" else None)
from fastapi.testclient import TestClient
from app.main import create_app
from app.settings import Settings
with TestClient(create_app(Settings())) as client:
    assert client.post("/v1/ask", json={"question": "q"}).status_code == 200
    assert client.get("/readyz").status_code == 200
print(pickles)
"""


def test_nothing_is_unpickled(published: Settings) -> None:
    environment = {**published.environment(), "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", PICKLES], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
