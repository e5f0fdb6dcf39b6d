"""What the tests with faults share: the nodes of a Qdrant server behind proxies."""

from collections.abc import Iterator

import pytest

from tests.faults.nodes import Nodes, nodes_behind_proxies


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """Those of the server that QDRANT_URL names, or three of the stand-in."""
    with nodes_behind_proxies(3) as running:
        yield running
