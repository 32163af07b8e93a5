# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the plant file says of a machine that we dial, and the file of its secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector import plant_file
from collector.attach.credentials import FILE, Secret, keep, load, secret_of
from collector.check import Dialled, Heard, lines
from collector.contract.errors import Misconfigured, Refusal
from collector.contract.tree import Attach, Machine, Plant, read_plant
from collector.registry import wished

PIN = "0a" * 32


def plant(attach: dict[str, Any], dialect: str = "bambu") -> dict[str, Any]:
    return {"machines": {"x1": {"place": "hall/x1", "dialect": dialect, "prefix": "device/S1", "attach": attach}}}


def test_a_dialled_machine_is_written_as_it_is_read(tmp_path: Path) -> None:
    machines = {
        "x1": Machine("x1", "hall/x1", "bambu", "device/S1", attach=Attach("bambu", "10.0.0.7", fingerprint=PIN)),
        "mk4": Machine("mk4", "hall/mk4", "prusalink", "prusalink/mk4", attach=Attach("prusalink", "mk4", 8080)),
    }
    plant_file.save(tmp_path / "plant.toml", Plant({}, machines))
    assert plant_file.load(tmp_path / "plant.toml").machines == machines
    plant_file.change(tmp_path / "plant.toml", "x1", None, {})
    assert "fingerprint" not in (tmp_path / "plant.toml").read_text()


@pytest.mark.parametrize(
    ("attach", "told"),
    [
        ({"kind": "prusalink", "host": "a"}, "kind = 'prusalink', but its dialect is 'bambu'"),
        ({"kind": "bambu", "host": "a/b", "fingerprint": PIN}, "host = 'a/b' is neither a name nor an address"),
        ({"kind": "bambu", "host": "", "fingerprint": PIN}, "host = '' is neither"),
        ({"kind": "bambu", "host": "a", "port": 0, "fingerprint": PIN}, r"port = 0 is not within 1\.\.65535"),
        ({"kind": "bambu", "host": "a", "port": 65_536, "fingerprint": PIN}, r"port = 65536 is not within 1\.\.65535"),
        ({"kind": "bambu", "host": "a", "fingerprint": PIN[1:]}, "is not 64 hex digits"),
        ({"kind": "bambu", "host": "a"}, "one of them, or nobody knows"),
        ({"kind": "bambu", "host": "a", "fingerprint": PIN, "ca_file": "f"}, "are 2: one of them"),
        ({"kind": "bambu", "host": "a", "fingerprint": PIN, "poll_s": 0.9}, r"poll_s = 0\.9 is not within 1\.\.60"),
        ({"kind": "bambu", "host": "a", "fingerprint": PIN, "access_code": "1"}, "access_code"),
        ({"kind": "serial", "host": "a"}, "serial"),
    ],
)
def test_an_address_that_cannot_work_is_told_by_key_value_and_bound(attach: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        read_plant(plant(attach))


def test_tls_is_not_for_prusalink() -> None:
    with pytest.raises(Misconfigured, match="which prusalink does not speak"):
        read_plant(plant({"kind": "prusalink", "host": "a", "ca_file": "f"}, "prusalink"))


def test_a_fingerprint_with_colons_is_one() -> None:
    pin = ":".join(["0A"] * 32)
    read_plant(plant({"kind": "bambu", "host": "a", "fingerprint": pin}))


def test_an_attach_of_another_form_is_refused_before_anything_is_written() -> None:
    with pytest.raises(Refusal, match="bad_machine"):
        wished("hall/x", device=None, dialect="bambu", prefix=None, cadence_s=0, clock="own", attach={"host": 3})


def test_secrets_are_for_the_owner_alone_and_come_back(tmp_path: Path) -> None:
    keep(tmp_path, 'odd "name"', Secret(username="maker", password='a"b\\c'))
    keep(tmp_path, "x1", Secret(access_code="12345678"))
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert secret_of(tmp_path, 'odd "name"') == Secret(username="maker", password='a"b\\c')
    keep(tmp_path, "x1", None)
    assert list(load(tmp_path)) == ['odd "name"']


@pytest.mark.parametrize("odd", ["p\N{KEY}w", "a\x7fb", "tab\tline\n", "\\ue000"])
def test_secret_of_any_signs_comes_back_and_costs_no_other(tmp_path: Path, odd: str) -> None:
    keep(tmp_path, "x1", Secret(access_code="12345678"))
    keep(tmp_path, "x2", Secret(username="maker", password=odd))
    assert load(tmp_path) == {"x1": Secret(access_code="12345678"), "x2": Secret(username="maker", password=odd)}


def test_a_machine_without_a_secret_is_told_by_file_and_name(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"attach\.toml has no \[x1\]"):
        secret_of(tmp_path, "x1")


@pytest.mark.parametrize("text", ["[x1", "[x1]\naccess_code = 12345678\n", '[x1]\npin = "31415926"\n'])
def test_a_file_of_secrets_that_cannot_be_read_tells_no_secret(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(Misconfigured, match=r"attach\.toml") as told:
        load(tmp_path)
    assert "12345678" not in str(told.value)
    assert "31415926" not in str(told.value)


def test_secrets_that_others_can_read_are_not_used(tmp_path: Path) -> None:
    keep(tmp_path, "x1", Secret(access_code="12345678"))
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        load(tmp_path)


@pytest.mark.parametrize("trouble", [None, "10.0.0.7:8883 refuses the access code"])
def test_check_says_how_a_dialled_machine_stands(trouble: str | None) -> None:
    row = {"place": "hall/x1", "dialect": "bambu", "last_seen": None}
    found = lines(Heard("x1", row, [], [], registered=True, has_password=False, dialled=Dialled("10.0.0.7", trouble)))
    line = next(line for line in found if line.about == "dialled")
    assert line.fine is (trouble is None)
    assert (trouble or "it answers") in line.text
    assert not [line for line in found if line.about == "password"]
