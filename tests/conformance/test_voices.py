# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the table of cases and the few lines that read each voice belong together
"""What every voice does: a whole job is heard in its words, a will and a return are told, and the bytes are strict."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from collector.contract.event import JobStarted, State, StateSeen
from firmware_sim.machines.build import build
from firmware_sim.machines.people import Rhythm
from firmware_sim.machines.printer import Printer
from firmware_sim.physics import SAMPLE_S
from firmware_sim.truth import Happening
from firmware_sim.voices.catalogue import PLUGS, PRINTERS
from firmware_sim.voices.native import NativeVoice
from firmware_sim.voices.voice import Publication, Voice

START = 1_795_399_200.0
PRINT_S = 300.0
DUE_MAX = 100_000
Said = list[Publication]
VOICES: dict[str, Callable[[str], Any]] = {**PRINTERS, **PLUGS}
Json = dict[str, Any]


class Case(NamedTuple):
    """How one voice is heard: `read` gives the words of what it said, in their order, each once in a row."""

    make: Callable[[], Voice]
    topics: str
    read: Callable[[Said, Callable[[bytes], Any]], list[Any]]
    job: list[Any]
    running: str
    online: bytes | None = None
    ask: tuple[str, bytes] | None = None
    hold: bool = True


def body(publication: Publication) -> Json:
    def twice(pairs: list[tuple[str, Any]]) -> Json:
        assert len(dict(pairs)) == len(pairs), "a name that comes twice"
        return dict(pairs)

    def wrong(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(publication.payload.decode(), object_pairs_hook=twice, parse_constant=wrong)
    assert isinstance(found, dict)
    return found


def bodies(said: Said, end: str) -> Iterator[Json]:
    return (body(each) for each in said if each.topic.endswith(end))


def native(said: Said, _decode: Any) -> list[Any]:
    return [found["state"] for found in bodies(said, "/state/@m")]


def octoprint(said: Said, _decode: Any) -> list[Any]:
    kept = ("PrintStarted", "PrintDone")
    words = [each.topic.rpartition("/")[2] for each in said]
    progress = [found["printer_data"]["state"]["text"] for found in bodies(said, "progress/printing")]
    return [word for word in words if word in kept] or progress[-1:]


def moonraker(said: Said, _decode: Any) -> list[Any]:
    found: list[Any] = []
    for each in said:
        if each.topic.endswith("/print_stats/state"):
            found.append(body(each)["value"])
        elif each.topic.endswith(("/klipper/status", "/api/response")):
            status = body(each).get("status") or body(each).get("result", {}).get("status", {})
            found += [status["print_stats"]["state"]] if "state" in status.get("print_stats", {}) else []
    return found


def bambu(said: Said, _decode: Any) -> list[Any]:
    reports = [found["print"] for found in bodies(said, "/report") if "print" in found]
    return [report["gcode_state"] for report in reports if "gcode_state" in report]


def sparkplug(said: Said, decode: Callable[[bytes], Any]) -> list[Any]:
    found, names = [], {}
    for each in said:
        for metric in decode(each.payload).metrics:
            if metric.name and metric.HasField("alias"):
                names[metric.alias] = metric.name
            if metric.HasField("alias") and names[metric.alias] == "State":
                found.append(metric.string_value)
    return found


def level(power_w: float) -> str:
    return "off" if power_w < 15 else "on"


def tasmota(said: Said, _decode: Any) -> list[Any]:
    reports = [each for each in said if each.topic.endswith(("/SENSOR", "/STATUS8"))]
    energies = [body(each).get("StatusSNS", body(each))["ENERGY"] for each in reports]
    return [level(energy["Power"]) for energy in energies]


def shelly(said: Said, _decode: Any) -> list[Any]:
    found = []
    for each in said:
        if each.topic.endswith(("/events/rpc", "reader/rpc")):
            frame = body(each)
            switch = frame.get("params", frame.get("result", {}))["switch:0"]
            found += [level(switch["apower"])] if "apower" in switch else []
    return found


def shelly_gen1(said: Said, _decode: Any) -> list[Any]:
    return [level(float(each.payload)) for each in said if each.topic.endswith("/power")]


def request(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 7}).encode()


JOB = ["idle", "setup", "running", "held", "running", "waiting_person", "idle"]
PRINT = ["standby", "printing", "paused", "printing", "complete", "standby"]
REPORTS = ["IDLE", "PREPARE", "RUNNING", "PAUSE", "RUNNING", "FINISH", "IDLE"]
OBJECTS = ("m/moonraker/api/request", request("printer.objects.query", objects={"print_stats": None}))
PUSHALL = ("device/m/request", b'{"pushing":{"sequence_id":"0","command":"pushall"}}')
CASES = {
    "native": Case(
        lambda: NativeVoice("@m", boot="9f1c6b0e2d7a4415"),
        r"cybersyn/v1/(state|event|reading)/@m",
        native,
        JOB,
        "running",
    ),
    "octoprint": Case(
        lambda: VOICES["octoprint"]("m"),
        r"m/(mqtt|event/\w+|progress/(printing|slicing)|temperature/(tool0|bed))",
        octoprint,
        ["PrintStarted", "PrintDone"],
        "Printing",
        b"connected",
    ),
    "moonraker": Case(
        lambda: VOICES["moonraker"]("m"),
        r"m/(moonraker/(status|api/response)|klipper/status)",
        moonraker,
        PRINT,
        "printing",
        b'{"server":"online"}',
        OBJECTS,
    ),
    "moonraker-split": Case(
        lambda: VOICES["moonraker-split"]("m"),
        r"m/(moonraker/(status|api/response)|klipper/state/[a-z_]+( runout)?/[a-z_]+)",
        moonraker,
        PRINT,
        "printing",
        b'{"server":"online"}',
        OBJECTS,
    ),
    "bambu": Case(lambda: VOICES["bambu"]("m"), r"device/m/report", bambu, REPORTS, "RUNNING", None, PUSHALL),
    "bambu-x1": Case(lambda: VOICES["bambu-x1"]("m"), r"device/m/report", bambu, REPORTS, "RUNNING", None, PUSHALL),
    "tasmota": Case(
        lambda: VOICES["tasmota"]("m"),
        r"tele/m/(LWT|STATE|SENSOR)|stat/m/(POWER|RESULT|STATUS8)|tasmota/discovery/[0-9A-F]{12}/(config|sensors)",
        tasmota,
        ["off", "on", "off"],
        "on",
        b"Online",
        ("cmnd/m/STATUS", b"8"),
        hold=False,
    ),
    "shelly": Case(
        lambda: VOICES["shelly"]("m"),
        r"m/(online|events/rpc|status/switch:0)|reader/rpc",
        shelly,
        ["off", "on", "off"],
        "on",
        b"true",
        ("m/rpc", b'{"id":1,"src":"reader","method":"Shelly.GetStatus"}'),
        hold=False,
    ),
    "shelly-gen1": Case(
        lambda: VOICES["shelly-gen1"]("m"),
        r"shellies/(announce|m/(online|relay/0(/power|/energy)?))",
        shelly_gen1,
        ["off", "on", "off"],
        "on",
        b"true",
        hold=False,
    ),
    "sparkplug": Case(
        lambda: VOICES["sparkplug"]("g/m"),
        r"spBv1\.0/g/(NBIRTH/m|(DBIRTH|DDATA|DDEATH)/m/printer)",
        sparkplug,
        [{"waiting_person": "COMPLETE"}.get(word, word.upper()) for word in JOB],
        "RUNNING",
    ),
}


class Machine:
    """A printer with its voice at a broker that takes everything at once."""

    def __init__(self, case: Case) -> None:
        self.voice = voice = case.make()
        self.real_s = 0.0
        self.printer = Printer(build("m", 1), seed=1, start=START, tag="t", rhythm=Rhythm(rests=False))
        self.said: Said = []
        self.tell([StateSeen(START, State.IDLE)])
        voice.sampled(self.printer, self.real_s)
        self.connect(case.ask)

    def connect(self, ask: tuple[str, bytes] | None) -> None:
        self.will = self.voice.will
        self.voice.connected(self.printer, self.real_s)
        if ask is not None:
            self.voice.received(*ask, self.real_s)
        self.take()

    def tell(self, happenings: Sequence[Happening]) -> None:
        for happening in happenings:
            self.voice.happened(happening, self.printer, self.real_s)

    def take(self) -> Said:
        due = self.voice.take(DUE_MAX, self.real_s)
        self.said += due
        return due

    def tick(self) -> list[Happening]:
        self.real_s += SAMPLE_S
        happened = self.printer.advance(self.printer.now + SAMPLE_S)
        if any(isinstance(each, JobStarted) for each in happened) and self.printer.job is not None:
            self.printer.job.takes_s, self.printer.job.cancel_at = PRINT_S, 1.0
        self.tell(happened)
        self.voice.sampled(self.printer, self.real_s)
        self.take()
        return happened

    def until(self, state: State) -> None:
        for _ in range(1000):
            if self.printer.state is state:
                return
            self.tick()
        raise AssertionError(f"never {state}")

    def hold(self) -> None:
        for state in (State.HELD, State.RUNNING):
            self.printer.now += SAMPLE_S
            self.real_s += SAMPLE_S
            self.printer.state = state
            self.tell([StateSeen(self.printer.now, state, "paused by a person" if state is State.HELD else None)])
            self.voice.sampled(self.printer, self.real_s)
            self.take()

    def day(self, *, hold: bool) -> None:
        self.until(State.RUNNING)
        for _ in range(10):
            self.tick()
        if hold:
            self.hold()
        self.until(State.WAITING_PERSON)
        for _ in range(10):
            self.tick()
        self.until(State.IDLE)
        for _ in range(3):
            self.tick()


def once(words: list[Any]) -> list[Any]:
    return [word for before, word in zip([None, *words], words, strict=False) if word != before]


def each_voice(function: Any) -> Any:
    return pytest.mark.parametrize("name", CASES)(function)


@pytest.fixture(scope="module")
def days() -> dict[str, Machine]:
    lived = {}
    for name, case in CASES.items():
        lived[name] = Machine(case)
        lived[name].day(hold=case.hold)
    return lived


@pytest.fixture
def machine(days: dict[str, Machine], name: str) -> Machine:
    return days[name]


def test_every_voice_of_the_catalogue_is_a_case() -> None:
    assert set(CASES) == {"native", *VOICES}


@each_voice
def test_a_whole_job_with_a_hold_is_heard(machine: Machine, name: str, sparkplug_payload: Any) -> None:
    assert once(CASES[name].read(machine.said, sparkplug_payload)) == CASES[name].job


@each_voice
def test_every_topic_has_the_form_of_its_dialect(machine: Machine, name: str) -> None:
    form = re.compile(CASES[name].topics)
    assert [each.topic for each in machine.said if not form.fullmatch(each.topic)] == []


@each_voice
def test_every_payload_is_strict_json_or_a_plain_word_or_protobuf(
    machine: Machine, name: str, sparkplug_payload: Any
) -> None:
    plain = re.compile(rb"connected|Online|ON|on|true|\d+(\.\d+)?")
    for each in machine.said:
        if name == "sparkplug":
            sparkplug_payload(each.payload)
        elif not plain.fullmatch(each.payload):
            body(each)


@each_voice
def test_the_word_after_a_connect_takes_the_wills_place(machine: Machine, name: str) -> None:
    online = CASES[name].online
    if online is not None:
        first = next(each for each in machine.said if each.topic == machine.will.topic)
        assert (first.payload, first.qos, first.retain) == (online, machine.will.qos, True)
        assert machine.will.retain
        assert machine.will.payload != online


@each_voice
def test_after_a_reconnect_a_newcomer_learns_the_state(name: str, sparkplug_payload: Any) -> None:
    case = CASES[name]
    machine = Machine(case)
    machine.until(State.RUNNING)
    machine.tick()
    machine.said = []
    machine.connect(case.ask)
    assert case.read(machine.said, sparkplug_payload)[-1] == case.running


@each_voice
def test_what_nobody_takes_stays_bounded(name: str) -> None:
    machine = Machine(CASES[name])
    for number in range(3000):
        machine.printer.now += SAMPLE_S
        machine.voice.happened(StateSeen(machine.printer.now, State.IDLE), machine.printer, number)
        machine.voice.sampled(machine.printer, float(number))
    assert len(machine.voice.take(DUE_MAX, 3000.0)) <= (20_000 if name == "native" else 400)


@each_voice
def test_foreign_bytes_on_a_subscription_are_no_accident(name: str) -> None:
    machine = Machine(CASES[name])
    for topic in machine.voice.subscriptions:
        for raw in (b"", b"\xff\x00", b"[]", b"{}", b'{"jsonrpc":"2.0"}', b"\x12\x7f", b"null", b"1e999"):
            machine.voice.received(topic.replace("#", "STATUS"), raw, 0.0)
