# SPDX-License-Identifier: AGPL-3.0-or-later
"""Values through the banks: in rounds, with changes in the plant's time and what is known beforehand."""

import random
from collections.abc import Sequence
from itertools import chain

import pytest

from cyberfilter.indices.fold import Value
from cyberfilter.judge import ENDS_COUNT, Closed, Judge, Notice, Series, Verdicted, no_notice

NAME = "heater_effort_w"
NIGHT_S = 36_000.0


def value(n: int, level: float, device: str = "m", regime: float = 0.0) -> Closed:
    """Return a value; after the 300th the machine stood still for a night."""
    ts = 60.0 * n + (NIGHT_S if n > 300 else 0.0)
    return Closed(Series(device, NAME), Value(NAME, ts, level + random.Random(f"{device}{n}").gauss(0, 0.5), regime))


def run(judge: Judge, queue: Sequence[Closed]) -> list[Verdicted]:
    return list(chain.from_iterable(judge.judge(queue)))


@pytest.fixture(scope="module")
def schooled() -> Judge:
    judge = Judge()
    run(judge, [value(n, 30.0) for n in range(1, 301)])
    return judge


def test_a_change_is_dated_in_the_plants_time_across_a_night_without_values(schooled: Judge) -> None:
    judge = Judge(schooled.states())
    judged = run(judge, [value(n, 36.0) for n in range(301, 311)])[-1].judged
    assert judged.change is not None
    assert (judged.change.kind, judged.change.since) == ("step", 60.0 * 301 + NIGHT_S)
    assert judged.change.size == pytest.approx(6.0, abs=1.0)
    assert judged.change.p > 0.9


def test_what_lies_further_back_than_is_kept_is_dated_by_the_oldest_that_is() -> None:
    judge = Judge()
    run(judge, [value(n, 30.0) for n in range(1, 4)])
    (group,) = judge._groups.values()
    assert group._end(0, 60.0) == 60.0
    group.counts[0] = 2 * ENDS_COUNT
    group.ends[0, (ENDS_COUNT + 1) % ENDS_COUNT] = 7.0
    assert group._end(0, 60.0) == 7.0


def test_a_level_that_was_foretold_is_no_step(schooled: Judge) -> None:
    def foretold(closed: Closed) -> list[Notice]:
        return [Notice("level", 36.0, 0.5)] if closed.value.ts == 60.0 * 301 + NIGHT_S else []

    queue = [value(n, 36.0) for n in range(301, 321)]
    told = chain.from_iterable(Judge(schooled.states()).judge(queue, foretold))
    assert {verdicted.judged.verdict for verdicted in told} <= {"steady", "unsure"}


def test_a_series_that_has_only_begun_is_told_nothing_and_goes_on() -> None:
    queue = [value(n, 30.0, device) for n in range(1, 4) for device in ("a", "b")]
    found = list(chain.from_iterable(Judge().judge(queue, lambda _: [Notice("uncertain", sd=5.0), Notice("ignore")])))
    assert len(found) == 6


def test_one_by_one_gives_what_a_bundle_gives_in_rounds(schooled: Judge) -> None:
    queue = [value(n, 33.0, device) for device in ("m", "new") for n in range(301, 330)]
    bundle, single = Judge(schooled.states()), Judge(schooled.states())
    rounds = list(bundle.judge(queue, no_notice))
    assert [len(each) for each in rounds] == [2] * 29
    alone = list(chain.from_iterable(run(single, [closed]) for closed in queue))
    assert sorted(map(repr, chain.from_iterable(rounds))) == sorted(map(repr, alone))
    assert bundle.states() == single.states()


def test_a_bank_of_another_version_is_forgotten_and_named(schooled: Judge) -> None:
    ((name, state),) = schooled.states().items()
    state.bank = b"something else"
    judge = Judge({name: state})
    assert judge.forgotten == [name]
    assert len(run(judge, [value(1, 30.0)])) == 1
