# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tiles come worst first, and show what is most telling."""

from __future__ import annotations

from typing import Any

from collector.contract.codec import format_time
from opsroom.picture import Picture
from opsroom.seen import LearningSeen
from opsroom.views.tiles import Tile, board, counts

NOW = 1_000.0


def machine(device: str, state: str = "running", **more: Any) -> dict[str, Any]:
    return {"device": device, "place": f"cell/{device}", "state": state, "last_seen": format_time(NOW - 5), **more}


def index(device: str, value: float, name: str = "pace_ratio", **more: Any) -> dict[str, Any]:
    band = {"at": format_time(NOW), "mean": 10.0, "lo95": 8.0, "hi95": 12.0}
    known = {"place": f"cell/{device}", "index": name, "unit": "W", "at": format_time(NOW)}
    return {**known, "actuality": value, "expected": band, "forecast": band, **more}


def alert(device: str, alert_class: str, state: str = "raised", **more: Any) -> dict[str, Any]:
    known = {"id": f"{alert_class}-{device}", "class": alert_class, "kind": "k", "place": f"cell/{device}"}
    return {**known, "state": state, "raised_at": format_time(NOW - 60), "raised_to": "cell", **more}


def tiles(*rows: dict[str, Any]) -> list[Tile]:
    picture = Picture()
    lists: dict[str, list[dict[str, Any]]] = {"machines": [], "indices": [], "alerts": []}
    for row in rows:
        lists["machines" if "device" in row else "alerts" if "class" in row else "indices"].append(row)
    picture.seed(lists)
    return board(picture, NOW)


def names(*rows: dict[str, Any]) -> list[str]:
    return [tile.name for tile in tiles(*rows)]


def test_the_worst_comes_first() -> None:
    quiet = [machine(name) for name in ("a", "b", "far", "call", "pain", "danger", "twin")]
    down = [machine("off", "offline"), machine("fault", "fault"), machine("wait", "waiting_person")]
    alerts = [
        alert("danger", "hazard"),
        alert("pain", "algedonic"),
        alert("call", "call"),
        alert("twin", "call", "acknowledged"),
    ]
    found = names(*quiet, *down, *alerts, index("far", 19.0))
    assert found == ["danger", "pain", "call", "twin", "fault", "off", "wait", "far", "a", "b"]


def test_noise_does_not_make_tiles_dance() -> None:
    assert names(machine("a"), machine("b"), index("a", 10.1), index("b", 10.9)) == ["a", "b"]


def test_a_quiet_tile_shows_the_usual_index() -> None:
    found = tiles(machine("a"), index("a", 10.1), index("a", 10.2, "heater_effort_w"))[0].telling
    assert found is not None
    assert (found.index, found.value) == ("heater_effort_w", 10.2)


def test_an_index_far_from_its_forecast_is_more_telling() -> None:
    found = tiles(machine("a"), index("a", 14.0), index("a", 10.2, "heater_effort_w"))[0].telling
    assert found is not None
    assert found.index == "pace_ratio"
    assert round(found.sigmas or 0.0, 1) == 3.9


def test_the_index_of_the_open_alert_is_the_most_telling() -> None:
    rows = [index("a", 19.0), index("a", 10.0, "energy_w"), alert("a", "algedonic", index="energy_w")]
    found = tiles(machine("a"), *rows)[0].telling
    assert found is not None
    assert found.index == "energy_w"


def test_the_square_is_that_of_the_index_which_performs_worst() -> None:
    good = {"productivity": 0.9, "latency": 0.9, "performance": 0.81}
    bad = {"productivity": 0.5, "latency": 0.9, "performance": 0.45}
    square = tiles(machine("a"), index("a", 1, **good), index("a", 1, "energy_w", **bad), index("a", 1, "x_w"))[
        0
    ].square
    assert square is not None
    assert (square.index, square.performance) == ("energy_w", 0.45)


def test_a_machine_is_silent_after_three_of_its_cadences() -> None:
    spoke = format_time(NOW - 181)
    rows = [
        machine("a", cadence_s=60.0, last_seen=spoke),
        machine("b", cadence_s=61.0, last_seen=spoke),
        machine("c", last_seen=spoke),
    ]
    assert {tile.name: tile.silent for tile in tiles(*rows)} == {"a": True, "b": False, "c": False}


def test_machines_at_one_place_share_a_tile_and_the_worst_state_is_shown() -> None:
    found = tiles(machine("a", "fault"), machine("plug", place="cell/a"))
    assert [(tile.devices, tile.state) for tile in found] == [(("a", "plug"), "fault")]


def test_a_newcomer_has_a_tile_without_a_place() -> None:
    found = tiles(machine("new", place=None))
    assert [(tile.key, tile.place) for tile in found] == [("@new", None)]


def test_the_mark_is_that_of_the_most_pressing_alert() -> None:
    mark = tiles(machine("a"), alert("a", "call"), alert("a", "hazard", "acknowledged"))[0].mark
    assert mark is not None
    assert (mark.alert_class, mark.priority, mark.heard, mark.count) == ("hazard", 1, True, 2)


def test_the_counts_tell_of_all() -> None:
    picture = Picture()
    picture.seed(
        {"machines": [machine("a"), machine("b", "offline")], "alerts": [alert("b", "hazard"), alert("a", "call")]}
    )
    found = counts(board(picture, NOW), picture)
    assert found == {
        "machines": 2,
        "running": 1,
        "waiting": 0,
        "down": 1,
        "hazard": 1,
        "call": 1,
        "algedonic": 0,
        "unheard": 2,
    }


def test_an_index_that_learns_tells_how_far_it_is_and_by_whom_it_goes() -> None:
    taught = {"have": 20, "need": 250, "from": "like machines", "like": 3}
    found = tiles(machine("a"), index("a", 10.1, learning=taught))[0].telling
    assert found is not None
    assert found.learning == LearningSeen(20, 250, "like machines", 3)
    done = tiles(machine("a"), index("a", 10.1, learning=None))[0].telling
    assert done is not None
    assert done.learning is None
