"""Three replicas under load, while models, processes, Qdrant and PostgreSQL come and go.

Without QDRANT_URL they run on the stand-in of `tests.faults.qdrant`, which proves what the replicas do, and not gRPC,
green collections, quantisation, recall, or what a real cluster does when a node is lost.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.encoding.bundle import Bundle
from app.jobs.table import LEASE_S
from tests import postgres
from tests.faults.nodes import Nodes, nodes_behind_proxies
from tests.replicas.installation import Installation, installation
from tests.replicas.scenarios import (
    SCENARIOS,
    Result,
    Scenario,
    another_model,
    killed_replica,
    left_edit,
    postgres_away,
    qdrant_away,
    run,
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with nodes_behind_proxies() as running:
        yield running


def check(result: Result, *, refused: bool) -> None:
    """`refused`: whether questions may get 503."""
    assert result.requests > 0
    assert (result.wrong, result.failed) == (0, 0), result
    assert refused or result.refused == 0, result


def test_replicas_answer_right_whatever_is_away(
    nodes: Nodes, postgres_server: postgres.Server, bundle: Bundle, other_bundle: Bundle, tmp_path: Path
) -> None:
    """The short form, with local copies: no request fails but those that a killed process had."""
    with installation(tmp_path, nodes, postgres_server, (bundle, other_bundle), 100_000) as site:
        result = run(site, Scenario("short", short), away_s=1.0, pause_s=0.1)
        check(result, refused=False)
        assert result.heal_s < LEASE_S  # no job that failed meanwhile keeps others from beginning
        assert site.lost() == []


def short(site: Installation, away_s: float) -> None:
    """Another model, an edit that nobody announced, a killed replica, Qdrant and PostgreSQL away."""
    for happens in (another_model, left_edit, killed_replica, qdrant_away, postgres_away):
        happens(site, away_s)


@pytest.mark.replicas
@pytest.mark.server("replicas")
@pytest.mark.parametrize("local_vectors", [100_000, 0], ids=["local copies", "asking Qdrant"])
def test_every_scenario(
    nodes: Nodes,
    postgres_server: postgres.Server,
    bundle: Bundle,
    other_bundle: Bundle,
    tmp_path: Path,
    local_vectors: int,
) -> None:
    with installation(tmp_path, nodes, postgres_server, (bundle, other_bundle), local_vectors) as site:
        for scenario in SCENARIOS:
            result = run(site, scenario, away_s=20.0 if "PostgreSQL" in scenario.name else 5.0)
            check(result, refused=scenario.away and not local_vectors)
        assert site.lost() == []
