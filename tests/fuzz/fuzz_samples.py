# SPDX-License-Identifier: AGPL-3.0-or-later
"""Valid inputs to begin with: hand-written ones of our own format, recorded ones of foreign machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from fuzz_mutate import MESSAGE, PART

from collector.dialects import DIALECTS, Dialect

_ROOT: Final = Path(__file__).parents[2]
_STORY_MESSAGES: Final = 12


def readings() -> tuple[bytes, ...]:
    """Return valid native readings."""
    return tuple(
        json.dumps(body).encode()
        for body in (
            {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": 7, "ts": 1_795_400_000_000, "m": {"nozzle_degc": 209.8}},
            {"v": 1, "boot": "9f1c6b0e2d7a4415", "seq": 8, "ts": "2026-11-23T10:00:00.000Z", "dt_ms": [0, 1000, 2000],
             "m": {"nozzle_degc": [209.8, 210.1, None], "power_w": [118, 121, 119]}},
            {"v": 1, "m": {"power_w": 3}, "device": "mk4", "place": "commons/mk4"},
            {"v": 1, "boot": "1", "seq": 0, "m": {f"x{n}_w": n for n in range(256)}},
        )
    )  # fmt: skip


def frames() -> tuple[bytes, ...]:
    """Return MQTT frames: CONNACK, PUBLISH at QoS 0 and 1, PUBACK, PINGRESP; the second for MQTT 5."""
    four = b"\x20\x02\0\0\x30\x05\0\1a12\x32\x07\0\1a\0\x07xy\x40\x02\0\x09\xd0\0"
    five = b"\x31\x06\0\1a\0xy\x32\x0b\0\1a\0\x07\x05\x02\0\0\0\x09x\x40\x03\0\x09\x87\x32\x85\x01\0\1a\0\x08\0"
    return four, five + b"z" * 127


def states() -> tuple[bytes, ...]:
    """Return valid native states."""
    return (b'{"v":1,"state":"running","ts":1795400000000,"boot":"9f1c6b0e2d7a4415"}', b'{"v":1,"state":"offline"}')


def events() -> tuple[bytes, ...]:
    """Return valid native events."""
    ended = {"v": 1, "id": "e2", "ts": 1_795_400_000_000, "event": "job_ended", "job": "j1", "file": "a.gcode"}
    figures = {"outcome": "failed", "cause": "jam", "duration_s": 9.5, "held_s": 0, "estimate_s": 10, "material_g": 2.5}
    bodies = (
        {
            "v": 1,
            "id": "e1",
            "ts": 1_795_400_000_000,
            "event": "job_started",
            "job": "j1",
            "file": "a",
            "estimate_s": 9,
        },
        {**ended, **figures, "energy_kwh": 0.1},
        {"v": 1, "id": "e3", "event": "part", "good": 3, "scrap": 1, "cause": "warped", "device": "mk4"},
        {"v": 1, "id": "e4", "event": "presence", "who": ["ana"], "deep": {"a": [{"b": 1}]}},
    )
    return tuple(json.dumps(body).encode() for body in bodies)


def topics() -> tuple[bytes, ...]:
    """Return valid topics of ours."""
    return (
        *(b"cybersyn/v1/reading/@mk4-07", b"cybersyn/v1/state/commons/valparaiso/printing/mk4-07"),
        *(
            b"cybersyn/v1/alert/commons/mk4/_a1",
            b"cybersyn/v1/event/a/b/c/d/e/f/g/h",
            b"cybersyn/v1/index/@00:1a/_pace",
        ),
    )


def rows() -> tuple[bytes, ...]:
    """Return rows for the historian: place, device, name, value, time."""
    parts = (
        (b"commons/mk4", b"00:1a", b"nozzle_degc", b"209.8", b"1795400000.5"),
        (b"@mk4", b"mk4", b"a_w", b"-0.0", b"0"),
    )
    return tuple(PART.join(row) for row in parts)


def filters() -> tuple[bytes, ...]:
    """Return topic filters that nats-server is to allow."""
    return (b"cybersyn/v1/reading/@mk4.07", b"octoPrint/mk4/#", b"tele/+/SENSOR", b"a//b", b"#", b"+/+")


def rows_of(dialect: Dialect) -> list[dict[str, Any]]:
    """Return everything that was recorded in a dialect, or made in its form, with its topics."""
    files = (_ROOT / "firmware_sim/recordings", _ROOT / "tests/data/dialects")
    lines = next(text for text in (folder / f"{dialect.name}.jsonl" for folder in files) if text.exists())
    told = [json.loads(text) for text in lines.read_text().splitlines()]
    return told + [
        json.loads(path.read_text()) for path in sorted((_ROOT / "tests/data" / dialect.name).glob("*.json"))
    ]


def recorded(dialect: Dialect) -> list[tuple[bytes, bytes]]:
    """Return topic (below the prefix) and payload of everything that was recorded in a dialect."""
    return [(_below_prefix(dialect, row["topic"]), _payload(row)) for row in rows_of(dialect)]


def prefixes(dialect: Dialect) -> list[str]:
    """Return under which prefixes the recorded machines speak."""
    found = (dialect.recognise(row["topic"]) for row in rows_of(dialect))
    return sorted({row.prefix for row in found if row is not None})


def _below_prefix(dialect: Dialect, topic: str) -> bytes:
    found = dialect.recognise(topic)
    return (found.rest if found is not None else topic).encode()


def _payload(row: dict[str, Any]) -> bytes:
    return bytes.fromhex(row["payload_hex"]) if "payload_hex" in row else str(row["payload"]).encode()


def stories(dialect: Dialect) -> tuple[bytes, ...]:
    """Return what was recorded in a dialect, some messages an input."""
    return _together([topic + PART + payload for topic, payload in recorded(dialect)])


def _together(messages: list[bytes]) -> tuple[bytes, ...]:
    starts = range(0, len(messages), _STORY_MESSAGES)
    return tuple(MESSAGE.join(messages[first : first + _STORY_MESSAGES]) for first in starts)


def deliveries() -> tuple[bytes, ...]:
    """Return what a collector hears: ours and foreign ones."""
    ours = [b"cybersyn/v1/reading/@mk4" + PART + body for body in readings()]
    ours += [b"cybersyn/v1/state/commons/mk4" + PART + body for body in states()]
    ours += [b"cybersyn/v1/event/@newcomer" + PART + body for body in events()]
    foreign: list[bytes] = []
    for dialect in DIALECTS.values():
        told = [row["topic"].encode() + PART + _payload(row) for row in rows_of(dialect)]
        foreign += _together(told)[: -(-20 // len(DIALECTS))]
    return (MESSAGE.join(ours), *ours, *foreign)


def posts() -> tuple[bytes, ...]:
    """Return bodies for `POST /readings` and `/events`."""
    named = [body[:-1] + b',"device":"mk4"}' for body in (*readings()[:2], *events()[:2])]
    words = (b"reading", b"reading", b"event", b"event")
    return tuple(word + PART + body for word, body in zip(words, named, strict=True))


def answers() -> tuple[bytes, ...]:
    """Return what a broker says to the device sender: its welcome, and receipts."""
    told = b'{"boots":{"9f1c6b0e2d7a4415":{"stored_through":1,"missing":[0]}},"events":[]}'
    heard = b"\x20\x02\x00\x00\x90\x03\x00\x01\x00" + b"\x31" + bytes([len(told) + 2]) + b"\x00\x00" + told
    return (heard, heard + heard[9:], b"\x20\x02\x00\x05")
