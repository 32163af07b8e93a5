# SPDX-License-Identifier: AGPL-3.0-or-later
"""The device sender, on a wire that a test holds and a tick that it moves."""

from __future__ import annotations

import io
import json
import socket
import tokenize
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.senders import cybersyn_sender
from firmware_sim.senders.cybersyn_sender import BURST, KEEPALIVE_S, RESEND_MS, Sender, packet

LINES_MAX = 80
WELCOME = b"\x20\x02\x00\x00"
COUNTED_OUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


class Wire:
    """A network of one broker: what the sender wrote, and what it is to hear. `room` bytes can be written."""

    def __init__(self) -> None:
        self.written = b""
        self.coming: list[bytes] = []
        self.room = 1 << 20
        self.opened_count = 0
        self.refuses = False
        self.now_ms = 1_000_000
        self.unix_s = 1_795_400_000.0

    def socket(self) -> Wire:
        self.opened_count += 1
        return self

    def settimeout(self, _seconds: float) -> None: ...

    def close(self) -> None: ...

    def connect(self, _address: Any) -> None:
        if self.refuses:
            raise ConnectionRefusedError(111, "refused")
        raise BlockingIOError(115, "in progress")

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError(11, "later")
        sent = data[: self.room]
        self.room -= len(sent)
        self.written += sent
        return len(sent)

    def recv(self, most: int) -> bytes:
        if not self.coming:
            raise BlockingIOError(11, "later")
        data = self.coming.pop(0)
        if data[most:]:
            self.coming.insert(0, data[most:])
        return data[:most]

    def packets(self) -> list[tuple[int, bytes]]:
        """Take what was written, as packets: kind and body."""
        stream, found = io.BytesIO(self.written), []
        self.written = b""
        while head := stream.read(1):
            size = stream.read(1)[0]
            if size > 127:
                size += (stream.read(1)[0] - 1) * 128
            found.append((head[0], stream.read(size)))
        return found

    def readings(self) -> list[dict[str, Any]]:
        return [json.loads(body[body.index(b"{") :]) for kind, body in self.packets() if kind == 0x32]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    found = Wire()
    monkeypatch.setattr(cybersyn_sender.socket, "socket", found.socket)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("127.0.0.1", 1883))])
    monkeypatch.setattr(cybersyn_sender, "ticks_ms", lambda: found.now_ms)
    monkeypatch.setattr(cybersyn_sender.time, "time_ns", lambda: int(found.unix_s * 1e9))
    return found


def work(sender: Sender, wire: Wire, *, ms: int = 0, rounds: int = 3) -> None:
    wire.now_ms += ms
    for _ in range(rounds):
        sender.work()


def up(wire: Wire, **settings: Any) -> Sender:
    sender = Sender("broker", 1883, "mk4-07", "pw", **settings)
    wire.coming.append(WELCOME)
    work(sender, wire)
    wire.packets()
    return sender


def receipt(sender: Sender, through: int, missing: tuple[int, ...] = (), *, old_boots: int = 0, **more: Any) -> bytes:
    boots: dict[str, Any] = {f"{n:016x}": {"stored_through": 9, "missing": [1]} for n in range(old_boots)}
    boots[sender.boot] = {"stored_through": through, "missing": list(missing), **more}
    body = json.dumps({"boots": boots, "events": []}, separators=(",", ":")).encode()
    topic = b"cybersyn/v1/receipt/@mk4-07"
    size, digits = len(topic) + 2 + len(body), b""
    while size > 127:
        digits, size = digits + bytes([size & 127 | 128]), size >> 7
    return b"\x31" + digits + bytes([size]) + len(topic).to_bytes(2, "big") + topic + body


def test_it_has_at_most_80_lines_of_code_beside_comments_and_captions() -> None:
    source = Path(cybersyn_sender.__file__).read_bytes()
    tokens = [one for one in tokenize.tokenize(io.BytesIO(source).readline) if one.type not in COUNTED_OUT]
    code = {n for one in tokens[1:] if not one.string.startswith('"""') for n in range(one.start[0], one.end[0] + 1)}
    assert len(code) <= LINES_MAX


