# SPDX-License-Identifier: AGPL-3.0-or-later
# tidy: one generator, which benchmarks and the kill test share
"""Many numbered senders in one thread, on raw sockets: QoS 1, and each keeps its buffer until a receipt covers it.

As a program it sends for some seconds and prints what it did as JSON; others load it by its path. A message costs
it a few microseconds, so that what is measured is the other side.
"""

from __future__ import annotations

import argparse
import json
import resource
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK = 0x20, 0x30, 0x40
MIDS = [bytes([n >> 8, n & 255]) for n in range(65_536)]
RETRY_S = 0.3
QUIET_S = 20.0
"""A sender that has waited this long for a receipt says everything again."""
CHUNK = 200
MODULO = 2_500
"""Values repeat after so many, in tenths: all are possible for every indicator used here."""
READ_BYTES = 262_144


class Login(NamedTuple):
    """Where the broker is, and who we are there; an empty user is nobody."""

    host: str
    port: int
    user: str = ""
    word: str = ""


def length(count: int) -> bytes:
    """Return MQTT's variable byte integer."""
    found = bytearray()
    while True:
        count, low = divmod(count, 128)
        found.append(low | (128 if count else 0))
        if not count:
            return bytes(found)


def packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + length(len(body)) + body


def text(word: str) -> bytes:
    raw = word.encode()
    return len(raw).to_bytes(2, "big") + raw


def connect_frame(client_id: str, user: str, word: str) -> bytes:
    flags, more = 0x02, b""
    if user:
        flags, more = 0xC2, text(user) + text(word)
    return packet(0x10, text("MQTT") + bytes([4, flags, 0, 60]) + text(client_id) + more)


