# SPDX-License-Identifier: AGPL-3.0-or-later
"""Loops are watched: what is away is waited for, and our own mistake ends the process."""

import logging
import threading

import pytest

from collector.contract.errors import Unavailable
from deploy.supervisor import Supervisor


def test_neighbour_that_is_away_is_waited_for() -> None:
    back, calls = threading.Event(), []

    def turn() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Unavailable("away", retry_after_s=0.01)
        back.set()

    supervisor = Supervisor(lambda: None)
    supervisor.run("part", turn)
    assert back.wait(5)
    supervisor.stop()
    assert not supervisor.broken


def test_own_mistake_stops_the_loop_and_tells_whoever_runs_us(caplog: pytest.LogCaptureFixture) -> None:
    broke = threading.Event()
    supervisor = Supervisor(broke.set)
    with caplog.at_level(logging.CRITICAL):
        supervisor.run("part", lambda: int("our mistake"))
        assert broke.wait(5)
        supervisor.stop()
    assert supervisor.broken
    assert supervisor.reason() == "part: it broke down; see the log"
