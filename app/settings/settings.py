"""The settings: `FAQ_*` environment variables, each with a description of its trade-off."""

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError
from app.keys import NamedKey
from app.settings.answers import AnswerSettings
from app.settings.imports import ImportSettings
from app.settings.pages import PageSettings
from app.settings.qdrant import QdrantSettings
from app.settings.service import ServiceSettings
from app.text.spelling import nearest

PREFIX = "FAQ_"
SECRETS = Path("/run/secrets")  # of containers: a file such as faq_qdrant_api_key is a setting too


class Settings(ServiceSettings, QdrantSettings, AnswerSettings, PageSettings, ImportSettings, BaseSettings):
    """The configuration, read from `FAQ_*` environment variables, and from files in SECRETS where no variable is set.

    Immutable. Raises pydantic's ValidationError for an invalid value; `read` gives that a message for people.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", secrets_dir=SECRETS if SECRETS.is_dir() else None
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

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        """None for an empty text where that is the default: Compose passes variables that are not set as empty."""
        optional = cls.model_fields[str(info.field_name)].default is None
        return None if optional and value == "" else value

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
        """True if only this machine can reach the service."""
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
