"""Clusters of unanswered questions, and decisions about them, over the wire."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.answering import Examined
from app.api.entry_schemas import EntryId
from app.api.question_schemas import iso
from app.api.schemas import Strict
from app.questions.deciding import UNWRITTEN, Decided, Decision
from app.questions.reviewing import Act, Failed
from app.questions.unanswered import NAME, Cluster, key_of_name, name_of
from app.text.limits import ANSWER_LENGTH, clean_required

EXAMPLES, NEAREST = 20, 5

Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
Names = Annotated[list[Name], Field(max_length=1000)]
Answer = Annotated[str, AfterValidator(lambda value: clean_required(value, "answer", ANSWER_LENGTH))]


class UnansweredQuestion(Strict):
    """A question of a cluster."""

    id: str = Field(description="Names the question in a decision.", examples=["0123456789abcdef"])
    question: str = Field(description="As asked, or redacted.")
    no_answer: int = Field(description="How often it found no answer.")
    ambiguous: int = Field(description="How often it led to a choice.")
    unhelpful: int = Field(description="How often a user called its answer unhelpful.")
    last_asked: str

    @classmethod
    def of(cls, failed: Failed) -> "UnansweredQuestion":
        """The question for the client."""
        fields = failed._asdict() | {"id": name_of(failed.key), "last_asked": iso(failed.last_asked)}
        del fields["key"]
        return cls(**fields)


class NearestEntry(Strict):
    """An entry that is near to a cluster."""

    id: str
    question: str = Field(description="Empty for a passage.")
    confidence: float = Field(description="That it answers the first question of the cluster.")


class UnansweredCluster(Strict):
    """Questions that ask the same."""

    id: str = Field(description="Stays while the model does.", examples=["0123456789abcdef"])
    version: str = Field(description="Changes when the cluster has other questions. A decision states it.")
    size: int = Field(description="Different questions.")
    times: int = Field(description="How often they failed.")
    no_answer: int
    ambiguous: int
    unhelpful: int
    last_asked: str
    examples: list[UnansweredQuestion] = Field(description=f"Up to {EXAMPLES}, those that failed most first.")
    status: Literal["answered", "ambiguous", "no_answer"] | None = Field(
        description="What the first example gets now; null while nothing is published."
    )
    nearest: list[NearestEntry] = Field(description="The entries nearest to the first example now, best first.")

    @classmethod
    def of(cls, cluster: Cluster, examined: Examined | None) -> "UnansweredCluster":
        """The cluster, with what the live release makes of its first question."""
        ranked = examined.ranked.take(slice(NEAREST)) if examined else ()
        nearest = [
            NearestEntry(id=r.id, question=r.payload["question"], confidence=round(r.confidence, 4)) for r in ranked
        ]
        return cls(
            id=cluster.name,
            version=cluster.version,
            size=len(cluster.questions),
            times=cluster.times,
            no_answer=cluster.count("no_answer"),
            ambiguous=cluster.count("ambiguous"),
            unhelpful=cluster.count("unhelpful"),
            last_asked=iso(cluster.last_asked),
            examples=[UnansweredQuestion.of(question) for question in cluster.questions[:EXAMPLES]],
            status=examined.reply.status if examined else None,
            nearest=nearest,
        )


class UnansweredList(Strict):
    """Clusters, those to look at first in front."""

    clusters: list[UnansweredCluster]
    total: int = Field(description="How many clusters there are on all pages.")
    next_after: str | None = Field(description="Pass it as `after` for the page that follows; null on the last.")
    notice: str | None = Field(description="Where texts of questions are not kept: that, and how to turn it on.")


class DecisionBody(Strict):
    """What to do with a cluster, or with some of its questions."""

    act: Act = Field(
        description="`draft`: a new entry that is a draft; its question is the first one taken, the others are its "
        "alternatives. `alternatives`: the questions become phrasings of `entry_id`. `negatives`: questions that "
        "`entry_id` must not answer. `dismiss`: the whole cluster needs no answer."
    )
    version: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="`version` of the cluster as it was read; 409 where it has other questions now."
    )
    questions: Names = Field([], description="Ids of the questions that are taken. Leave them out to dismiss.")
    entry_id: EntryId | None = Field(None, description="The entry that learns from the questions.")
    answer: Answer | None = Field(None, description=f"Of a draft. Default: `{UNWRITTEN}`")

    @model_validator(mode="after")
    def _fits_the_act(self) -> "DecisionBody":
        if self.act == "dismiss" and self.questions:
            raise ValueError("a dismissal is about the whole cluster; leave out `questions`")
        if self.act != "dismiss" and not self.questions:
            raise ValueError("name in `questions` the ids of those that are taken")
        if (self.act in ("alternatives", "negatives")) != (self.entry_id is not None):
            raise ValueError("`entry_id` goes with `alternatives` and `negatives`, and with these only")
        if self.act != "draft" and self.answer is not None:
            raise ValueError("`answer` goes with `draft` only")
        return self

    def decision(self) -> Decision:
        """The decision, for `app.questions.deciding`."""
        keys = list(map(key_of_name, self.questions))
        return Decision(self.act, keys, self.entry_id, self.answer or UNWRITTEN)


class DecisionReply(Strict):
    """What was done."""

    act: Act
    questions: list[str] = Field(description="Ids of the questions that wait no longer. `reopen` undoes that.")
    entry_id: str | None = Field(description="The draft, or the entry that has learned; null for a dismissal.")
    etag: str | None = Field(description="Of that entry.")

    @classmethod
    def of(cls, act: Act, decided: Decided) -> "DecisionReply":
        """The reply to whoever decided."""
        stored = decided.stored
        return cls(
            act=act,
            questions=[name_of(question.key) for question in decided.questions],
            entry_id=stored.entry.id if stored else None,
            etag=stored.etag if stored else None,
        )


class ReopenBody(Strict):
    """Questions that are to wait again."""

    questions: Annotated[list[Name], Field(min_length=1, max_length=3000)]


class ReopenReply(Strict):
    """What waits again."""

    questions: int = Field(description="How many of the questions had been decided about.")
