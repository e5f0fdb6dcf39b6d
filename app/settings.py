"""The settings: `FAQ_*` environment variables, each with a description of its trade-off."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.colors import accent
from app.errors import SettingsError
from app.keys import NamedKey
from app.text.spelling import nearest

_DIGEST = r"^[0-9a-f]{64}$"

Digests = Annotated[tuple[Annotated[str, Field(pattern=_DIGEST)], ...], NoDecode]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?)$")]
Names = Annotated[tuple[str, ...], NoDecode]
NamedKeys = Annotated[tuple[Annotated[NamedKey, BeforeValidator(NamedKey.of)], ...], NoDecode]

PageColor = Annotated[str, AfterValidator(accent)]
LogQuestions = Literal["off", "counts", "redacted", "full"]

PREFIX = "FAQ_"
SECRETS = Path("/run/secrets")  # of containers: a file such as faq_qdrant_api_key is a setting too
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_RATE = re.compile(r"^([1-9][0-9]{0,8})/(second|minute|hour)$")


@dataclass(frozen=True)
class Rate:
    """A number of requests in a number of seconds; written as `60/minute`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: object) -> "Rate | None":
        """The rate; None, for no limit, from an empty text. Raises ValueError unless the text is like `60/minute`."""
        if text is None or isinstance(text, Rate):
            return text
        if text == "":
            return None
        if not isinstance(text, str) or not (match := _RATE.match(text.strip().lower())):
            raise ValueError("a rate is written as 100/second, 600/minute or 5000/hour")
        return cls(int(match[1]), _PERIODS[match[2]])

    def __str__(self) -> str:
        return f"{self.count}/{next(name for name, seconds in _PERIODS.items() if seconds == self.seconds)}"


Limit = Annotated[Rate | None, NoDecode, BeforeValidator(Rate.of)]


