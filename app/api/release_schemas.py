"""Releases over the wire."""

from typing import Literal

from pydantic import Field

from app.api.schemas import Strict


class GoldenFigures(Strict):
    """What a release answered to the golden questions before it was activated or blocked."""

    run: int = Field(description="Id of the run, which lists the questions.")
    outcome: Literal["passed", "blocked", "overridden"]
    questions: int
    right: int
    broken: int = Field(description="Right in the release that was live then, and wrong in this one.")
    fixed: int
    waived: int = Field(description="As `broken`, but their entry was archived or removed.")
    broken_questions: list[str] = Field(description="The first ten that broke, each with what is answered.")


class ShareReply(Strict):
    """The share of unanswerable questions, estimated from the questions asked of a release."""

    share: float
    questions: int = Field(description="How many distinct questions it rests on.")
    misfit: float = Field(
        description="How far these are from what the estimate expects, beyond chance: 0 fits, 1 does not at all."
    )


class ReleaseReply(Strict):
    """A release that can be activated."""

    release: str
    active: bool
    previous: bool = Field(description="Whether it was active before the active one.")
    bundle: str
    knowledge: str
    base: str | None = Field(description="The publish that it extends; null: it is a publish itself.")
    increment: int = Field(description="Its number among the increments on that publish; 0: it is a publish.")
    entries: int
    created_at: str
    calibrated: bool = Field(description="Whether it has its own calibration; otherwise it uses its bundle's.")
    problems: list[str] = Field(description="Why the release or its reranker could not be calibrated.")
    threshold: float | None = Field(description="The lowest confidence that is answered; null: that of its bundle.")
    offer_threshold: float | None = Field(
        description="The lowest joint probability for which two or three answers are offered; null: that of its bundle."
    )
    figures: dict[str, float] = Field(
        description="Measured with the bundle's held-out questions. Of the answerable questions: how often the right "
        "entry is first (`precision@1`), how often it is the answer or among those offered (`helped`), the share that "
        "is `answered`, and the share of these that is right. Of all questions: the share answered wrongly (`wrong`). "
        "Of the unanswerable questions: the shares that are answered and that are offered something."
    )
    blocked: bool = Field(description="Whether golden questions block it: it is activated with `override=true` alone.")
    golden: GoldenFigures | None = Field(description="Its last run on the golden questions; null: it was not measured.")
    unanswerable_share: float | None = Field(description="The stated share of questions that nothing answers.")
    estimated_unanswerable_share: ShareReply | None = Field(
        description="The same, estimated from what is asked; null where it is not estimated. A few seconds old."
    )


class ReleaseList(Strict):
    """Every release, newest first."""

    releases: list[ReleaseReply]
