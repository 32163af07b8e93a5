# SPDX-License-Identifier: AGPL-3.0-or-later
"""The numbered fact log on disk: what has a number survives a kill; nothing is acknowledged before it has one.

SQLite, WAL, synchronous=FULL (ADR 0001): one transaction a turn holds the facts, the senders' records, the
devices' decoder states, the account and the quarantine, so that they agree whatever dies, whenever. Readers look
through a connection of their own; neither they nor the historian's write hold up a commit.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from collector import senders, space
from collector.backlog import Backlog, Part, oldest_at, parts
from collector.contract.errors import Unavailable
from collector.contract.limits import READER_SILENT_S_MAX
from collector.contract.reading import Numbered
from collector.disk import RESUME_S, Disk, LogState
from collector.durable import open_held, told, transaction
from collector.job_book import keep_jobs
from collector.log_tables import FORMAT, INSERT, Packed, pack
from collector.order import Boot
from collector.readers import HISTORIAN, Dropped, Readers
from collector.recent import Recent
from collector.shelf import Shelf
from collector.turn import Turn
from collector.ward import BOUND, Size, Ward


class Spool:
    """A FactLog in one file, with everything that must be true together with it. Safe to share between threads."""

    def __init__(
        self, path: Path, *, disk: Disk | None = None, ward: Size = BOUND, silent_s_max: float = READER_SILENT_S_MAX
    ) -> None:
        """Open the log, and hold it: a second process is refused with Misconfigured."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._grown = threading.Condition(self._lock)
        self._path, self._silent_s_max = path, silent_s_max
        self._hold, self._db = open_held(path, FORMAT, busy_s=10.0)
        self._shelf = Shelf(path)
        self.disk = disk or Disk(path.parent)
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
        self._last = int(row[0]) if row else 0
        self._recent = Recent()
        self._readers = Readers(self._db.execute("SELECT name, n, silent_s FROM readers"), time.monotonic())
        self._dropped: list[Dropped] = []
        self._backlogs: dict[str, Backlog] = {}
        self._counts = Counter({(device, word): n for device, word, n in self._db.execute("SELECT * FROM counts")})
        self._ward = Ward(self._db, ward)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the file for one transaction; a full disk or a locked file is Unavailable, and nothing is kept."""
        with self._lock, told(self._path, FORMAT), transaction(self._db) as db:
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the log still for looking something up: nothing is committed meanwhile."""
        with self._lock:
            yield self._db

    def looking(self) -> AbstractContextManager[sqlite3.Connection]:
        """Lend a connection that sees every commit and holds up none: for long lists."""
        return self._shelf.looking()

    def commit(self, turn: Turn) -> list[Numbered]:
        """Keep the turn, and return its batches with their numbers; they are on disk.

        Raises Unavailable where there is no room for it, or the disk fails; then nothing was kept. Below the disk's
        reserve, or beyond the log's bound, that is every turn that holds messages; our own facts go on a while.
        """
        rows = pack(turn.batches, turn.made)
        with self._grown:
            self._check_room(turn, rows)
            try:
                dropped = self._write(turn, rows)
            except BaseException:
                if turn.quarantined:
                    self._ward.reload(self._db)
                raise
            numbered = self._take(rows)
            self._counts.update(turn.counts + dropped)
            if numbered:
                self._grown.notify_all()
        return numbered

    def _check_room(self, turn: Turn, rows: Sequence[Packed]) -> None:
        """Raise Unavailable where there is no room for the turn: it goes into SQLite's log, and then into the file."""
        size = 2 * sum(len(packed.blob) for packed in rows)
        came = bool(turn.batches or turn.counts)
        why = self.full(size) if came else self.disk.exhausted(owed_bytes=size + self._taken().owed)
        if why is not None and came and self._taken().used >= self.disk.bounds.log_bytes_max:
            self._drop(self._readers.drop_lagging("it alone kept the fact log at its bound"))
            self._delete_passed()
            why = self.full(size)
        if why is not None:
            raise Unavailable(why, retry_after_s=RESUME_S)

    def _taken(self) -> space.Taken:
        with told(self._path, FORMAT):
            return space.taken(self._db, self._path)

    def _write(self, turn: Turn, rows: Sequence[Packed]) -> Counter[tuple[str, str]]:
        """Write it all in one transaction; return what quarantine let go of, as counts of the account."""
        with self.writing() as db:
            n = self._last + 1
            for packed in rows:
                db.execute(INSERT, packed.numbered(n))
                n += len(packed.batches)
            senders.keep_senders(db, turn)
            dropped = Counter({(device, "dropped"): n for device, n in self._ward.keep(db, turn.quarantined).items()})
            senders.keep_counts(db, turn.counts)
            senders.keep_counts(db, dropped)
            keep_jobs(db, [*turn.batches, *turn.made])
            due = self._readers.due(time.monotonic())
            if due:
                senders.keep_positions(db, self._readers.rows())
        if due:
            self._readers.kept(time.monotonic())
        return dropped

    def _take(self, rows: Sequence[Packed]) -> list[Numbered]:
        """Give the rows' batches their numbers: they are on disk."""
        numbered: list[Numbered] = []
        for packed in rows:
            found = [Numbered(n, batch) for n, batch in enumerate(packed.batches, self._last + 1)]
            self._recent.add(found, len(packed.blob))
            self._last = found[-1].n
            for backlog in self._backlogs.values():
                backlog.grow(Part(packed.by_device, len(found)))
            numbered += found
        return numbered

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0, bytes_max: int | None = None) -> Sequence[Numbered]:
        """Return batches with numbers >= n in order; where there are none yet, wait up to `wait_s` real seconds.

        Of those that must come from the disk, no more than fit in `bytes_max` encoded bytes, but always one.
        """
        seen = self._last
        found = self._find(n, most, bytes_max)
        if not found and wait_s > 0:
            with self._grown:
                self._grown.wait_for(lambda: self._last > seen and self._last >= n, timeout=wait_s)
            found = self._find(n, most, bytes_max)
        return found

    def _find(self, n: int, most: int, bytes_max: int | None) -> list[Numbered]:
        with self._lock:
            if n > self._last:
                return []
            found = self._recent.since(n, most)
        return self._shelf.read(n, most, bytes_max) if found is None else found

    def last(self) -> int:
        """Return the newest number, 0 before there is one."""
        return self._last

    def passed(self, reader: str, n: int) -> None:
        """Note that this reader asked, and needs nothing up to and including n; on disk within seconds."""
        with self._lock:
            before = self._readers.passed(reader, n)
            backlog = self._backlogs.get(reader)
            if before is not None and backlog is not None:
                for part in parts(self._db, before, n):
                    backlog.shrink(part)

    def readers(self) -> dict[str, int]:
        """Return how far each reader has come."""
        with self._lock:
            return dict(self._readers.positions)

    def prune(self) -> int:
        """Let go of the facts that every known reader has passed; return how many went.

        Readers that were silent too long are dropped first (`take_dropped` tells); positions are on disk then.
        """
        with self._lock:
            self._readers.count_silence(time.monotonic())
            self._drop(self._readers.drop_silent(self._silent_s_max))
        if self.disk.exhausted():
            self.disk.give_up_ballast()
        try:
            gone = self._delete_passed()
        except Unavailable:
            if not self.disk.give_up_ballast():
                raise
            gone = self._delete_passed()
        with self._lock, told(self._path, FORMAT):
            space.give_back(self._db, self._path)
        self.disk.restore_ballast()
        return gone

    def _delete_passed(self) -> int:
        gone = 0
        while True:
            with self._lock:
                part = space.oldest(self._db, self._readers.through())
                if self._readers.changed or part.batches:
                    with self.writing() as db:
                        senders.keep_positions(db, self._readers.rows())
                        db.execute("DELETE FROM facts WHERE last_n <= ?", (part.last_n,))
                    self._readers.kept(time.monotonic())
            gone += part.batches
            if not part.batches:
                return gone

    def _drop(self, dropped: Sequence[Dropped]) -> None:
        self._dropped += dropped
        for reader in dropped:
            self._backlogs.pop(reader.name, None)

    def take_dropped(self) -> list[Dropped]:
        """Return the readers dropped since the last call."""
        with self._lock:
            dropped, self._dropped = self._dropped, []
        return dropped

    def forget(self, before: float) -> int:
        """Forget boots and event ids last heard before then (plant's Unix s); return how many."""
        with self.writing() as db:
            return senders.forget(db, before)

    def boots(self) -> dict[tuple[str, str], Boot]:
        """Return the records of all senders."""
        with self._lock:
            return senders.boots(self._db)

    def devices(self) -> dict[str, bytes]:
        """Return the stored record of every device that was ever heard."""
        with self._lock:
            return dict(self._db.execute("SELECT device, record FROM devices"))

    def event_known(self, device: str, event: str) -> bool:
        """Tell whether this device's event is on disk."""
        with self._lock:
            return senders.event_known(self._db, device, event)

    def events(self, device: str, most: int) -> list[str]:
        """Return the ids of the device's newest events, oldest first."""
        with self._lock:
            return senders.events(self._db, device, most)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the account's counts by (device, word)."""
        with self._lock:
            return dict(self._counts)

    def pending(self, reader: str) -> dict[str, int]:
        """Return how many messages of each device this reader has not passed yet."""
        with self._lock:
            return dict(self._backlog(reader).messages)

    def _backlog(self, reader: str) -> Backlog:
        if reader not in self._backlogs:
            position = max(self._readers.positions.get(reader, 0), 0)
            self._backlogs[reader] = Backlog(parts(self._db, position, self._last))
        return self._backlogs[reader]

    def ward(self) -> Size:
        """Return how much quarantine holds."""
        with self._lock:
            return self._ward.size()

    def state(self) -> LogState:
        """Return how the log stands; `behind` and `oldest_at` are the historian's."""
        with self._lock, told(self._path, FORMAT):
            used, disk, behind = self._taken().used, self.disk, self._backlog(HISTORIAN).batches
            oldest = oldest_at(self._db, self._readers.positions.get(HISTORIAN, 0)) if behind else None
            return LogState(used, disk.bounds.log_bytes_max, oldest, behind, disk.free_bytes(), self.full())

    def full(self, more_bytes: int = 0) -> str | None:
        """Return why no message can be kept now, nor so many bytes more, or None."""
        with self._lock:
            used, spare, owed = self._taken()
            return self.disk.full(used, spare_bytes=spare, owed_bytes=owed + more_bytes)

    def close(self) -> None:
        """Write down how far readers have come, and let go of the file."""
        with self._lock:
            if self._readers.changed:
                with suppress(Unavailable), self.writing() as db:
                    senders.keep_positions(db, self._readers.rows())
                self._readers.kept(time.monotonic())
            self._shelf.close()
            self._db.close()
            self._hold.release()
