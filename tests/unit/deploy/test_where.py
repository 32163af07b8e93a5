# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where the running system is."""

from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured
from deploy.where import BrokerUrl, Running, broker_url, running, tell

HERE = Running("127.0.0.1", 1883, "collector", "word", "http://127.0.0.1:8050")


def test_told_is_found_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    tell(tmp_path, HERE)
    assert running(tmp_path) == HERE
    assert (tmp_path / "broker.json").stat().st_mode & 0o077 == 0


def test_folder_where_nothing_runs_says_what_to_start(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cybersyn demo"):
        running(tmp_path)


def test_broker_url_without_user_and_port_has_the_usual_port() -> None:
    assert broker_url("mqtt://broker.local") == BrokerUrl("broker.local", 1883, None, None)


@pytest.mark.parametrize("text", ["broker.local", "http://broker", "mqtt://", "mqtt://broker:port"])
def test_other_urls_are_named(text: str) -> None:
    with pytest.raises(Misconfigured, match="broker"):
        broker_url(text)