class Sender:
    """One device; `payload(seq)` is what it has to say.

    With `keeps` it forgets a message when a receipt covers it, without when the broker acknowledges it.
    """

    def __init__(
        self,
        device: str,
        login: Login,
        payload: Callable[[int], bytes],
        *,
        boot: str,
        count: int = 2**53,
        window: int = 4_000,
        keeps: bool = True,
    ) -> None:
        self.device, self.boot, self.keeps = device, boot, keeps
        self.next = 0
        self.count = count
        self.acked = self.resent = self.links = 0
        self.held: dict[int, bytes] = {}
        self.covered: dict[str, object] = {}
        self.sock: socket.socket | None = None
        self.up = False
        self.out = b""
        self._login, self._payload, self._window = login, payload, window
        self._head = text(f"cybersyn/v1/reading/@{device}")
        self._mid = 0
        self._under_way: deque[tuple[int, int]] = deque()
        self._again: list[int] = []
        self._in = b""
        self._heard_s = self._pinged_s = 0.0

    @property
    def done(self) -> bool:
        return self.next >= self.count and not self.held

    def open(self, now_s: float) -> None:
        """Connect anew; what is held is said again first. Raises OSError."""
        self.close()
        self.sock = socket.create_connection((self._login.host, self._login.port), timeout=2.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.out = connect_frame(self.device, self._login.user, self._login.word)
        self.out += packet(0x82, b"\0\1" + text(f"cybersyn/v1/receipt/@{self.device}") + b"\1")
        self._in, self.up = b"", False
        self._under_way.clear()
        self._again = list(reversed(self.held))
        self._heard_s = self._pinged_s = now_s

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
        self.sock, self.up = None, False

    def say(self, now_s: float) -> bool:
        """Send what fits; return whether anything is left to send now."""
        assert self.sock is not None
        if not self.out:
            self.out = self._frames(now_s) if self.up else b""
        if self.out:
            with suppress(BlockingIOError):
                self.out = self.out[self.sock.send(self.out) :]
        return bool(self.out)

    def _frames(self, now_s: float) -> bytes:
        if now_s - self._pinged_s > 15.0:
            self._pinged_s = now_s
            return b"\xc0\0"
        if self.held and not self._again and now_s - self._heard_s > QUIET_S:
            self._heard_s, self._again = now_s, list(reversed(self.held))
        frames = []
        room = min(CHUNK, self._window - len(self._under_way))
        while self._again and room > 0:
            seq = self._again.pop()
            if seq in self.held:
                self.resent += 1
                room -= 1
                frames.append(self._frame(seq, self.held[seq]))
        for seq in range(self.next, min(self.next + min(room, self._window - len(self.held)), self.count)):
            payload = self.held[seq] = self._payload(seq)
            frames.append(self._frame(seq, payload))
            self.next = seq + 1
        return b"".join(frames)

    def _frame(self, seq: int, payload: bytes) -> bytes:
        self._mid = mid = self._mid % 65_535 + 1
        self._under_way.append((mid, seq))
        body = len(self._head) + 2 + len(payload)
        size = bytes((body & 127 | 128, body >> 7)) if 128 <= body < 16_384 else length(body)
        return b"\x32%b%b%b%b" % (size, self._head, MIDS[mid], payload)

    def hear(self, now_s: float) -> None:
        """Read what came. Raises OSError where the connection is over."""
        assert self.sock is not None
        with suppress(BlockingIOError):
            data = self.sock.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError
            data = self._in + data
            whole = len(data) & ~3
            if whole and data[:whole:4].count(PUBACK) == whole // 4 and data[1:whole:4].count(2) == whole // 4:
                self._acknowledged([data[n : n + 2] for n in range(2, whole, 4)])
                self._in = data[whole:]
                return
            self._in = self._each(data, now_s)

    def _each(self, data: bytes, now_s: float) -> bytes:
        at = 0
        while len(data) >= at + 2:
            size, shift, start = 0, 0, at + 1
            while start < len(data):
                size |= (data[start] & 127) << shift
                start, shift = start + 1, shift + 7
                if data[start - 1] < 128:
                    break
            else:
                break
            if len(data) < start + size:
                break
            self._packet(data[at] & 0xF0, data[start : start + size], qos=data[at] >> 1 & 3, now_s=now_s)
            at = start + size
        return data[at:]

    def _packet(self, kind: int, body: bytes, *, qos: int, now_s: float) -> None:
        assert self.sock is not None
        if kind == PUBACK:
            self._acknowledged([body[:2]])
        elif kind == CONNACK:
            if body[1]:
                raise ConnectionRefusedError(f"{self.device} is refused: {body[1]}")
            self.up = True
            self.links += 1
        elif kind == PUBLISH:
            start = 2 + int.from_bytes(body[:2], "big")
            if qos:
                self.out += b"\x40\x02" + body[start : start + 2]
                start += 2
            self._receipt(body[start:], now_s)

    def _acknowledged(self, mids: Sequence[bytes]) -> None:
        for raw in mids:
            mid = raw[0] << 8 | raw[1]
            while self._under_way and self._under_way[0][0] != mid:  # a broker answers in order
                self._under_way.rotate(-1)
            if self._under_way:
                _, seq = self._under_way.popleft()
                self.acked += 1
                if not self.keeps:
                    self.held.pop(seq, None)

    def _receipt(self, body: bytes, now_s: float) -> None:
        told = json.loads(body)["boots"].get(self.boot)
        if told is None:
            return
        self.covered = told
        if self.keeps:
            through, missing = told["stored_through"], set(told["missing"])
            before = len(self.held)
            for seq in list(self.held):
                if seq > through:
                    break
                if seq not in missing:
                    del self.held[seq]
            if len(self.held) < before:
                self._heard_s = now_s


class Crowd:
    """All senders on one selector; `turn` does what can be done now."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self.senders = list(senders)
        self._selector = selectors.DefaultSelector()
        self._retry_s = dict.fromkeys(self.senders, 0.0)

    def turn(self, wait_s: float = 0.01) -> None:
        """Send and hear, once for all; those without a connection try again after a pause."""
        now_s = time.monotonic()
        busy = False
        for sender in self.senders:
            if sender.sock is None:
                self._open(sender, now_s)
            if sender.sock is not None:
                busy |= self._do(sender, sender.say, now_s)
        for key, _ in self._selector.select(0.001 if busy else wait_s):
            self._do(key.data, key.data.hear, now_s)

    def _do(self, sender: Sender, act: Callable[[float], bool | None], now_s: float) -> bool:
        try:
            return bool(act(now_s))
        except OSError as error:
            if isinstance(error, ConnectionRefusedError):
                print(error, file=sys.stderr)
            if sender.sock is not None:
                self._selector.unregister(sender.sock)
            sender.close()
            self._retry_s[sender] = now_s + RETRY_S
            return False

    def _open(self, sender: Sender, now_s: float) -> None:
        if now_s < self._retry_s[sender]:
            return
        try:
            sender.open(now_s)
        except OSError:
            sender.close()
            self._retry_s[sender] = now_s + RETRY_S
            return
        assert sender.sock is not None
        self._selector.register(sender.sock, selectors.EVENT_READ, sender)

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        self._selector.close()


class Samples:
    """The readings of one device, stamped near now and never twice alike: `columns` indicators, `rows` samples each.

    Sample k of message seq is k + rows * seq, modulo 10,000, in tenths, for every indicator: so sums can be checked.
    """

    NAMES = ("power_w", "nozzle_degc", "bed_degc", "heater_power_w", "spindle_rpm", "flow_lpm", "tank_bar", "feed_mmps")

    def __init__(self, boot: str, *, columns: int, rows: int, step_ms: int = 1) -> None:
        self.rows, self.step_ms = rows, step_ms
        self._ts = 0
        times = [step_ms * n for n in range(rows)]
        dt = f'"dt_ms":{json.dumps(times, separators=(",", ":"))},' if rows > 1 else ""
        self._head = f'{{"v":1,"boot":"{boot}","seq":%d,"ts":%d,{dt}"m":{{'.encode()
        self._columns = [f'"{name}":'.encode() for name in self.NAMES[:columns]]
        self._values = [f"{n / 10}" for n in range(MODULO + rows)]

    def __call__(self, seq: int) -> bytes:
        self._ts = max(self._ts + self.step_ms * self.rows, time.time_ns() // 1_000_000)
        first = seq * self.rows % MODULO
        if self.rows == 1:
            column = self._values[first].encode()
        else:
            column = b"[%b]" % ",".join(self._values[first : first + self.rows]).encode()
        return self._head % (seq, self._ts) + b",".join([name + column for name in self._columns]) + b"}}"


def total(rows: int, count: int) -> float:
    """Return the sum of one indicator's samples after `count` messages."""
    whole, rest = divmod(count * rows, MODULO)
    if MODULO % rows == 0:
        return (whole * MODULO * (MODULO - 1) + rest * (rest - 1)) / 20
    return sum((seq * rows % MODULO + k) / 10 for seq in range(count) for k in range(rows))


def boot_of(device: str) -> str:
    """Return a boot of 16 hex digits, another for every device and every start."""
    return f"{hash(device) & 0xFFFFFFFF:08x}{time.time_ns() & 0xFFFFFFFF:08x}"


def drive(senders: Sequence[Sender], *, seconds: float, rate: float = 0.0) -> dict[str, object]:
    """Send for that long, wait until everything is covered, and return what was done."""
    crowd = Crowd(senders)
    start_s = time.monotonic()
    end_s, limit_s = start_s + seconds, start_s + seconds + 60.0
    half: tuple[float, int] | None = None
    while (now_s := time.monotonic()) < end_s:
        if rate:
            share = int((now_s - start_s) * rate / len(senders)) + 1
            for sender in senders:
                sender.count = share
        crowd.turn()
        if half is None and now_s - start_s > seconds / 2:
            half = now_s, sum(sender.next for sender in senders)
    sent_s = time.monotonic() - start_s
    for sender in senders:
        sender.count = sender.next
    while not all(sender.done for sender in senders) and time.monotonic() < limit_s:
        crowd.turn()
    took_s = time.monotonic() - start_s
    crowd.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    sent = sum(sender.next for sender in senders)
    return {
        "sent": {sender.device: sender.next for sender in senders},
        "uncovered": sum(len(sender.held) for sender in senders),
        "resent": sum(sender.resent for sender in senders),
        "sent_s": sent_s,
        "took_s": took_s,
        "cpu_us": 1e6 * (used.ru_utime + used.ru_stime) / max(sent, 1),
        "second_half_per_s": (sent - half[1]) / (start_s + sent_s - half[0]) if half else 0.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logins", help="a JSON file: {host, port, devices: {device: password or empty}}")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument(
        "--rate", type=float, default=0.0, help="messages/s of all together; 0: as fast as receipts come"
    )
    parser.add_argument("--columns", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--step-ms", type=int, default=1)
    parser.add_argument("--window", type=int, default=1_500)
    asked = parser.parse_args()
    with Path(asked.logins).open(encoding="utf-8") as file:
        told = json.load(file)
    senders = []
    for device, word in told["devices"].items():
        boot = boot_of(device)
        samples = Samples(boot, columns=asked.columns, rows=asked.rows, step_ms=asked.step_ms)
        login = Login(told["host"], told["port"], device if word else "", word)
        senders.append(Sender(device, login, samples, boot=boot, window=asked.window))
    print(json.dumps(drive(senders, seconds=asked.seconds, rate=asked.rate)))


if __name__ == "__main__":
    main()
