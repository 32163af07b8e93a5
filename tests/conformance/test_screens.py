# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every screen draws none, one and a thousand machines, in every language, within its bound of components."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dash.development.base_component import Component

from collector.contract.codec import format_time
from opsroom.notice import About, Notice
from opsroom.picture import Picture
from opsroom.screens import SCREENS
from opsroom.screens.frame import COMPONENTS_MAX, Screen, View, framed
from opsroom.seen import DrainSeen, IntakeSeen, Listed, ListsSeen, LogSeen, MachineSeen
from opsroom.theme import THEMES
from opsroom.views.alerts import open_rows
from opsroom.views.intake import ROWS_MAX, intake
from opsroom.views.machine import detail
from opsroom.views.tiles import board
from opsroom.words import LANGUAGES, catalogue

ABOUT = About("0", "https://example.org/source", Notice(8, 2))
QUERIES: list[dict[str, str]] = [{}, {"place": "commons/mk4", "index": "pace_ratio", "filter": "<b>"}]


def components(node: Any) -> Iterator[Component]:
    if isinstance(node, list | tuple):
        for each in node:
            yield from components(each)
    elif isinstance(node, Component):
        yield node
        yield from components(getattr(node, "children", None))


@pytest.mark.parametrize("query", QUERIES, ids=["bare", "with place"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_screen_has_one_heading_one_main_and_few_components(
    screen: Screen, language: str, query: dict[str, str]
) -> None:
    found = list(components(framed(screen, SCREENS, View(catalogue(language), THEMES[0].name, query), ABOUT)))
    assert len(found) <= COMPONENTS_MAX
    kinds = [component._type for component in found]
    assert (kinds.count("H1"), kinds.count("Main"), kinds.count("Nav")) == (1, 1, 1)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_a_screen_asks_no_faster_than_its_own_socket(screen: Screen) -> None:
    found = components(framed(screen, SCREENS, View(catalogue("en"), "grey", QUERIES[1]), ABOUT))
    assert [each for each in found if each._type == "Interval" and each.interval < 60_000] == []


def test_paths_and_names_of_screens_are_their_own() -> None:
    assert len({screen.path for screen in SCREENS}) == len({screen.name for screen in SCREENS}) == len(SCREENS)


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_views_take_none_one_and_a_thousand_machines(count: int) -> None:
    places = [f"commons/cell/m{n:04}" for n in range(count)]
    stamp = format_time(900.0)
    picture = Picture()
    machines = [{"device": place[-5:], "place": place, "state": "running", "last_seen": stamp} for place in places]
    indices = [{"place": place, "index": "pace_ratio", "unit": "1", "at": stamp, "actuality": 1.0} for place in places]
    alerts = [
        {
            "id": place[-5:],
            "class": "call",
            "kind": "finished",
            "place": place,
            "state": "raised",
            "raised_at": stamp,
            "raised_to": place,
        }
        for place in places[:10]
    ]
    picture.seed({"machines": machines, "indices": indices, "alerts": alerts})
    assert [len(board(picture, 1_000.0)), len(open_rows(picture, 1_000.0))] == [count, min(count, 10)]
    assert detail(picture, "commons/cell/m0000").known is (count > 0)


@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_the_intake_takes_none_one_and_a_thousand_devices(count: int) -> None:
    seen = IntakeSeen({}, LogSeen(0, 1, 1), DrainSeen(0, 0.0, 0.0))
    machines = [MachineSeen(f"m{n:04}", f"commons/m{n:04}") for n in range(count)]
    found = intake(seen, ListsSeen(machines, Listed([], 0), Listed([], 0))).lists
    assert found is not None
    assert (found.devices_total, len(found.devices)) == (count, min(count, ROWS_MAX))
