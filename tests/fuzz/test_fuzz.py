# SPDX-License-Identifier: AGPL-3.0-or-later
"""A short run of every fuzzer, and every input that once crashed one; `make fuzz SECONDS=600` runs them for longer."""

from __future__ import annotations

import fuzz_run
import pytest
from fuzz_run import Crash, Tally, fuzz, saved, smaller, tried
from fuzz_targets import TARGETS, Target, plain

SECONDS = 1.0


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


def test_whatever_comes_is_taken_or_refused_and_nothing_else_happens(target: Target) -> None:
    tally = fuzz(target, SECONDS, seed=4)
    assert [f"{one.key}: {one.what} {one.data[:200]!r}" for one in tally.crashes.values()] == []
    assert tally.inputs >= len(target.samples)


def test_what_once_crashed_is_answered(target: Target) -> None:
    with target.open() as run:
        assert [found for data in saved(target.name) if isinstance(found := tried(run, data)[0], Crash)] == []


def test_valid_samples_are_taken(target: Target) -> None:
    with target.open() as run:
        assert all(run(sample) for sample in target.samples)


def parses_badly(data: bytes) -> str:
    """A reader with a fault: two opening brackets are too much for it."""
    if data.count(b"[") >= 2:
        raise RecursionError
    return str(len(data))


BAD = Target("bad", (b'{"a":[1,2,3]}', b"[0]"), plain(parses_badly))


def test_a_reader_with_a_fault_is_found_out_and_its_case_made_small() -> None:
    tally = fuzz(BAD, 10.0, seed=1, inputs_max=500)
    (found,) = tally.crashes.values()
    assert smaller(BAD, found).data == b"[["


def test_the_same_seed_tries_the_same() -> None:
    def run() -> Tally:
        return fuzz(BAD, 10.0, seed=2, inputs_max=300)

    assert run().crashes == run().crashes


def test_a_hang_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(_data: bytes) -> str:
        while True:
            pass

    monkeypatch.setattr(fuzz_run, "HANG_S", 0.05)
    found, _ = tried(forever, b"")
    assert isinstance(found, Crash)
    assert found.key.startswith("HangError")


def test_a_crash_is_saved_once_and_read_back(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_run, "CORPUS", tmp_path / "corpus")
    found = Crash("ValueError at x:1", "x", b"\0'\"\xff\n")
    fuzz_run.save("bad", found)
    fuzz_run.save("bad", found)
    assert saved("bad") == [found.data]
