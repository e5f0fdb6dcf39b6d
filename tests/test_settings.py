"""Settings: read from the environment, immutable, and passed on to child processes."""

import pytest
from pydantic import SecretStr, ValidationError

from app.errors import SettingsError
from app.keys import NamedKey
from app.settings import Settings, unknown_variables


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = ["a" * 64, "b" * 64]
    monkeypatch.setenv("FAQ_ADMIN_KEYS", f" {digests[0]} , {digests[1].upper()},")
    monkeypatch.setenv("FAQ_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")
    settings = Settings()
    assert settings.admin_keys == tuple(digests)
    assert settings.trusted_proxies == ("10.0.0.1", "10.0.0.2")
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_an_empty_variable_is_a_setting_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    unset = [name for name, field in Settings.model_fields.items() if field.default is None]
    for name in unset:
        monkeypatch.setenv(f"FAQ_{name.upper()}", "")
    assert {"qdrant_url", "history_days", "rate_limit_key", "page_logo"} <= set(unset)
    assert Settings.read() == Settings()
    assert all(getattr(Settings(), name) is None for name in unset)


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        admin_keys=("a" * 64, "b" * 64),
        keys=(NamedKey("ann", "edit", "c" * 64), NamedKey("ben", "publish", "d" * 64)),
        qdrant_url="http://q",
        qdrant_api_key=SecretStr("s"),
        allow_anonymous=True,
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("faq", False)],
)
def test_loopback_addresses_are_recognised(host: str, loopback: bool) -> None:
    assert Settings(host=host).loopback is loopback


def test_unknown_variables_are_named_with_the_nearest_setting() -> None:
    environment = {"FAQ_HOEM": "/data", "faq_log_format": "json", "FAQ_PORT": "1", "FAQ_XYZZY": "", "HOME": "/root"}
    assert unknown_variables(environment) == [
        "The environment variable FAQ_HOEM is not a setting and has no effect. Did you mean FAQ_HOME?",
        "The environment variable FAQ_XYZZY is not a setting and has no effect.",
    ]


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/", "https://*.example", "null"])
def test_an_origin_has_a_scheme_and_a_host_and_no_path(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAQ_WIDGET_ORIGINS", f"https://a.example:8443,{origin}")
    with pytest.raises(SettingsError, match="FAQ_WIDGET_ORIGINS"):
        Settings.read()
