# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop: take, decide, keep, acknowledge, tell; and the routes that ask it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from collector import quarantine
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.event import State, StateSeen
from collector.contract.ports import ReadingRow
from collector.contract.tree import Plant, read_plant
from collector.dialects import DIALECTS
from collector.registry import Registry, changed_filters, foreign_filters, native_filters, subject_count

BOOT = "9f1c6b0e2d7a4415"
NOW = 1_795_400_000.0
PLANT = read_plant({"machines": {"mk4": {"place": "commons/mk4", "cadence_s": 10.0}}})


def reading(seq: int, **m: float) -> dict[str, Any]:
    return {"v": 1, "boot": BOOT, "seq": seq, "ts": round(1000 * NOW) + 1000 * seq, "m": m or {"power_w": seq}}


def test_receipt_says_what_is_on_disk_and_what_is_missing(works: Any) -> None:
    reader = works.bus("reader")
    reader.subscribe(["cybersyn/v1/receipt/#"])
    for seq in (0, 1, 4):
        works.machine.publish("cybersyn/v1/reading/@mk4", json.dumps(reading(seq)).encode())
    works.turn()
    (receipt,) = reader.take(most=10, wait_s=0.0)
    assert receipt.topic == "cybersyn/v1/receipt/@mk4"
    assert json.loads(receipt.payload)["boots"] == {BOOT: {"stored_through": 4, "missing": [2, 3]}}


def test_refused_seq_counts_as_stored_and_is_quarantined_once(works: Any) -> None:
    reader = works.bus("reader")
    reader.subscribe(["cybersyn/v1/receipt/#"])
    bad = {**reading(1), "m": {"power_w": "hot"}}
    for body in (reading(0), bad, bad, reading(2)):
        works.machine.publish("cybersyn/v1/reading/@mk4", json.dumps(body).encode())
    works.turn()
    (receipt,) = reader.take(most=10, wait_s=0.0)
    assert json.loads(receipt.payload)["boots"] == {BOOT: {"stored_through": 2, "missing": []}}
    assert (works.account()["quarantined"], works.account()["duplicate"]) == (1, 1)


def test_facts_that_the_collector_made_itself_are_no_messages(works: Any) -> None:
    works.say("state/@mk4", {"v": 1, "state": "running"})
    works.turn(after_s=60.0)
    assert [type(fact) for fact in works.facts()] == [StateSeen, StateSeen]
    assert (works.account()["received"], works.account()["pending"], works.account()["stored"]) == (1, 1, 0)


def test_fact_that_no_broker_could_take_stops_nothing(works: Any) -> None:
    columns = {f"x{n}_count": [1e15] * 9_500 for n in range(5)}
    body = {**reading(0), "dt_ms": [0] * 9_500, "m": columns}
    payload = json.dumps(body, separators=(",", ":")).replace("1000000000000000.0", "1e15").encode()
    assert len(payload) <= 262_144
    works.say("reading/@mk4", payload)
    works.say("reading/@mk4", reading(1))
    assert (len(works.facts()), works.collector.untold_count) == (2, 1)


def test_many_foreign_machines_are_heard_through_what_their_prefixes_begin_with() -> None:
    rows = {f"p{n}": {"place": f"a/p{n}", "dialect": "octoprint", "prefix": f"octoprint/p{n}"} for n in range(60)}
    few = Registry(read_plant({"machines": dict(list(rows.items())[:2])}))
    assert foreign_filters(few) == ["octoprint/p0/#", "octoprint/p1/#"]
    many = Registry(read_plant({"machines": rows}))
    assert foreign_filters(many) == ["octoprint/#"]
    assert changed_filters(few, many) == (["octoprint/#"], ["octoprint/p0/#", "octoprint/p1/#"])


def test_words_that_came_only_through_a_wide_filter_are_nobodys_and_not_counted(works: Any) -> None:
    rows = {f"p{n}": {"place": f"a/p{n}", "dialect": "octoprint", "prefix": f"octoprint/p{n}"} for n in range(60)}
    works.collector.replant(read_plant({"machines": rows}))
    works.machine.publish("octoprint/stranger/mqtt", b"connected")
    works.machine.publish("octoprint/p3/mqtt", b"connected")
    works.turn(after_s=0.01)
    assert works.quarantined() == []
    assert [batch.device for _, batch in works.spool.read_from(1, most=10)] == ["p3"]


def test_what_is_heard_in_one_session_is_what_the_embedded_broker_grants() -> None:
    rows = {f"p{n}": {"place": f"a/p{n}", "dialect": "octoprint", "prefix": f"octoprint/p{n}"} for n in range(25)}
    wanted = [*native_filters("cybersyn"), *foreign_filters(Registry(read_plant({"machines": rows})))]
    scouted = [form for row in DIALECTS.values() for form in row.forms]
    assert len(wanted) == 28
    assert max(sum(map(subject_count, filters)) for filters in (wanted, scouted)) <= 65


