# SPDX-License-Identifier: AGPL-3.0-or-later
"""Whoever guesses waits, longer each time; nobody waits with them."""

from __future__ import annotations

from collector.attempts import ADDRESSES_MAX, DELAY_S_MAX, FORGET_S, Attempts


def guess(attempts: Attempts, count: int, *, address: str = "10.0.0.7", begin_s: float = 0.0) -> list[float]:
    """Fail again and again, as early as allowed; return the delay after each failure."""
    now_s, delays = begin_s, []
    for _ in range(count):
        now_s += attempts.wait_s(address, now_s)
        delays.append(attempts.failed(address, now_s))
    return delays


def test_row_24_from_the_tenth_failure_in_a_minute_on_attempts_wait_a_second_doubling() -> None:
    assert guess(Attempts(), 13) == [0.0] * 9 + [1.0, 2.0, 4.0, 8.0]


def test_row_24_other_addresses_do_not_wait() -> None:
    attempts = Attempts()
    guess(attempts, 12)
    assert attempts.wait_s("10.0.0.7", 0.0) > 0
    assert attempts.wait_s("10.0.0.8", 0.0) == 0


def test_the_wait_ends_by_itself_and_has_a_longest() -> None:
    attempts = Attempts()
    assert max(guess(attempts, 30)) == DELAY_S_MAX
    assert attempts.wait_s("10.0.0.7", 1e6) == 0


def test_failures_that_are_far_apart_are_typing_mistakes() -> None:
    attempts = Attempts()
    assert all(attempts.failed("10.0.0.7", 7.0 * number) == 0 for number in range(100))


def test_an_address_that_was_quiet_begins_anew() -> None:
    attempts = Attempts()
    guess(attempts, 12)
    assert guess(attempts, 2, begin_s=60 + FORGET_S) == [0.0, 0.0]


def test_addresses_of_one_ipv6_subscriber_are_one() -> None:
    attempts = Attempts()
    for number in range(10):
        attempts.failed(f"2001:db8::{number}", 0.0)
    assert attempts.wait_s("2001:db8::ffff", 0.0) == 1.0
    assert attempts.wait_s("2001:db8:0:1::1", 0.0) == 0.0


def test_table_is_bounded_and_the_oldest_failure_goes_first() -> None:
    attempts = Attempts()
    for number in range(ADDRESSES_MAX + 1):
        attempts.failed(f"host-{number}", 0.0)
    assert len(attempts._failures) == ADDRESSES_MAX
    assert "host-0" not in attempts._failures
