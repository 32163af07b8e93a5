# SPDX-License-Identifier: Apache-2.0
"""Readings to Cybersyn, each kept until the collector has it on disk: MQTT 3.1.1 under MicroPython or Python."""

import json
import os
import socket
import time

KEEPALIVE_S, PAUSE_MS, PAUSE_MS_MAX, RESEND_MS, RESEND_MS_MAX, BURST = 30, 1_000, 60_000, 10_000, 320_000, 20
NOT_READY = (11, 35, 115, 119, 2, 3)  # EAGAIN and EINPROGRESS, as boards number them; 2, 3: TLS wants to read, write
EPOCH_MS = 946_684_800_000 if time.gmtime(0)[0] == 2000 else 0  # some boards count from 2000
ticks_ms = getattr(time, "ticks_ms", lambda: time.monotonic_ns() // 1_000_000)


def packet(kind, *parts):
    """Return an MQTT packet: texts with their length before them, bytes as they are."""
    body = b"".join(p if isinstance(p, bytes) else len(p.encode()).to_bytes(2, "big") + p.encode() for p in parts)
    return bytes([kind, len(body)] if len(body) < 128 else [kind, len(body) & 127 | 128, len(body) >> 7]) + body


class Sender:
    """A device's line. `kept`: readings without a receipt; `lost`: how many were given up; `problem`: the last one."""

    def __init__(self, host, port, device, password=None, keep=300, root="cybersyn", tls=None):
        self.host, self.port, self.device, self.password, self.keep, self.tls = host, port, device, password, keep, tls
        self.topic, self.boot = root + "/v1/{}/@" + device, "".join("%02x" % byte for byte in os.urandom(8))
        self.kept, self.seq, self.lost, self.line, self.problem = [], 0, 0, None, None  # kept: [seq, body, due, wait]
        self.now, self.tick, self.due, self.pause, self.state = 0, ticks_ms(), 0, PAUSE_MS, "running"

    def measure(self, **values):
        """Keep a reading; of more than `keep` the oldest is given up, and its number stays missing."""
        finite = {name: None if value is None or value - value else value for name, value in values.items()}
        body = {"v": 1, "boot": self.boot, "seq": self.seq, "m": finite, "ts": time.time_ns() // 1_000_000 + EPOCH_MS}
        if body["ts"] < 1_704_067_200_000:  # 2024: the clock was never set, so the arrival time counts
            del body["ts"]
        self.seq, self.lost = self.seq + 1, self.lost + (len(self.kept) == self.keep)
        self.kept = (self.kept + [[body["seq"], json.dumps(body), 0, RESEND_MS]])[-self.keep :]

    def work(self):
        """Do what is due on the line, and return at once: call it in every round of the loop."""
        tick = ticks_ms()
        self.now, self.tick = self.now + (tick - self.tick) % 2**30, tick  # a board's ticks begin again at 2**30
        try:
            if self.line is not None:
                self._say()
                self._hear()
            elif self.now >= self.due:
                self._open()
        except Exception as error:  # noqa: BLE001 - whatever comes over the line, the device's own loop goes on
            if self.line is None or getattr(error, "errno", None) not in NOT_READY:
                self.line, self.problem = self.line and self.line.close(), str(error)
                jitter = 128 + os.urandom(1)[0]
                self.due, self.pause = self.now + self.pause * jitter // 256, min(2 * self.pause, PAUSE_MS_MAX)

    def _open(self):
        who, will = [self.device, self.password] if self.password else [], '{"v":1,"state":"offline"}'
        how = bytes([4, 0xEE if who else 0x2E, 0, KEEPALIVE_S])
        hello = packet(0x10, "MQTT", how, self.device, self.topic.format("state"), will, *who)
        self.out = hello + packet(0x82, b"\0\1", self.topic.format("receipt"), b"\0")
        self.heard, self.spoke, self.inbox, self.up, self.said = self.now, self.now, b"", False, None
        self.kept = [[seq, body, 0, RESEND_MS] for seq, body, _, _ in self.kept]
        line, address = socket.socket(), socket.getaddrinfo(self.host, self.port, socket.AF_INET)[0][-1]
        line.settimeout(5 if self.tls else 0)
        self.line = None if self.tls else line  # without TLS connecting goes on by itself
        line.connect(address)
        if self.tls:
            self.line = self.tls.wrap_socket(line, server_hostname=self.host)
            self.line.setblocking(False)

    def _say(self):
        if self.now - self.heard > KEEPALIVE_S * 1_500:
            raise OSError("the broker does not answer")
        if self.up and not self.out:
            if self.said != self.state:
                body = json.dumps({"v": 1, "state": self.state, "boot": self.boot}).encode()
                self.said, self.out = self.state, packet(0x33, self.topic.format("state"), b"\0\1" + body)
            for row in [row for row in self.kept if row[2] <= self.now][:BURST]:
                row[2], row[3], number = self.now + row[3], min(2 * row[3], RESEND_MS_MAX), row[0] % 65_535 + 1
                self.out += packet(0x32, self.topic.format("reading"), number.to_bytes(2, "big") + row[1].encode())
            self.out += b"\xc0\0" if self.now - self.spoke > KEEPALIVE_S * 500 else b""
        if self.out and (written := (getattr(self.line, "write", None) or self.line.send)(self.out)):
            self.out, self.spoke = self.out[written:], self.now

    def _hear(self):
        data = (getattr(self.line, "recv", None) or self.line.read)(1_024)
        if not data:
            raise OSError("the broker closed the line" if data == b"" else NOT_READY[0])
        if not self.up and data[3:4] > b"\0":
            raise OSError("the broker refuses: code %d" % data[3])
        self.heard, self.up, self.inbox = self.now, True, self.inbox + data
        at = self.inbox.find(self.boot.encode())  # of all that comes, what a receipt says of our boot alone matters
        end = self.inbox.find(b"}", at) if at >= 0 else -1
        if end > 0:
            told = json.loads(self.inbox[self.inbox.find(b"{", at) : end + 1])
            missing, stored = told["missing"], [[0, told["stored_through"]]] + told.get("beyond", [])
            self.kept = [row for row in self.kept if row[0] in missing or not any(a <= row[0] <= b for a, b in stored)]
            self.inbox, self.pause = self.inbox[end:], PAUSE_MS
        self.inbox = self.inbox if at >= 0 else self.inbox[-15:]  # the boot may come in two pieces
