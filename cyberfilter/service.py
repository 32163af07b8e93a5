# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: the loop and all that may be asked of it under one lock
"""The fast loop: read, fold, judge, hand over, checkpoint, publish.

What is said about alerts goes into the journal with the number of its fact, and nothing is published before it is
there. What is remembered follows more rarely, for it is large: whoever kills the process at any moment and starts it
again goes in silence through the facts between the two, and gets the same next output.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from collector.contract import limits
from collector.contract.errors import Refusal, Unavailable
from collector.contract.figure import Figure
from collector.contract.place import contains
from collector.contract.ports import Bus, Checkpoint, Clock, Delivery, Entry, FactLog, Historian, Journal
from collector.contract.reading import Batch, Numbered
from collector.contract.topics import Kind, parse_topic
from collector.contract.tree import Plant
from cyberfilter.actions import Said, read_action
from cyberfilter.alerts.book import Book
from cyberfilter.alerts.escalation import due, extended_deadline
from cyberfilter.alerts.lifecycle import decide, entry
from cyberfilter.checkpoint import VERSION, pack, unpack
from cyberfilter.contract.alert import Action, Alert, AlertClass, AlertState
from cyberfilter.contract.index import IndexValue
from cyberfilter.contract.intervention import Intervention, shown
from cyberfilter.figures import figures
from cyberfilter.floor import Floor
from cyberfilter.future import Outlook, future
from cyberfilter.heed import Ears, read_intervention
from cyberfilter.indices.catalogue import CATALOGUE
from cyberfilter.indices.tree import UnitVector, aggregate
from cyberfilter.owed import Owed
from cyberfilter.publisher import Publisher, levels

_LOG: Final = logging.getLogger("cybersyn")
INTERVENTION: Final = "intervention"
READER: Final = "cyberfilter"
UNSAVED_FACTS_MAX: Final = 50_000
"""Facts after which a checkpoint is written at any rate: what is not covered stays in the log, and is read again."""
CHECKPOINT_EVERY_S: Final = 60.0
"""How long (real s) what is remembered waits at least for its checkpoint, unless a person changed it."""
CHECKPOINT_BYTES_A_S: Final = 100_000
"""What checkpoints write on average at most (bytes a second), for disks wear out: a larger one waits longer."""
T = TypeVar("T")
CLEARED_AT_START_MAX: Final = 200
"""Closed alerts whose topics are cleared once more at the start: a kill may have come between."""


class Cyberfilter:
    """The service. One thread turns; any thread may ask and act."""

    def __init__(
        self,
        *,
        facts: FactLog,
        historian: Historian,
        journal: Journal,
        bus: Bus,
        clock: Clock,
        plant: Plant,
        root: str = "cybersyn",
    ) -> None:
        self._facts, self._historian, self._journal, self._bus = facts, historian, journal, bus
        self._clock, self._plant, self._root = clock, plant, root
        self._lock = threading.RLock()
        self._publisher = Publisher(bus, root)
        found = journal.checkpoint()
        memory = unpack(found.state) if found is not None else None
        self._floor = Floor(plant, memory)
        if memory is not None and (memory.version != VERSION or self._floor.forgotten):
            _LOG.warning(
                "another version kept what was learned: usual levels are learned again, no alert of an index "
                "comes before (checkpoint version %d, this is %d)",
                memory.version,
                VERSION,
            )
        self._n = self._saved_n = found.n if found is not None else 0
        self._said_n = max(self._n, journal.said())
        self._owed = Owed(memory.owed if memory else ())
        kept = journal.entries()
        self._book = Book(kept)
        self._told = {
            known.id: msgspec.convert(known.body, Intervention) for known in kept if known.kind == INTERVENTION
        }
        self._pending: list[Entry] = []
        self._dirty, self._due_s, self._broken = False, float("-inf"), False
        self._trouble: dict[str, str] = {}
        facts.passed(READER, self._n)
        self._ears = Ears(bus, root)
        self._recover()
        self._restate()

    def turn(self, wait_s: float) -> int:
        """Take new facts and actions once; returns how many batches were read. Waits at most `wait_s` real seconds.

        A neighbour that is down stops nothing else: what it should have had is kept, and given to it later.
        """
        numbered, left_s = self._read(wait_s)
        with self._lock:
            self._take(numbered)
        self._owed.hand_over(self._historian, time.monotonic())
        stopped = self._ears.heed(self._obey, left_s)
        if stopped is not None:
            self._trouble["journal"] = stopped
        with self._lock:
            self._note(due(self._book.open(), self._clock.now(), self._plant))
            late = self._dirty and time.monotonic() >= self._due_s
            whole = late or self._n - self._saved_n >= UNSAVED_FACTS_MAX
            if self._pending or whole:
                self._commit(whole=whole)
            self._publisher.flush(time.monotonic())
        return len(numbered)

    def replant(self, plant: Plant) -> None:
        """Go by this plant from now on. Any thread may call."""
        with self._lock:
            self._plant = plant
            self._floor.replant(plant)

    def rehearse(self, batches: Iterable[Batch]) -> None:
        """Learn from old batches, in order of time per machine, and hand their index values to the historian.

        Raises no alert. Raises Unavailable where the historian or the journal is down: then start over.
        """
        with self._lock:
            for told in self._floor.rehearse(batches):
                self._historian.write(told.rows)
                for device, value in told.newest:
                    self._publisher.index(device, value)
            self._save()

    def indices(self) -> list[IndexValue]:
        """Return the newest value of every index, by place and name."""
        with self._lock:
            values = [value for machine in self._floor.machines.values() for value in machine.newest.values()]
        return sorted(values, key=lambda value: (value.place, value.index))

    def triples(self) -> list[UnitVector]:
        """Return the triples of the units above the machines, as they are now."""
        return aggregate(self._plant, self.indices(), self._clock.now())

    def alerts(
        self, *, is_open: bool | None = None, place: str | None = None, alert_class: AlertClass | None = None
    ) -> list[Alert]:
        """Return alerts, newest first: open ones or closed ones, of a place and all below it, of a class."""
        with self._lock:
            found = self._book.all()
        return [
            alert
            for alert in found
            if (is_open is None or is_open is (alert.state is not AlertState.CLOSED))
            and (place is None or contains(place, alert.place))
            and (alert_class is None or alert.alert_class is alert_class)
        ]

    def act(self, alert_id: str, action: Action, note: str | None = None, by: str | None = None) -> Alert:
        """Return the alert after a person's action; one that was done before changes nothing.

        Raises Refusal `unknown_alert` or `not_possible` (the state does not have it), Unavailable: nothing was kept.
        """
        with self._lock:
            alert = self._book.get(alert_id)
            about_index = alert is not None and alert.index is not None
            if self._pending or (about_index and self._n > self._saved_n):
                self._save()  # an accepted level changes what is remembered, after this fact and no other
            if alert is None:
                raise Refusal("unknown_alert", f"there is no alert {alert_id[:80]!r}")
            decision = decide(alert, action)
            if decision == "impossible":
                raise Refusal("not_possible", f"alert {alert_id} is {alert.state}: {action} does not fit")
            if decision == "repeated":
                return alert
            body: dict[str, object] = {"note": note, "by": by}
            if action is Action.EXTEND:
                body["deadline_at"] = extended_deadline(alert, self._plant)
            said = entry(alert, action, ts=self._clock.now(), body=body)
            self._journal.append([said])
            changed = self._book.add(said) or alert
            if self._settle(changed):
                self._commit()  # before the next fact: a restart accepts it there, too
            self._say(changed)
            return changed

    def intervene(self, said: Intervention) -> Intervention:
        """Tell the filter a person's word, kept with what it changes; one that was said before changes nothing.

        Raises Refusal `unknown_index` or `too_many`, Unavailable: nothing was kept.
        """
        known = Entry(f"{INTERVENTION}:{said.id}", self._clock.now(), INTERVENTION, said.place, shown(said))
        with self._lock:
            if known.id in self._told:
                return self._told[known.id]
            if self._pending:
                self._save()
            self._floor.foretell(said)
            self._pending.append(known)
            try:
                self._save()
            except Unavailable:
                self._pending.remove(known)
                self._floor.unsay(said)
                raise
            self._told[known.id] = said
            return said

    def interventions(self, place: str, index: str) -> list[Intervention]:
        """Return what people told of an index, the newest first."""
        with self._lock:
            told = [said for said in self._told.values() if (said.place, said.index) == (place, index)]
        return sorted(told, key=lambda said: -said.ts)

    def outlook(self, place: str, index: str, horizon: str = "hours") -> Outlook:
        """Return where an index is going, with its interval. Raises Refusal `unknown_index`, and those of `future`."""
        with self._lock:
            known = [value for value in self.indices() if value.place == place and value.index == index]
        if not known:
            raise Refusal("unknown_index", f"there is no index {index[:80]!r} at {place[:200]!r}")
        return future(self._historian, known[0], CATALOGUE[index], horizon)

    def between(self, step: Callable[[Floor], T], *, changes: bool) -> T:
        """Return what a slow loop's step says of the floor, between two turns; what it `changes` is kept."""
        with self._lock:
            if changes:
                self._changed()
            return step(self._floor)

    def figures(self) -> list[Figure]:
        """Return the service's figures for /metrics."""
        with self._lock:
            counts = {
                "fact_number": self._n,
                "index_values": self._floor.judged_count,
                "rows_owed": len(self._owed.rows),
                "rows_lost": self._owed.lost_count,
                "rows_refused": self._owed.refused_count,
                "actions_refused": self._ears.refused_count,
            }
            return figures(counts, [alert.alert_class for alert in self._book.open()])

    def ready(self) -> str | None:
        """Return None where all is well, else which neighbour is in trouble."""
        trouble = dict(self._trouble)
        if self._owed.trouble is not None:
            trouble["historian"] = self._owed.trouble
        return "; ".join(f"{name}: {detail}" for name, detail in sorted(trouble.items())) or None

    def close(self) -> None:
        """Write the last checkpoint; the neighbours stay open, they are not ours."""
        self._owed.hand_over(self._historian, time.monotonic())
        with self._lock:
            self._commit()
            self._publisher.flush(float("inf"))

    def _recover(self) -> None:
        """Accept what a person closed right before a kill, then go in silence through the facts whose events are kept.

        So whoever acts next acts on what was said last.
        """
        newest: dict[tuple[str, str | None], Alert] = {}
        for alert in self._book.all():
            newest.setdefault((alert.device or alert.place, alert.index), alert)
        for alert in newest.values():
            self._settle(alert)
        while self._n < self._said_n:
            numbered, _ = self._read(0.0)
            if "facts" in self._trouble:
                return  # the turns go on with it
            self._take(numbered)

    def _restate(self) -> None:
        """Publish what is open, and clear what was closed last: a kill may have come before it was said."""
        closed = [alert for alert in self._book.all() if alert.state is AlertState.CLOSED]
        for alert in closed[:CLEARED_AT_START_MAX]:
            self._publisher.clear(alert)
        for alert in self._book.open():
            self._say(alert)
        for device, machine in self._floor.machines.items():
            for value in machine.newest.values():
                self._publisher.index(device, value)

    def _settle(self, alert: Alert) -> bool:
        """Take a closed alert's level as the usual one, unless the index came back."""
        if alert.state is not AlertState.CLOSED or alert.index is None or alert.returned_at is not None:
            return False
        accepted = self._floor.accept(alert.place, alert.device, alert.index)
        if accepted:
            self._changed()
        return accepted

    def _changed(self) -> None:
        """Note that something other than facts changed what is remembered: it is kept before anything more is said."""
        self._dirty, self._due_s = True, float("-inf")

    def _read(self, wait_s: float) -> tuple[Sequence[Numbered], float]:
        """Return new facts, and how long to wait for actions instead: where no fact can be taken, the whole wait."""
        if self._pending and "journal" in self._trouble:
            return (), wait_s
        silent = self._said_n - self._n
        most = min(silent, limits.FACTS_PAGE_MAX) if silent > 0 else limits.FACTS_PAGE_MAX
        try:
            found = self._facts.read_from(self._n + 1, most=most, wait_s=wait_s)
        except Unavailable as error:
            self._trouble["facts"] = str(error)
            return (), wait_s
        self._trouble.pop("facts", None)
        if silent > 0 and not found:
            self._said_n = self._n  # another log: what comes under these numbers was never judged
        return found, 0.0

    def _take(self, numbered: Sequence[Numbered]) -> None:
        if not numbered:
            return
        self._broken = True  # what follows changes the memory piece by piece: half of it must never be kept
        told = self._floor.take(known.batch for known in numbered)
        self._n = numbered[-1].n
        now = self._clock.now()
        for whose, signal in told.signals if self._n > self._said_n else ():
            self._note(self._book.entries(whose, signal, now=now, plant=self._plant, present=self._floor.present))
        for device, value in told.newest:
            self._publisher.index(device, value)
        self._owed.add(told.rows)
        self._dirty = self._dirty or bool(told.rows)
        self._broken = False

    def _note(self, entries: Iterable[Entry]) -> None:
        """Take entries into the book; `_commit` writes them down and says them."""
        for known in entries:
            self._book.add(known)
            self._pending.append(known)

    def _obey(self, delivery: Delivery) -> None:
        """Do what a person said over MQTT."""
        if parse_topic(delivery.topic, root=self._root).kind is Kind.INTERVENTION:
            self.intervene(read_intervention(delivery, root=self._root))
            return
        said = read_action(delivery, root=self._root)
        self._check_place(said)
        self.act(said.alert_id, said.action, said.note, said.by)

    def _check_place(self, said: Said) -> None:
        with self._lock:
            alert = self._book.get(said.alert_id)
        if alert is None or said.place not in levels(alert):
            raise Refusal("unknown_alert", f"there is no alert {said.alert_id[:80]!r} at {said.place}")

    def _commit(self, *, whole: bool = True) -> None:
        try:
            self._save(whole=whole)
        except Unavailable as error:
            self._trouble["journal"] = str(error)

    def _save(self, *, whole: bool = True) -> None:
        """Keep entries, and the state where it's the `whole`, in one transaction; then say what happened.

        Raises Unavailable: nothing is said.
        """
        if self._broken:
            raise Unavailable("the cyberfilter broke down in the middle of a fact; a restart takes it again")
        state = pack(self._floor.memory(self._n, self._owed.rows)) if whole else None
        said_n = max(self._n, self._said_n)
        checkpoint = None if state is None else Checkpoint(self._n, state)
        self._journal.append(self._pending, said=said_n, checkpoint=checkpoint)
        self._trouble.pop("journal", None)
        subjects = dict.fromkeys(known.subject for known in self._pending)
        self._pending, self._said_n = [], said_n
        if state is not None:
            self._dirty, self._saved_n = False, self._n
            self._due_s = time.monotonic() + max(CHECKPOINT_EVERY_S, len(state) / CHECKPOINT_BYTES_A_S)
        for subject in subjects:
            alert = self._book.get(subject)
            if alert is not None:
                self._say(alert)
        try:
            self._facts.passed(READER, self._saved_n)
        except Unavailable as error:
            self._trouble["facts"] = str(error)

    def _say(self, alert: Alert) -> None:
        value = self._floor.newest(alert.device, alert.index)
        self._publisher.alert(alert, triple=value.triple if value else None, now=self._clock.now())