def test_unknown_dialect_is_named_at_the_start() -> None:
    plant = read_plant({"machines": {"v": {"place": "a/v", "dialect": "morse", "prefix": "v"}}})
    with pytest.raises(Misconfigured, match=r"machines\.v: dialect 'morse'"):
        foreign_filters(Registry(plant))


def test_account_balances_whatever_was_sent(works: Any) -> None:
    for body in (reading(0), reading(0), {"v": 1, "m": {"power_w": "hot"}}, {"v": 1, "m": {}}):
        works.say("reading/@mk4", body)
    before = works.account()
    works.drain.turn(wait_s=0.0)
    after = works.account()
    assert before == {"received": 4, "stored": 1, "duplicate": 1, "rejected": 0, "quarantined": 1, "pending": 1}
    assert after == {**before, "stored": 2, "pending": 0}


def test_what_cannot_be_kept_is_not_acknowledged_and_comes_again(works: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise Unavailable("spool: database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(works.spool, "commit", full)
        with pytest.raises(Unavailable):
            works.say("reading/@mk4", reading(0))
        assert works.facts() == []
    works.turn()
    samples, trouble = works.facts()
    assert (samples.values, trouble.kind) == ({"power_w": (0.0,)}, "disk")
    assert works.account()["received"] == 1


def test_every_batch_is_told_on_the_fact_topic_with_its_number(works: Any) -> None:
    reader = works.bus("reader")
    reader.subscribe(["cybersyn/v1/fact/#"])
    works.say("reading/@mk4", reading(0))
    (told,) = reader.take(most=10, wait_s=0.0)
    assert (told.topic, json.loads(told.payload)["n"]) == ("cybersyn/v1/fact/commons/mk4", 1)


def test_silent_machine_is_offline_once_and_back_when_it_speaks(works: Any) -> None:
    works.say("state/@mk4", {"v": 1, "state": "running"})
    for _ in range(3):
        works.turn(after_s=20.0)
    works.say("reading/@mk4", reading(0))
    states = [fact.state for fact in works.facts() if isinstance(fact, StateSeen)]
    assert states == [State.RUNNING, State.OFFLINE, State.RUNNING]


def test_machine_without_a_cadence_is_missed_once_by_its_own_rhythm_over_a_restart(works: Any, make_works: Any) -> None:
    works.say("state/@still", {"v": 1, "state": "running"})
    for _ in range(301):
        works.turn(after_s=240.0)
        works.say("reading/@still", {"v": 1, "m": {"power_w": 90}})
    learned = works.collector.memory.device("still").presence.rhythm
    works.spool.close()
    works.machine.close()
    again = make_works(now=works.clock.now() + 100_000.0)
    again.say("reading/@still", {"v": 1, "m": {"power_w": 90}})
    assert again.collector.memory.device("still").presence.rhythm == learned
    for after_s in (700.0, 30.0, 30.0, 30.0):
        again.turn(after_s=after_s)
    states = [(fact.ts - again.clock.now(), fact.missed) for fact in again.facts() if isinstance(fact, StateSeen)]
    assert states[1:] == [(-70.0, True)]


def test_restarted_collector_goes_on_where_the_disk_says(works: Any, make_works: Any) -> None:
    works.say("reading/@mk4", reading(0))
    works.spool.close()
    works.machine.close()
    again = make_works()
    again.say("reading/@mk4", reading(0))
    again.say("reading/@mk4", reading(1))
    assert again.account() == {
        "received": 3, "stored": 0, "duplicate": 1, "rejected": 0, "quarantined": 0, "pending": 2
    }  # fmt: skip


def test_machine_is_listed_with_the_job_that_it_runs(works: Any) -> None:
    works.say("event/@mk4", {"v": 1, "id": "e1", "event": "job_started", "job": "j1", "file": "hook.gcode"})
    (row,) = (row for row in works.http.get("/api/v1/machines").json()["items"] if row["device"] == "mk4")
    assert (row["job"]["job"], row["job"]["file"]) == ("j1", "hook.gcode")
    works.say("event/@mk4", {"v": 1, "id": "e2", "event": "job_ended", "job": "j1", "outcome": "done"})
    (row,) = (row for row in works.http.get("/api/v1/machines").json()["items"] if row["device"] == "mk4")
    assert row["job"] is None


def test_newcomer_is_listed_without_a_place_and_its_samples_are_kept(works: Any) -> None:
    works.say("reading/@new-1", {"v": 1, "m": {"power_w": 5}})
    works.drain.turn(wait_s=0.0)
    *_, last = works.http.get("/api/v1/machines").json()["items"]
    assert (last["device"], last["place"], last["account"]["stored"]) == ("new-1", None, 1)
    assert works.historian.series("@new-1", "power_w", start=0, end=2e9, most=5) == [(NOW, 5.0)]


def test_refused_message_is_listed_and_taken_when_replayed_after_its_reason_is_gone(works: Any) -> None:
    works.say("reading/commons/elsewhere/mk4", {"v": 1, "device": "mk4", "m": {"power_w": 5}})
    (item,) = works.http.get("/api/v1/quarantine").json()["items"]
    assert (item["reason"], item["replayable"], item["bytes"]) == ("mis_addressed", True, 46)
    works.collector.registry = Registry(read_plant({"machines": {"mk4": {"place": "commons/elsewhere/mk4"}}}))
    with asking(works):
        assert works.http.post(f"/api/v1/quarantine/{item['id']}/replay").status_code == 200
    assert quarantine.items(works.spool)[0].replayed_at == NOW
    assert works.facts()


class asking:  # noqa: N801 - a context that reads like a word
    """Let the loop turn while a request waits for it."""

    def __init__(self, works: Any) -> None:
        self._works = works

    def __enter__(self) -> None:
        self._put = self._works.collector._asked.put
        works = self._works

        def put_and_turn(asked: Any) -> None:
            self._put(asked)
            works.turn()

        works.collector._asked.put = put_and_turn  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self._works.collector._asked.put = self._put  # type: ignore[method-assign]


def test_posted_reading_is_answered_with_the_receipt_also_a_duplicate(works: Any) -> None:
    body = {**reading(0), "device": "mk4"}
    with asking(works):
        first, again = (works.http.post("/api/v1/readings", json=body) for _ in range(2))
    assert first.json() == again.json() == {"boots": {BOOT: {"stored_through": 0, "missing": []}}, "events": []}
    assert works.account()["duplicate"] == 1


def test_posted_nonsense_is_refused_to_the_face_and_not_kept(works: Any) -> None:
    with asking(works):
        answers = [works.http.post("/api/v1/readings", content=body) for body in (b"{", b"[1]", b'{"v":1,"m":{}}')]
        large = works.http.post("/api/v1/readings", content=b'{"v":1,"x":"' + b"x" * 300_000 + b'"}')
    assert [answer.status_code for answer in (*answers, large)] == [422, 422, 422, 413]
    assert all(answer.json()["detail"] for answer in (*answers, large))
    assert (works.account("")["rejected"], quarantine.items(works.spool)) == (4, [])


def test_series_over_the_bound_names_a_step_that_fits(works: Any) -> None:
    works.historian.write([*_minutes(11_000)])
    path = "/api/v1/series?place=commons/mk4&indicator=power_w&from=2026-11-01T00:00:00Z&to=2026-11-30T00:00:00Z"
    answer = works.http.get(path)
    assert (answer.status_code, "step_s = 300" in answer.json()["detail"]) == (422, True)
    points = works.http.get(path + "&step_s=300").json()["points"]
    assert points[0][1:] == [0.0, 2.0, 4.0]


def _minutes(count: int) -> Iterator[Any]:
    start = 1_793_491_200.0
    return (ReadingRow("commons/mk4", "mk4", "power_w", start + 60 * n, float(n % 5)) for n in range(count))


def test_facts_wait_for_their_readers(works: Any) -> None:
    works.say("reading/@mk4", reading(0))
    told = works.http.get("/api/v1/facts?after=0&reader=elsewhere").json()
    assert (told["last"], [item["n"] for item in told["items"]]) == (1, [1])
    assert works.spool.readers()["elsewhere"] == 0


def test_job_is_listed_with_its_times(works: Any) -> None:
    at = round(1000 * NOW)
    works.say("event/@mk4", {"v": 1, "id": "1", "event": "job_started", "ts": at, "job": "j", "file": "a.gcode"})
    works.say("event/@mk4", {"v": 1, "id": "2", "event": "job_ended", "ts": at + 60_000, "job": "j", "outcome": "done"})
    (job,) = works.http.get("/api/v1/jobs?place=commons").json()["items"]
    assert (job["file"], job["outcome"], job["duration_s"]) == ("a.gcode", "done", 60.0)


def test_device_that_is_registered_under_another_dialect_is_heard(works: Any) -> None:
    def plant(dialect: str, prefix: str) -> Plant:
        return read_plant({"machines": {"x1": {"place": "commons/x1", "dialect": dialect, "prefix": prefix}}})

    def say(topic: str, body: object) -> None:
        works.machine.publish(topic, json.dumps(body).encode())
        works.turn(1.0)

    works.collector.replant(plant("moonraker", "x1"))
    say("x1/klipper/status", {"eventtime": 1.0, "status": {"print_stats": {"state": "standby", "filename": ""}}})
    works.collector.replant(plant("prusalink", "prusalink/x1"))
    works.say("event/commons/x1", {"v": 1, "id": "e1", "event": "presence", "count": 1})
    say("prusalink/x1/status", {"printer": {"state": "BUSY"}})
    assert works.collector.failed_count == 0
    assert [fact.state for fact in works.facts() if isinstance(fact, StateSeen)][-1] is State.SETUP
