# SPDX-License-Identifier: AGPL-3.0-or-later
"""A small authority of one's own."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured
from deploy.certificates import make_device, make_server
from deploy.cli import main


@pytest.fixture(autouse=True)
def openssl() -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH: apt install openssl")


def told(certificate: Path) -> str:
    command = ["openssl", "x509", "-in", certificate, "-noout", "-text"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_broker_is_certified_for_all_its_names_and_the_authority_stays(tmp_path: Path) -> None:
    server = make_server(tmp_path, ["broker.local", "192.168.1.7"])
    authority = (tmp_path / "ca.crt").read_text()
    make_server(tmp_path, ["other.local"])
    assert (tmp_path / "ca.crt").read_text() == (server / "ca.crt").read_text() == authority
    assert "DNS:other.local" in told(server / "server.crt")
    make_server(tmp_path, ["broker.local", "192.168.1.7"])
    assert "DNS:broker.local, IP Address:192.168.1.7" in told(server / "server.crt")


def test_a_device_is_certified_under_its_user_name_and_signed_by_the_authority(tmp_path: Path) -> None:
    make_server(tmp_path, ["broker.local"])
    certificate, key = make_device(tmp_path, "AC:67:B2")
    assert "Subject: CN = AC~67~B2" in told(certificate)
    assert "TLS Web Client Authentication" in told(certificate)
    subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca.crt", certificate], check=True, capture_output=True)
    assert mode(key) == 0o600


def test_authority_is_closed_to_others_and_nothing_is_left_over(tmp_path: Path) -> None:
    make_server(tmp_path / "tls", ["broker.local"])
    assert (mode(tmp_path / "tls"), mode(tmp_path / "tls/ca.key")) == (0o700, 0o600)
    assert {path.name for path in (tmp_path / "tls").iterdir()} == {"ca.crt", "ca.key", "server"}


@pytest.mark.parametrize("hosts", [[], ["a,b"], ["a b"], [""], ["a/CN=b"], ["x" * 65]])
def test_hosts_that_cannot_stand_in_a_certificate_are_refused(tmp_path: Path, hosts: list[str]) -> None:
    with pytest.raises(Misconfigured):
        make_server(tmp_path, hosts)


def test_a_device_before_the_broker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no authority yet"):
        make_device(tmp_path, "mk4")


def test_a_device_outside_the_grammar_is_refused(tmp_path: Path) -> None:
    make_server(tmp_path, ["broker.local"])
    with pytest.raises(Misconfigured, match="a/b"):
        make_device(tmp_path, "a/b")


def test_command_makes_all_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["broker", "certificates", "--dir", str(tmp_path), "--host", "broker.local", "--device", "mk4"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "server" / "server.crt") in said
    assert str(tmp_path / "devices" / "mk4.key") in said


def test_command_without_anything_to_make_is_wrong_use(tmp_path: Path) -> None:
    assert main(["broker", "certificates", "--dir", str(tmp_path)]) == 2
