"""How questions are answered, and when changes answer."""

from typing import Literal

from pydantic import BaseModel, Field

from app.settings.values import Share


class AnswerSettings(BaseModel):
    """How questions are answered, and when changes answer."""

    language: str = Field(
        "english",
        description="Language of the FAQ, for stemming and stop words; `none`: neither. Takes effect with a reindex.",
    )
    rerank: Literal["off", "on", "auto"] = Field(
        "auto",
        description="Rerank the best 20 candidates with the bundle's reranker: for every question (`on`), or for "
        "questions without a sure answer (`auto`). Answers are better and take tens of milliseconds longer.",
    )
    target_precision: Share | None = Field(
        None,
        description="Target share of right answers among those given. 0.95 gives fewer answers than 0.8, and more of "
        "them are right. Unset: the bundle's own target. Takes effect with the next reindex.",
    )
    offer_precision: Share | None = Field(
        None,
        description="Target share of offers of two or three answers (`ambiguous`) that include the right answer. A "
        "high share offers less often; a low share also offers answers to questions that have none. "
        "Unset: the bundle's own target. Takes effect with the next reindex.",
    )
    unanswerable_share: float | None = Field(
        None,
        ge=0.001,
        le=0.95,
        description="Share of questions that nothing in the FAQ answers; confidence and thresholds depend on it. "
        "Unset: the share that the bundle was fitted for, by default a fifth. Takes effect with the next reindex.",
    )
    adapt_confidence: Literal["off", "suggest", "on"] = Field(
        "suggest",
        description="Estimate from the questions asked the share that the FAQ does not answer. `suggest`: show it in "
        "`releases` and `/metrics`. `on`: also adapt confidence to it, slowly; the estimate can be wrong if real "
        "questions differ from the held-out ones. `off`: count nothing. No texts are kept.",
    )
    answer_cache_mb: int = Field(
        32,
        ge=0,
        le=65_536,
        description="Memory for the cache of replies, in MB of 2**20 bytes; 0: no cache. A repeated question costs a "
        "tenth of a new one. 32 MB hold about 40,000 replies of an index on this machine, whose texts are read again "
        "for each reply. Of an index on a Qdrant server they hold about 10,000, and fewer if entries are long.",
    )
    history_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Days for which replaced versions of entries are kept. Unset: forever. A short time keeps "
        "less personal data and takes less space, but older versions can no longer be restored.",
    )
    auto_reindex: Literal["edits", "all", "off"] = Field(
        "edits",
        description="Changes that answer by themselves, within seconds. `edits`: those of single entries over HTTP, "
        "and validity that begins or ends. `all`: imports too. `off`: none; everything waits for a reindex, and no "
        "worker process takes memory between reindexes.",
    )
    keep_increments: int = Field(
        50,
        ge=0,
        le=1_000,
        description="How many increments, the releases that single edits make, are kept for a rollback, beside the "
        "publishes.",
    )
    golden_max_broken: int = Field(
        0,
        ge=0,
        description="The most golden questions that a new release may answer wrong though the live one answers them "
        "right; more block it. A higher limit lets more changes through without a person who looks at them.",
    )