class Settings(BaseSettings):
    """The configuration, read from `FAQ_*` environment variables and then from files in SECRETS. Immutable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", secrets_dir=SECRETS if SECRETS.is_dir() else None
    )

    host: str = Field("127.0.0.1", description="Address to listen on. An address other than loopback needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free port.")
    home: Path = Field(
        Path("faq-home"),
        description="Directory of models, index, database and vector cache. Memory-mapped: use a fast local disk.",
    )
    file: Path | None = Field(
        None, description="FAQ file that `python -m app start` imports if the store has no entries."
    )
    qdrant_url: str | None = Field(
        None,
        description="URL of a Qdrant server, for several replicas or more than about 100,000 entries. Unset: the "
        "embedded engine in FAQ_HOME, which needs no server and is several times faster on one machine. Of a cluster: "
        "comma-separated URLs of its nodes, tried in turn; with one URL, the loss of that node stops the answers.",
    )
    qdrant_api_key: SecretStr | None = Field(None, description="API key of the Qdrant server.")
    namespace: str = Field(
        "faqtual",
        max_length=40,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$",
        description="Prefix of all collections and aliases on the Qdrant server. Installations that share a server "
        "need one each, such as `staging`; two in one namespace would answer from the same releases.",
    )
    local_vectors: int = Field(
        100_000,
        ge=0,
        description="Largest number of vectors of a release (about six an entry) that a service with a Qdrant server "
        "copies to FAQ_HOME and answers from, as without a server: several times faster, and answers go on while the "
        "server is away. Takes disk and memory as without a server. 0: every question asks the server.",
    )
    bundle_store: str | None = Field(
        None,
        description="Where bundles are kept for replicas with a FAQ_HOME of their own: a directory that all reach, or "
        "a URL such as s3://bucket/path (extra `bundles`). A publisher uploads the bundle before it switches; a "
        "replica that lacks it pulls it. Unset: copy bundles by hand, or share one FAQ_HOME.",
    )
    qdrant_replication_factor: int | None = Field(
        None,
        ge=1,
        description="On how many nodes of a Qdrant cluster each release is stored. Unset: 2 where there are several "
        "nodes, else 1. With 2 the loss of a node stops no answers; each further one takes as much memory again.",
    )
    qdrant_write_consistency_factor: int | None = Field(
        None,
        ge=1,
        description="How many of these nodes must confirm what is written. Unset: 1, and a release is published while "
        "a node is away, which catches up later. With 2, what a publish wrote survives the loss of a node at once, but "
        "publishing fails while a node is away.",
    )
    qdrant_shard_number: int | None = Field(
        None,
        ge=1,
        description="Into how many shards a release is divided. Unset: 1, which is fastest up to about a million "
        "entries. More shards spread memory and work over the nodes, and every question asks all of them.",
    )
    qdrant_on_disk: bool = Field(
        False,
        description="Keep vectors and their graph on the Qdrant server's disk, not in memory. Takes a fraction of the "
        "memory; a question takes milliseconds longer on an SSD, and much longer on a slow disk.",
    )
    qdrant_datatype: Literal["float32", "float16"] = Field(
        "float32",
        description="Numbers of the vectors on the Qdrant server. `float16` halves memory and disk; similarities "
        "change by about 0.0005.",
    )
    qdrant_quantization: Literal["none", "int8"] = Field(
        "none",
        description="`int8` searches copies of a quarter of the size, in memory, and compares the best again with the "
        "whole vectors. Fast with FAQ_QDRANT_ON_DISK; takes a quarter more disk and may miss an entry now and then.",
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
    language: str = Field(
        "english",
        description="Language of the FAQ, for stemming and stop words; `none`: neither. Takes effect with a reindex.",
    )
    rerank: Literal["off", "on", "auto"] = Field(
        "auto",
        description="Rerank the best 20 candidates with the bundle's reranker: for every question (`on`), or for "
        "questions without a sure answer (`auto`). Answers are better and take tens of milliseconds longer.",
    )
    target_precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Target share of right answers among those given. 0.95 gives fewer answers than 0.8, and more of "
        "them are right. Unset: the bundle's own target. Takes effect with the next reindex.",
    )
    offer_precision: float | None = Field(
        None,
        gt=0,
        lt=1,
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
    golden_max_broken: int = Field(
        0,
        ge=0,
        description="The most golden questions that a new release may answer wrong though the live one answers them "
        "right; more block it. A higher limit lets more changes through without a person who looks at them.",
    )
    adapt_confidence: Literal["off", "suggest", "on"] = Field(
        "suggest",
        description="Estimate from the questions asked the share that the FAQ does not answer. `suggest`: show it in "
        "`releases` and `/metrics`. `on`: also adapt confidence to it, slowly; the estimate can be wrong if real "
        "questions differ from the held-out ones. `off`: count nothing. No texts are kept.",
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
    widget_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (),
        description="Comma-separated origins of the pages that may show the widget, such as https://shop.example; `*`: "
        "any page. Programs can pretend any origin: set a rate limit too.",
    )
    page_name: str = Field("Faqtual", min_length=1, max_length=60, description="Name of the service on the ask page.")
    page_color: PageColor | None = Field(
        None,
        description="Accent color of the ask page, such as #0b6b5f. It is text on a light ground, so light colors are "
        "refused; in dark mode a lighter one of its kind is used.",
    )
    page_logo: Path | None = Field(
        None, description="Image file beside the name on the ask page: SVG, PNG, WebP or JPEG, at most 256 kB."
    )
    page_greeting: str | None = Field(
        None,
        max_length=200,
        description="Heading of the ask page. Unset: `What would you like to know?` in its language.",
    )
    page_language: Literal["en", "de", "fr", "es"] = Field(
        "en", description="Language of the ask page's own texts. The FAQ's language is FAQ_LANGUAGE."
    )
    rate_limit_address: Limit = Field(
        None,
        description="Limit of requests to /v1 from one client address, such as `600/minute`; further requests get 429. "
        "Unset: no limit. A low limit protects other clients, but people behind one address share it. Each replica "
        "counts separately. Behind a proxy set FAQ_TRUSTED_PROXIES, or all clients count as one.",
    )
    rate_limit_key: Limit = Field(
        None,
        description="Limit of requests to /v1 with one key, from any address, such as `600/minute`. Unset: no limit.",
    )
    answer_cache_mb: int = Field(
        64,
        ge=0,
        le=65_536,
        description="Memory for the cache of replies, in MB of 2**20 bytes; 0: no cache. A repeated question costs a "
        "tenth of a new one. 64 MB hold about 20,000 replies of three answers of a few hundred characters, and fewer "
        "if answers are long or `top_k` is large.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Maximum number of open connections; above it, the longest idle one is closed. Each takes a file "
        "descriptor and about 20 kB. A high limit serves many slow clients, a low one saves memory.",
    )
    import_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        description="Maximum size of a FAQ file, in bytes. An import needs about ten times as much memory.",
    )
    import_max_unpacked_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="Maximum size of an unpacked XLSX file, in bytes (XLSX is a ZIP archive)."
    )
    import_max_rows: int = Field(1_000_000, ge=1, description="Maximum number of rows of a FAQ file.")
    import_max_cells: int = Field(20_000_000, ge=1, description="Maximum number of cells of a table, empty ones too.")
    import_max_cell_chars: int = Field(10_000_000, ge=1, description="Maximum length of a table's cell or a JSON line.")
    import_max_nesting: int = Field(500, ge=1, le=500, description="Maximum nesting of JSON and YAML.")
    log_format: Literal["text", "json"] = Field(
        "text",
        description="Format of the log: `text`, or `json` with one object a line, which has the request id and caller.",
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
    log_texts: bool = Field(
        False,
        description="Log the messages of unexpected errors. They help to find a defect, but may quote what a user "
        "asked, which may be personal data.",
    )

    @field_validator("admin_keys", "ask_keys", "keys", "trusted_proxies", "widget_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator("namespace")
    @classmethod
    def _unmistakable(cls, value: str) -> str:
        """Raises ValueError for a namespace whose names another namespace, or an earlier version, could have."""
        if f"-{value}".endswith(("-active", "-previous")) or "-faq-" in f"-{value}-":
            raise ValueError("it must not contain `faq` as a part, nor end with `active` or `previous`")
        return value

    @field_validator(
        "file",
        "qdrant_url",
        "qdrant_api_key",
        "bundle_store",
        "qdrant_replication_factor",
        "qdrant_write_consistency_factor",
        "qdrant_shard_number",
        "database_url",
        "history_days",
        "target_precision",
        "offer_precision",
        "unanswerable_share",
        "page_color",
        "page_logo",
        "page_greeting",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def read(cls) -> "Settings":
        """The settings in the environment. Raises SettingsError, which names the first invalid variable."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"][:1]).upper()
            raise SettingsError(f"{PREFIX}{name}: {first['msg']}") from None

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process with the same settings."""
        texts = {name: _text(getattr(self, name)) for name in type(self).model_fields}
        return {f"{PREFIX}{name.upper()}": text for name, text in texts.items() if text is not None}

    @property
    def sqlalchemy_url(self) -> str:
        """The URL of the store's database: FAQ_DATABASE_URL, or SQLite in FAQ_HOME."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'knowledge.db'}"

    @property
    def named_keys(self) -> tuple[NamedKey, ...]:
        """Every key of the three settings; those of FAQ_ADMIN_KEYS and FAQ_ASK_KEYS are named for their digests."""
        admin = (NamedKey(f"admin-{digest[:8]}", "admin", digest) for digest in self.admin_keys)
        ask = (NamedKey(f"ask-{digest[:8]}", "ask", digest) for digest in self.ask_keys)
        return (*self.keys, *admin, *ask)

    @property
    def asking_needs_key(self) -> bool:
        """True when a key of scope `ask` is set, which ends anonymous asking."""
        return any(key.scope == "ask" for key in self.named_keys)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check_exposure(self) -> None:
        """Raise SettingsError if other machines could reach the service and no keys are set."""
        if self.loopback:
            return
        if not any(key.scope == "admin" for key in self.named_keys):
            raise SettingsError(
                f"FAQ_HOST={self.host} can be reached from other machines, and FAQ_ADMIN_KEYS is not set. "
                "Run `python -m app key`, set FAQ_ADMIN_KEYS to the digest it prints, and keep the key."
            )
        if not self.asking_needs_key and not self.allow_anonymous:
            raise SettingsError(
                f"FAQ_HOST={self.host} can be reached from other machines, and anyone there could ask. "
                "Set FAQ_ASK_KEYS (`python -m app key`), or FAQ_ALLOW_ANONYMOUS=true to allow that."
            )


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A warning for each `FAQ_*` variable that is not a setting, with the most similar setting."""
    known = {name.upper() for name in Settings.model_fields}
    names = (name for name in sorted(environment) if name.upper().startswith(PREFIX))
    return [_unknown(name, known) for name in names if name.upper().removeprefix(PREFIX) not in known]


def _unknown(variable: str, known: set[str]) -> str:
    similar = nearest(variable.upper().removeprefix(PREFIX), known)
    question = f" Did you mean {PREFIX}{similar}?" if similar else ""
    return f"The environment variable {variable} is not a setting and has no effect.{question}"


def _text(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return None if value is None else str(value)
