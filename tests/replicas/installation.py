"""Three real services on one PostgreSQL, one Qdrant and one store of bundles, each with a home of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx2

from app.encoding.bundle import Bundle
from app.http.security import digest_of
from app.knowledge.store import Store
from app.settings import Settings
from tests import postgres
from tests.conftest import ADMIN_KEY, fill
from tests.faults.nodes import Nodes
from tests.faults.service import ROOT, Service, free_port, spawned
from tests.replicas.knowledge import Question, Truth, entries, version_of
from tests.replicas.load import wait

REPLICAS = 3
HEAL_S = 150.0  # a writer that was killed with its machine holds the lease of its job for a minute


class Installation:
    """The processes. `truth` knows every edit; `kills` has the replica and the moment of each SIGKILL."""

    def __init__(
        self, directory: Path, nodes: Nodes, server: postgres.Server, shared: Settings, bundles: Sequence[Bundle]
    ) -> None:
        """`shared`: the settings of every process but its home and port. `bundles`: two, of which the first serves."""
        self.nodes, self.postgres, self.bundles = nodes, server, bundles
        self.truth = Truth()
        self.kills: list[tuple[int, float]] = []
        self._directory, self._shared = directory, shared
        self._settings = [
            shared.model_copy(update={"home": directory / f"replica-{number}" / "home", "port": free_port()})
            for number in range(REPLICAS)
        ]
        self._services: list[Service | None] = [None] * REPLICAS
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def urls(self) -> list[str]:
        """The addresses of the replicas."""
        return [f"http://127.0.0.1:{settings.port}" for settings in self._settings]

    @property
    def log(self) -> str:
        """The last lines that each replica has logged."""
        logs = sorted(self._directory.glob("replica-*/*.log"))
        return "\n".join(f"{log.parent.name}: {line}" for log in logs for line in log.read_text().splitlines()[-15:])

    def start(self, *numbers: int) -> None:
        """Start replicas side by side; returns when each of them answers."""
        for number in numbers:
            self._settings[number].home.mkdir(parents=True, exist_ok=True)
        started = {number: spawned(self._settings[number]) for number in numbers}
        self._processes += [process for process, _ in started.values()]
        for number, (process, log) in started.items():
            self._services[number] = Service(process, log)
        for number in numbers:
            self.service(number).wait_ready(60)

    def service(self, number: int) -> Service:
        """A replica that runs."""
        service = self._services[number]
        assert service is not None
        return service

    def kill(self, number: int, *, with_worker: bool = False) -> None:
        """End a replica with SIGKILL; its worker finishes the job that it has, unless it is killed too."""
        workers = self.workers(number) if with_worker else []
        service = self.service(number)
        service.process.kill()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        service.process.wait()
        self.kills.append((number, time.monotonic()))
        service.client.close()

    def terminate(self, number: int) -> None:
        """End a replica with SIGTERM; returns when it has ended."""
        assert self.service(number).terminate() == 0
        self.service(number).client.close()

    def workers(self, number: int) -> list[int]:
        """The process ids of a replica's warm worker."""
        pid = self.service(number).process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [int(child) for child in children if b"app.releases.warm" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def close(self) -> None:
        """End every process."""
        for number, service in enumerate(self._services):
            if service is not None and service.process.poll() is None:
                self.kill(number, with_worker=True)
        for process in self._processes:  # also publishers, and replicas that did not come to listen
            process.kill()
            process.wait()

    def publisher(self, bundle: Bundle) -> "subprocess.Popen[bytes]":
        """`python -m app reindex` with a bundle, in a home of its own; a process that has just started."""
        settings = self._shared.model_copy(update={"home": self._directory / "publisher" / "home"})
        settings.home.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "app", "reindex", "--bundle", str(bundle.directory)]
        variables = {**os.environ, **settings.environment(), "PYTHONPATH": str(ROOT)}
        with (settings.home.parent / "publisher.log").open("ab") as log:
            self._processes.append(subprocess.Popen(command, env=variables, stdout=log, stderr=log))
        return self._processes[-1]

    def publish(self, bundle: Bundle) -> None:
        """Publish a bundle; returns when every replica serves it."""
        status = self.publisher(bundle).wait(HEAL_S)
        assert status == 0, (self._directory / "publisher" / "publisher.log").read_text()
        self.wait_until_served(f"-{bundle.revision}-")

    def wait_until_served(self, part: str) -> None:
        """Until every replica serves a release with this part of a name."""
        self.wait_for(lambda number: part in self.release(number), f"{part} is served")

    def release(self, number: int) -> str:
        """The name of the release that a replica serves."""
        return str(self.service(number).client.get("/readyz").json().get("release", ""))

    def try_edit(self, number: int, question: Question) -> bool:
        """Change the answer of an entry at a replica; whether that was acknowledged."""
        text = self.truth.edit(question.entry)
        client, params = self.service(number).client, {"id": question.entry}
        try:
            reply = client.patch("/v1/admin/entry", json={"answer": text}, params=params, headers={"If-Match": "*"})
        except httpx2.TransportError:
            return False
        assert reply.status_code in (200, 503), reply.text
        if reply.status_code == 200:
            self.truth.acknowledged[question.entry] = version_of(text)
        return reply.status_code == 200

    def edit(self, number: int, question: Question) -> None:
        """Change the answer of an entry at a replica, again until that is acknowledged."""
        wait(lambda: self.try_edit(number, question), f"an edit at replica {number}", HEAL_S)

    def leave_edit(self, question: Question) -> None:
        """Change the answer of an entry as a replica does that dies right afterwards."""
        text = self.truth.edit(question.entry)
        store = Store.open(self._shared.sqlalchemy_url)
        with store.edit("a replica that died") as editor:
            editor.change(question.entry, lambda entry: entry.model_copy(update={"answer": text}), "*")
        store.close()
        self.truth.acknowledged[question.entry] = version_of(text)

    def wait_until_seen(self, question: Question) -> None:
        """Until every replica is ready, and answers with the newest version of an entry that one of them stored."""
        newest = self.truth.acknowledged.get(question.entry, 0)
        body = {"question": question.text, "min_confidence": 0, "top_k": 1}

        def seen(number: int) -> bool:
            reply = self.service(number).client.post("/v1/ask", json=body)
            return reply.status_code == 200 and version_of(reply.json()["answers"][0]["answer"]) >= newest

        self.wait_for(seen, f"version {newest} of {question.entry}")
        self.truth.seen_everywhere(question.entry, newest)

    def wait_for(self, condition: Callable[[int], bool], what: str) -> None:
        """Until a condition holds for each replica; a refused connection is a no."""

        def holds(number: int) -> bool:
            with suppress(httpx2.TransportError):
                return condition(number) and self.service(number).client.get("/readyz").status_code == 200
            return False

        for number in range(REPLICAS):
            try:
                wait(partial(holds, number), f"{what} at replica {number}", HEAL_S)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.log}") from None

    def lost(self) -> list[str]:
        """The edited entries of which the database does not hold what was acknowledged."""
        client, acknowledged = self.service(0).client, self.truth.acknowledged
        stored = {entry: client.get("/v1/admin/entry", params={"id": entry}).json()["answer"] for entry in acknowledged}
        return [entry for entry, text in stored.items() if version_of(text) < acknowledged[entry]]


@contextmanager
def installation(
    directory: Path, nodes: Nodes, server: postgres.Server, bundles: Sequence[Bundle], local_vectors: int
) -> Iterator[Installation]:
    """An installation that serves the entries. `local_vectors`: 0 has every question ask Qdrant."""
    with server.database() as database, nodes.namespace() as namespace:
        shared = Settings(
            home=directory / "unused",
            database_url=database,
            qdrant_url=nodes.url,
            qdrant_grpc_port=nodes.grpc_port,
            namespace=namespace,
            local_vectors=local_vectors,
            bundle_store=str(directory / "bundles"),
            admin_keys=(digest_of(ADMIN_KEY),),
            answer_cache_mb=0,
        )
        fill(shared, entries())
        made = Installation(directory, nodes, server, shared, bundles)
        try:
            assert made.publisher(bundles[0]).wait(HEAL_S) == 0
            made.start(*range(REPLICAS))
            yield made
        finally:
            made.close()
