"""Releases are exchanged back and forth while clients ask without a pause: no request fails, none is answered by a
mixture."""

import time

import pytest

from app.encoding.bundle import Bundle
from app.settings import Settings
from tests.conftest import FAQ, fill, publish_home
from tests.faults.service import asking, service
from tests.test_process import run

SWITCHES = 6


@pytest.mark.slow
def test_a_release_exchanged_under_load_fails_no_request(
    published: Settings, bundle: Bundle, other_bundle: Bundle
) -> None:
    fill(published, [FAQ[0].model_copy(update={"answer": "Within six days."}), *FAQ[1:]])
    names = [publish_home(published, bundle), publish_home(published, other_bundle)]
    with service(published) as running, asking(running) as replies:
        for number in range(SWITCHES):
            name = names[number % 2]
            assert running.client.post(f"/v1/admin/releases/{name}/activate").status_code == 200
            assert running.ask().json()["release"] == name
            time.sleep(0.2)
        assert run(published, "reindex").returncode == 0
    assert {status for status, _ in replies} == {200}
    assert len(replies) > 10 * SWITCHES
    assert set(names) <= {release for _, release in replies}
