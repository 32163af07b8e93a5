# SPDX-License-Identifier: AGPL-3.0-or-later
"""A person's word to the filter is read strictly: a refusal names what is wrong."""

import msgspec
import pytest

from collector.contract.errors import Refusal
from cyberfilter.contract.intervention import Sort, Wire, read, shown

BODY = {"v": 1, "id": "w-1", "ts": 1_000, "index": "energy_w", "action": "shift", "mean": 5.0, "place": "a/b"}


def wire(**fields: object) -> Wire:
    return msgspec.convert({**BODY, **fields}, Wire)


def test_a_word_is_read_with_its_times_in_seconds() -> None:
    said = read(wire(action="ignore", until="1970-01-01T00:01:00Z", by="ana"))
    assert (said.ts, said.until, said.action, said.place, said.by) == (1.0, 60.0, Sort.IGNORE, "a/b", "ana")
    assert shown(said)["action"] == "ignore"


def test_the_topics_place_counts_and_must_not_be_contradicted() -> None:
    assert read(wire(place=None), place="c/d").place == "c/d"
    with pytest.raises(Refusal, match="a/b"):
        read(wire(), place="c/d")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("id", "a b"),
        ("place", "a//b"),
        ("action", "hush"),
        ("mean", None),
        ("mean", float("nan")),
        ("sd", -1.0),
        ("until", 2_000),
        ("note", "x" * 257),
        ("ts", "soon"),
    ],
)
def test_what_is_wrong_is_named(field: str, value: object) -> None:
    with pytest.raises(Refusal, match=field):
        read(wire(**{field: value}))


def test_one_value_is_ignored_or_all_until_a_time() -> None:
    assert read(wire(action="ignore")).covers(2.0)
    assert not read(wire(action="ignore")).covers(0.5)
    assert not read(wire(action="ignore", until=60_000)).covers(61.0)
    assert not read(wire()).covers(2.0)
