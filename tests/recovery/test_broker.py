# SPDX-License-Identifier: AGPL-3.0-or-later
"""The embedded broker through kills, strangers and a full store."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from collector.bus.broker import EmbeddedBroker
from collector.bus.mqtt import MqttBus
from collector.bus.rights import device_user, foreign_user
from collector.contract.errors import Misconfigured, Unavailable

WAIT_S = 10.0
PARENT = """
import sys, time
from pathlib import Path
from collector.bus.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
broker.start()
print(broker.pid, broker.address.port, flush=True)
time.sleep(60)
"""


class StillClock:
    def now(self) -> float:
        return 0.0

    def real_s(self, plant_s: float) -> float:
        return plant_s


def until(true: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.005)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as leaving:
        yield leaving


def connect(stack, broker, client_id, *, user=None, persistent=True, wait_s=WAIT_S):
    address = broker.address if user is None else broker.address._replace(username=user, password="pw")
    bus = MqttBus(address, client_id, StillClock(), persistent=persistent, wait_s=wait_s)
    return stack.enter_context(closing(bus))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_after_a_kill_of_its_parent_the_server_ends_and_a_new_one_has_port_store_and_password(tmp_path, stack):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, text=True)
    with parent:
        pid, port = (int(word) for word in parent.stdout.readline().split())
        parent.send_signal(signal.SIGKILL)
    until(lambda: not alive(pid), "the kernel ends the server")
    broker = stack.enter_context(EmbeddedBroker(tmp_path))
    assert broker.address.port == port
    assert connect(stack, broker, "reader").connected


@pytest.mark.parametrize(("begins_empty", "kept"), [(False, [b"old"]), (True, [])])
def test_a_broker_that_begins_empty_forgets_what_it_kept(tmp_path, begins_empty, kept):
    with ExitStack() as first, EmbeddedBroker(tmp_path) as broker:
        bus = connect(first, broker, "writer")
        bus.subscribe(["a/b"])
        bus.publish("a/b", b"old", retain=True)
        assert bus.take(most=1, wait_s=WAIT_S)
    with ExitStack() as second, EmbeddedBroker(tmp_path, begins_empty=begins_empty) as broker:
        bus = connect(second, broker, "reader", persistent=False)
        bus.subscribe(["a/b"])
        assert [delivery.payload for delivery in bus.take(most=1, wait_s=1.0)] == kept


def test_a_left_over_server_is_ended_before_the_next_start(tmp_path, stack):
    with EmbeddedBroker(tmp_path) as broker:
        port = broker.address.port
    program = Path(sys.executable).parent / "nats-server"
    with subprocess.Popen([program, "-c", tmp_path / "nats.conf"], stderr=subprocess.DEVNULL) as orphan:
        stack.callback(orphan.kill)
        until(lambda: str(orphan.pid) in (tmp_path / "nats.pid").read_text(), "it writes its number")
        with EmbeddedBroker(tmp_path, port=port) as broker:
            assert orphan.wait(WAIT_S) is not None
            assert broker.ready() is None


def test_a_process_that_only_has_the_number_of_an_old_server_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (tmp_path / "nats.pid").write_text(str(stranger.pid))
        with EmbeddedBroker(tmp_path):
            assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_killed_server_is_started_again_on_its_port(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path))
    bus = connect(stack, broker, "reader")
    os.kill(broker.pid, signal.SIGKILL)
    until(lambda: broker.restarts_count == 1 and broker.ready() is None, "server is back")
    until(lambda: bus.links_count == 2, "bus is back")
    assert bus.sessions_lost == 0


def test_a_folder_has_one_broker_at_a_time(tmp_path, stack):
    stack.enter_context(EmbeddedBroker(tmp_path))
    with pytest.raises(Misconfigured, match="in use by another"):
        EmbeddedBroker(tmp_path).start()


def test_a_port_that_is_taken_is_named(tmp_path, stack):
    first = stack.enter_context(EmbeddedBroker(tmp_path / "a"))
    with pytest.raises(Misconfigured, match=f"MQTT port {first.address.port} on 127.0.0.1 is in use"):
        EmbeddedBroker(tmp_path / "b", port=first.address.port).start()


def test_files_with_passwords_can_be_read_by_their_owner_alone(tmp_path, stack):
    stack.enter_context(EmbeddedBroker(tmp_path))
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("nats.conf", "passwords")] == [0o600, 0o600]


def test_a_device_cannot_write_at_anothers_address_and_the_attempt_is_counted(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, users={"mk4.1": device_user("pw", "mk4.1", "c/mk4")}))
    reader = connect(stack, broker, "reader")
    reader.subscribe(["cybersyn/#"])
    device = connect(stack, broker, "mk4-1", user="mk4.1")
    for topic in ("reading/@other", "reading/c", "alert/c/mk4/_1", "receipt/@mk4.1", "reading/@mk4.1", "state/c/mk4"):
        device.publish(f"cybersyn/v1/{topic}", b"x")
    until(lambda: broker.violation_counts["publish_violation"] == 4, "four attempts are counted")
    assert broker.violations[0].who == "mk4-1"
    assert [one.topic for one in reader.take(most=9, wait_s=WAIT_S) + reader.take(most=9, wait_s=0.2)] == [
        "cybersyn/v1/reading/@mk4.1",
        "cybersyn/v1/state/c/mk4",
    ]


def test_a_device_hears_its_receipts_and_nothing_else(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, users={"mk4": device_user("pw", "mk4", None)}))
    device = connect(stack, broker, "mk4", user="mk4")
    device.subscribe(["cybersyn/v1/receipt/@mk4"])
    with pytest.raises(Misconfigured, match="refuses the filters"):
        device.subscribe(["cybersyn/v1/reading/#"])
    connect(stack, broker, "services").publish("cybersyn/v1/receipt/@mk4", b"1", retain=True)
    assert [one.payload for one in device.take(most=9, wait_s=WAIT_S)] == [b"1"]
    assert broker.violation_counts["subscription_violation"] == 1


def test_a_foreign_machine_writes_under_its_prefix(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, users={"octo": foreign_user("pw", ("octoPrint/1.5/#",))}))
    reader = connect(stack, broker, "reader")
    reader.subscribe(["#"])
    machine = connect(stack, broker, "octo", user="octo")
    for topic in ("octoPrint/2/x", "octoPrint/1.5", "octoPrint/1.5/event/a"):
        machine.publish(topic, b"x")
    until(lambda: broker.violation_counts["publish_violation"] == 1, "the attempt is counted")
    found = [one.topic for one in reader.take(most=1, wait_s=WAIT_S) + reader.take(most=9, wait_s=WAIT_S)]
    assert found == ["octoPrint/1.5", "octoPrint/1.5/event/a"]


def test_a_wrong_password_is_said_at_once_and_counted(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path))
    with pytest.raises(Misconfigured, match="refuses user 'nobody'"):
        connect(stack, broker, "nobody", user="nobody")
    assert broker.violation_counts["authentication_error"] == 1


def test_a_client_id_that_the_server_cannot_use_is_said_at_once(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path))
    with pytest.raises(Misconfigured, match=r"as 'mk4\.1': Client identifier not valid"):
        connect(stack, broker, "mk4.1")


def test_users_come_and_go_while_the_others_stay(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, users={"old": device_user("pw", "old", None)}))
    services, old = connect(stack, broker, "services"), connect(stack, broker, "old", user="old")
    broker.reload({"new": device_user("pw", "new", None)})
    until(lambda: not old.connected, "the revoked one is cut")
    assert connect(stack, broker, "new", user="new").connected
    assert (services.connected, services.links_count) == (True, 1)


def test_users_that_cannot_be_written_change_nothing(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, users={"old": device_user("pw", "old", None)}))
    with pytest.raises(Misconfigured):
        broker.reload({"collector": device_user("pw", "new", None)})
    assert connect(stack, broker, "old", user="old").connected


def test_a_full_store_lets_the_reader_connect_and_drain_and_the_flow_goes_on(tmp_path, stack):
    broker = stack.enter_context(EmbeddedBroker(tmp_path, store_bytes_max=4 * 1024**2))
    with closing(connect(stack, broker, "reader")) as reader:
        reader.subscribe(["plant/#"])
    writer = connect(stack, broker, "writer", persistent=False)
    for number in range(60):
        writer.publish("plant/a", b"%03d" % number + b"x" * 100_000)
    until(lambda: writer.links_count > 1, "the store is full, and the writer is cut")
    reader = connect(stack, broker, "reader")
    found, deadline_s = set(), time.monotonic() + 3 * WAIT_S
    while len(found) < 60 and time.monotonic() < deadline_s:
        taken = reader.take(most=10, wait_s=1)
        reader.acknowledge(taken)
        found |= {one.payload[:3] for one in taken}
    assert len(found) == 60


def test_a_full_store_does_not_hinder_a_restart(tmp_path, stack):
    with ExitStack() as first:
        broker = first.enter_context(EmbeddedBroker(tmp_path, store_bytes_max=4 * 1024**2))
        connect(first, broker, "reader").subscribe(["plant/#"])
        writer = connect(first, broker, "writer", persistent=False)
        for _ in range(60):
            writer.publish("plant/a", b"x" * 100_000)
        until(lambda: writer.links_count > 1, "the store is full")
    broker = stack.enter_context(EmbeddedBroker(tmp_path, store_bytes_max=4 * 1024**2))
    assert len(connect(stack, broker, "reader").take(most=1, wait_s=WAIT_S)) == 1


def test_without_a_broker_the_first_connection_says_so(tmp_path, stack):
    with EmbeddedBroker(tmp_path) as broker:
        pass
    with pytest.raises(Unavailable, match=r"did not let reader in within 0.1 s"):
        connect(stack, broker, "reader", wait_s=0.1)
