# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: test modules can share nothing but a conftest
"""A room on a small made-up plant, in a thread, and a real Chromium to look at it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from collector.contract.codec import encode, format_time, parse_time
from collector.contract.event import JobStarted, State, StateSeen
from collector.contract.ports import Delivery
from collector.contract.reading import Batch, Samples
from collector.contract.topics import Kind, Topic, format_topic
from opsroom.app import mount
from opsroom.notice import Notice

UNITS = {
    "heater_effort_w": ("W", 22.0, 0.8),
    "nozzle_deviation_degc": ("°C", 0.1, 0.4),
    "pace_ratio": ("1", 0.97, 0.03),
}
TRIPLES = {"pace_ratio": (0.97, 0.9, 0.87)}


STEP = {"size": 6.1, "sigma": 7.6, "level": 28.1, "lo": 20.1, "hi": 23.9, "unit": "W", "sign": "pain"}
FAULT = {"cause": "Thermal Runaway"}
ALERTS: list[tuple[str, str, str, int, str | None, float | None, dict[str, Any], str]] = [
    ("h1", "hazard", "fault", 4, None, None, FAULT, "MK4 04 is in fault since 10:00."),
    ("a1", "algedonic", "heater_effort_step", 1, "heater_effort_w", 2_500.0, STEP, "Heater effort rose by 6.1 W."),
    ("c1", "call", "finished", 3, None, None, {"file": "bracket.gcode"}, "It is finished since 5 min."),
]


class PlantClock:
    """Runs with the real one, so that nothing here waits for it."""

    def now(self) -> float:
        return time.time()

    def real_s(self, plant_s: float) -> float:
        return plant_s


class QueueBus:
    """A bus of one queue: what is published here is what the room takes."""

    connected = True

    def __init__(self) -> None:
        self.waiting: queue.Queue[Delivery] = queue.Queue()

    def subscribe(self, filters: Sequence[str]) -> None: ...
    def unsubscribe(self, filters: Sequence[str]) -> None: ...
    def acknowledge(self, deliveries: Sequence[Delivery]) -> None: ...
    def close(self) -> None: ...

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.waiting.put(Delivery(topic, payload, retain, time.time()))

    def take(self, *, most: int, wait_s: float) -> list[Delivery]:
        found: list[Delivery] = []
        with contextlib.suppress(queue.Empty):
            found.append(self.waiting.get(timeout=wait_s))
            while len(found) < most:
                found.append(self.waiting.get_nowait())
        return found


def belief_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the filter's belief of an index that has stepped up half an hour ago."""
    level, sd = UNITS[row["index"]][1:]
    since = format_time(time.time() - 1_900)
    step = {"kind": "step", "since": since, "probability": 0.96, "size": 6.1, "sd": 0.3, "before": level}
    bare = dict.fromkeys(("since", "size", "sd", "before"))
    alert = {"id": "a1", "class": "algedonic", "kind": "heater_effort_step", "state": "raised", "raised_at": since}
    named = {"place": row["place"], "index": row["index"], "raised_to": row["place"], "why": ALERTS[1][-1]}
    return {
        **row,
        "value": row["actuality"],
        "level": level + 6.1,
        "sigma": sd,
        "change": step,
        "clock_s": 3_600.0,
        "believed": [
            step,
            {"kind": "none", "probability": 0.03, **bare},
            {"kind": "other", "probability": 0.01, **bare},
        ],
        "interventions": [{"ts": since, "action": "level", "mean": level, "sd": sd, "note": "new sock"}],
        "usual": [{"regime": 215.0, "by": "target", "now": True, "mean": level, "sd": sd, "count": 1_440}],
        "record": {
            "since": since,
            "count": 9_731,
            "coverage": 0.951,
            "error": 0.7 * sd,
            "error_ratio": 0.71,
            "words": {"steady": 9_700, "step": 31},
        },
        "alerts": {"raised": 1, "returned": 0, "closed": 0, "newest": [{**alert, **named, "facts": STEP}]},
    }


