# SPDX-License-Identifier: AGPL-3.0-or-later
"""Settings come from one file and the environment, and what can't work is refused with its key."""

from __future__ import annotations

import re
import tomllib
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path

import pytest

from collector.contract.errors import Misconfigured
from collector.historian.retention import Retention
from deploy.commands.config import COMMAND
from deploy.settings import SETTINGS, Settings, load, retention, sample, shown


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "cybersyn.toml"


def refused(config: Path | None, environ: dict[str, str]) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(config, environ)
    return str(caught.value)


def test_nothing_given_listens_on_loopback_alone() -> None:
    found = load(None, {})
    assert {found.broker.host, found.collector.host, found.cyberfilter.host, found.opsroom.host} == {"127.0.0.1"}
    assert (found.opsroom.port, found.collector.port, found.cyberfilter.port) == (8050, 8051, 8052)
    assert found.paths.data_dir == Path.home() / ".local/share/cybersyn"


def test_table_has_a_row_for_every_field() -> None:
    settings = Settings()
    held = {f"{part.name}.{row.name}" for part in fields(settings) for row in fields(getattr(settings, part.name))}
    assert {row.name for row in SETTINGS} == held


def test_sample_holds_every_setting_at_its_default(config: Path) -> None:
    config.write_text(re.sub(r"(?m)^#(?! )", "", sample()))
    assert sum(len(rows) for rows in tomllib.loads(config.read_text()).values()) == len(SETTINGS)
    assert load(config, {}) == load(None, {})


def test_environment_wins_over_the_file(config: Path) -> None:
    config.write_text('[opsroom]\nport = 9000\nlanguage = "es"\n')
    found = load(config, {"CYBERSYN_OPSROOM_PORT": "9001", "HOME": "/x"})
    assert (found.opsroom.port, found.opsroom.language) == (9001, "es")


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("false", False)])
def test_flag_is_read_from_the_environment(text: str, flag: bool) -> None:
    assert load(None, {"CYBERSYN_OUTPUTS_UNS": text}).outputs.uns is flag


@pytest.mark.parametrize("text", ["1", "yes", "True", ""])
def test_flag_that_is_neither_true_nor_false_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"outputs\.uns = .*true or false"):
        load(None, {"CYBERSYN_OUTPUTS_UNS": text})


@pytest.mark.parametrize("levels", ["umh/+", "/umh", "umh//v1", "umh/#", "$umh"])
def test_levels_that_are_no_topic_are_refused(levels: str) -> None:
    with pytest.raises(Misconfigured, match=r"outputs\.uns_root"):
        load(None, {"CYBERSYN_OUTPUTS_UNS_ROOT": levels})


def test_minutes_that_would_go_before_their_samples_are_refused() -> None:
    text = refused(None, {"CYBERSYN_HISTORIAN_MINUTE_DAYS": "7"})
    assert text == "historian.minute_days = 7 is less than raw_days = 31; as many or more would work"
    assert retention(load(None, {"CYBERSYN_HISTORIAN_RAW_DAYS": "30"})) == Retention(30, 180, 0)


def test_secret_is_read_from_the_file_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret \n")
    found = load(None, {"CYBERSYN_BROKER_PASSWORD_FILE": str(tmp_path / "password")})
    assert found.broker.password == "s3cret "


def test_secret_is_read_from_a_file_beside_the_config(config: Path) -> None:
    (config.parent / "token").write_text("t0ken\n")
    config.write_text('[historian]\ntoken_file = "token"\n')
    assert load(config, {}).historian.token == "t0ken"
    assert load(config, {"CYBERSYN_HISTORIAN_TOKEN": "other"}).historian.token == "other"


def test_secret_from_the_environments_file_wins_over_the_config(config: Path) -> None:
    (config.parent / "token").write_text("t0ken\n")
    config.write_text('[historian]\ntoken = "plain"\n')
    assert load(config, {"CYBERSYN_HISTORIAN_TOKEN_FILE": str(config.parent / "token")}).historian.token == "t0ken"


