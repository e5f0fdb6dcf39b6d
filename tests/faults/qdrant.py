"""Stands in for a Qdrant server or cluster: the REST calls that `app.index` makes, over the client's own local mode.

    python -m tests.faults.qdrant JOURNAL PORT [PORT …]

A process of its own, which serves several processes and can be killed. Each port is a node. Every change is appended to
the file JOURNAL; a process that starts with it makes the same changes first, so it has the state of the one before.

It proves the order of calls, names, bounds on requests, and what is done about delays and lost nodes. It does not prove
gRPC, building of real indexes, quantisation, recall, shards, or that a real cluster agrees when a node is lost.
"""

import asyncio
import sys
from pathlib import Path

from tests.faults.qdrant_api import application
from tests.faults.qdrant_cluster import Behaviour, Cluster
from tests.faults.qdrant_journal import Journal


async def main(journal: Path, ports: list[int]) -> None:
    """Serve until the process is killed."""
    cluster = Cluster(ports, application)
    cluster.journal = await Journal.replayed(journal, application(cluster, cluster.nodes[0]))
    await cluster.behave(Behaviour())
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
