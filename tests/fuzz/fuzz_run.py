# SPDX-License-Identifier: AGPL-3.0-or-later
"""Run the fuzzers for a while: `make fuzz SECONDS=600`. A crash is written, made small, into the corpus.

What is answered in a new way joins the pool that is mutated further, so that the search goes deeper by itself.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from fuzz_mutate import mutate
from fuzz_targets import TARGETS, Run, Target, refused

from collector.contract.errors import Misconfigured, Refusal

CORPUS: Final = Path(__file__).parent / "corpus"
HANG_S: Final = 10.0
"""Real seconds after which an input counts as a hang."""
CPU_S_MAX: Final = 1.0
"""Processor seconds that one input may take."""
POOL_MAX: Final = 2_000
SMALLER_S_MAX: Final = 10.0
_HEAD: Final = (
    "# SPDX-License-Identifier: AGPL-3.0-or-later\n# Inputs that once crashed, one a line, as Python bytes.\n"
)


class HangError(Exception):
    """An input took too long."""


class Crash(NamedTuple):
    """What went wrong, and with which input; `key` is the same for the same fault."""

    key: str
    what: str
    data: bytes


class Tally(NamedTuple):
    """What a run of one target came to."""

    name: str
    inputs: int
    seconds: float
    outcomes: frozenset[str]
    slowest_s: float
    crashes: dict[str, Crash]

    def __str__(self) -> str:
        """Return it as a row of the table."""
        rate = self.inputs / self.seconds
        return (
            f"{self.name:<10} {self.inputs:>9} inputs {rate:>8.0f}/s {len(self.outcomes):>5} outcomes"
            f" slowest {self.slowest_s * 1e3:>7.1f} ms {len(self.crashes):>3} crashes"
        )


@contextmanager
def bounded(real_s: float) -> Iterator[None]:
    """Raise HangError in what is inside after `real_s`; for the main thread."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise HangError(f"no answer within {real_s:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, real_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tried(run: Run, data: bytes) -> tuple[str | Crash, float]:
    """Return how an input was answered, and the processor seconds that it took."""
    began = time.process_time()
    try:
        with bounded(HANG_S):
            outcome = answered(run, data)
    except Exception as error:  # noqa: BLE001 - whatever a reader raises is what is looked for
        return crash(error, data), time.process_time() - began
    took_s = time.process_time() - began
    if took_s > CPU_S_MAX:
        return Crash("slow", f"{took_s:.1f} s of the processor", data), took_s
    return outcome, took_s


def answered(run: Run, data: bytes) -> str:
    """Return what the target says, or how it refuses."""
    try:
        return run(data)
    except (Refusal, Misconfigured) as refusal:
        return refused(refusal)


def crash(error: Exception, data: bytes) -> Crash:
    """Return the crash; its key is the error's type and where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return Crash(f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}", str(error)[:200], data)


def fuzz(target: Target, seconds: float, seed: int, *, inputs_max: int = sys.maxsize) -> Tally:
    """Return what came of mutating the target's samples for so long."""
    rng = random.Random(f"{target.name}/{seed}")
    pool, outcomes, crashes = [*target.samples, *saved(target.name)], set[str](), dict[str, Crash]()
    began, count, slowest_s = time.monotonic(), 0, 0.0
    with target.open() as run:
        while count < inputs_max and time.monotonic() - began < seconds:
            data = pool[count] if count < len(target.samples) else mutate(rng, pool)
            found, took_s = tried(run, data)
            count, slowest_s = count + 1, max(slowest_s, took_s)
            if isinstance(found, Crash):
                crashes.setdefault(found.key, found)
            elif found not in outcomes:
                outcomes.add(found)
                if len(pool) < POOL_MAX and len(data) < 65_536:
                    pool.append(data)
    return Tally(target.name, count, max(time.monotonic() - began, 1e-9), frozenset(outcomes), slowest_s, crashes)


def smaller(target: Target, found: Crash) -> Crash:
    """Return the crash with as little of its input as brings it about, alone and from the start."""
    deadline_s = time.monotonic() + SMALLER_S_MAX
    if not same(target, found, found.data):
        return found
    data, piece = found.data, max(len(found.data) // 2, 1)
    while piece and time.monotonic() < deadline_s:
        at = 0
        while at < len(data) and time.monotonic() < deadline_s:
            less = data[:at] + data[at + piece :]
            if same(target, found, less):
                data = less
            else:
                at += piece
        piece //= 2
    return found._replace(data=data)


def same(target: Target, found: Crash, data: bytes) -> bool:
    """Tell whether the input brings about the same crash in a target that was just opened."""
    with target.open() as run:
        again, _ = tried(run, data)
    return isinstance(again, Crash) and again.key == found.key


def saved(name: str) -> list[bytes]:
    """Return the inputs that once crashed a target."""
    path = CORPUS / f"{name}.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [ast.literal_eval(text) for text in lines if text.startswith("b")]


def save(name: str, found: Crash) -> None:
    """Put an input into the corpus, with what it brought about, unless it is there."""
    if found.data in saved(name):
        return
    path = CORPUS / f"{name}.txt"
    CORPUS.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if not file.tell():
            file.write(_HEAD)
        file.write(f"# {found.key}\n{found.data!r}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz every target for its share of the time; return 1 where something crashed."""
    parser = argparse.ArgumentParser(description="Mutated messages against everything that parses.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--target", action="append", choices=[target.name for target in TARGETS])
    chosen: Any = parser.parse_args(arguments)
    targets = [target for target in TARGETS if not chosen.target or target.name in chosen.target]
    print(f"seed {chosen.seed}, {chosen.seconds:g} s for {len(targets)} targets", flush=True)
    crashes = 0
    for target in targets:
        tally = fuzz(target, chosen.seconds / len(targets), chosen.seed)
        print(tally, flush=True)
        for one in tally.crashes.values():
            crashes += 1
            small = smaller(target, one)
            save(target.name, small)
            digest = hashlib.sha256(small.data).hexdigest()[:8]
            print(f"  {small.key}: {small.what} ({len(small.data)} bytes, {digest}: {small.data[:120]!r})", flush=True)
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main())