def test_secret_given_twice_at_one_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("x")
    environ = {"CYBERSYN_BROKER_PASSWORD": "x", "CYBERSYN_BROKER_PASSWORD_FILE": str(tmp_path / "p")}
    assert "one of the two works" in refused(None, environ)


def test_secret_file_that_is_not_there_is_refused() -> None:
    assert "/nowhere/p" in refused(None, {"CYBERSYN_BROKER_PASSWORD_FILE": "/nowhere/p"})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[opsrom]\nport = 1\n", "did you mean opsroom?"),
        ("[opsroom]\nprot = 1\n", "did you mean opsroom.port?"),
        ('[opsroom]\nport = "8050"\n', "opsroom.port = '8050'; a whole number from 1 to 65535 works"),
        ("[opsroom]\nport = true\n", "opsroom.port = True"),
        ("[opsroom]\nport = 65536\n", "opsroom.port = 65536"),
        ('[opsroom]\nlanguage = "fr"\n', "one of en, es works"),
        ('[opsroom]\ncollector_url = "8051"\n', "a URL such as"),
        ('[broker]\nroot = "a/b"\n', "one topic level"),
        ('[broker]\nkind = "external"\nport = 0\n', "1883"),
        ('[opsroom]\nport_file = "x"\n', "no setting opsroom.port_file"),
        ("opsroom = 1\n", "no section [opsroom]"),
        ("[opsroom\n", "config file"),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(config: Path, text: str, named: str) -> None:
    config.write_text(text)
    message = refused(config, {})
    assert named in message
    assert "\n" not in message


def test_misspelt_variable_is_refused() -> None:
    assert "did you mean CYBERSYN_OPSROOM_PORT?" in refused(None, {"CYBERSYN_OPSROOM_PROT": "1"})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "printers.example"])
def test_listening_beyond_this_machine_is_refused_outside_containers(host: str) -> None:
    environ = {"CYBERSYN_OPSROOM_HOST": host}
    assert f"opsroom.host = '{host}'" in refused(None, environ)
    assert load(None, {**environ, "CYBERSYN_NETWORK_LISTEN": "container"}).opsroom.host == host


def test_external_broker_may_be_anywhere() -> None:
    environ = {"CYBERSYN_BROKER_KIND": "external", "CYBERSYN_BROKER_HOST": "mqtt.example"}
    assert load(None, environ).broker.host == "mqtt.example"


def test_two_services_on_one_port_are_refused() -> None:
    assert "collector.port" in refused(None, {"CYBERSYN_OPSROOM_PORT": "8051"})


def test_paths_stand_beside_the_config_file(config: Path) -> None:
    config.write_text('[paths]\nplant = "plant.toml"\n[broker]\nca_file = ""\n')
    found = load(config, {})
    assert found.paths.plant == config.parent / "plant.toml"
    assert found.broker.ca_file is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [({"CERT": "c", "CA": "a"}, "broker.key_file"), ({"KEY": "k"}, "broker.cert_file"),
     ({"CERT": "c", "KEY": "k"}, "broker.ca_file")],
)  # fmt: skip
def test_certificate_of_the_services_needs_its_key_and_an_authority(given: dict[str, str], missing: str) -> None:
    assert f"without {missing}" in refused(None, {f"CYBERSYN_BROKER_{name}_FILE": path for name, path in given.items()})


def test_secret_is_never_shown_nor_in_an_error() -> None:
    found = load(None, {"CYBERSYN_BROKER_PASSWORD": "s3cret"})
    assert dict(shown(found))["broker.password"] == '"(hidden)"'
    assert "s3cret" not in repr(found)


def test_command_checks_and_shows(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("[opsroom]\nport = 9000\n")
    parser = ArgumentParser()
    COMMAND.add_arguments(parser)
    assert COMMAND.run(parser.parse_args(["check", "--config", str(config)])) == 0
    assert COMMAND.run(parser.parse_args(["show", "--config", str(config)])) == 0
    assert COMMAND.run(parser.parse_args(["sample"])) == 0
    assert "opsroom.port = 9000" in capsys.readouterr().out
