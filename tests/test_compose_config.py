"""docker-compose accepts the files in the combinations that docs/docker.md names. Nothing is started."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CLUSTER = "docker/cluster.yml"
COMBINATIONS = (
    ("docker-compose.yml",),
    ("docker-compose.yml", "docker/server.yml"),
    ("docker-compose.yml", "docker/server.yml", "docker/gpu.yml"),
    (CLUSTER,),
)


def configured(*files: str) -> dict[str, Any]:
    """The configuration that these files make together. Skips where there is no docker-compose."""
    program = shutil.which("docker-compose")
    if program is None:
        pytest.skip("no docker-compose here; on Debian: apt-get install docker-compose")
    named = [argument for file in files for argument in ("-f", file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FAQ_", "COMPOSE_"))}
    command = [program, "--project-directory", ".", *named, "config"]
    read = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert read.returncode == 0, read.stderr
    made: dict[str, Any] = yaml.safe_load(read.stdout)
    return made


@pytest.mark.parametrize("files", COMBINATIONS, ids=" ".join)
def test_docker_compose_accepts_the_files(files: tuple[str, ...]) -> None:
    assert configured(*files)["services"]


def test_the_replicas_of_the_cluster_have_homes_of_their_own_and_share_the_rest() -> None:
    services = configured(CLUSTER)["services"]
    replicas = [services[f"app-{number}"] for number in (1, 2, 3)]
    homes = {volume for replica in replicas for volume in replica["volumes"] if ":/data:" in volume}
    assert len(homes) == 3
    for replica in replicas:
        assert "bundles:/bundles:rw" in replica["volumes"]
        nodes = replica["environment"]["FAQ_QDRANT_URL"].split(",")
        assert [node.split("//")[1] for node in nodes] == [f"qdrant-{number}:6333" for number in (1, 2, 3)]
        assert {secret["source"] for secret in replica["secrets"]} == {
            "faq_qdrant_api_key",
            "faq_database_url",
            "faq_keys",
        }


def test_the_load_balancer_knows_every_replica_and_is_trusted_by_all() -> None:
    services = configured(CLUSTER)["services"]
    balancer = (ROOT / "docker" / "nginx.conf").read_text(encoding="utf-8")
    address = services["proxy"]["networks"]["backend"]["ipv4_address"]
    for number in (1, 2, 3):
        assert f"server app-{number}:8000 " in balancer
        assert services[f"app-{number}"]["environment"]["FAQ_TRUSTED_PROXIES"] == address