def test_it_says_hello_with_its_will_and_listens_to_its_receipts(wire: Wire) -> None:
    work(Sender("broker", 1883, "mk4-07", "pw"), wire)
    (kind, hello), (second, wish) = wire.packets()
    assert (kind, hello[:10]) == (0x10, b"\0\4MQTT\4\xee" + KEEPALIVE_S.to_bytes(2, "big"))
    assert hello[10:].startswith(b"\0\6mk4-07\0\x19cybersyn/v1/state/@mk4-07")
    assert hello.endswith(b'\0\x19{"v":1,"state":"offline"}\0\6mk4-07\0\2pw')
    assert (second, wish[2:]) == (0x82, b"\0\x1bcybersyn/v1/receipt/@mk4-07\0")


def test_without_a_password_it_names_no_user(wire: Wire) -> None:
    work(Sender("broker", 1883, "mk4-07"), wire)
    assert wire.packets()[0][1][7] == 0x2E


def test_it_says_its_state_after_each_connect_and_change(wire: Wire) -> None:
    sender = Sender("broker", 1883, "mk4-07")
    wire.coming.append(WELCOME)
    work(sender, wire)
    sender.state = "held"
    work(sender, wire)
    states = [json.loads(body[body.index(b"{") :])["state"] for kind, body in wire.packets() if kind == 0x33]
    assert states == ["running", "held"]


def test_a_reading_has_boot_number_and_time(wire: Wire) -> None:
    sender = up(wire)
    sender.measure(nozzle_degc=209.8)
    work(sender, wire)
    expected = {"v": 1, "boot": sender.boot, "seq": 0, "ts": 1_795_400_000_000, "m": {"nozzle_degc": 209.8}}
    assert wire.readings() == [expected]
    assert len(bytes.fromhex(sender.boot)) == 8


def test_a_clock_that_was_never_set_gives_no_time(wire: Wire) -> None:
    sender = up(wire)
    wire.unix_s = 86_400.0
    sender.measure(nozzle_degc=209.8)
    work(sender, wire)
    assert "ts" not in wire.readings()[0]


def test_what_json_has_no_number_for_is_null(wire: Wire) -> None:
    sender = up(wire)
    sender.measure(a_w=float("nan"), b_w=float("-inf"), c_w=None, d_w=0)
    work(sender, wire)
    assert wire.readings()[0]["m"] == {"a_w": None, "b_w": None, "c_w": None, "d_w": 0}


def test_a_reading_stays_until_a_receipt_covers_it(wire: Wire) -> None:
    sender = up(wire)
    for _ in range(5):
        sender.measure(power_w=1)
    work(sender, wire)
    wire.coming.append(receipt(sender, 3, (1,)))
    work(sender, wire)
    assert [row[0] for row in sender.kept] == [1, 4]


def test_a_receipt_may_also_name_what_is_stored_beyond(wire: Wire) -> None:
    sender = up(wire)
    for _ in range(8):
        sender.measure(power_w=1)
    wire.coming.append(receipt(sender, 2, (0, 1), beyond=[[4, 5], [7, 7]]))
    work(sender, wire)
    assert [row[0] for row in sender.kept] == [0, 1, 3, 6]


def test_a_buffer_of_one_keeps_the_newest(wire: Wire) -> None:
    sender = Sender("broker", 1883, "mk4-07", keep=1)
    for _ in range(3):
        sender.measure(power_w=1)
    assert (sender.lost, [row[0] for row in sender.kept]) == (2, [2])


@pytest.mark.parametrize("piece_bytes", [1, 7, 1_000_000])
def test_a_receipt_may_come_in_pieces_and_be_longer_than_memory_allows(wire: Wire, piece_bytes: int) -> None:
    sender = up(wire)
    sender.measure(power_w=1)
    whole = receipt(sender, 0, old_boots=200)
    wire.coming = [whole[at : at + piece_bytes] for at in range(0, len(whole), piece_bytes)]
    longest = 0
    while wire.coming:
        work(sender, wire, rounds=1)
        longest = max(longest, len(sender.inbox))
    assert sender.kept == []
    assert longest < 2_100


