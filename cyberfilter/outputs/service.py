# SPDX-License-Identifier: AGPL-3.0-or-later
"""The loop that lets others read us: take facts, look at indices and alerts, say what changed, no more often than told.

Everything that is retained at the broker is noted in the memory's file before it is published, so that a machine that
goes leaves nothing behind, whoever was killed in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from collector.contract import limits
from collector.contract.errors import Unavailable
from collector.contract.figure import Figure
from collector.contract.ports import Bus, Clock, FactLog, Posting
from collector.contract.reading import Numbered
from collector.contract.tree import Plant
from cyberfilter.outputs import home_assistant, uns
from cyberfilter.outputs.machine import Machine, News, View, fold
from cyberfilter.outputs.memory import Memory, load, save
from cyberfilter.outputs.ports import Edge, Source, Wanted
from cyberfilter.outputs.sparkplug import asks_for_rebirth
from cyberfilter.outputs.surroundings import Surroundings

READER: Final = "outputs"
EVENT_S: Final = 1.0
"""Real seconds between two publications of one machine, where something happened (state, alert, job, part, index)."""
VALUES_S: Final = 10.0
"""The same where nothing but values changed."""
OWNERS_PER_TURN_MAX: Final = 50
"""Machines and units that one turn speaks for; the others wait for the next one."""
LOOK_S: Final = 1.0
"""Real seconds between two looks at indices and alerts."""
SAVE_S: Final = 60.0
"""How long (real s) the memory waits for its file: a restart reads those facts again."""
REBIRTH_S: Final = 1.0
"""Real seconds between two rebirths that hosts asked for."""


def withdraw(path: Path, bus: Bus) -> None:
    """Clear what earlier runs left retained at the broker, and forget it: nobody wants it any more."""
    topics = [topic for kept in load(path).topics.values() for topic in kept]
    bus.publish_all([Posting(topic, b"", retain=True) for topic in topics])
    path.unlink()


class Outputs:
    """The service. One thread turns; any thread may replant."""

    def __init__(
        self,
        wanted: Wanted,
        *,
        facts: FactLog,
        source: Source,
        bus: Bus,
        clock: Clock,
        plant: Plant,
        path: Path,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the memory from `path`; raises Misconfigured where that is broken."""
        self._monotonic = monotonic
        self._wanted, self._facts, self._source = wanted, facts, source
        self._bus, self._clock, self._path = bus, clock, path
        self._lock = threading.Lock()
        self._memory: Memory = load(path)
        self._around = Surroundings(plant)
        self._edge: Edge | None = None
        self._born: int | None = None
        self._said: dict[str, dict[str, int]] = {}
        self._said_at: dict[str, float] = {}
        self._due: dict[str, News] = {}
        self._looked_s = self._reborn_s = float("-inf")
        self._saved_s, self._is_changed = monotonic(), False
        self._connected = False
        self._postings_count = 0
        if wanted.home is not None:
            bus.subscribe([wanted.home.birth, wanted.home.availability])
        self._restate()

    @property
    def bd_seq(self) -> int:
        """Return the number that the node's next connection should have."""
        return self._memory.bd_seq

    def attach(self, edge: Edge) -> None:
        """Let the node speak over this connection."""
        self._edge = edge

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on: who is gone leaves nothing behind, who moved is said anew."""
        with self._lock:
            self._around = Surroundings(plant)
            self._looked_s = float("-inf")
            self._restate()

    def turn(self, wait_s: float) -> int:
        """Take new facts once and say what is due; returns how many batches were read.

        Raises Unavailable where there are no facts or the disk takes nothing; what is due without them is said all the
        same.
        """
        numbered, trouble = self._read(wait_s)
        now_s = self._monotonic()
        with self._lock:
            self._take(numbered)
            if now_s - self._looked_s >= LOOK_S:
                self._looked_s = now_s
                for owner in self._around.look(self._source.indices(), self._source.alerts(is_open=True)):
                    self._due[owner] = News.EVENT
            self._hear()
            self._be_born(now_s)
            self._say(now_s)
            if self._is_changed and now_s - self._saved_s >= SAVE_S:
                self._save(now_s)
        if trouble is not None:
            raise trouble
        return len(numbered)

    def close(self) -> None:
        """Say goodbye and keep the memory; bus and log stay open, they are not ours."""
        with self._lock:
            if self._edge is not None:
                self._memory.bd_seq = self._edge.number + 1
                self._edge.close()
            if self._wanted.home is not None:
                self._bus.publish(self._wanted.home.availability, b"offline", retain=True)
            self._save(self._monotonic())

    def figures(self) -> list[Figure]:
        """Return the service's figures for /metrics."""
        with self._lock:
            count, waiting = self._postings_count, len(self._due)
        return [
            Figure("cybersyn_outputs_postings_total", "counter", "Messages for other programs", count),
            Figure("cybersyn_outputs_waiting", "gauge", "Machines and units that wait to be said", waiting),
        ]

    def _read(self, wait_s: float) -> tuple[Sequence[Numbered], Unavailable | None]:
        try:
            return self._facts.read_from(self._memory.n + 1, most=limits.FACTS_PAGE_MAX, wait_s=wait_s), None
        except Unavailable as error:
            return (), error

    def _take(self, numbered: Sequence[Numbered]) -> None:
        for n, batch in numbered:
            self._memory.n, self._is_changed = n, True
            if batch.device not in self._around.machines:
                continue
            machine = self._memory.machines.setdefault(batch.device, Machine())
            news = fold(machine, batch)
            if news is not News.NOTHING:
                self._due[batch.device] = max(news, self._due.get(batch.device, News.NOTHING))

    def _hear(self) -> None:
        """Say everything again where Home Assistant or the broker has come (back), and after our own last will."""
        heard = self._bus.take(most=100, wait_s=0.0)
        self._bus.acknowledge(heard)
        home, connected = self._wanted.home, self._bus.connected
        is_new = connected and not self._connected
        self._connected = connected
        if home is None:
            if is_new:
                self._restate()
            return
        has_come = any(d.topic == home.birth and d.payload == b"online" and not d.retained for d in heard)
        is_dead = any(d.topic == home.availability and d.payload != b"online" for d in heard)
        if is_new or has_come or is_dead:
            self._bus.publish(home.availability, b"online", retain=True)
            self._restate()

    def _restate(self) -> None:
        """Let everybody be said anew, also who is gone."""
        self._said.clear()
        owners = [*self._memory.topics, *self._memory.machines, *self._around.machines, *self._around.units]
        self._due = dict.fromkeys(owners, News.EVENT)

    def _be_born(self, now_s: float) -> None:
        """Let the node follow its connection: a birth for each, and another where a host asks for it."""
        node, edge = self._wanted.node, self._edge
        if node is None or edge is None:
            return
        commands = [heard for heard in edge.take() if asks_for_rebirth(heard.payload)]
        if edge.up != self._born:
            self._born = edge.up
            if self._born is None:
                node.lost()
                return
            self._memory.bd_seq = self._born + 1
            self._save(now_s)
            self._send(node.born(self._born, self._clock.now()))
        elif commands and now_s - self._reborn_s >= REBIRTH_S:
            self._reborn_s = now_s
            self._send(node.reborn(self._clock.now()))

    def _send(self, postings: Sequence[Posting]) -> None:
        if self._edge is not None and self._born is not None:
            self._edge.send(self._born, postings)
            self._postings_count += len(postings)

    def _say(self, now_s: float) -> None:
        """Publish for those who are due, and clear what an owner no longer says."""
        found: list[Posting] = []
        views = {owner: self._around.view(owner, self._memory.machines) for owner in self._next(now_s)}
        kept = {owner: self._memory.topics.get(owner, []) for owner in views}
        for owner, view in views.items():
            self._said_at[owner] = now_s
            found += self._changes(owner, view)
            self._show(owner, view)
        if any(set(self._memory.topics[owner]) - set(kept[owner]) for owner in views):
            self._save(now_s)
        self._bus.publish_all(found)
        self._postings_count += len(found)
        for owner, view in views.items():
            self._settle(owner, view)

    def _changes(self, owner: str, view: View | None) -> list[Posting]:
        """Return what differs from what was said; until it is said, the memory holds old topics and new ones."""
        wanted = self._postings(view) if view is not None else {}
        said = self._said.get(owner, {})
        self._said[owner] = {topic: hash(payload) for topic, payload in wanted.items()}
        gone = [topic for topic in self._memory.topics.get(owner, []) if topic not in wanted]
        self._memory.topics[owner] = [*wanted, *gone]
        changed = [topic for topic in wanted if said.get(topic) != self._said[owner][topic]]
        return [Posting(topic, wanted.get(topic, b""), retain=True) for topic in (*changed, *gone)]

    def _postings(self, view: View) -> dict[str, bytes]:
        home, namespace = self._wanted.home, self._wanted.namespace
        found = home_assistant.postings(view, home) if home is not None else {}
        return found | (uns.postings(view, namespace) if namespace is not None else {})

    def _show(self, owner: str, view: View | None) -> None:
        node, now = self._wanted.node, self._clock.now()
        if node is not None:
            self._send(node.shown(view, now) if view is not None else node.gone(owner, now))

    def _settle(self, owner: str, view: View | None) -> None:
        """Note that the owner's old topics are cleared; forget one that is gone."""
        if len(self._memory.topics[owner]) != len(self._said[owner]):
            self._memory.topics[owner], self._is_changed = list(self._said[owner]), True
        if view is None:
            for known in (self._memory.topics, self._memory.machines, self._said, self._said_at):
                known.pop(owner, None)

    def _next(self, now_s: float) -> list[str]:
        """Return the owners whose time has come, those that waited longest first, and let them wait no more."""
        found = []
        for owner, news in self._due.items():
            pause_s = EVENT_S if news is News.EVENT else VALUES_S
            if now_s - self._said_at.get(owner, float("-inf")) >= pause_s:
                found.append(owner)
            if len(found) >= OWNERS_PER_TURN_MAX:
                break
        for owner in found:
            del self._due[owner]
        return found

    def _save(self, now_s: float) -> None:
        """Write the memory and let the log go; where the disk does not take it, everything is said again later."""
        try:
            save(self._path, self._memory)
        except OSError as error:
            self._restate()
            raise Unavailable(f"{self._path}: {error.strerror}") from None
        self._saved_s, self._is_changed = now_s, False
        self._facts.passed(READER, self._memory.n)
