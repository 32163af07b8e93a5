# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the embedded broker's configuration says, and who may do what by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.bus.rights import (
    BrokerUser,
    Layout,
    config_text,
    device_user,
    foreign_user,
    quote,
    subject_of,
    subjects_of,
)
from collector.contract.errors import Misconfigured, Refusal

LAYOUT = Layout(Path("/srv/plant"), "127.0.0.1", 1883, 4222, 1000)


def text(users: dict[str, BrokerUser] | None = None) -> str:
    return config_text(LAYOUT, users or {}, services="s3cret", keeper="k33per")


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("cybersyn/v1/reading/commons/valparaiso/mk4-07", "cybersyn.v1.reading.commons.valparaiso.mk4-07"),
        ("cybersyn/v1/state/@AC:67_b.2", "cybersyn.v1.state.@AC:67_b//2"),
        ("spBv1.0/plant/#", "spBv1//0.plant.>"),
        ("tele/+/SENSOR", "tele.*.SENSOR"),
        ("a//b", "a./.b"),
        ("/a/", "/.a./"),
        ("#", ">"),
    ],
)
def test_topics_become_subjects_as_the_server_maps_them(topic: str, subject: str) -> None:
    assert subject_of(topic) == subject


@pytest.mark.parametrize("topic", ["", "a b", "a/>", "a/*", "a\tb", "a/b+", "a/#/b", "a#"])
def test_topics_without_a_subject_are_refused(topic: str) -> None:
    with pytest.raises(Misconfigured, match="topic"):
        subject_of(topic)


def test_a_filter_for_everything_below_allows_the_level_itself_too() -> None:
    assert subjects_of("octoPrint/mk4/#") == ("octoPrint.mk4", "octoPrint.mk4.>")


def test_a_device_writes_at_its_place_and_id_alone_and_reads_its_receipts() -> None:
    user = device_user("pw", "mk4", "commons/mk4", root="r")
    assert set(user.publish) == {
        f"r/v1/{kind}/{at}" for kind in ("reading", "state", "event") for at in ("@mk4", "commons/mk4")
    }
    assert set(user.subscribe) == {"r/v1/receipt/@mk4", "r/v1/receipt/commons/mk4"}


def test_a_newcomer_without_a_place_writes_at_its_id() -> None:
    assert all("/@mk4" in topic for topic in device_user("pw", "mk4", None).publish)


@pytest.mark.parametrize(("device", "place"), [("a/b", None), ("+", None), ("a", "b/#"), ("a", "b c")])
def test_an_address_outside_the_grammar_gets_no_rights(device: str, place: str | None) -> None:
    with pytest.raises(Refusal):
        device_user("pw", device, place)


def test_a_foreign_machine_writes_under_its_prefix_and_reads_nothing() -> None:
    row = next(line for line in text({"octo": foreign_user("pw", ("octoPrint/mk4/#",))}).splitlines() if "octo" in line)
    assert 'publish: { allow: ["octoPrint.mk4", "octoPrint.mk4.>"] }' in row
    assert 'subscribe: { deny: [">"] }' in row


@pytest.mark.parametrize("prefix", ["", "cybersyn", "cybersyn/v1", "a/#", "+/b", "a//b", "$SYS", "/a", "a\nb"])
def test_a_prefix_that_reaches_beyond_the_machines_own_topics_gets_no_rights(prefix: str) -> None:
    with pytest.raises(Misconfigured, match="topics"):
        foreign_user("pw", (f"{prefix}/#",))


def test_machines_may_use_mqtt_alone_and_only_our_keeper_the_servers_own_port() -> None:
    rows = [line for line in text({"m": device_user("pw", "m", None)}).splitlines() if "{ user:" in line]
    assert [("[MQTT]" in row, "[STANDARD]" in row) for row in rows] == [(True, False), (False, True), (True, False)]


def test_a_user_without_topics_may_do_nothing() -> None:
    row = next(line for line in text({"m": BrokerUser("pw")}).splitlines() if '"m"' in line)
    assert row.count('{ deny: [">"] }') == 2


def test_names_and_passwords_are_quoted() -> None:
    assert r'user: "m\"x\\", password: "$p} \"é"' in text({'m"x\\': BrokerUser('$p} "é')})


@pytest.mark.parametrize("name", ["collector", "keeper", "", "a\nb"])
def test_names_that_are_ours_or_cannot_be_written_are_refused(name: str) -> None:
    with pytest.raises(Misconfigured):
        text({name: BrokerUser("pw")})


def test_a_user_without_a_password_is_refused() -> None:
    with pytest.raises(Misconfigured, match="without password"):
        text({"m": BrokerUser("")})


def test_control_characters_are_not_quoted_but_refused() -> None:
    with pytest.raises(Misconfigured, match="control character"):
        quote("a\x00b")


def test_the_servers_own_port_is_on_loopback_whatever_mqtt_listens_on() -> None:
    written = config_text(LAYOUT._replace(host="0.0.0.0"), {}, services="s", keeper="k")
    assert 'listen: "127.0.0.1:4222"' in written
    assert 'mqtt { listen: "0.0.0.0:1883", ack_wait: "5s", max_ack_pending: 1000 }' in written
