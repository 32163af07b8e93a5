# SPDX-License-Identifier: AGPL-3.0-or-later
"""What brokers' logs tell, and what of it a person hears of."""

from __future__ import annotations

import pytest

from collector.violations import (
    PASSWORD,
    PUBLISH,
    SENDERS_MAX,
    SUBSCRIPTION,
    TAKEOVER,
    Violation,
    Watchman,
    of_mosquitto,
    of_nats,
)

WHERE = '[20138] [ERR] 127.0.0.1:56655 - mid:26 - "dev" - '
"""The beginning of a line of nats-server 2.15.1."""


@pytest.mark.parametrize(
    ("rest", "kind", "who"),
    [
        ('authentication error - User "mk4"', PASSWORD, "mk4"),
        ('Publish Violation - Subject "cybersyn.v1.reading.@other"', PUBLISH, "dev"),
        ('Subscription Violation - Subject "x", SID x', SUBSCRIPTION, "dev"),
        ('Replacing old client "127.0.0.1:1 - mid:2 - \\"dev\\"" since both have the same client ID', TAKEOVER, "dev"),
    ],
)
def test_lines_of_nats_name_kind_sender_and_address(rest: str, kind: str, who: str) -> None:
    assert of_nats(WHERE + rest) == Violation(kind, who, WHERE + rest, "127.0.0.1")


@pytest.mark.parametrize(
    ("line", "kind", "who"),
    [
        ("1795551358: Client <unknown> disconnected, not authorised.", PASSWORD, ""),
        ("1795551358: Client a b [10.0.0.7:5120] disconnected, not authorised.", PASSWORD, "a b"),
        ("1795551359: Client dev already connected, closing old connection.", TAKEOVER, "dev"),
        (
            "1795551358: Denied PUBLISH from dev (d0, q1, r0, m2, 'cybersyn/v1/reading/@other', … (1 bytes))",
            PUBLISH,
            "dev",
        ),
    ],
)
def test_lines_of_mosquitto_name_kind_and_sender(line: str, kind: str, who: str) -> None:
    found = of_mosquitto(line)
    assert found is not None
    assert (found.kind, found.who, found.line) == (kind, who, line)


@pytest.mark.parametrize(
    "line", ["", "Server is ready", WHERE + "Client connection created", "1: New client connected"]
)
def test_other_lines_tell_nothing(line: str) -> None:
    assert of_nats(line) is of_mosquitto(line) is None


def heard(watchman: Watchman, kind: str, times: list[float], who: str = "mk4", address: str = "") -> list[float]:
    """Return the times at which an event was made."""
    return [t for t in times if watchman.event_of(Violation(kind, who, "line", address), t) is not None]


def test_row_20_publishing_as_another_machine_makes_one_security_event_a_minute() -> None:
    watchman = Watchman()
    assert heard(watchman, PUBLISH, [0.0, 1.0, 59.0, 60.0, 61.0]) == [0.0, 60.0]
    event = watchman.event_of(Violation(PUBLISH, "saw", "the line"), 61.0)
    assert event == ("security", {"kind": PUBLISH, "who": "saw", "detail": "the line"})


def test_row_23_more_than_three_takeovers_a_minute_make_one_event() -> None:
    watchman = Watchman()
    assert heard(watchman, TAKEOVER, [0.0, 20.0, 40.0, 59.0, 60.0]) == [59.0]
    assert heard(watchman, TAKEOVER, [0.0, 30.0, 60.0, 90.0, 120.0], who="slow") == []


def test_row_24_ten_wrong_passwords_of_one_address_make_one_event_whatever_names_they_try() -> None:
    watchman = Watchman()
    guesses = [Violation(PASSWORD, f"user{n}", "line", "10.0.0.7") for n in range(12)]
    events = [watchman.event_of(guess, float(n)) for n, guess in enumerate(guesses)]
    assert [n for n, event in enumerate(events) if event] == [9]
    assert events[9] is not None
    assert events[9].body["who"] == "10.0.0.7"


def test_a_mistyped_password_is_no_event() -> None:
    assert heard(Watchman(), PASSWORD, [0.0, 10.0, 20.0]) == []


def test_memory_is_bounded_and_loses_the_quietest() -> None:
    watchman = Watchman()
    for number in range(SENDERS_MAX + 5):
        heard(watchman, PUBLISH, [0.0], who=str(number))
    assert heard(watchman, PUBLISH, [1.0], who=str(SENDERS_MAX)) == []
    assert heard(watchman, PUBLISH, [1.0], who="0") == [1.0]
    assert len(watchman._told_s) <= SENDERS_MAX
