# SPDX-License-Identifier: AGPL-3.0-or-later
"""What each sender may forget."""

import json

from collector.contract.limits import RECEIPT_BOOT_AGE_S
from collector.order import Boot
from collector.receipts import MANY, Thinned, body


def test_receipt_has_every_boot_of_the_last_seven_days_and_no_older_one() -> None:
    boots = {"new": Boot(5, ((2, 3),), 0, 1_000_000.0), "old": Boot(9, (), 0, 1_000_000.0 - RECEIPT_BOOT_AGE_S - 1)}
    told = json.loads(body(boots, ["e1"], now=1_000_000.0))
    assert told == {"boots": {"new": {"stored_through": 5, "missing": [2, 3]}}, "events": ["e1"]}


def test_receipt_names_the_newest_256_events() -> None:
    told = json.loads(body({}, [str(n) for n in range(300)], now=0.0))
    assert (len(told["events"]), told["events"][-1]) == (256, "299")


def test_thinning_delays_a_receipt_and_never_drops_it() -> None:
    thinned = Thinned(every_s=1.0, calm_s=5.0)
    thinned.want("a", "device")
    assert thinned.due(10.0) == [("a", "device")]
    thinned.want("a", "device")
    assert [thinned.due(now_s) for now_s in (11.0, 14.9, 15.0, 20.0)] == [[], [], [("a", "device")], []]


def test_who_says_much_gets_a_receipt_every_second() -> None:
    thinned = Thinned(every_s=1.0, calm_s=5.0)
    thinned.want("a", "device")
    thinned.due(10.0)
    for _ in range(MANY):
        thinned.want("a", "device")
    assert [thinned.due(now_s) for now_s in (10.9, 11.0)] == [[], [("a", "device")]]
