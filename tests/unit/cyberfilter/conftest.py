# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small workshop for the Cyberfilter's tests: a fact log in memory, a clock that is set, and printers' minutes."""

import random
from collections.abc import Iterator, Sequence

import pytest

from collector.bus.local import LocalBroker, LocalBus
from collector.contract.errors import Unavailable
from collector.contract.event import JobStarted, State, StateSeen
from collector.contract.ports import Checkpoint, IndexRow, ReadingRow, RefusedRow
from collector.contract.reading import Batch, Numbered, Samples
from collector.contract.tree import read_plant
from collector.historian.memory import MemoryHistorian
from collector.journal import MemoryJournal
from cyberfilter.service import Cyberfilter

HOUR = 1_795_399_200.0 - 1_795_399_200.0 % 3600
CELL = "commons/valparaiso/printing"


class SetClock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.at = HOUR

    def now(self) -> float:
        return self.at

    def real_s(self, plant_s: float) -> float:
        return plant_s


class Log:
    """A fact log in memory."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.passed_until = 0

    def read_from(self, n: int, *, most: int, wait_s: float = 0.0) -> Sequence[Numbered]:
        return [Numbered(k, self.batches[k - 1]) for k in range(n, min(n + most, len(self.batches) + 1))]

    def last(self) -> int:
        return len(self.batches)

    def passed(self, reader: str, n: int) -> None:
        self.passed_until = n


class ShyHistorian(MemoryHistorian):
    """A historian that can be away."""

    away = False

    def __init__(self) -> None:
        super().__init__()
        self.written: list[ReadingRow | IndexRow] = []

    def write(self, rows: Sequence[ReadingRow | IndexRow]) -> Sequence[RefusedRow]:
        if self.away:
            raise Unavailable("historian is away", retry_after_s=1e-9)
        self.written += rows
        return super().write(rows)


def minutes(
    start: float,
    count: int,
    *,
    effort_w: float = 30.0,
    power_w: float = 90.0,
    seed: int = 1,
    device: str = "mk4-01",
    per_batch: int = 10,
) -> Iterator[Batch]:
    """Yield the batches of a printer that runs steadily: a sample every 20 s, ten minutes in a batch."""
    rng = random.Random(seed + start)
    for first in range(0, count, per_batch):
        begin, samples = start + 60 * first, 3 * min(per_batch, count - first)
        values = {
            "nozzle_target_degc": (215.0,) * samples,
            "nozzle_degc": tuple(215.0 + rng.gauss(0, 0.3) for _ in range(samples)),
            "heater_power_w": tuple(rng.gauss(effort_w, 0.9) for _ in range(samples)),
            "power_w": tuple(rng.gauss(power_w + effort_w, 2.0) for _ in range(samples)),
            "progress_ratio": tuple((begin + 20 * k - HOUR) % 36_000 / 36_000 for k in range(samples)),
        }
        times = tuple(begin + 20.0 * k for k in range(samples))
        yield Batch(device, f"{CELL}/{device}", "native", times[-1], (Samples(times, values),))


class Workshop:
    """A plant with its neighbours, and the service on them; `restart` is what follows a kill."""

    def __init__(self, machines: int = 1) -> None:
        names = [f"mk4-{number:02d}" for number in range(1, machines + 1)]
        self.plant = read_plant({"machines": {n: {"place": f"{CELL}/{n}", "cadence_s": 5.0} for n in names}})
        self.clock, self.log, self.journal = SetClock(), Log(), MemoryJournal()
        self.historian, self.broker = ShyHistorian(), LocalBroker()
        self.ears = LocalBus(self.broker, "ears", self.clock, persistent=False)
        self.ears.subscribe(["cybersyn/v1/index/#", "cybersyn/v1/alert/#"])
        self.restart()

    def restart(self) -> Cyberfilter:
        self.service = Cyberfilter(
            facts=self.log,
            historian=self.historian,
            journal=self.journal,
            bus=LocalBus(self.broker, "cyberfilter", self.clock, persistent=True),
            clock=self.clock,
            plant=self.plant,
        )
        return self.service

    def say(self, *facts: object, device: str = "mk4-01", at: float | None = None) -> None:
        """Put a batch into the log and turn once."""
        self.clock.at = at if at is not None else self.clock.at
        self.log.batches.append(Batch(device, f"{CELL}/{device}", "native", self.clock.at, facts))  # type: ignore[arg-type]
        self.service.turn(0.0)

    def state(self, state: State, ts: float, why: str | None = None) -> None:
        self.say(StateSeen(ts, state, why), at=ts)

    def run(self, count: int, *, effort_w: float = 30.0) -> None:
        """Let the printer run on for some minutes, one batch and one turn a minute."""
        for batch in minutes(self.clock.at, count, effort_w=effort_w, per_batch=1):
            self.log.batches.append(batch)
            self.clock.at += 60.0
            self.service.turn(0.0)

    def heard(self) -> dict[str, bytes]:
        """Return the newest payload of every topic heard since the last time."""
        found = self.ears.take(most=10_000, wait_s=0.0)
        self.ears.acknowledge(found)
        return {delivery.topic: delivery.payload for delivery in found}

    def kinds(self) -> list[tuple[str, str]]:
        return [(alert.kind, alert.state.value) for alert in self.service.alerts()]


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture(scope="session")
def schooling() -> tuple[Checkpoint, list[IndexRow]]:
    """What one printer's ten hours of steady running leave behind, until HOUR + 36,000."""
    found = Workshop()
    begun = (StateSeen(HOUR, State.RUNNING), JobStarted("j0", HOUR, "long.gcode", 36_000.0))
    found.service.rehearse([Batch("mk4-01", f"{CELL}/mk4-01", "native", HOUR, begun), *minutes(HOUR, 600)])
    rows = [row for row in found.historian.written if isinstance(row, IndexRow)]
    checkpoint = found.journal.checkpoint()
    assert checkpoint is not None
    return checkpoint, rows


@pytest.fixture
def trained(schooling: tuple[Checkpoint, list[IndexRow]]) -> Workshop:
    """A workshop whose one printer has run steadily for ten hours."""
    found = Workshop()
    checkpoint, rows = schooling
    found.journal.append([], checkpoint=checkpoint)
    found.historian.write(rows)
    found.clock.at = HOUR + 36_000
    found.restart()
    found.heard()
    return found
