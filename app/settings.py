"""Settings, read once from the environment. Each says what it trades off."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.errors import SettingsError
from app.keys import NamedKey
from app.text.spelling import nearest

_DIGEST = r"^[0-9a-f]{64}$"

Digests = Annotated[tuple[Annotated[str, Field(pattern=_DIGEST)], ...], NoDecode]
Names = Annotated[tuple[str, ...], NoDecode]
NamedKeys = Annotated[tuple[Annotated[NamedKey, BeforeValidator(NamedKey.of)], ...], NoDecode]

PREFIX = "FAQ_"
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_RATE = re.compile(r"^([1-9][0-9]{0,8})/(second|minute|hour)$")


@dataclass(frozen=True)
class Rate:
    """So many requests in so many seconds; written `60/minute`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: object) -> "Rate | None":
        """Raises ValueError for anything but `N/second`, `N/minute` or `N/hour`; an empty text is no limit."""
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
    """The service's configuration: `FAQ_*` environment variables, frozen once read."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on. Anything but loopback needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    home: Path = Field(
        Path("faq-home"),
        description="Models, index, database and vector cache. On a fast local disk: the index is memory-mapped.",
    )
    qdrant_url: str | None = Field(
        None,
        description="A Qdrant server, for several replicas or more than some 100,000 entries. "
        "Unset: the embedded engine in FAQ_HOME, nothing to start and several times faster on one machine.",
    )
    qdrant_api_key: SecretStr | None = Field(None, description="Key of that server.")
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the store. Unset: SQLite in FAQ_HOME, enough for one machine; "
        "PostgreSQL when several replicas share the knowledge.",
    )
    admin_keys: Digests = Field(
        (),
        description="Comma-separated SHA-256 hex digests of the admin keys (`python -m app key` makes a pair). "
        "Several are live at once, so that keys can be rotated.",
    )
    ask_keys: Digests = Field((), description="Likewise for asking. Unset: anyone who reaches the port may ask.")
    keys: NamedKeys = Field(
        (),
        description="Comma-separated keys as name:scope:digest; `python -m app key --name ann --scope edit` makes one. "
        "The scopes: `ask`; `edit` changes entries; `publish` reindexes and activates releases; `admin` may do all. "
        "Every scope includes `ask`. History and log show the name. A key of scope `ask` ends anonymous asking.",
    )
    allow_anonymous: bool = Field(
        False, description="Allow asking without a key on an address that is not loopback: public, on purpose."
    )
    history_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Days for which replaced versions of entries are kept. Unset: always. A few days keep little "
        "personal data and little space; older versions can no longer be restored.",
    )
    language: str = Field(
        "english",
        description="Language of the FAQ, for stemming and stop words; one per FAQ. `none` takes words as they are. "
        "Takes effect with the next reindex.",
    )
    rerank: Literal["off", "on", "auto"] = Field(
        "auto",
        description="Where the bundle has a reranker: read the best 20 candidates again with every question, or (auto) "
        "with those alone that one is not sure of. Better answers for some tens of milliseconds each.",
    )
    target_precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="The share of answers given that are to be right: 0.95 answers less, and more surely, than 0.8. "
        "Unset: what the bundle was fitted for. Takes effect with the next reindex.",
    )
    offer_precision: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Where no answer is sure enough: the share of offers of two or three answers that are to hold the "
        "right one. A high one offers less often, a low one offers answers to questions that have none. "
        "Unset: what the bundle was fitted for. Takes effect with the next reindex.",
    )
    queue_limit: int = Field(
        256,
        ge=32,
        le=100_000,
        description="Questions that may be under way at a time; one more is refused at once with 429. "
        "A low limit turns clients away that could have been answered, a high one lets them wait too long. "
        "A core answers some hundreds a second.",
    )
    request_timeout_ms: int = Field(
        5000,
        ge=1,
        le=60_000,
        description="Time for a request that names none of its own in X-Request-Timeout-Ms. What is still waiting then "
        "is dropped unanswered, with 504. A short one gives up on questions that a busy moment delays; a long one "
        "spends time on answers that nobody waits for any more.",
    )
    trusted_proxies: Names = Field(
        (), description="Comma-separated addresses of reverse proxies whose X-Forwarded-For is believed."
    )
    rate_limit_address: Limit = Field(
        None,
        description="Requests that one client address may send to /v1, as `600/minute`: 429 beyond. Unset: no limit. "
        "Low protects the others from one client; many people behind one address share it. Each replica counts for "
        "itself. Behind a proxy set FAQ_TRUSTED_PROXIES, or everybody is the proxy.",
    )
    rate_limit_key: Limit = Field(
        None, description="Likewise for each key. Low keeps one client in bounds wherever it calls from."
    )
    answer_cache_mb: int = Field(
        64,
        ge=0,
        le=65_536,
        description="Memory for replies that were given before, in MB (of 2**20 bytes); 0 keeps none. A repeated "
        "question costs a tenth of a new one. 64 MB hold some 20,000 replies of three answers of a few hundred "
        "characters, and fewer where answers are long or `top_k` is large.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Open connections at a time; beyond, the one idle for longest is closed. Each takes a file "
        "descriptor and some 20 kB: many serve slow clients, few spare memory.",
    )
    import_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        description="The largest FAQ file that is read. A file and its entries are in memory while it is imported: "
        "some ten times its size.",
    )
    import_max_unpacked_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="The largest XLSX file, unpacked: it is a ZIP archive."
    )
    import_max_rows: int = Field(1_000_000, ge=1, description="The most rows that a FAQ file may have.")
    import_max_cells: int = Field(20_000_000, ge=1, description="The most cells, rows times columns, of a table.")
    import_max_cell_chars: int = Field(
        10_000_000, ge=1, description="The most characters of one cell of a table, or of one line of JSON."
    )
    import_max_nesting: int = Field(
        500, ge=1, le=500, description="How deep lists and objects in JSON and YAML may lie within each other."
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        description="Lines of the log: `text` for people; `json` for programs, one object a line, with the id of the "
        "request and the caller's own.",
    )
    log_texts: bool = Field(
        False,
        description="Let messages of unexpected errors into the log whole. They may quote what a user asked: useful "
        "to find a defect, and personal data.",
    )

    @field_validator("admin_keys", "ask_keys", "keys", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "qdrant_url",
        "qdrant_api_key",
        "database_url",
        "history_days",
        "target_precision",
        "offer_precision",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @classmethod
    def read(cls) -> "Settings":
        """The settings of this process's environment. Raises SettingsError naming the first variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(str(part) for part in first["loc"][:1]).upper()
            raise SettingsError(f"{PREFIX}{name}: {first['msg']}") from None

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a process that is to share them."""
        texts = {name: _text(getattr(self, name)) for name in type(self).model_fields}
        return {f"{PREFIX}{name.upper()}": text for name, text in texts.items() if text is not None}

    @property
    def sqlalchemy_url(self) -> str:
        """Where the store is: the database that was set, or SQLite in FAQ_HOME."""
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
        """True when only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check_exposure(self) -> None:
        """Refuse to listen beyond loopback without keys. Raises SettingsError saying what to set."""
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
                "Set FAQ_ASK_KEYS (`python -m app key`), or FAQ_ALLOW_ANONYMOUS=true if that is meant."
            )


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each `FAQ_*` variable that is no setting, with the setting whose name is nearest."""
    known = {name.upper() for name in Settings.model_fields}
    names = (name for name in sorted(environment) if name.upper().startswith(PREFIX))
    return [_unknown(name, known) for name in names if name.upper().removeprefix(PREFIX) not in known]


def _unknown(variable: str, known: set[str]) -> str:
    near = nearest(variable.upper().removeprefix(PREFIX), known)
    question = f" Did you mean {PREFIX}{near}?" if near else ""
    return f"The environment variable {variable} is not a setting and has no effect.{question}"


def _text(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return None if value is None else str(value)
