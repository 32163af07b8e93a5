# SPDX-License-Identifier: AGPL-3.0-or-later
"""Everything that reads what strangers write, each as a function of bytes: what it returns is how it was answered.

A Refusal is an answer; every other exception is a crash. Each target checks that what came out is bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import fuzz_samples as samples
import msgspec
from fuzz_mutate import MESSAGE, PART

from collector.bus.frames import Malformed, parse
from collector.bus.local import LocalBroker, LocalBus
from collector.bus.rights import subjects_of
from collector.contract.codec import decode_batch, encode_batch
from collector.contract.errors import Misconfigured, Refusal
from collector.contract.limits import BUS_QUEUE_MAX
from collector.contract.ports import ReadingRow
from collector.contract.reading import Batch
from collector.contract.topics import Kind, format_topic, parse_topic
from collector.contract.tree import read_plant
from collector.dialects import DIALECTS, Dialect, Heard, facts_and_signs, native
from collector.historian.line_protocol import format_line, split
from collector.jobs import JobTrack, follow, settle
from collector.registry import Registry
from collector.service import Collector
from collector.spool import Spool
from deploy.clock import FileClock
from firmware_sim.senders.cybersyn_sender import Sender

NOW: Final = 1_795_430_000.0
STATE_BYTES_MAX: Final = 16 * 1024
DETAIL_CHARS_MAX: Final = 2_000
DECISIONS: Final = ("kept", "empty", "duplicate", "quarantined", "rejected")  # they add up to what was received
FRAMES_BYTES_MAX: Final = 65_536  # of two bytes each, a quarter megabyte would take a second to look at one by one
FRESH_EVERY: Final = 200
"""Inputs after which a collector is made anew."""
_QUOTED: Final = re.compile(r"""'.*'|".*"|`.*`|[0-9]+""", re.DOTALL)

Run = Callable[[bytes], str]


class Target(NamedTuple):
    """A reader of bytes: what `open` gives answers in a few words; `samples` are valid inputs."""

    name: str
    samples: tuple[bytes, ...]
    open: Callable[[], AbstractContextManager[Run]]


def answer(said: object, taken: bytes) -> str:
    """Return the kind of a result; it may not be much longer than what it was made of."""
    size = len(msgspec.json.encode(said))
    assert size <= 64 * len(taken) + 65_536, f"{len(taken)} bytes became {size}"
    return type(said).__name__


def refused(refusal: Refusal | Misconfigured) -> str:
    """Return the refusal as one of its kind, without what it quotes; it may not be long."""
    assert len(str(refusal)) <= DETAIL_CHARS_MAX, f"a refusal has {len(str(refusal))} characters"
    word = refusal.reason if isinstance(refusal, Refusal) else "misconfigured"
    return f"{word}: {_QUOTED.sub('…', str(refusal).partition('(device')[0])[:80]}"


def of_native(kind: Kind) -> Callable[[bytes], str]:
    """Return the reader of one native kind."""

    def run(data: bytes) -> str:
        number = native.number_of(data)
        said = native.decode(kind, data, now=NOW)
        assert number is None or said.boot is None or number[0] == said.boot
        return answer(said.facts, data) + "".join(type(fact).__name__ for fact in said.facts)

    return run


def topic(data: bytes) -> str:
    """Read a topic; writing what was read gives it back."""
    text = data.decode(errors="backslashreplace")
    found = parse_topic(text)
    assert format_topic(found) == text
    return f"{found.kind} {found.place is None} {found.id is None}"


def line(data: bytes) -> str:
    """Write a row as a line: it is one line, with two spaces and three tags that nothing else made."""
    place, device, name, value, ts = (data.decode(errors="backslashreplace").split("\x1f") + [""] * 5)[:5]
    row = ReadingRow(place, device, name, _figure(ts), _figure(value))
    text = format_line(row)
    bare = re.sub(r"\\[,= ]", "", text)
    assert (bare.count(" "), bare.count(","), bare.count("="), len(text.splitlines())) == (2, 3, 4, 1)
    lines = [text.encode()] * 5
    assert [n for part in split(lines, bytes_max=max(len(text), 1)) for n in range(5)[part]] == list(range(5))
    return "line"


def _figure(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def subject(data: bytes) -> str:
    """Translate a topic filter for nats-server: nothing in it can end the name or add a wildcard."""
    text = data.decode(errors="backslashreplace")
    found = subjects_of(text)
    for one in found:
        assert not re.search(r"[\x00-\x20\x7f]", one)
        assert sum(token in {"*", ">"} for token in one.split(".")) <= text.count("+") + text.count("#")
    return f"{len(found)}"


def frames(data: bytes) -> str:
    """Read MQTT frames whole and in pieces: the same comes of both, and what is no MQTT is Malformed in both."""
    data = data[:FRAMES_BYTES_MAX]
    found, again = _read_frames(data, len(data) + 1), _read_frames(data, 1 + len(data) // 40)
    assert found == again
    return found if isinstance(found, str) else f"{[len(kind) for kind in found]}"


def _read_frames(data: bytes, piece_bytes: int) -> tuple[list[object], ...] | str:
    found, held = ([], [], []), b""
    try:
        for at in range(0, len(data), piece_bytes):
            held, begin, other = held + data[at : at + piece_bytes], 0, True
            while other:
                *parts, _, begin, other, _ = parse(held, begin, five=data[0] % 2 == 1, stamp=NOW, base=0)
                for kind, part in zip(found, [*parts, [other] * bool(other)], strict=True):
                    kind.extend(part)
            held = held[begin:]
    except Malformed:
        return "malformed"
    return found


def of_dialect(dialect: Dialect) -> Callable[[bytes], str]:
    """Return a reader of whole stories in a dialect, with jobs made of them and the state through JSON each time."""

    def run(data: bytes) -> str:
        state, track, kinds = dialect.state(), JobTrack(), Counter[str]()
        for number, message in enumerate(data.split(MESSAGE)[:64]):
            name, _, payload = message.partition(PART)
            heard = Heard(name.decode(errors="backslashreplace"), payload, number % 7 == 6, NOW + number)
            try:
                state, said = dialect.decode(state, heard)
            except Refusal as refusal:
                kinds[refused(refusal)] += 1
                continue
            track, facts = follow(track, facts_and_signs(said))
            blob = msgspec.json.encode(state)
            assert len(blob) <= STATE_BYTES_MAX, f"the state has {len(blob)} bytes"
            state = msgspec.json.decode(blob, type=dialect.state)
            batch = Batch("mk4", None, dialect.name, NOW, tuple(facts))
            assert decode_batch(encode_batch(batch)) == batch
            kinds.update(type(fact).__name__ for fact in facts)
        kinds.update(type(fact).__name__ for fact in settle(track, math.inf).facts)
        return " ".join(sorted(kinds)[:6])

    return run


class Works:
    """A collector on a bus in this process; its log is in a folder of its own."""

    def __init__(self, leaving: ExitStack) -> None:
        self._leaving = leaving
        self._pool = leaving.enter_context(ThreadPoolExecutor(1))
        self._count = 0
        self._inner = leaving.enter_context(ExitStack())
        self.renew()

    def renew(self) -> None:
        """Begin with an empty log."""
        self._inner.close()
        folder = Path(self._inner.enter_context(TemporaryDirectory(prefix="cybersyn-fuzz-")))
        self.clock, broker = FileClock(NOW), LocalBroker()
        self.spool = Spool(folder / "facts.db")
        self._inner.callback(self.spool.close)
        self.machine = LocalBus(broker, "machine", self.clock, persistent=False)
        bus = LocalBus(broker, "collector", self.clock, persistent=True)
        machines = {"mk4": {"place": "commons/mk4"}}
        for name, dialect in DIALECTS.items():
            for n, prefix in enumerate(samples.prefixes(dialect)):
                machines[f"{name}-{n}"] = {"place": f"commons/{name}-{n}", "dialect": name, "prefix": prefix}
        registry = Registry(read_plant({"machines": machines}))
        self.collector = Collector(spool=self.spool, bus=bus, clock=self.clock, registry=registry)
        self._count = 0

    def said(self, data: bytes) -> str:
        """Publish each message and let the collector decide them; the account balances afterwards."""
        self._next()
        messages = data.split(MESSAGE)[: BUS_QUEUE_MAX // 100]
        for message in messages:
            name, _, payload = message.partition(PART)
            try:
                self.machine.publish(name.decode(errors="backslashreplace"), payload)
            except Refusal:
                continue
        while self.collector.turn(wait_s=0.0):
            pass
        self.clock.set(self.clock.now() + 0.25)
        return self._account()

    def posted(self, data: bytes) -> str:
        """Post a body as it would come over HTTP."""
        self._next()
        word, _, body = data.partition(PART)
        kind = Kind.EVENT if word == b"event" else Kind.READING
        told = self._pool.submit(self.collector.post, kind, body)
        while not told.done():
            self.collector.turn(wait_s=0.0)
        receipt = told.result()
        assert set(json.loads(receipt)) >= {"boots", "events"}
        return f"{word[:5]!r} {self._account()}"

    def _next(self) -> None:
        self._count += 1
        if self._count > FRESH_EVERY:
            self.renew()

    def _account(self) -> str:
        words = Counter[str]()
        for (_, word), count in self.spool.counts().items():
            words[word] += count
        decided = sum(words[word] for word in DECISIONS)
        assert words["received"] == decided, f"{words['received']} received, {dict(words)}"
        with self.spool.reading() as db:
            row = db.execute("SELECT reason, detail FROM quarantine ORDER BY id DESC LIMIT 1").fetchone()
        return f"{sorted(words)} {refused(Refusal(*row)) if row else ''}"


def sender(data: bytes) -> str:
    """Let a broker say anything to the device sender: its loop goes on, and it keeps little of it."""
    device = Sender("broker", 1, "mk4")
    device.boot = "9f1c6b0e2d7a4415"
    for _ in range(3):
        device.measure(power_w=1)

    class Line:
        at = 0

        def send(self, out: bytes) -> int:
            return len(out)

        def recv(self, most: int) -> bytes:
            part = data[self.at : self.at + most]
            self.at += most
            return part

        def close(self) -> None: ...

    device.line, device.out, device.inbox, device.up, device.said = Line(), b"", b"", False, ""
    device.heard = device.spoke = 0
    while device.line is not None:
        device.work()
    return f"{device.problem[:40]} {len(device.kept)}"


def plain(run: Run) -> Callable[[], AbstractContextManager[Run]]:
    """Return how to open a target that needs nothing."""
    return lambda: nullcontext(run)


def at_works(how: Callable[[Works, bytes], str]) -> Callable[[], AbstractContextManager[Run]]:
    """Return how to open a target that needs a collector."""

    @contextmanager
    def opened() -> Iterator[Run]:
        with ExitStack() as leaving:
            works = Works(leaving)
            yield lambda data: how(works, data)

    return opened


TARGETS: Final = (
    Target("reading", samples.readings(), plain(of_native(Kind.READING))),
    Target("state", samples.states(), plain(of_native(Kind.STATE))),
    Target("event", samples.events(), plain(of_native(Kind.EVENT))),
    *(Target("topic", samples.topics(), plain(topic)), Target("frames", samples.frames(), plain(frames))),
    Target("line", samples.rows(), plain(line)),
    Target("subject", samples.filters(), plain(subject)),
    *(Target(name, samples.stories(dialect), plain(of_dialect(dialect))) for name, dialect in DIALECTS.items()),
    Target("intake", samples.deliveries(), at_works(Works.said)),
    Target("http", samples.posts(), at_works(Works.posted)),
    Target("sender", samples.answers(), plain(sender)),
)
