# SPDX-License-Identifier: AGPL-3.0-or-later
"""Once a day each index's history is fitted anew, one a turn; what comes of it is kept and shown."""

from __future__ import annotations

import asyncio
import logging

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from collector.contract.errors import Unavailable
from collector.contract.ports import IndexRow
from cyberfilter.api import routes
from cyberfilter.commissioning import Commissioning

DAY_S = 86_400.0
PLACE = "commons/valparaiso/printing/mk4-01"


@pytest.fixture
def loop(trained):
    """The nightly loop of a printer that has run for ten hours, whose heater effort has a longer past besides."""
    rng, until = np.random.default_rng(1), trained.service.indices()[0].at
    old = [IndexRow(PLACE, "heater_effort_w", until - 60.0 * (at + 700), 30 + rng.normal()) for at in range(900)]
    trained.historian.write(old)
    return Commissioning(cyberfilter=trained.service, historian=trained.historian, clock=trained.clock)


def night(loop):
    """Let the loop do a whole night; return how many turns it took."""
    turns = 1
    while loop.turn(0.0):
        turns += 1
    return turns


def found(workshop):
    return {one.index: one.found for one in workshop.service.between(lambda f: f.families.nights(), changes=False)}


def asked(workshop, **query):
    app = FastAPI()
    app.include_router(routes(workshop.service))

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://room") as client:
            return await client.get("/api/v1/commissioning", params=query)

    return asyncio.run(ask())


def test_every_index_is_fitted_one_a_turn_and_once_a_day(trained, loop, caplog):
    caplog.set_level(logging.INFO)
    assert night(loop) == 5
    assert "commissioning: 5 series" in caplog.text
    assert [loop.turn(0.0) for _ in range(3)] == [0, 0, 0]
    assert len(caplog.records) == 1
    trained.clock.at += DAY_S
    assert night(loop) == 5


def test_what_it_finds_is_kept_with_its_reason(trained, loop):
    night(loop)
    fits = found(trained)
    effort, availability = fits["heater_effort_w"], fits["availability_ratio"]
    assert (effort.outcome, effort.at) == ("fitted", trained.clock.at)
    assert effort.clean + effort.masked <= 500
    assert effort.noise > 0
    assert (availability.outcome, availability.noise) == ("too_few", None)


def test_a_historian_that_is_away_costs_a_try_and_no_series(trained, loop):
    loop.turn(0.0)

    def away(*_args, **_more):
        raise Unavailable("historian is away")

    series, trained.historian.series = trained.historian.series, away
    for _ in range(3):
        with pytest.raises(Unavailable):
            loop.turn(0.0)
    trained.historian.series = series
    assert night(loop) == 4
    assert len(found(trained)) == 5


def test_what_came_since_an_open_alert_is_not_looked_at(trained, loop):
    night(loop)
    before = found(trained)["heater_effort_w"]
    trained.run(12, effort_w=45.0)
    assert any(kind.startswith("heater_effort") for kind, _ in trained.kinds())
    trained.clock.at += DAY_S
    night(loop)
    after = found(trained)["heater_effort_w"]
    assert after.noise == pytest.approx(before.noise, rel=0.15)


def test_the_route_shows_the_last_night_by_place_and_index(trained, loop):
    assert asked(trained).json()["items"] == []
    night(loop)
    said = asked(trained, place="commons").json()
    assert said["total"] == 5
    (item,) = asked(trained, place=PLACE, index="heater_effort_w").json()["items"]
    assert (item["device"], item["outcome"]) == ("mk4-01", "fitted")
    assert item["at"].endswith("Z")
    assert 0.5 <= item["adaptivity"] <= 1
    assert asked(trained, place="commons/elsewhere").json()["total"] == 0
    assert asked(trained, place="a//b").status_code == 422


def test_a_restart_knows_the_night(trained, loop):
    night(loop)
    before = found(trained)
    trained.service.close()
    trained.restart()
    assert found(trained) == before
    fresh = Commissioning(cyberfilter=trained.service, historian=trained.historian, clock=trained.clock)
    assert fresh.turn(0.0) == 0
    assert found(trained) == before
