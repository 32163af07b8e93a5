# SPDX-License-Identifier: AGPL-3.0-or-later
"""A bad network loses, doubles, delays and reorders as often as it is told to, and knows what it lost."""

from __future__ import annotations

import random

import pytest

from firmware_sim.network import CLEAR, Network, Weather
from firmware_sim.voices.voice import Publication

MESSAGES = [Publication("a/b", str(number).encode(), 1, False) for number in range(4_000)]


def through(weather: Weather, *, seed: int = 1) -> tuple[Network, list[Publication]]:
    network = Network(weather, random.Random(seed), start=0.0)
    heard: list[Publication] = []
    for second, message in enumerate(MESSAGES):
        network.put([message], float(second))
        heard += network.due(100, float(second))
    return network, heard + network.due(10_000, 1e6)


def test_a_clear_network_passes_everything_at_once_in_order() -> None:
    network, heard = through(CLEAR)
    assert heard == MESSAGES
    assert network.idle


def test_what_is_dropped_is_counted_by_topic() -> None:
    network, heard = through(Weather(drop_ratio=0.1))
    assert network.dropped == {"a/b": len(MESSAGES) - len(heard)}
    assert network.dropped.total() == pytest.approx(400, rel=0.2)


def test_duplicates_come_twice_and_are_counted() -> None:
    network, heard = through(Weather(duplicate_ratio=0.1))
    assert len(heard) - len(set(heard)) == network.duplicated_count == pytest.approx(400, rel=0.2)


def test_a_reordered_message_is_overtaken_and_not_lost() -> None:
    network, heard = through(Weather(reorder_ratio=0.05))
    assert heard != MESSAGES
    assert sorted(heard) == sorted(MESSAGES)
    assert network.reordered_count == pytest.approx(200, rel=0.3)


def test_delay_keeps_the_order() -> None:
    network, heard = through(Weather(delay_s=5.0))
    assert heard == MESSAGES
    assert not network.idle


def test_while_it_hangs_nothing_passes_and_afterwards_everything_does() -> None:
    network = Network(Weather(hangs_per_day=2_000.0, hang_s=30.0), random.Random(1), start=0.0)
    bursts = []
    for second, message in enumerate(MESSAGES):
        network.put([message], float(second))
        bursts.append(len(network.due(1_000, float(second))))
    assert 0 in bursts
    assert max(bursts) > 10
    assert sum(bursts) + network.waiting_count == len(MESSAGES)


def test_the_same_seed_is_the_same_weather() -> None:
    weather = Weather(drop_ratio=0.1, duplicate_ratio=0.1, reorder_ratio=0.1, delay_s=2.0, hangs_per_day=100.0)
    assert through(weather)[1] == through(weather)[1] != through(weather, seed=2)[1]
