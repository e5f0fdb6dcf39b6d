"""What holds for a service of several worker processes as a whole."""

import math
import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack

import httpx2

from tests.conftest import ADMIN_KEY
from tests.serving.conftest import HOUR_S, LIMIT, LIMITED_KEY, Service, stopped
from tests.waiting import wait_until

QUESTION = {"question": "When will I get my refund?", "min_confidence": 0}
AGAIN_S = 3.0  # after a lost connection: at once, it may be handed to a killed process before its end is noticed
POLL_S = 0.5  # of polls by a key, which count against its limit
ANSWERED = 'faqtual_questions_total{status="answered"}'


def metric(client: httpx2.Client, name: str) -> float:
    (line,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


def answer(client: httpx2.Client) -> str:
    response = client.post("/v1/ask", json=QUESTION)
    assert response.status_code == 200, response.text
    return str(response.json()["answers"][0]["answer"])


class Load:
    """Asks without a pause on its own connections until it is stopped, and counts how that went."""

    def __init__(self, service: Service, clients: int = 4) -> None:
        self.outcomes: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(service,)) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        wait_until(lambda: self.outcomes["200"] > 20)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> int:
        return self.outcomes.total() - self.outcomes["200"]

    def _ask(self, service: Service) -> None:
        with service.client(key=None) as client:
            while not self._stop.wait(0.005):
                try:
                    self.outcomes[str(client.post("/v1/ask", json=QUESTION).status_code)] += 1
                except httpx2.TransportError as error:
                    self.outcomes[type(error).__name__] += 1
                    self._stop.wait(AGAIN_S)


def test_any_worker_tells_the_metrics_of_all(service: Service) -> None:
    with service.clients() as (first, second):
        before = metric(first, ANSWERED)
        for client in (first, second, second):
            assert answer(client)
        for client in (first, second):
            assert metric(client, ANSWERED) == before + 3
            assert metric(client, "faqtual_questions_under_way") == 0


def test_connections_are_shared_evenly(service: Service) -> None:
    service.wait_for_no_connections()
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(service.client()).get("/livez")
        assert list(service.connections().values()) == [4, 4]


def test_a_limit_holds_for_all_workers_together(service: Service) -> None:
    with service.clients(LIMITED_KEY) as clients:
        start = time.monotonic()
        statuses = Counter(
            clients[number % 2].post("/v1/ask", content=b"{").status_code for number in range(LIMIT + 40)
        )
        refilled = math.ceil((time.monotonic() - start) * LIMIT / HOUR_S)
    assert statuses.keys() == {415, 429}
    assert LIMIT <= statuses[415] <= LIMIT + refilled


def test_a_session_of_the_console_holds_at_every_worker(service: Service) -> None:
    with service.clients() as (first, second):
        signed = first.post("/console/login", data={"key": ADMIN_KEY})
        assert signed.status_code == 303
        page = second.get("/console/entries", headers={"Cookie": signed.headers["Set-Cookie"].partition(";")[0]})
        assert (page.status_code, "When will I get my refund?" in page.text) == (200, True)


def test_an_edit_at_one_worker_answers_at_all_of_them_without_a_failed_request(service: Service) -> None:
    change = {"answer": "Within six days."}
    with service.clients() as (first, second), Load(service) as load:
        edited = first.patch("/v1/admin/entry", params={"id": "refund"}, json=change, headers={"If-Match": "*"})
        assert edited.status_code == 200
        wait_until(
            lambda: [job["status"] for job in second.get("/v1/admin/jobs").json()["jobs"]] == ["succeeded"],
            every=POLL_S,
        )
        wait_until(lambda: answer(first) == answer(second) == "Within six days.")
    assert load.failed == 0
    with service.client() as client:
        wait_until(lambda: not client.get("/v1/admin/status").json()["pending"]["entries"], every=POLL_S)


def test_a_job_that_one_worker_starts_is_seen_at_the_other_until_it_ends(service: Service) -> None:
    with service.clients() as (first, second):
        job = first.post("/v1/admin/reindex").raise_for_status().headers["Location"]
        wait_until(lambda: second.get(job).json()["status"] == "succeeded", every=POLL_S)


def test_a_killed_worker_is_replaced_and_only_its_own_requests_fail(service: Service) -> None:
    before = service.workers()
    with service.client() as client:
        counted = metric(client, ANSWERED)
    with Load(service, clients=4) as load:
        in_progress = service.connections()[before[0]]  # at most
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(service.workers()) == 2 and service.workers() != before)
        asked = load.outcomes["200"]
        wait_until(lambda: load.outcomes["200"] > asked + 20)
    assert load.failed <= in_progress, load.outcomes
    with service.client() as client:
        assert metric(client, ANSWERED) >= counted + load.outcomes["200"]  # those of the killed one, too
        wait_until(lambda: metric(client, "faqtual_questions_under_way") == 0)


def test_a_service_stops_with_all_its_processes_and_answers_what_it_was_asked(service: Service) -> None:
    with Load(service, clients=2) as load:
        assert stopped(service, signal.SIGTERM) == 0
    assert not [outcome for outcome in load.outcomes if outcome.isdigit() and outcome != "200"]
    assert not {"ReadTimeout", "RemoteProtocolError"} & load.outcomes.keys(), load.outcomes
