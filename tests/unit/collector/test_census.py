# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who publishes, and who fell silent."""

from __future__ import annotations

import msgspec
import pytest

from collector.census import NEWCOMERS_MAX, Hearing, Presence, check_newcomer, hear, silent
from collector.contract.errors import Refusal
from collector.contract.event import State, StateSeen
from collector.contract.reading import Fact, Samples
from collector.rhythm import Rhythm

RUNNING = StateSeen(100.0, State.RUNNING)


EACH_5_S = Hearing(5.0)


def heard(*facts: Fact, at: float = 100.0, cadence_s: float = 5.0, before: Presence | None = None) -> Presence:
    return hear(before or Presence(at), facts, Hearing(cadence_s), at=at)[0]


@pytest.mark.parametrize(("cadence_s", "limit_s"), [(5.0, 30.0), (10.0, 30.0), (60.0, 180.0)])
def test_device_is_silent_after_three_cadences_but_never_before_half_a_minute(cadence_s: float, limit_s: float) -> None:
    census = {"mk4": heard(RUNNING, cadence_s=cadence_s)}
    assert silent(census, 100.0 + limit_s - 0.1, listening_since=0.0) == ()
    (found,) = silent(census, 100.0 + limit_s, listening_since=0.0)
    assert (found.device, found.fact.state, found.fact.ts) == ("mk4", State.OFFLINE, 100.0 + limit_s)


def test_silence_bears_the_time_it_was_due_whenever_somebody_looks() -> None:
    (found,) = silent({"mk4": heard(RUNNING)}, 9_000.0, listening_since=0.0)
    assert found.fact == StateSeen(130.0, State.OFFLINE, "nothing heard for 30 s (it speaks every 5 s)", missed=True)


def test_silence_is_told_once() -> None:
    (found,) = silent({"mk4": heard(RUNNING)}, 200.0, listening_since=0.0)
    assert silent({"mk4": found.presence}, 300.0, listening_since=0.0) == ()


def test_device_whose_silence_means_nothing_is_never_silent() -> None:
    assert silent({"octo": heard(RUNNING, cadence_s=0.0)}, 1e9, listening_since=0.0) == ()


def test_what_was_learned_is_forgotten_where_a_cadence_is_stated() -> None:
    learned = hear(Presence(100.0, State.RUNNING), (), Hearing(None), at=110.0)[0]
    assert learned.rhythm == Rhythm(tells=True, heard_s=10.0, longest_s=10.0)
    assert hear(learned, (), Hearing(0.0), at=120.0)[0].rhythm is None
    assert hear(learned, (), Hearing(5.0), at=120.0)[0].rhythm is None


def test_learned_silence_says_what_was_usual() -> None:
    rhythm = Rhythm(tells=True, heard_s=100_000.0, longest_s=120.0)
    (found,) = silent({"mk4": Presence(100.0, State.RUNNING, rhythm=rhythm)}, 9_000.0, listening_since=0.0)
    why = "nothing heard for 360 s (it was never silent for more than 120 s of late)"
    assert found.fact == StateSeen(460.0, State.OFFLINE, why, missed=True)


def test_device_that_said_offline_is_not_silent_too() -> None:
    assert silent({"mk4": heard(StateSeen(100.0, State.OFFLINE))}, 1e9, listening_since=0.0) == ()


def test_octoprint_that_is_idle_may_be_silent() -> None:
    talks_in = frozenset({State.RUNNING})
    presence, _ = hear(Presence(1.0), [StateSeen(1.0, State.IDLE)], Hearing(5.0, talks_in), at=1.0)
    assert silent({"octo": presence}, 1e9, listening_since=0.0) == ()


def test_our_own_deafness_is_nobodys_silence() -> None:
    census = {"mk4": heard(RUNNING)}
    assert silent(census, 629.0, listening_since=600.0) == ()
    assert len(silent(census, 630.0, listening_since=600.0)) == 1


def test_device_that_speaks_again_has_its_last_state_restated() -> None:
    (found,) = silent({"mk4": heard(StateSeen(100.0, State.HELD, "door"))}, 200.0, listening_since=0.0)
    presence, restated = hear(found.presence, [Samples((210.0,), {"power_w": (1.0,)})], EACH_5_S, at=210.0)
    assert restated == (StateSeen(210.0, State.HELD, "door"),)
    assert not presence.silent


def test_device_that_says_its_state_itself_is_not_spoken_for() -> None:
    (found,) = silent({"mk4": heard(RUNNING)}, 200.0, listening_since=0.0)
    presence, restated = hear(found.presence, [StateSeen(210.0, State.IDLE)], EACH_5_S, at=210.0)
    assert (presence.state, restated) == (State.IDLE, ())


def test_device_that_was_never_silent_has_nothing_restated() -> None:
    assert hear(heard(RUNNING), [Samples((101.0,), {"power_w": (1.0,)})], EACH_5_S, at=101.0)[1] == ()


def test_lag_is_arrival_minus_the_senders_newest_own_time() -> None:
    assert heard(Samples((98.0, 99.5), {"power_w": (1.0, 2.0)})).lag_s == 0.5
    assert heard(Samples((100.0,), {"power_w": (1.0,)}, assigned=True)).lag_s is None
    assert hear(Presence(100.0), [RUNNING], EACH_5_S, at=100.0, sent_at=97.0)[0].lag_s == 3.0


def test_lag_stays_known_while_messages_without_a_time_come() -> None:
    first = heard(Samples((99.0,), {"power_w": (1.0,)}))
    assert heard(StateSeen(101.0, State.IDLE), at=101.0, before=first).lag_s == 1.0


def test_newcomers_are_kept_up_to_the_bound_and_refused_beyond() -> None:
    check_newcomer("new", NEWCOMERS_MAX - 1)
    with pytest.raises(Refusal, match="too_many_newcomers: 1000 devices"):
        check_newcomer("new", NEWCOMERS_MAX)


def test_presence_survives_json() -> None:
    presence = heard(RUNNING)
    assert msgspec.json.decode(msgspec.json.encode(presence), type=Presence) == presence
