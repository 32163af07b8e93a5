# SPDX-License-Identifier: AGPL-3.0-or-later
"""What `machine add` makes of what was typed about a machine that we dial."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from collector.attach.credentials import Secret, keep, load
from collector.contract.errors import Misconfigured
from collector.contract.tree import Attach, Machine
from deploy.commands.attaching import attach_of, prefix_of, secret_kept
from deploy.lines import Where, to_type

PIN = "0a" * 32
NOTHING = {"prefix": None, "serial": None, "ca_file": None, "fingerprint": None, "trust_first": False, "user": None}


def typed(dialect: str, attach: str | None, **more: object) -> Namespace:
    return Namespace(dialect=dialect, attach=attach, **{**NOTHING, "poll": None, "secret_file": None, **more})


def test_a_machine_that_comes_by_itself_is_not_dialled() -> None:
    assert attach_of(typed("octoprint", None)) is None
    assert prefix_of(typed("octoprint", None, prefix="a/b")) == "a/b"


def test_host_port_and_what_it_is_known_by_are_kept() -> None:
    parsed = typed("bambu", "printer.lan:9000", serial="S1", fingerprint=PIN)
    assert attach_of(parsed) == {"kind": "bambu", "host": "printer.lan", "port": 9000, "fingerprint": PIN}
    assert prefix_of(parsed) == "device/S1"
    assert attach_of(typed("prusalink", "fe80::1", poll=5.0)) == {"kind": "prusalink", "host": "fe80::1", "poll_s": 5.0}


def test_the_authoritys_file_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = attach_of(typed("bambu", "a", serial="S1", ca_file="maker.pem"))
    assert found is not None
    assert found["ca_file"] == str(tmp_path / "maker.pem")


@pytest.mark.parametrize(
    ("parsed", "told"),
    [
        (typed("octoprint", "a"), "bambu and prusalink are dialled"),
        (typed("bambu", "a:b", fingerprint=PIN), "'b' is no port"),
        (typed("bambu", "a", serial="S1"), "how do we know that it is this printer"),
    ],
)
def test_what_cannot_be_dialled_is_told(parsed: Namespace, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        attach_of(parsed)


def test_a_bambu_printer_needs_its_serial_number() -> None:
    with pytest.raises(Misconfigured, match="--serial is missing"):
        prefix_of(typed("bambu", "a"))


@pytest.mark.parametrize(
    ("parsed", "secret"),
    [
        (typed("bambu", "a"), Secret(access_code="w0rd")),
        (typed("prusalink", "a"), Secret(api_key="w0rd")),
        (typed("prusalink", "a", user="maker"), Secret(username="maker", password="w0rd")),
    ],
)
def test_the_secret_of_a_file_is_kept_by_what_it_is(tmp_path: Path, parsed: Namespace, secret: Secret) -> None:
    (tmp_path / "word").write_text("w0rd\n")
    parsed.secret_file = tmp_path / "word"
    with secret_kept(tmp_path, "m", parsed):
        pass
    assert load(tmp_path) == {"m": secret}


def test_a_refused_machine_leaves_the_secrets_as_they_were(tmp_path: Path) -> None:
    keep(tmp_path, "m", Secret(api_key="before"))
    (tmp_path / "word").write_text("after")
    with pytest.raises(KeyError), secret_kept(tmp_path, "m", typed("prusalink", "a", secret_file=tmp_path / "word")):
        raise KeyError
    assert load(tmp_path) == {"m": Secret(api_key="before")}


@pytest.mark.parametrize("word", ["", "  \n", "x" * 257, "é", "a\tb"])
def test_a_secret_that_no_machine_has_is_not_kept(tmp_path: Path, word: str) -> None:
    (tmp_path / "word").write_text(word)
    parsed = typed("bambu", "a", secret_file=tmp_path / "word")
    with pytest.raises(Misconfigured, match="the access code has"), secret_kept(tmp_path, "m", parsed):
        pass
    assert load(tmp_path) == {}


@pytest.mark.parametrize("attach", [Attach("bambu", "a", fingerprint=PIN), Attach("prusalink", "a")])
def test_nothing_of_ours_is_to_be_typed_into_a_machine_that_we_dial(attach: Attach) -> None:
    machine = Machine("m", "hall/m", attach.kind, "device/m", attach=attach)
    told = "\n".join(to_type(machine, "pa55word", Where("broker.lan", 1883)))
    assert "nothing else is to be typed" in told
    assert "pa55word" not in told
    assert "broker.lan" not in told
