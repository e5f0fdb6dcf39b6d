"""What a person decides about a cluster: it becomes a draft, teaches an entry, or is dismissed."""

import time
from collections.abc import Sequence
from typing import NamedTuple, get_args

from app.errors import Conflict, InputError
from app.knowledge.editing import Editor
from app.knowledge.store import Store
from app.knowledge.stored import Stored
from app.knowledge.teaching import Lesson, checked, taught
from app.questions.reviewing import Act, Failed, Reviews
from app.questions.unanswered import Cluster

UNWRITTEN = "This answer is still to be written."
LESSONS: tuple[Lesson, ...] = get_args(Lesson)


class Decision(NamedTuple):
    """An act and what it takes. `questions`: the keys of those taken; a dismissal takes the whole cluster.

    `entry_id`: the entry that learns. `answer`: of the draft.
    """

    act: Act
    questions: Sequence[int] = ()
    entry_id: str | None = None
    answer: str = UNWRITTEN


class Decided(NamedTuple):
    """What was done. `stored`: the entry as it is now, None for a dismissal; `before`: its version before, 0: new."""

    questions: tuple[Failed, ...]
    stored: Stored | None = None
    before: int = 0

    @property
    def changed(self) -> bool:
        """Whether an entry was added or changed."""
        return self.stored is not None and self.stored.version != self.before


def decide(store: Store, reviews: Reviews, cluster: Cluster, decision: Decision, by: str) -> Decided:
    """Carry out the decision, and keep it.

    Raises InputError, NotFound without the entry, Conflict for a question that is not in the cluster (any longer) and
    for a draft that is there already, StoreError.
    """
    decided = Decided(cluster.questions)
    if decision.act != "dismiss":
        questions = _taken(cluster, decision.questions)
        with store.edit(by) as editor:
            decided = _edited(editor, decision, questions)
    reviews.finish(decided.questions, decision.act, by, time.time())
    return decided


def cluster_of(clusters: Sequence[Cluster], name: str, version: str) -> Cluster:
    """The cluster of this name. Raises Conflict where it is not as it was in this version."""
    cluster = next((cluster for cluster in clusters if cluster.name == name), None)
    if cluster is None:
        raise Conflict("This cluster no longer waits: its questions were dealt with. Read the list again.")
    if cluster.version != version:
        raise Conflict("Other questions are in this cluster now than when it was read. Read it again, then decide.")
    return cluster


def _edited(editor: Editor, decision: Decision, questions: tuple[Failed, ...]) -> Decided:
    texts = [question.question for question in questions]
    if decision.act == "draft":
        fields: dict[str, object] = {
            "question": texts[0],
            "alternatives": texts[1:],
            "answer": decision.answer,
            "state": "draft",
        }
        return Decided(questions, editor.create(checked(fields)))
    lesson = next(lesson for lesson in LESSONS if lesson == decision.act)
    if not decision.entry_id:
        raise InputError("Name the entry that learns from the questions.", "entry_id")
    before = editor.get(decision.entry_id)
    stored = editor.change(decision.entry_id, lambda entry: taught(entry, texts, lesson), [before.etag])
    return Decided(questions, stored, before.version)


def _taken(cluster: Cluster, keys: Sequence[int]) -> tuple[Failed, ...]:
    """The questions with these keys, in the order of the cluster. Raises InputError, Conflict."""
    wanted = set(keys)
    taken = tuple(question for question in cluster.questions if question.key in wanted)
    if not taken:
        raise InputError("Take one or more questions of the cluster.", "questions")
    if len(taken) < len(wanted):
        raise Conflict("Some of these questions are not in the cluster, or no longer. Read it again, then decide.")
    return taken
