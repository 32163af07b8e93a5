# SPDX-License-Identifier: AGPL-3.0-or-later
"""The files that a Mosquitto reads, and its log that we read."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from collector.bus.broker_log import LogFile
from collector.bus.mosquitto import MosquittoFiles, acl_text, users_text
from collector.bus.rights import BrokerUser
from collector.contract.errors import Misconfigured, Unavailable
from collector.violations import Violation

MK4 = BrokerUser("$7$1$a$b", ("c/v1/reading/@mk4", "my printer/#"), ("c/v1/receipt/@mk4",))
REFUSED = "1: Client <unknown> disconnected, not authorised.\n"


def test_each_user_has_its_hash_and_its_topics_and_nothing_else() -> None:
    assert users_text({"mk4": MK4, "saw": BrokerUser("$7$x")}) == "mk4:$7$1$a$b\nsaw:$7$x\n"
    lines = acl_text({"mk4": MK4, "saw": BrokerUser("$7$x")}).splitlines()[2:]
    writes = ["topic write c/v1/reading/@mk4", "topic write my printer/#", "topic read c/v1/receipt/@mk4"]
    assert lines == ["user mk4", *writes, "", "user saw"]


@pytest.mark.parametrize("name", ["", "a:b", "a\nb"])
def test_names_that_would_break_the_file_are_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="broker user"):
        users_text({name: MK4})


@pytest.mark.parametrize("password", ["plain", "$7$a\nroot:$7$b", ""])
def test_passwords_that_are_no_hash_are_refused(password: str) -> None:
    with pytest.raises(Misconfigured, match="broker user"):
        users_text({"mk4": BrokerUser(password)})


@pytest.mark.parametrize("topic", ["", "a\ntopic readwrite #", " a"])
def test_topics_that_would_break_the_file_are_refused(topic: str) -> None:
    with pytest.raises(Misconfigured, match="of broker user mk4"):
        acl_text({"mk4": BrokerUser("$7$x", (topic,))})


def test_group_may_read_the_files_and_others_may_not(tmp_path: Path) -> None:
    MosquittoFiles(tmp_path / "m").write({"mk4": MK4})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "m").iterdir()}
    assert modes == {"users": 0o640, "acl": 0o640}


def test_broker_is_told_of_a_change_and_of_nothing_else(tmp_path: Path) -> None:
    told = tmp_path / "told"
    say = [sys.executable, "-c", f"open({str(told)!r}, 'a').write('x')"]
    files = MosquittoFiles(tmp_path / "m", reload_command=say)
    assert [files.write({"mk4": MK4}), files.write({"mk4": MK4}), files.write({})] == [True, False, True]
    assert told.read_text() == "xx"


def test_users_that_cannot_be_written_change_nothing(tmp_path: Path) -> None:
    files = MosquittoFiles(tmp_path)
    files.write({"mk4": MK4})
    with pytest.raises(Misconfigured):
        files.write({"a:b": MK4})
    assert (tmp_path / "users").read_text() == "mk4:$7$1$a$b\n"


def test_a_command_that_fails_is_named_with_what_it_said(tmp_path: Path) -> None:
    files = MosquittoFiles(tmp_path, reload_command=[sys.executable, "-c", "exit('no such broker')"])
    with pytest.raises(Unavailable, match=r"broker\.reload_command .* ended 1: no such broker"):
        files.write({"mk4": MK4})


def test_log_file_is_heard_from_its_end_on_also_after_it_was_replaced(tmp_path: Path) -> None:
    path, heard = tmp_path / "log", list[Violation]()
    path.write_text(REFUSED)
    log = LogFile(path, heard.append)
    with path.open("a") as file:
        file.write(REFUSED + "1: Client dev already conn")
    assert log.turn() == 1
    with path.open("a") as file:
        file.write("ected, closing old connection.\n")
    assert log.turn() == 1
    path.unlink()
    path.write_text(REFUSED)
    assert log.turn() == 1
    log.close()
    assert [one.kind for one in heard] == ["authentication_error", "takeover", "authentication_error"]
