# SPDX-License-Identifier: AGPL-3.0-or-later
"""Printers that are brokers: each listens on a port of its own with TLS, and serves one client well.

One thread does the network for all of them; what clients say is heard, and what the printers say is taken, in `turn`.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from firmware_sim.lan import frames
from firmware_sim.lan.frames import Kind
from firmware_sim.lan.keys import KeyPair, printer_keys, vendor_authority
from firmware_sim.uplink import Caller

USERNAME: Final = "bblp"
HOST: Final = "127.0.0.1"
ROOM: Final = 20
"""Reports that a printer gives in one turn."""
UNSENT_BYTES_MAX: Final = 256 * 1024
"""What a client may leave unread before it is dropped."""
HEARD_MAX: Final = 100
CONNECT_S_MAX: Final = 10.0
KEEPALIVE_FACTOR: Final = 1.5
CLOSE_S_MAX: Final = 5.0
_CONNECTED: Final = ("", b"")
_GONE: Final = (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError, frames.Broken)


class _Printer:
    """One printer's listener; `client` is the one that it serves."""

    def __init__(self, caller: Caller, access_code: str) -> None:
        self.caller = caller
        self.access_code = access_code
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue(HEARD_MAX)
        self.client: asyncio.StreamWriter | None = None
        self.filters: set[str] = set()
        self.refused_count = 0


class Listening(NamedTuple):
    """Where a printer listens, and what a client needs to be let in."""

    serial: str
    access_code: str
    port: int


class LanPrinters:
    """Simulated printers in LAN mode on the loopback; keys and certificates are kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = vendor_authority(folder).certificate
        self._printers: list[_Printer] = []
        self.listening: list[Listening] = []
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="printers in LAN mode", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, caller: Caller, *, serial: str, access_code: str, port: int = 0) -> int:
        """Let a printer listen, and return its port; 0 takes a free one."""
        printer = _Printer(caller, access_code)
        listening = self._listen(printer, printer_keys(self._folder, serial), port)
        server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self._printers.append(printer)
        self._servers.append(server)
        self.listening.append(Listening(serial, access_code, int(server.sockets[0].getsockname()[1])))
        return self.listening[-1].port

    def turn(self, real_s: float) -> None:
        """Let every printer hear what its client said, and send what it has to say; without a client it is lost."""
        for printer in self._printers:
            while not printer.heard.empty():
                topic, payload = printer.heard.get()
                if (topic, payload) == _CONNECTED:
                    printer.caller.connected(real_s)
                else:
                    printer.caller.received(topic, payload, real_s)
            if not printer.caller.reachable:
                self._loop.call_soon_threadsafe(_hang_up, printer)
            due = printer.caller.take(ROOM, real_s)
            if due:
                self._loop.call_soon_threadsafe(_send, printer, [(each.topic, each.payload) for each in due])

    def close(self) -> None:
        """Close every port and connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(CLOSE_S_MAX)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S_MAX)
        self._loop.close()

    async def _listen(self, printer: _Printer, keys: KeyPair, port: int) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(keys.certificate, keys.key)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(*_GONE):
                await _serve(printer, reader, writer)
            if printer.client is writer:
                printer.client, printer.filters = None, set()
            writer.close()
            with contextlib.suppress(*_GONE, OSError):
                await writer.wait_closed()

        return await asyncio.start_server(serve, HOST, port, ssl=context)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for printer in self._printers:
            if printer.client is not None:
                printer.client.transport.abort()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _serve(printer: _Printer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection until it is over; a second client beside the first is dropped without a word."""
    async with asyncio.timeout(CONNECT_S_MAX):
        kind, _, body = await frames.read_frame(reader.readexactly)
    if kind != Kind.CONNECT:
        raise frames.Broken("the first packet is not CONNECT")
    connect = frames.read_connect(body)
    if printer.client is not None or not printer.caller.reachable:
        printer.refused_count += 1
        return
    code = _welcome(connect, printer.access_code)
    writer.write(frames.connack(code))
    if code != frames.ACCEPTED:
        await writer.drain()
        return
    printer.client = writer
    _hear(printer, *_CONNECTED)
    silence_s = connect.keepalive_s * KEEPALIVE_FACTOR if connect.keepalive_s else None
    while True:
        async with asyncio.timeout(silence_s):
            kind, flags, body = await frames.read_frame(reader.readexactly)
        if kind == Kind.DISCONNECT:
            return
        answer = _answer(printer, kind, flags, body)
        if answer:
            writer.write(answer)
            await writer.drain()


def _welcome(connect: frames.Connect, access_code: str) -> int:
    if connect.protocol != frames.PROTOCOL:
        return frames.WRONG_PROTOCOL
    good = (connect.username, connect.password) == (USERNAME, access_code)
    return frames.ACCEPTED if good else frames.NOT_AUTHORIZED


def _answer(printer: _Printer, kind: int, flags: int, body: bytes) -> bytes:
    if kind == Kind.PUBLISH:
        published = frames.read_publish(flags, body)
        _hear(printer, published.topic, published.payload)
        return b"" if published.number is None else frames.puback(published.number)
    if kind == Kind.SUBSCRIBE:
        number, filters = frames.read_subscribe(body)
        if any(one in printer.caller.subscriptions for one in filters):
            raise frames.Broken("a client that listens to requests")  # an A1 drops it
        printer.filters.update(filters)
        return frames.suback(number, [0] * len(filters))
    if kind == Kind.UNSUBSCRIBE:
        number, filters = frames.read_unsubscribe(body)
        printer.filters.difference_update(filters)
        return frames.unsuback(number)
    if kind == Kind.PINGREQ:
        return frames.PINGRESP
    raise frames.Broken(f"a packet of kind {kind}")


def _hear(printer: _Printer, topic: str, payload: bytes) -> None:
    with contextlib.suppress(queue.Full):  # a printer that is flooded forgets
        printer.heard.put_nowait((topic, payload))


def _hang_up(printer: _Printer) -> None:
    if printer.client is not None:
        printer.client.transport.abort()


def _send(printer: _Printer, due: list[tuple[str, bytes]]) -> None:
    writer = printer.client
    if writer is None:
        return
    if writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
        writer.transport.abort()
        return
    for topic, payload in due:
        if topic in printer.filters or "#" in printer.filters:
            writer.write(frames.publish(topic, payload))
