"""The compose files pass on what the service can be told."""

from pathlib import Path

import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
FIXED = {"host", "port", "home"}  # by the image


def test_every_setting_reaches_the_service() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    passed = {name for name in compose["services"]["app"]["environment"] if name.startswith(PREFIX)}
    assert passed == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name not in FIXED}


def test_no_registry_stands_in_a_dockerfile() -> None:
    for file in (ROOT / "docker").glob("*.Dockerfile"):
        assert not [line for line in file.read_text().splitlines() if "://" in line and not line.startswith("#")]
