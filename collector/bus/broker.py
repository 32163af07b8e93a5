# SPDX-License-Identifier: AGPL-3.0-or-later
"""The embedded broker, started and watched: the real nats-server from its wheel, as a child.

It speaks MQTT 3.1.1; every machine has a user of its own and may write at its own address only. Machines' passwords
stand in the configuration (mode 0600) as bcrypt hashes, those of our own two users plain.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final, Self

from collector.bus.answer import Answer
from collector.bus.child import end_child, end_left_over, start_child
from collector.bus.folder import choose_port, free_port, hold, own_passwords
from collector.bus.link import Address, Link, Owner, Session, Version
from collector.bus.rights import KEEPER, MESSAGES_SHARE, SERVICES, STORE, BrokerUser, Layout, config_text
from collector.bus.store import bound_store
from collector.contract.errors import Misconfigured, Unavailable
from collector.private import write_private
from collector.violations import Violation, of_nats

STORE_BYTES_MAX: Final = 2 * 1024**3
START_S: Final = 15.0
"""How long the server may take until it is ready."""
RELOAD_S: Final = 5.0
PAUSE_S_MAX: Final = 5.0
"""Longest pause before a server that died is started again; the first is a tenth of a second."""
VIOLATIONS_KEPT: Final = 100
_LINES_KEPT: Final = 20
_READY: Final = "Server is ready"
_RELOADED: Final = "Reloaded server configuration"
_NOT_RELOADED: Final = "Failed to reload server configuration"
_LOG: Final = logging.getLogger(__name__)


class EmbeddedBroker:
    """A nats-server in `data_dir`, running between `start` and `stop`; also a context manager.

    With `begins_empty` it forgets at each start what it kept. The MQTT port is `port`, or a free one that is kept in
    the folder for the next start. `violations` holds the last events, `violation_counts` all of them by kind,
    `restarts_count` how often the server died and was started again. `on_violation` is called with each of them, in
    the thread that reads the server's log, and must be quick.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        store_bytes_max: int = STORE_BYTES_MAX,
        users: Mapping[str, BrokerUser] | None = None,
        begins_empty: bool = False,
        on_violation: Callable[[Violation], None] = lambda _violation: None,
    ) -> None:
        self.on_violation = on_violation
        self.violations: deque[Violation] = deque(maxlen=VIOLATIONS_KEPT)
        self.violation_counts: Counter[str] = Counter()
        self.restarts_count = 0
        self._folder = data_dir.resolve()
        self._wanted_port = port
        self._host = host
        self._store_bytes_max = store_bytes_max
        self._users = dict(users or {})
        self._begins_empty = begins_empty
        self._program = Path(sys.executable).parent / "nats-server"
        self._config = self._folder / "nats.conf"
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._child: subprocess.Popen[str] | None = None
        self._writing = threading.Lock()
        self._lock: IO[str] | None = None
        self._layout: Layout | None = None
        self._passwords = ("", "")
        self._why: str | None = "not started"
        self._reload_line = ""
        self._heard = threading.Event()
        self._reloaded = threading.Event()
        self._stopping = threading.Event()
        self._up = threading.Event()
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> Address:
        """Return where the services connect, with the user that may publish and read everything."""
        assert self._layout is not None, "the broker was not started"
        host = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104 - compared, not bound
        return Address(host, self._layout.mqtt_port, SERVICES, self._passwords[0])

    @property
    def pid(self) -> int | None:
        """Return the server's process number; None while there is none."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def ready(self) -> str | None:
        """Return None where machines and services can connect, else the reason why not."""
        return self._why

    def start(self) -> None:
        """Run the server and return when it is ready; a left-over one of this folder is ended first.

        Raises Misconfigured where the program, the folder or the port cannot be used, Unavailable where the server
        does not get ready within START_S.
        """
        if not self._program.exists():
            raise Misconfigured(
                f"{self._program} is not there: install the extra cybersyn[broker], or use a Mosquitto by --broker"
            )
        self._lock = hold(self._folder)
        try:
            if end_left_over(self._folder / "nats.pid", str(self._config)):
                _LOG.warning("ended a left-over broker of %s", self._folder)
            if self._begins_empty:
                shutil.rmtree(self._folder / STORE, ignore_errors=True)
            self._passwords = own_passwords(self._folder)
            port = choose_port(self._folder, self._host, self._wanted_port)
            self._layout = Layout(self._folder, self._host, port, free_port(), self._store_bytes_max)
            self._write_config()
            self._run()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server; its store stays."""
        self._stopping.set()
        if self._keeper is not None:
            if self._child is not None:
                end_child(self._child)
            self._keeper.join()
            self._keeper = None
        self._why = "stopped"
        self._up.clear()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def reload(self, users: Mapping[str, BrokerUser]) -> None:
        """Replace the machines' users in the running server: a new one may come, a revoked one is cut, others stay.

        Who came in by a password that is another one now is cut too. Raises Misconfigured for a user that cannot be
        written (and changes nothing), Unavailable where the server does not confirm; it then keeps the old users
        until its next start.
        """
        before = self._users
        stay = {name: user for name, user in users.items() if before.get(name, user).password == user.password}
        try:
            if len(stay) < len(users):  # the server cuts nobody for a new password, only for having no user any more
                self._config_of(users)
                self._take_over(stay)
            self._take_over(users)
        except Misconfigured:
            self._users = before
            raise

    def _take_over(self, users: Mapping[str, BrokerUser]) -> None:
        self._users = dict(users)
        self._write_config()
        self._reload_line = ""
        self._reloaded.clear()
        if (pid := self.pid) is None:
            return
        os.kill(pid, signal.SIGHUP)
        if not self._reloaded.wait(RELOAD_S) or _RELOADED not in self._reload_line:
            raise Unavailable(f"broker did not take its new users: {self._reload_line or 'no answer'}")

    def _run(self) -> None:
        self._stopping.clear()
        self._keeper = threading.Thread(target=self._keep, name="broker", daemon=True)
        self._keeper.start()
        if not self._up.wait(START_S):
            raise Unavailable(f"broker in {self._folder} is not ready: {self._why}; {' | '.join(self._lines)}")

    def _config_of(self, users: Mapping[str, BrokerUser]) -> str:
        assert self._layout is not None, "the broker was not started"
        services, keeper = self._passwords
        return config_text(self._layout, users, services=services, keeper=keeper)

    def _write_config(self) -> None:
        with self._writing:
            write_private(self._config, self._config_of(self._users))

    def _keep(self) -> None:
        """Run the server again and again until it is to stop; this thread is the child's parent for the kernel."""
        pause_s = 0.1
        while not self._stopping.is_set():
            self._heard.clear()
            self._child = start_child(self._program, ["-c", str(self._config)])
            reader = threading.Thread(target=self._listen, args=(self._child,), name="broker-log", daemon=True)
            reader.start()
            if not self._stopping.is_set() and self._heard.wait(START_S) and self._get_ready():
                pause_s = 0.1
                self._child.wait()
            end_child(self._child)
            reader.join()
            self._up.clear()
            if self._stopping.is_set():
                return
            self._why = f"server ended with {self._child.returncode} and is started again"
            self.restarts_count += 1
            _LOG.error("broker ended with %s: %s", self._child.returncode, " | ".join(list(self._lines)[-3:]))
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)
            self._layout = self._layout and self._layout._replace(client_port=free_port())
            self._write_config()

    def _get_ready(self) -> bool:
        """Bound the store of a server that listens, and tell whether that worked."""
        try:
            if not self._bound():
                self._knock()
                self._bound()
        except Unavailable as error:
            self._why = str(error)
            return False
        self._why = None
        self._up.set()
        return True

    def _bound(self) -> bool:
        assert self._layout is not None
        share = int(self._store_bytes_max * MESSAGES_SHARE)
        return bound_store(self._layout.client_port, KEEPER, self._passwords[1], bytes_max=share)

    def _knock(self) -> None:
        """Connect once over MQTT: the server makes its streams for the first client."""
        session = Session("cybersyn-knock", persistent=False)
        link = Link(self.address, session, Owner(), version=Version.MQTTv311, keepalive_s=10)
        answer = link.open()
        link.leave()
        if answer is not Answer.ACCEPTED:
            raise Unavailable(f"broker does not let its own services in: {link.reason}")

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stderr is not None
        with child.stderr:
            for line in child.stderr:
                self._hear(line.strip())
        self._heard.set()

    def _hear(self, line: str) -> None:
        """Take one line of the server's log: keep it, and count what it refused."""
        self._lines.append(line)
        if (violation := of_nats(line)) is not None:
            self.violation_counts[violation.kind] += 1
            self.violations.append(violation)
            self.on_violation(violation)
        elif _READY in line:
            self._heard.set()
        elif _RELOADED in line or _NOT_RELOADED in line:
            self._reload_line = line
            self._reloaded.set()
