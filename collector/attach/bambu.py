# SPDX-License-Identifier: AGPL-3.0-or-later
"""The way to a Bambu Lab printer, which is a broker itself: we listen to its reports.

Read-only: the two questions for its whole state and its versions are all that is ever published there.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from collector.attach.credentials import Secret
from collector.attach.line import Ear
from collector.attach.tls import by_authority, by_fingerprint
from collector.contract.errors import Misconfigured, Unavailable
from collector.contract.tree import ATTACH_PORTS, Machine

USER: Final = "bblp"
KEEPALIVE_S: Final = 10
ANSWER_S: Final = 10.0
SILENT_S: Final = 60.0
"""Reports stop without a word: then the line is dialled anew."""
ASK_S: Final = 300.0
"""The whole state is asked for at most so often: small printers lag under it."""
QUESTIONS: Final = (
    b'{"pushing":{"sequence_id":"0","command":"pushall"}}',
    b'{"info":{"sequence_id":"0","command":"get_version"}}',
)
_REFUSED: Final = frozenset({134, 135})
"""Reason codes of bad user name or password and of not authorized, as paho translates those of MQTT 3.1.1."""


class BambuLine:
    """The way to one printer; its serial number is the last part of its topic prefix."""

    def __init__(self, machine: Machine, *, silent_s: float = SILENT_S, ask_s: float = ASK_S) -> None:
        assert machine.attach is not None
        self._attach = machine.attach
        self._serial = str(machine.prefix).rstrip("/").rpartition("/")[2]
        self._topic = f"device/{self._serial}"
        self._port = machine.attach.port or ATTACH_PORTS["bambu"]
        self._silent_s, self._ask_s = silent_s, ask_s
        self._asked_s: float | None = None

    def hold(self, secret: Secret, ear: Ear) -> None:
        """Connect and listen until told to hang up; see Line."""
        if secret.access_code is None:
            raise Misconfigured("its access_code is missing: the printer shows it in its network settings")
        call = _Call(ear, f"{self._topic}/report")
        client = call.client
        client.tls_set_context(self._context())
        client.username_pw_set(USER, secret.access_code)
        try:
            self._connect(client, call)
            self._listen(client, call, ear)
        finally:
            client.disconnect()
            client.loop_stop()

    def _context(self) -> ssl.SSLContext:
        chosen = self._attach
        if chosen.ca_file is not None:
            return by_authority(self._serial, Path(chosen.ca_file))
        return by_fingerprint(self._serial, chosen.host, self._port, str(chosen.fingerprint))

    def _connect(self, client: Client, call: _Call) -> None:
        try:
            client.connect(self._attach.host, self._port, keepalive=KEEPALIVE_S)
        except ssl.SSLCertVerificationError as error:
            raise Misconfigured(f"it does not prove to be {self._serial}: {error.verify_message}") from None
        except OSError as error:
            raise Unavailable(str(error)) from None
        client.loop_start()
        call.answered.wait(ANSWER_S)
        if call.code in _REFUSED:
            raise Misconfigured("it refuses the access code: the printer shows the right one on its screen")
        if call.code != 0:
            raise Unavailable(call.reason)

    def _listen(self, client: Client, call: _Call, ear: Ear) -> None:
        """Stay until it is time to hang up, the line is cut, or nothing is heard for too long."""
        while not ear.closing.is_set():
            now_s = time.monotonic()
            if not call.asked and (self._asked_s is None or now_s - self._asked_s >= self._ask_s):
                self._ask(client)
                self._asked_s, call.asked = now_s, True
            if call.ended.is_set():
                raise Unavailable("it hung up")
            if now_s - call.heard_s >= self._silent_s:
                raise Unavailable(f"nothing heard for {self._silent_s:g} s")
            ear.closing.wait(min(1.0, self._silent_s / 4))

    def _ask(self, client: Client) -> None:
        for question in QUESTIONS:
            client.publish(f"{self._topic}/request", question, qos=0)


class _Call:
    """One connection, as paho's network thread tells of it."""

    def __init__(self, ear: Ear, topic: str) -> None:
        self.answered, self.ended = threading.Event(), threading.Event()
        self.code, self.reason = -1, f"no answer within {ANSWER_S:g} s"
        self.heard_s = time.monotonic()
        self.asked = False
        self._ear, self._topic, self._is_heard = ear, topic, False
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cybersyn-{secrets.token_hex(6)}",
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client.connect_timeout = ANSWER_S / 2
        self.client.on_connect = self._connected
        self.client.on_disconnect = self._disconnected
        self.client.on_message = self._received

    def _connected(self, client: Client, _userdata: object, _flags: ConnectFlags, code: ReasonCode, _p: Any) -> None:
        self.code, self.reason = code.value, str(code)
        if not code.is_failure:
            client.subscribe(self._topic, 0)
        self.heard_s = time.monotonic()
        self.answered.set()

    def _disconnected(self, _c: Client, _userdata: object, _f: DisconnectFlags, code: ReasonCode, _p: Any) -> None:
        self.reason = str(code)
        self.ended.set()
        self.answered.set()

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        self.heard_s = time.monotonic()
        if not self._is_heard:  # a printer that lets us in and says nothing is not there
            self._is_heard = True
            self._ear.answers()
        self._ear.say("report", bytes(message.payload))
