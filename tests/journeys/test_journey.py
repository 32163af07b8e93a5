# SPDX-License-Identifier: AGPL-3.0-or-later
"""Broker → collector → historian → cyberfilter → alert → browser, calm, and with every part killed in the middle.

Once all embedded, once on a real Mosquitto and a real InfluxDB.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(400)


def test_every_sample_is_stored_once_and_a_heater_that_needs_more_becomes_an_alert(calm: tuple[Any, Any]) -> None:
    _, told = calm
    assert len(told.points) == len({at for at, _ in told.points}) == 6 * 330
    assert [(a["class"], a["index"], a["state"]) for a in told.alerts] == [("algedonic", "heater_effort_w", "raised")]
    assert re.search(r"Heater effort of mk4-07 .* W", told.alerts[0]["why"])
    assert told.account["quarantined"] == told.account["rejected"] == 0


def test_alert_is_in_the_browser_and_somebody_acknowledges_it(calm: tuple[Any, Any], chromium: Any) -> None:
    system, told = calm
    page = chromium.new_page()
    page.goto(f"{system.urls['opsroom']}/alerts")
    expect(page.get_by_text("Heater effort of mk4-07").first).to_be_visible(timeout=20_000)
    page.get_by_role("button", name=re.compile("Acknowledge", re.IGNORECASE)).first.click()
    found = f"/api/v1/alerts?open=true&place={told.alerts[0]['place']}"
    page.wait_for_function(
        "path => fetch(path).then(a => a.json()).then(t => t.items[0].acknowledged_at !== null)", arg=found
    )
    page.close()


def test_killing_every_part_in_the_middle_changes_nothing(calm: tuple[Any, Any], killed: tuple[Any, Any]) -> None:
    _, without = calm
    _, told = killed
    assert told.points == without.points
    assert told.forecasts == without.forecasts
    assert [a["id"] for a in told.alerts] == [a["id"] for a in without.alerts]


def test_open_alert_is_open_after_a_kill_and_stays_acknowledged(killed: tuple[Any, Any]) -> None:
    system, told = killed
    path = f"/api/v1/alerts/{told.alerts[0]['id']}/actions"
    answer = httpx.post(system.urls["opsroom"] + path, json={"action": "acknowledge", "note": "seen"}, timeout=10.0)
    assert answer.status_code == 200
    system.kill("cyberfilter")
    system.start("cyberfilter")
    (again,) = system.get("/api/v1/alerts?open=true")["items"]
    assert (again["id"], again["state"], again["acknowledged_note"]) == (told.alerts[0]["id"], "acknowledged", "seen")
