# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recordings of real machines, published again as they were heard."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.ports import Clock

OPEN_S_MAX: Final = 5.0
"""Real seconds that the broker has for answering, and for taking the last message."""
PAUSE_S: Final = 5.0
"""Plant's seconds between the end of a recording and its next round."""


class Line(NamedTuple):
    """One recorded message; `ts` is when it was received, in Unix s."""

    ts: float
    topic: str
    qos: int
    retain: bool
    payload: bytes


def read_lines(path: Path) -> list[Line]:
    """Return the messages of a recording in the order of the file; Misconfigured names the line that is none."""
    try:
        with path.open(encoding="utf-8") as file:
            return [parse_line(text, f"{path}:{number}") for number, text in enumerate(file, 1) if text.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"recording {path}: {error}") from None


def parse_line(text: str, where: str) -> Line:
    """Return one message of a recording: `ts topic qos retain` with `payload` or `payload_hex`."""
    try:
        row = json.loads(text)
        payload = bytes.fromhex(row["payload_hex"]) if "payload_hex" in row else str(row["payload"]).encode()
        return Line(float(row["ts"]), str(row["topic"]), int(row.get("qos", 0)), bool(row.get("retain")), payload)
    except (ValueError, TypeError, KeyError) as error:
        raise Misconfigured(f"recording {where}: not a message with ts, topic and payload ({error!r})") from None


def timeline(lines: Sequence[Line], *, shift_s: float = 0.0, repeat: bool = False) -> Iterator[tuple[float, Line]]:
    """Yield each message with its time since the start, in seconds of the recording's clock, never going back.

    `shift_s` is how long after the start the first one comes; with `repeat` the recording begins again for ever.
    """
    ordered = sorted(lines, key=lambda line: line.ts)
    if not ordered:
        return
    begun, span_s = shift_s, ordered[-1].ts - ordered[0].ts
    while True:
        for line in ordered:
            yield begun + line.ts - ordered[0].ts, line
        if not repeat:
            return
        begun += span_s + PAUSE_S


def publish(
    lines: Sequence[Line],
    *,
    host: str,
    port: int,
    user: str | None = None,
    password: str | None = None,
    speed: float = 1.0,
    stop: threading.Event | None = None,
    shift_s: float = 0.0,
    repeat: bool = False,
    clock: Clock | None = None,
) -> int:
    """Return how many messages were published: all, or those before `stop` was set.

    Real time passes `speed` times as fast as in the recording, or as fast as the clock says where one is given.
    What is late is not skipped. Raises Unavailable where the broker does not answer.
    """
    if speed <= 0:
        raise Misconfigured(f"speed = {speed:g} is not above 0")
    halt = stop if stop is not None else threading.Event()
    real_s: Callable[[float], float] = clock.real_s if clock is not None else lambda plant_s: plant_s / speed
    client = _connect(host, port, user, password)
    sent = 0
    try:
        due_at, before = time.monotonic(), 0.0
        last: mqtt.MQTTMessageInfo | None = None
        for at, line in timeline(lines, shift_s=shift_s, repeat=repeat):
            due_at, before = due_at + real_s(at - before), at
            if halt.wait(max(due_at - time.monotonic(), 0.0)):
                break
            told = client.publish(line.topic, line.payload, line.qos, line.retain)
            last = told if line.qos > 0 else last
            sent += 1
        _drain(client, last)
    finally:
        client.loop_stop()
    return sent


def _connect(host: str, port: int, user: str | None, password: str | None) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.connect_timeout = OPEN_S_MAX
    if user is not None:
        client.username_pw_set(user, password)
    answer = threading.Event()
    refusals: list[str] = []

    def on_connect(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusals.append(str(reason))
        answer.set()

    client.on_connect = on_connect
    try:
        client.connect(host, port)
    except OSError as error:
        raise Unavailable(f"broker {host}:{port}: {error}") from None
    client.loop_start()
    if not answer.wait(OPEN_S_MAX) or refusals:
        client.disconnect()
        client.loop_stop()
        raise Unavailable(f"broker {host}:{port}: {refusals[0] if refusals else f'no answer in {OPEN_S_MAX:g} s'}")
    return client


def _drain(client: mqtt.Client, last: mqtt.MQTTMessageInfo | None) -> None:
    end = time.monotonic() + OPEN_S_MAX
    if last is not None:
        last.wait_for_publish(OPEN_S_MAX)
    while client.want_write() and time.monotonic() < end:
        time.sleep(0.01)
    client.disconnect()
