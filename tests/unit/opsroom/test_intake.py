# SPDX-License-Identifier: AGPL-3.0-or-later
"""The intake as people read it, and who asks for it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from opsroom.intake import asked, keep_asking
from opsroom.live import PERIOD_S, Client, Hub
from opsroom.seen import GapSeen, IntakeSeen, Listed, ListsSeen, MachineSeen, RefusedSeen
from opsroom.views.intake import ADDRESS, GAPS_MAX, NOTICES_MAX, ROWS_MAX, Intake, Standing, devices, intake, standing

ACCOUNT = {"received": 10, "stored": 4, "duplicate": 3, "rejected": 1, "quarantined": 1, "pending": 1}
TOLD: dict[str, Any] = {
    "trouble": None,
    "account": ACCOUNT,
    "unattributed": dict.fromkeys(ACCOUNT, 0),
    "log": {"bytes": 5, "bytes_max": 50, "disk_free_bytes": 500, "disk_reserve_bytes": 9, "full": None},
    "historian": {"behind": 2, "oldest_age_s": 1.5, "rate_per_s": 3.0, "waits": None},
    "noticed": [],
}
AT = "2026-11-23T10:00:00.000Z"


class StillClock:
    def now(self) -> float:
        return 1_000.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def seen(**more: Any) -> IntakeSeen:
    return msgspec.convert(TOLD | more, IntakeSeen)


def lists(
    *machines: MachineSeen, gaps: list[GapSeen] | None = None, refused: list[RefusedSeen] | None = None
) -> ListsSeen:
    found, kept = gaps or [], refused or []
    return ListsSeen(list(machines), Listed(found, len(found)), Listed(kept, len(kept)))


def machine(device: str, *, missing: int = 0, place: str | None = None, **account: int) -> MachineSeen:
    return MachineSeen(device, place, missing_count=missing, account=account)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (None, Standing.WELL),
        ("the broker does not answer: refused", Standing.BROKER),
        ("the historian: InfluxDB at http://x cannot be reached", Standing.HISTORIAN),
        ("the disk of /data has 5 bytes free, 9 are the reserve", Standing.FULL),
        ("the fact log has 51 bytes, at most 50 are allowed", Standing.FULL),
        ("plant.toml: line 3", Standing.OTHER),
    ],
)
def test_the_sentence_says_what_the_collector_says(trouble: str | None, told: Standing) -> None:
    assert standing(seen(trouble=trouble)) is told


def test_an_account_that_does_not_balance_is_not_called_well() -> None:
    assert standing(seen(account=ACCOUNT | {"stored": 3})) is Standing.UNBALANCED


def test_without_an_answer_nothing_is_claimed() -> None:
    assert intake(None) == Intake(standing=Standing.AWAY)


def test_the_worst_device_comes_first_and_what_is_pending_moves_no_row() -> None:
    rows = devices(
        [
            machine("busy", place="a/3", pending=99),
            machine("newcomer"),
            machine("calm", place="a/2"),
            machine("refused", place="a/1", rejected=1),
            machine("spoilt", place="a/4", quarantined=1, rejected=0),
            machine("lossy", place="a/5", missing=1),
        ],
        {},
    )
    assert [row.device for row in rows] == ["lossy", "spoilt", "refused", "calm", "busy", "newcomer"]


def test_what_nobody_could_be_found_for_has_a_row_only_where_there_is_some() -> None:
    assert [row.device for row in devices([machine("mk4")], {"received": 2, "quarantined": 2})] == ["", "mk4"]
    assert [row.device for row in devices([machine("mk4")], {"received": 0})] == ["mk4"]


def test_tables_are_bounded_and_their_totals_are_not() -> None:
    machines = [machine(f"m{n:04}", missing=1) for n in range(ROWS_MAX + 1)]
    gaps = [GapSeen("m0000", "b", n, n + 1, AT) for n in range(GAPS_MAX + 1)]
    notices = [{"device": "m", "at": AT, "event": "disk", "detail": ""}] * (NOTICES_MAX + 1)
    found = intake(seen(noticed=notices), lists(*machines, gaps=gaps)).lists
    assert found is not None
    assert (len(found.devices), found.devices_total) == (ROWS_MAX, ROWS_MAX + 1)
    assert (len(found.gaps), found.gaps_total, len(found.noticed)) == (GAPS_MAX, GAPS_MAX + 1, NOTICES_MAX)
    assert found.missing == ROWS_MAX + 1


def test_the_sender_that_was_heard_last_has_the_first_gap_and_its_place() -> None:
    gaps = [GapSeen("mk4", "b", 5, 9, AT), GapSeen("mk4", "c", 0, 0, "2026-11-23T11:00:00.000Z")]
    found = intake(seen(), lists(machine("mk4", place="a/b"), gaps=gaps)).lists
    assert found is not None
    assert [(gap.first, gap.count, gap.place) for gap in found.gaps] == [(0, 1, "a/b"), (5, 5, "a/b")]


def test_a_refused_message_says_whether_it_was_decided_again() -> None:
    kept = RefusedSeen("7", "off_scale", AT, 12, replayable=True, device="mk4", replayed_at=AT)
    found = intake(seen(), lists(refused=[kept])).lists
    assert found is not None
    assert [(row.id, row.replayable, row.replayed, row.at) for row in found.refused] == [
        ("7", True, True, 1_795_428_000.0)
    ]


def api_of(answers: dict[str, Any], said: list[str]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        said.append(request.url.path.rpartition("/")[2])
        found = answers.get(said[-1])
        if said[-1] == "machines":
            found = found[0 if "cursor" not in request.url.params else 1]
        return httpx.Response(503) if found is None else httpx.Response(200, json=found)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://room")


EMPTY: dict[str, Any] = {"items": [], "total": 0, "next": None}
PAGES = [{"items": [{"device": "a"}], "total": 2, "next": "1"}, {"items": [{"device": "b"}], "total": 2, "next": None}]


def ask(answers: dict[str, Any], *, whole: bool) -> tuple[Intake, list[str]]:
    said: list[str] = []

    async def told() -> Intake:
        async with api_of(answers, said) as api:
            return await asked(api, whole=whole)

    return asyncio.run(told()), said


def test_all_pages_of_the_machines_are_asked_for() -> None:
    found, said = ask({"intake": TOLD, "machines": PAGES, "gaps": EMPTY, "quarantine": EMPTY}, whole=True)
    assert said == ["intake", "machines", "machines", "gaps", "quarantine"]
    assert found.lists is not None
    assert [row.device for row in found.lists.devices] == ["a", "b"]


def test_the_lists_are_not_asked_for_while_nobody_reads_them() -> None:
    found, said = ask({"intake": TOLD}, whole=False)
    assert (found.standing, found.lists, said) == (Standing.WELL, None, ["intake"])


@pytest.mark.parametrize("answers", [{}, {"intake": {"trouble": 3}}, {"intake": TOLD, "machines": PAGES}])
def test_an_answer_that_cannot_be_had_or_read_is_no_answer(answers: dict[str, Any]) -> None:
    assert ask(answers, whole=True)[0].standing is Standing.AWAY


def test_who_watches_the_intake_is_told_and_all_others_hear_only_how_it_stands() -> None:
    async def story() -> list[list[dict[str, Any]]]:
        hub, reader, other = Hub(StillClock(), root="cybersyn"), Client(), Client()
        for client in (reader, other):
            hub.join(client)
            await client.waiting(hub.snapshot)
        hub.hear(reader, json.dumps({"watch": ADDRESS}))
        await reader.waiting(hub.snapshot)
        hub.know(intake(seen(trouble="the historian: away")))
        hub.tick(PERIOD_S)
        return [[json.loads(frame) for frame in await client.waiting(hub.snapshot)] for client in (reader, other)]

    (frame, detail), [alone] = asyncio.run(story())
    assert frame["intake"] == alone["intake"] == "historian"
    assert (detail["type"], detail["detail"]["key"], detail["detail"]["behind"]) == ("detail", ADDRESS, 2)


@pytest.mark.parametrize("readers", [0, 1])
def test_nobody_is_asked_while_nobody_looks(readers: int) -> None:
    async def story() -> list[str]:
        hub, said = Hub(StillClock(), root="cybersyn"), list[str]()
        for _ in range(readers):
            hub.join(Client())
        async with api_of({"intake": TOLD}, said) as api:
            task = asyncio.create_task(keep_asking(api, hub))
            for _ in range(20):
                await asyncio.sleep(0)
            task.cancel()
        return said

    assert asyncio.run(story()) == ["intake"] * readers
