"""Where the service listens, who may use it, and how much of it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from app.settings.values import Digests, Limit, LogQuestions, NamedKeys, Names


class ServiceSettings(BaseModel):
    """Where the service listens, who may use it, and how much of it."""

    host: str = Field("127.0.0.1", description="Address to listen on. An address other than loopback needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free port.")
    home: Path = Field(
        Path("faq-home"),
        description="Directory of models, index, database and vector cache. Memory-mapped: use a fast local disk.",
    )
    file: Path | None = Field(
        None, description="FAQ file that `python -m app start` imports if the store has no entries."
    )
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the store. Unset: SQLite in FAQ_HOME, which is enough for one machine. "
        "Several replicas need PostgreSQL.",
    )
    admin_keys: Digests = Field(
        (),
        description="Comma-separated SHA-256 hex digests of the admin keys (`python -m app key` makes a pair). "
        "Several keys are accepted at a time, so that keys can be rotated.",
    )
    ask_keys: Digests = Field((), description="Digests of the ask keys. Unset: anyone who reaches the port may ask.")
    keys: NamedKeys = Field(
        (),
        description="Comma-separated keys as name:scope:digest; `python -m app key --name ann --scope edit` makes one. "
        "Scopes: `ask`; `edit` changes entries; `publish` reindexes and activates releases; `admin` may do all. "
        "Every scope includes `ask`. History and log show the name. A key of scope `ask` ends anonymous asking.",
    )
    allow_anonymous: bool = Field(
        False, description="Allow asking without a key on an address other than loopback, for a public service."
    )
    workers: int = Field(
        0,
        ge=0,
        le=256,
        description="Number of processes that answer; 0: one for every three cores that the service may use, so one up "
        "to four cores. More processes use more cores and take about 70 MB each, and caches; too few leave cores "
        "idle under load. All limits hold for the service as a whole.",
    )
    queue_limit: int = Field(
        256,
        ge=32,
        le=100_000,
        description="Maximum number of questions in progress; further questions get 429 at once. A low limit refuses "
        "questions that the service could answer; with a high limit clients wait longer. One core answers hundreds of "
        "questions a second.",
    )
    request_timeout_ms: int = Field(
        5000,
        ge=1,
        le=60_000,
        description="Deadline of a request without the header X-Request-Timeout-Ms, in milliseconds; later the "
        "request gets 504. A short deadline drops questions at busy times; a long one spends time on answers that "
        "nobody waits for.",
    )
    trusted_proxies: Names = Field(
        (), description="Comma-separated addresses of the reverse proxies whose X-Forwarded-For is trusted."
    )
    rate_limit_address: Limit = Field(
        None,
        description="Limit of requests to /v1 from one client address, such as `600/minute`; further requests get 429. "
        "Unset: no limit. A low limit protects other clients, but people behind one address share it. Each replica "
        "counts separately, its worker processes together. Behind a proxy set FAQ_TRUSTED_PROXIES, or all clients "
        "count as one.",
    )
    rate_limit_key: Limit = Field(
        None,
        description="Limit of requests to /v1 with one key, from any address, such as `600/minute`. Unset: no limit.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of open connections; above it, the longest idle one is closed. Each takes a file "
        "descriptor and about 20 kB. A high limit serves many slow clients, a low one saves memory.",
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        description="Format of the log: `text`, or `json` with one object a line, which has the request id and caller.",
    )
    log_texts: bool = Field(
        False,
        description="Log the messages of unexpected errors. They help to find a defect, but may quote what a user "
        "asked, which may be personal data.",
    )
    log_questions: LogQuestions = Field(
        "counts",
        description="What is kept of the questions that users ask. `off`: nothing, and no feedback. `counts`: numbers "
        "an hour and an entry, no texts. `redacted`: also each question, with e-mail addresses, phone, card and "
        "account numbers and keys replaced by marks; needed for the list of unanswered questions. `full`: each "
        "question as asked, which may be personal data.",
    )
    log_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="Days for which logged questions and the texts of feedback are kept; 0: forever. A short time "
        "keeps less personal data; a long time shows more of what users ask. Counts are kept for 400 days.",
    )
