"""The compose files pass on what the service can be told, and the images need no privilege."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
FIXED = {"host", "port", "home"}  # by the image
IMAGES = ("app", "trainer")


def compose(name: str) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"]
    return services


def dockerfile(image: str) -> str:
    return (ROOT / "docker" / f"{image}.Dockerfile").read_text(encoding="utf-8")


def test_every_setting_reaches_the_service() -> None:
    passed = {name for name in compose("docker-compose.yml")["app"]["environment"] if name.startswith(PREFIX)}
    assert passed == {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if name not in FIXED}


def test_the_example_of_an_environment_names_every_variable() -> None:
    files = [ROOT / "docker-compose.yml", *(ROOT / "docker").glob("*.yml")]
    used = {name for file in files for name in re.findall(r"\$\{([A-Z_]+)", file.read_text(encoding="utf-8"))}
    used |= {name for name in compose("docker-compose.yml")["app"]["environment"] if name.startswith(PREFIX)}
    listed = re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(listed) == used | {"COMPOSE_FILE"}


def test_replicas_wait_for_the_migration_of_the_database() -> None:
    services = compose("docker/server.yml")
    assert services["migrate"]["command"][-2:] == ["app", "migrate"]
    assert services["migrate"]["restart"] == "no"
    for name in ("app", "train"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("image", IMAGES)
def test_no_registry_stands_in_a_dockerfile(image: str) -> None:
    assert not [line for line in dockerfile(image).splitlines() if "://" in line and not line.startswith("#")]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_without_privileges_and_needs_no_curl(image: str) -> None:
    last_stage = dockerfile(image).rsplit("\nFROM ", 1)[1]
    assert "\nUSER 10001:10001\n" in last_stage
    assert "curl" not in last_stage


@pytest.mark.parametrize("name", ["app", "train"])
def test_a_container_has_a_read_only_file_system_and_no_capabilities(name: str) -> None:
    service = compose("docker-compose.yml")[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