def test_a_receipt_of_other_boots_covers_nothing(wire: Wire) -> None:
    sender, other = up(wire), Sender("broker", 1883, "mk4-07")
    sender.measure(power_w=1)
    wire.coming.append(receipt(other, 100))
    work(sender, wire)
    assert len(sender.kept) == 1


def test_beyond_the_bound_the_oldest_is_given_up_and_counted(wire: Wire) -> None:
    sender = Sender("broker", 1883, "mk4-07", keep=3)
    for _ in range(3):
        sender.measure(power_w=1)
    assert (sender.lost, len(sender.kept)) == (0, 3)
    sender.measure(power_w=1)
    assert (sender.lost, [row[0] for row in sender.kept]) == (1, [1, 2, 3])


def test_what_no_receipt_covers_is_sent_again_after_ever_longer_waits(wire: Wire) -> None:
    sender = up(wire)
    sender.measure(power_w=1)
    sent = []
    for second in range(80):
        wire.coming.append(b"\xd0\0")
        work(sender, wire, ms=1_000)
        sent += [second] * len(wire.readings())
    first_s = RESEND_MS // 1_000
    assert sent == [0, first_s, 3 * first_s, 7 * first_s]


def test_after_a_lost_line_everything_that_is_not_covered_is_sent_again(wire: Wire) -> None:
    sender = up(wire)
    sender.measure(power_w=1)
    work(sender, wire)
    wire.coming = [b""]
    work(sender, wire)
    assert sender.problem == "the broker closed the line"
    wire.coming = [WELCOME]
    work(sender, wire, ms=2_000)
    assert [reading["seq"] for reading in wire.readings()] == [0, 0]


def test_it_tries_again_after_ever_longer_pauses(wire: Wire) -> None:
    wire.refuses = True
    sender = Sender("broker", 1883, "mk4-07")
    for _ in range(600):
        work(sender, wire, ms=1_000)
    assert 12 <= wire.opened_count <= 30


def test_a_refusal_names_its_code(wire: Wire) -> None:
    sender = Sender("broker", 1883, "mk4-07")
    wire.coming.append(b"\x20\x02\x00\x05")
    work(sender, wire)
    assert (sender.line, sender.problem) == (None, "the broker refuses: code 5")


def test_a_broker_that_falls_silent_is_left(wire: Wire) -> None:
    sender = up(wire)
    work(sender, wire, ms=KEEPALIVE_S * 1_500)
    assert sender.line is not None
    work(sender, wire, ms=1, rounds=1)
    assert (sender.line, sender.problem) == (None, "the broker does not answer")


def test_a_quiet_line_is_kept_alive(wire: Wire) -> None:
    sender = up(wire)
    work(sender, wire, ms=KEEPALIVE_S * 500 + 1)
    assert wire.packets() == [(0xC0, b"")]


def test_a_slow_network_gets_every_byte_in_order(wire: Wire) -> None:
    sender = up(wire)
    wire.room = 0
    for _ in range(2 * BURST):
        sender.measure(power_w=1)
    for _ in range(2_000):
        wire.room = 5
        work(sender, wire, rounds=1)
    assert [reading["seq"] for reading in wire.readings()] == list(range(2 * BURST))


def test_ticks_that_begin_again_are_no_jump(wire: Wire) -> None:
    wire.now_ms = 2**30 - 10
    sender = up(wire)
    wire.now_ms = 10
    work(sender, wire)
    assert sender.line is not None


@pytest.mark.parametrize(("size", "head"), [(127, b"\x30\x7f"), (128, b"\x30\x80\x01"), (16_383, b"\x30\xff\x7f")])
def test_a_packet_says_its_length(size: int, head: bytes) -> None:
    assert packet(0x30, bytes(size))[: len(head)] == head