class MadeUpPlant:
    """Machines, indices and alerts as the API lists them, and the bus that tells what changes."""

    def __init__(self, machines: int) -> None:
        now = time.time()
        self.bus = QueueBus()
        self.refuse_next = 0
        self.trouble: str | None = None
        self.away = False
        self.interventions: list[dict[str, Any]] = []
        self.newcomers: list[dict[str, Any]] = []
        self.dismissed: str | None = None
        states = [State.RUNNING, State.RUNNING, State.IDLE, State.WAITING_PERSON, State.FAULT, State.OFFLINE]
        self.machines = [
            {
                "device": f"mk4-{n:02}",
                "place": f"commons/valparaiso/printing/mk4-{n:02}",
                "name": f"MK4 {n:02}",
                "state": states[n % 6],
                "state_since": format_time(now - 3_000 - 97 * n),
                "last_seen": format_time(now - n),
                "dialect": "native" if n % 4 else "octoprint",
                "lag_s": 0.2,
                "cadence_s": 60.0,
                "skew_s": -0.4 if n % 2 else 130.0,
                "jitter_s": 0.05,
                "missing_count": 3 if n == 2 else 0,
                "numbered": n % 4 > 0,
                "account": {
                    "received": 1_000 + n,
                    "stored": 990,
                    "duplicate": 3,
                    "pending": 7,
                    "rejected": 0,
                    "quarantined": n,
                },
            }
            for n in range(machines)
        ]
        self.indices = [self.index(str(row["place"]), name) for row in self.machines for name in UNITS]
        self.alerts = {row["id"]: row for row in self._alerts(now)} if machines > 4 else {}

    def index(self, place: str, name: str, value: float | None = None) -> dict[str, Any]:
        unit, level, sd = UNITS[name]
        now, triple = time.time(), TRIPLES.get(name, (None, None, None))
        band = {"at": format_time(now), "mean": level, "lo95": level - 2 * sd, "hi95": level + 2 * sd}
        shown = {
            "actuality": level if value is None else value,
            "capability": None,
            "potentiality": None,
            "verdict": "steady",
        }
        names = dict(zip(("productivity", "latency", "performance"), triple, strict=True))
        return {
            "place": place,
            "index": name,
            "unit": unit,
            "at": format_time(now),
            **shown,
            **names,
            "forecast": band,
            "expected": band,
        }

    def _alerts(self, now: float) -> Iterator[dict[str, Any]]:
        for alert_id, alert_class, kind, n, index, left_s, facts, why in ALERTS:
            machine = self.machines[n]
            yield {
                "id": alert_id,
                "class": alert_class,
                "kind": kind,
                "place": machine["place"],
                "device": machine["device"],
                "index": index,
                "state": "raised",
                "raised_at": format_time(now - 1_100),
                "raised_to": machine["place"],
                "deadline_at": None if left_s is None else format_time(now + left_s),
                "why": why,
                "facts": facts,
            }

    def intake(self) -> dict[str, Any]:
        accounts = [row["account"] for row in self.machines]
        words = ("received", "stored", "duplicate", "rejected", "quarantined", "pending")
        waits = {"behind": 1_234, "oldest_age_s": 720.0} if self.trouble else {"behind": 7, "oldest_age_s": 0.8}
        events = ("security", "possible_gap", "clock_ahead", "sunspots")
        at = format_time(time.time() - 200)
        return {
            "trouble": self.trouble,
            "account": {word: sum(row[word] for row in accounts) for word in words},
            "unattributed": dict.fromkeys(words, 0),
            "log": {
                "bytes": 12_400_000,
                "bytes_max": 4_000_000_000,
                "disk_free_bytes": 88_000_000_000,
                "disk_reserve_bytes": 1_000_000_000,
                "full": None,
            },
            "historian": {**waits, "rate_per_s": 8.0, "waits": self.trouble},
            "noticed": [{"device": "mk4-02", "at": at, "event": event, "detail": event[:3]} for event in events],
        }

    def refused(self) -> list[dict[str, Any]]:
        row = {"topic": "cybersyn/v1/reading/@mk4-02", "detail": "ts = 2027", "at": format_time(time.time() - 400)}
        reasons = ("clock_ahead", "off_scale", "too_large", "moonlight")
        return [
            {
                **row,
                "id": str(9 - n),
                "reason": reason,
                "device": "mk4-02" if n else None,
                "bytes": 400 * 1_000 ** (n % 2),
                "replayable": reason != "too_large",
                "replayed_at": row["at"] if reason == "off_scale" else None,
            }
            for n, reason in enumerate(reasons)
        ]

    def seed(self) -> dict[str, Any]:
        return {"machines": self.machines, "indices": self.indices, "alerts": list(self.alerts.values())}

    def tell_index(self, n: int, name: str, value: float, **more: Any) -> None:
        row = self.index(self.machines[n]["place"], name, value) | more
        self.bus.publish(format_topic(Topic(Kind.INDEX, place=row["place"], id=name)), encode(row), retain=True)

    def tell_facts(self, n: int, **values: float) -> None:
        now, row = time.time(), self.machines[n]
        samples = Samples((now,), {name: (value,) for name, value in values.items()})
        facts = (
            samples,
            StateSeen(now - 600, State(row["state"])),
            JobStarted("j1", now - 1_200, "bracket.gcode", 5_400.0),
        )
        batch = Batch(row["device"], row["place"], row["dialect"], now, facts)
        self.bus.publish(format_topic(Topic(Kind.FACT, place=row["place"])), encode(batch))

    def act(self, alert_id: str, action: str, note: str | None) -> dict[str, Any]:
        if self.refuse_next:
            self.refuse_next -= 1
            raise HTTPException(409, detail="alert is closed")
        alert = self.alerts[alert_id]
        now = format_time(time.time())
        if action == "acknowledge":
            alert |= {"state": "acknowledged", "acknowledged_at": now, "acknowledged_note": note}
        else:
            alert |= {"state": "closed", "closed_at": now}
        topic = format_topic(Topic(Kind.ALERT, place=alert["place"], id=alert_id))
        self.bus.publish(topic, encode(alert), retain=True)
        return alert


