"""The cluster of each unanswered question, kept in the database, so that clusters stay as they are and replicas agree.

A cluster is named by the key of the question that had failed most when the cluster began. New questions join the
clusters that there are (`app.questions.clusters`). Another bundle has other vectors, so it groups everything again.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, delete, select

from app.arrays import Vectors
from app.knowledge.database import Database
from app.questions.clusters import clusters_of
from app.questions.rollups import inserting
from app.questions.tables import GroupRow, QuestionDayRow


class Groups:
    """Reads and writes the clusters. Safe to share between threads and processes. Methods may raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, bundle: str | None = None) -> dict[int, int]:
        """The cluster of each question, by key. `bundle`: only where it made them; None: whichever did."""
        query = select(GroupRow.key, GroupRow.cluster)
        if bundle is not None:
            query = query.where(GroupRow.bundle == bundle)
        with self._database.read() as connection:
            return {row.key: row.cluster for row in connection.execute(query)}

    def keep(self, groups: Mapping[int, int], bundle: str) -> None:
        """Add the clusters of questions that have none by this bundle, and delete those of other bundles."""
        rows = [{"key": key, "cluster": cluster, "bundle": bundle} for key, cluster in sorted(groups.items())]
        with self._database.write(lock=None) as connection:
            connection.execute(delete(GroupRow).where(GroupRow.bundle != bundle))
            insert = inserting(connection, GroupRow)
            connection.execute(insert.on_conflict_do_nothing(index_elements=["key"]), rows)


def joined(keys: Sequence[int], vectors: Vectors, known: Mapping[int, int]) -> dict[int, int]:
    """The cluster of each question that has none yet.

    `keys`: of the questions, those in `known` before the others, and of the others those that failed most first.
    `vectors`: (n, dimension), of length 1. `known`: the clusters that there are.
    """
    places: dict[int, int] = {}
    earlier = [places.setdefault(known[key], place) for place, key in enumerate(keys) if key in known]
    numbers = clusters_of(vectors, np.array(earlier, dtype=np.int64)).tolist()
    names: dict[int, int] = {}
    for key, number in zip(keys, numbers, strict=True):
        names.setdefault(number, known.get(key, key))
    return {key: names[number] for key, number in zip(keys, numbers, strict=True) if key not in known}


def forget(connection: Connection) -> None:
    """Delete the clusters of questions that are no longer in the log. Those that feedback knows are grouped again."""
    connection.execute(delete(GroupRow).where(GroupRow.key.not_in(select(QuestionDayRow.key))))
