# SPDX-License-Identifier: AGPL-3.0-or-later
"""Like machines teach a newcomer; another dialect and other machines' nights do not concern it."""

from __future__ import annotations

import numpy as np
import pytest

from collector.contract.tree import read_plant
from cyberfilter.checkpoint import VERSION, Memory, pack, unpack
from cyberfilter.contract.index import Learning
from cyberfilter.families import REFRESH_S, Commissioned, Families, Night
from cyberfilter.indices.fold import Value
from cyberfilter.judge import Closed, Judge, Series

INDEX = "heater_effort_w"
NEED = 250
NOW = 1_000_000.0


def plant(**dialects):
    rows = {
        device: {"place": f"hall/{device}", "dialect": dialect} | ({} if dialect == "native" else {"prefix": device})
        for device, dialect in dialects.items()
    }
    return read_plant({"machines": rows})


def let_run(judge, devices, count):
    """Let machines, a letter each, run for so many values of the index."""
    queue = [
        Closed(Series(device, INDEX), Value(INDEX, 60.0 * at, float(number), 0.0))
        for device in devices
        for at, number in enumerate(np.random.default_rng(ord(device)).normal(30, 1, count))
    ]
    for _ in judge.judge(queue):
        pass


PLANT = plant(a="native", b="native", c="native", d="native", e="octoprint")


@pytest.fixture(scope="module")
def school():
    """What three machines that have learned leave behind, their families included."""
    families = Families(PLANT)
    judge = Judge(None, families.lesson)
    let_run(judge, "abc", NEED)
    families.refresh(judge, NOW)
    return pack(Memory(VERSION, 1, {}, judge.states(), [], {}, families.kept))


@pytest.fixture
def taught(school):
    """Families and judge of a, b and c, which have learned; `d` and `e` have not run yet."""
    kept = unpack(school)
    families = Families(PLANT, kept.lessons)
    return families, Judge(kept.banks, families.lesson)


def learning(families, judge, device):
    series = Series(device, INDEX)
    return families.learning(series, *judge.learning(series))


def test_a_newcomer_begins_with_what_like_machines_learned(taught):
    families, judge = taught
    let_run(judge, "d", 20)
    assert learning(families, judge, "d") == Learning(20, NEED, "like machines", 3)
    assert judge.learned([Series("d", INDEX)]).degrees[0] > 20


def let_wave(judge, device, start, count, *, period=48):
    """Let a machine run from the minute `start` of the plant on, with a pattern by the plant's clock."""
    minutes = np.arange(start, start + count)
    noise = np.random.default_rng(ord(device)).normal(size=count)
    numbers = 30 + 2 * np.sin(2 * np.pi * minutes / period) + noise
    queue = [
        Closed(Series(device, INDEX), Value(INDEX, 60.0 * minute, float(number), 0.0))
        for minute, number in zip(minutes, numbers, strict=True)
    ]
    for _ in judge.judge(queue):
        pass


@pytest.mark.parametrize("alone", [0, 13])
def test_a_season_is_handed_on_by_the_plants_clock_whenever_each_machine_began(alone):
    families = Families(PLANT)
    judge = Judge(None, families.lesson)
    for number, device in enumerate("abc"):
        let_wave(judge, device, 1000 + 17 * number, 300 - 17 * number)
    let_wave(judge, "d", 1300, alone)
    families.refresh(judge, NOW)
    let_wave(judge, "d", 1300 + alone, 30 - alone)
    families.refresh(judge, NOW + 1)
    expected = judge.forecast({Series("d", INDEX): 60.0 * 1329})[Series("d", INDEX)].mean
    assert families.kept.families["heater_effort_w|native"].season[0] == pytest.approx(48, rel=0.03)
    assert expected == pytest.approx(30 + 2 * np.sin(2 * np.pi * 1330 / 48), abs=0.9)
    assert abs(expected - 30) > 1


def test_a_machine_of_another_dialect_learns_alone(taught):
    families, judge = taught
    let_run(judge, "e", 20)
    assert learning(families, judge, "e") == Learning(20, NEED, "own", 0)


def test_one_that_has_learned_says_nothing_of_it_any_more(taught):
    families, judge = taught
    assert learning(families, judge, "a") is None