def listed(items: list[Any]) -> dict[str, Any]:
    return {"items": items, "total": len(items), "next": None}


def api(server: FastAPI, plant: MadeUpPlant) -> None:  # tidy: one small function a route
    """Put on the server what the room's pages ask."""

    @server.get("/api/v1/indices")
    async def indices(place: str = "") -> dict[str, Any]:
        return listed([row for row in plant.indices if row["place"].startswith(place)])

    @server.get("/api/v1/jobs")
    async def jobs(place: str) -> dict[str, Any]:
        now = time.time()
        job = {
            "device": "d",
            "place": place,
            "file": "bracket.gcode",
            "outcome": "done",
            "cause": None,
            "duration_s": 5_210.0,
            "estimate_s": 5_400.0,
        }
        times = {"started_at": format_time(now - 9_000), "ended_at": format_time(now - 3_790)}
        lost = {**job, **times, "file": "hinge.gcode", "outcome": "failed", "cause": "clog", "duration_s": 600.0}
        return listed([{**job, **times}, lost])

    @server.get("/api/v1/series")
    async def series(request: Request) -> Any:
        asked = request.query_params
        start, end, step = parse_time(asked["from"]), parse_time(asked["to"]), int(asked["step_s"])
        unit, level, sd = UNITS.get(asked["indicator"], ("1", 0.5, 0.1))
        times = range(math.ceil((start or 0) / step) * step, int(end or 0), step)
        values = [(t, level + sd * math.sin(t / 1_700) + sd * 0.7 * math.sin(t * 7.7)) for t in times]
        points = [[format_time(t), v - sd / 3, v, v + sd / 3] for t, v in values]
        return {"place": asked["place"], "indicator": asked["indicator"], "unit": unit, "points": points}

    @server.get("/api/v1/outlook")
    async def outlook(place: str, index: str, horizon: str) -> Any:
        if index == "nozzle_deviation_degc":
            problem = {"title": "Unprocessable", "status": 422, "detail": "12 values, at least 60 are needed"}
            return JSONResponse(problem, 422)
        unit, level, sd = UNITS[index]
        now, steps = time.time(), range(60)
        mean = [level + 0.01 * i for i in steps]
        reach = [sd * (1 + 0.05 * i) for i in steps]
        lo, hi = ([m - s * r for m, r in zip(mean, reach, strict=True)] for s in (1, -1))
        at = [format_time(now + 60 * i) for i in steps]
        known = {"place": place, "index": index, "unit": unit, "at": at, "mean": mean, "lo": lo, "hi": hi}
        past = {"origins": 37, "error": 0.2 * sd, "error_last": sd}
        return {**known, "level": 0.8, "model": "local linear trend", "horizon": horizon, "past": past}

    @server.post("/api/v1/alerts/{alert_id}/actions")
    async def actions(alert_id: str, request: Request) -> dict[str, Any]:
        told = await request.json()
        return plant.act(alert_id, told["action"], told.get("note"))


def belief_api(server: FastAPI, plant: MadeUpPlant) -> None:
    """Put on the server what the page Index asks and tells."""

    @server.get("/api/v1/belief")
    async def belief(place: str, index: str) -> dict[str, Any]:
        found = [row for row in plant.indices if (row["place"], row["index"]) == (place, index)]
        if not found:
            raise HTTPException(404, detail=f"there is no index {index} at {place}")
        return belief_of(found[0])

    @server.get("/api/v1/commissioning")
    async def commissioning(place: str, index: str) -> dict[str, Any]:
        night = {"at": format_time(time.time() - 30_000), "outcome": "fitted", "clean": 940, "masked": 3}
        return listed([{**night, "place": place, "index": index, "adaptivity": 0.981}])

    @server.post("/api/v1/interventions")
    async def intervene(request: Request) -> dict[str, Any]:
        if plant.refuse_next:
            plant.refuse_next -= 1
            raise HTTPException(409, detail="32 interventions are still to come")
        told = await request.json()
        plant.interventions.append(told)
        return dict(told)


