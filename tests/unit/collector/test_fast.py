# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the fast client needs of paho's inside is there, and is missed where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client

from collector.bus.fast import MID_OWN_MAX, NEEDED, FastClient, Intake, lacking
from collector.bus.frames import MID_MAX
from collector.bus.pause import MIN_S, SETTLED_S, TAKEN_OVER_MAX_S, Pause


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    lacking.cache_clear()
    yield
    lacking.cache_clear()


def test_the_paho_that_is_installed_has_all_that_is_needed() -> None:
    assert lacking() == ()


@pytest.mark.parametrize("name", [name for name in NEEDED if hasattr(Client, name)])
def test_what_a_later_paho_lacks_is_named_once_in_the_log(name, monkeypatch, caplog) -> None:
    monkeypatch.delattr(Client, name)
    assert (lacking(), lacking()) == ((name,), (name,))
    assert [name in record.message for record in caplog.records] == [True]


def test_what_a_later_paho_no_longer_keeps_in_its_clients_is_named_too(monkeypatch) -> None:
    begin = Client.__init__

    def without(self: Client, *args: object, **settings: object) -> None:
        begin(self, *args, **settings)
        del self._in_packet

    monkeypatch.setattr(Client, "__init__", without)
    assert lacking() == ("_in_packet",)


def test_pahos_own_message_numbers_never_meet_ours() -> None:
    intake = Intake(0, lambda: 0.0, lambda _: None, lambda *_: None, lambda: None)
    client = FastClient(intake, client_id="a")
    numbers = {client._mid_generate() for _ in range(2 * MID_MAX)}
    assert (min(numbers), max(numbers)) == (MID_OWN_MAX + 1, MID_MAX)


class Waits:
    """An event that is never set, and notes how long it was waited for."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited_s.append(seconds)
        return False


def test_row_23_after_takeovers_the_wait_grows_to_a_minute_and_a_long_life_ends_that() -> None:
    pause = Pause(waits := Waits())
    for _ in range(12):
        pause.wait(SETTLED_S + 1, longest_s=TAKEN_OVER_MAX_S)
        pause.wait(1.0, longest_s=TAKEN_OVER_MAX_S)
    assert TAKEN_OVER_MAX_S / 2 <= waits.waited_s[-1] <= TAKEN_OVER_MAX_S
    pause.wait(TAKEN_OVER_MAX_S + 1, longest_s=TAKEN_OVER_MAX_S)
    assert waits.waited_s[-1] <= MIN_S