def test_who_learns_alone_joins_a_family_once_there_is_one():
    families = Families(plant(a="native", b="native"))
    judge = Judge(None, families.lesson)
    let_run(judge, "b", 30)
    assert families.stale(NOW)
    families.refresh(judge, NOW)
    assert learning(families, judge, "b").source == "own"
    let_run(judge, "a", NEED)
    assert not families.stale(NOW + REFRESH_S - 1)
    before = judge.learned([Series("b", INDEX)]).degrees[0]
    assert families.stale(NOW + REFRESH_S)
    families.refresh(judge, NOW + REFRESH_S)
    assert learning(families, judge, "b") == Learning(30, NEED, "like machines", 1)
    after = judge.learned([Series("b", INDEX)]).degrees[0]
    families.refresh(judge, NOW + 2 * REFRESH_S)
    assert after > before
    assert judge.learned([Series("b", INDEX)]).degrees[0] == after


def test_a_night_replaces_the_adaptivity_of_those_that_have_learned(taught):
    families, judge = taught
    let_run(judge, "d", 20)
    found = Commissioned(NOW, "fitted", 480, 3, 1.2, 0.1, 0.75, 0.02, -700.0)
    before = judge.learned([Series("d", INDEX)])
    nights = [Night(device, f"hall/{device}", INDEX, found) for device in ("a", "d")]
    assert families.due(NOW)
    families.take(judge, nights, NOW, opened=frozenset())
    assert not families.due(NOW)
    assert families.due(NOW + 86_400)
    assert judge.learned([Series("a", INDEX)]).adaptivity[0] == 0.75
    np.testing.assert_array_equal(judge.learned([Series("d", INDEX)]).adaptivity, before.adaptivity)
    assert [(night.device, night.found) for night in families.nights()] == [("a", found), ("d", found)]


def test_a_night_without_a_fit_keeps_what_was_known_and_is_told(taught):
    families, judge = taught
    before = judge.learned([Series("a", INDEX)])
    night = Night("a", "hall/a", INDEX, Commissioned(NOW, "not_converged", 480, 0))
    families.take(judge, [night], NOW, opened=frozenset())
    for after, was in zip(judge.learned([Series("a", INDEX)]), before, strict=True):
        np.testing.assert_array_equal(after, was)
    assert families.nights() == [night]


def test_while_a_change_is_open_a_night_leaves_the_noise_alone(taught):
    families, judge = taught
    before = judge.learned([Series("a", INDEX)]).noise[0]
    night = Night("a", "hall/a", INDEX, Commissioned(NOW, "fitted", 480, 0, 9.0, 0.1, 0.75, 0.0, -700.0))
    families.take(judge, [night], NOW, opened=frozenset({("a", INDEX)}))
    after = judge.learned([Series("a", INDEX)])
    assert after.noise[0] == pytest.approx(before, rel=1e-5)
    assert after.adaptivity[0] == 0.75


def test_a_machine_that_is_gone_is_forgotten(taught):
    families, judge = taught
    let_run(judge, "d", 5)
    night = Night("d", "hall/d", INDEX, Commissioned(NOW, "too_few", 5, 0))
    families.take(judge, [night], NOW, opened=frozenset())
    families.replant(plant(a="native"))
    assert families.nights() == []
    assert families.kept.adopted == {}
    families.take(judge, [night], NOW, opened=frozenset())
    assert families.nights() == []


def test_lessons_survive_a_restart(taught):
    families, judge = taught
    let_run(judge, "d", 20)
    kept = unpack(pack(Memory(VERSION, 1, {}, judge.states(), [], {}, families.kept)))
    assert kept.lessons == families.kept
    again = Families(plant(a="native", d="native"), kept.lessons)
    revived = Judge(kept.banks, again.lesson)
    assert learning(again, revived, "d") == learning(families, judge, "d")
    assert again.lesson(Series("x-not-there", INDEX)) is None


def test_the_classic_filter_has_no_families():
    families = Families(plant(a="native", b="native"))
    judge = Judge(None, families.lesson, filter_name="classic")
    let_run(judge, "a", NEED)
    families.refresh(judge, NOW)
    let_run(judge, "b", 20)
    assert families.kept.families == {}
    assert learning(families, judge, "b") == Learning(20, NEED, "own", 0)