def production_api(server: FastAPI, plant: MadeUpPlant) -> None:
    """Put on the server what the page Production asks: a morning of one place, and a job."""
    lost_s = {"planned_s": 28_800.0, "unknown_s": 5_400.0, "idle_s": 7_200.0, "running_s": 16_200.0}
    figures = {"oee_ratio": 0.61, "oee_availability_ratio": 0.69, "performance_ratio": 0.97, "good_parts": 12.0}
    period = {
        "place": "commons/valparaiso",
        "from": "2026-11-23T06:00:00.000Z",
        "to": "2026-11-23T14:00:00.000Z",
        "indicators": figures,
        "coverage": {"state_ratio": 0.81},
        "losses": {**lost_s, "speed_s": 500.0, "scrap_s": 700.0, "effective_s": 15_000.0},
    }
    job = {"place": "commons/valparaiso/printing/mk4-01", "job": "j", "name": "hook.gcode", "outcome": "done"}

    @server.get("/api/v1/production")
    async def production(by: str) -> dict[str, Any]:
        rows = [{**period, **job}] if by == "job" else [period]
        return listed(rows if plant.machines else [])

    @server.get("/api/v1/triples")
    async def triples(place: str) -> dict[str, Any]:
        ratios = {"productivity": 0.8, "latency": 0.8, "performance": 0.64}
        known = {"capability": 4.0, "potentiality": 5.0, "potentiality_assumed": True, "known": 3, "of": 4}
        narrow = f"{place}/printing/mk4-02"
        return listed([{"place": place, "index": "pace_ratio", **ratios, **known, "bottleneck": narrow}])

    @server.get("/api/v1/production/outlook")
    async def ahead(place: str) -> dict[str, Any]:
        return {"place": place, "until": "2026-11-27", "lo": 40.6, "hi": 55.7, "mean": 48.2, "level": 0.8}


def intake_api(server: FastAPI, plant: MadeUpPlant) -> None:
    """Put on the server what the page Intake asks."""

    @server.get("/api/v1/machines")
    async def machines() -> dict[str, Any]:
        return listed(plant.machines)

    @server.get("/api/v1/newcomers")
    async def newcomers() -> dict[str, Any]:
        return {"items": plant.newcomers, "total": len(plant.newcomers), "next": None}

    @server.post("/api/v1/newcomers/{name}", status_code=201)
    async def welcome(name: str, wanted: dict[str, Any]) -> dict[str, Any]:
        plant.newcomers = [row for row in plant.newcomers if row["id"] != name]
        return {"device": name, "place": wanted["place"], "lines": ["password  secret"]}

    @server.put("/api/v1/newcomers/{name}")
    async def dismiss(name: str, choice: dict[str, Any]) -> dict[str, Any]:
        plant.dismissed = None if choice["wanted"] else name
        return {"id": name}

    @server.get("/api/v1/intake")
    async def intake() -> dict[str, Any]:
        if plant.away:
            raise HTTPException(503, detail="the collector is away")
        return plant.intake()

    @server.get("/api/v1/gaps")
    async def gaps() -> dict[str, Any]:
        gap = {"device": "mk4-02", "boot": "9f1c6b0e2d7a4415", "heard_at": format_time(time.time() - 90)}
        return listed([{**gap, "first": 40, "last": 41}, {**gap, "first": 77, "last": 77}] if plant.machines else [])

    @server.get("/api/v1/quarantine")
    async def quarantine() -> dict[str, Any]:
        return listed(plant.refused() if plant.machines else [])


class Served:
    """A room that answers at `url` until `close`."""

    def __init__(self, plant: MadeUpPlant, port: int = 0) -> None:
        self.plant = plant
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

        @contextlib.asynccontextmanager
        async def lifespan(_: FastAPI) -> Any:
            room.start()
            yield
            room.close()

        app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
        api(app, plant)
        intake_api(app, plant)
        production_api(app, plant)
        belief_api(app, plant)
        room = mount(
            app, bus=plant.bus, clock=PlantClock(), seed=plant.seed, notice=Notice(len(plant.machines)), version="0"
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)


@pytest.fixture(scope="session")
def still_room() -> Iterator[Served]:
    """The same, shared by those who only look."""
    served = Served(MadeUpPlant(6))
    yield served
    served.close()


@pytest.fixture
def room() -> Iterator[Served]:
    """A room over six made-up machines with three open alerts."""
    served = Served(MadeUpPlant(6))
    yield served
    served.close()


@pytest.fixture
def empty_room() -> Iterator[Served]:
    """A room in which no machine has spoken."""
    served = Served(MadeUpPlant(0))
    yield served
    served.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page of its own context; `page.told` collects console errors, `page.asked` every request's address."""
    context = chromium.new_context(bypass_csp=True, locale="en-GB", viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.told, page.asked = [], []
    page.on("console", lambda message: page.told.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: page.told.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.set_default_timeout(45_000)
    yield page
    context.close()
