# SPDX-License-Identifier: AGPL-3.0-or-later
"""docker-compose.yml says what the settings say, and every container is locked down."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from collector.contract.errors import Misconfigured
from collector.contract.tree import read_plant
from deploy.settings import SETTINGS, Settings, load
from firmware_sim.stories import workshop

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.lock", "deploy/requirements.lock")
OURS = ("collector", "cyberfilter", "opsroom")


def compose() -> dict[str, Any]:
    """Return the parsed file; the loader resolves `<<` as docker does."""
    return YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())


COMPOSE = compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def environment(service: str) -> dict[str, str]:
    """Return what the container's process sees: `${NAME:-default}` is the default."""
    row = SERVICES[service]["environment"]
    return {key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for key, value in row.items()}


def settings_of(service: str, secrets: Path) -> Settings:
    environ = {key: value.replace("/run/secrets", str(secrets)) for key, value in environment(service).items()}
    return load(None, environ)


def test_sample_plant_is_where_the_simulated_machines_stand() -> None:
    plant = read_plant(tomllib.loads((ROOT / "deploy/plants/workshop.toml").read_text(encoding="utf-8")))
    there = {(m.device, m.place, m.dialect, m.prefix, m.cadence_s) for m in plant.machines.values()}
    assert there == {(m.device, m.place, m.voice, m.prefix, m.cadence_s or None) for m in workshop().machines}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that deploy/secrets.sh makes, in a copy of the project's layout."""
    tmp_path = tmp_path_factory.mktemp("project")
    for folder in ("mosquitto", "plants"):
        shutil.copytree(ROOT / "deploy" / folder, tmp_path / "deploy" / folder)
    shutil.copy(ROOT / "deploy/secrets.sh", tmp_path / "deploy")
    subprocess.run(["sh", "deploy/secrets.sh"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "secrets"


def test_file_passes_the_compose_specification() -> None:
    tool = Path(sys.executable).parent / "check-jsonschema"
    command = [tool, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_docker_compose_of_debian_takes_the_file() -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("no docker-compose on PATH: apt install docker-compose")
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "config", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("service", OURS)
def test_environment_holds_settings_alone(service: str, secrets: Path) -> None:
    found = settings_of(service, secrets)
    assert found.broker.host == "mosquitto"
    assert found.broker.password == (secrets / "broker_password").read_text().strip()
    assert found.historian.token == (secrets / "influxdb_token").read_text().strip()


def test_a_misspelt_variable_would_be_noticed(secrets: Path) -> None:
    with pytest.raises(Misconfigured):
        load(None, {**environment("collector"), "CYBERSYN_COLECTOR_PORT": "1"})
    assert "CYBERSYN_COLLECTOR_PORT" in {row.variable for row in SETTINGS}


@pytest.mark.parametrize("service", OURS)
def test_service_listens_on_its_default_port_and_is_asked_there(service: str, secrets: Path) -> None:
    port = getattr(settings_of(service, secrets), service).port
    assert port == getattr(load(None, {}), service).port
    assert f"127.0.0.1:{port}/healthz" in SERVICES[service]["healthcheck"]["test"][-1]
    assert SERVICES[service].get("ports", [f"127.0.0.1:{port}:{port}"]) == [f"127.0.0.1:{port}:{port}"]


def test_services_find_each_other_by_name_and_port(secrets: Path) -> None:
    found = {service: settings_of(service, secrets) for service in OURS}
    collector_url = f"http://collector:{found['collector'].collector.port}"
    assert found["cyberfilter"].cyberfilter.collector_url == found["opsroom"].opsroom.collector_url == collector_url
    assert found["opsroom"].opsroom.cyberfilter_url == f"http://cyberfilter:{found['cyberfilter'].cyberfilter.port}"


def test_influxdb_is_set_up_as_the_historian_expects(secrets: Path) -> None:
    historian, made = settings_of("collector", secrets).historian, environment("influxdb")
    assert historian.org == made["DOCKER_INFLUXDB_INIT_ORG"]
    assert historian.bucket == made["DOCKER_INFLUXDB_INIT_BUCKET"]
    assert environment("collector")["CYBERSYN_HISTORIAN_TOKEN_FILE"] == made["DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE"]


@pytest.mark.parametrize("service", SERVICES)
def test_container_is_locked_down(service: str) -> None:
    row = SERVICES[service]
    assert int(row["user"].partition(":")[0]) > 0
    assert row["read_only"] is True
    assert row["cap_drop"] == ["ALL"]
    assert row["security_opt"] == ["no-new-privileges:true"]
    assert {"healthcheck", "logging", "pids_limit", "restart"} <= row.keys()
    assert row["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_alone(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


def test_image_runs_as_the_user_of_the_compose_file() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    users = set(re.findall(r"(?m)^USER (\S+)$", dockerfile))
    assert users == {SERVICES[service]["user"] for service in (*OURS, "simulator")}
    assert "RUN --mount" not in dockerfile


def test_image_installs_a_part_of_the_locked_packages() -> None:
    whole, part = (set(re.split(r"\n(?=\S)", (ROOT / f).read_text().strip())) for f in LOCKS)
    assert part < whole
    assert not any(name.startswith(("pytest", "mypy", "ruff", "playwright")) for name in part)


def test_every_secret_is_made_and_none_is_readable_by_the_way(secrets: Path) -> None:
    named = {Path(row["file"]).name for row in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == named | {"tls"}
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert (secrets / "broker_users").read_text().count("\n") == 2


def test_secrets_that_are_there_stay(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir() if path.is_file()}
    subprocess.run(["sh", "deploy/secrets.sh"], cwd=secrets.parent, check=True)
    assert {path.name: path.read_text() for path in secrets.iterdir() if path.is_file()} == before


def test_broker_reads_what_the_collector_writes(secrets: Path) -> None:
    folder = str(settings_of("collector", secrets).broker.users_dir)
    assert f"broker-users:{folder}" in SERVICES["collector"]["volumes"]
    assert f"broker-users:{folder}:ro" in SERVICES["mosquitto"]["volumes"]
    assert f"devices=${{CYBERSYN_DEVICES:-{folder}}}" in (ROOT / "deploy/mosquitto/start.sh").read_text()
    assert SERVICES["mosquitto"]["user"].partition(":")[2] == SERVICES["collector"]["user"].partition(":")[2]
    assert folder in (ROOT / "deploy/Dockerfile").read_text()


def test_services_have_a_listener_that_is_not_published(secrets: Path) -> None:
    port = settings_of("collector", secrets).broker.port
    assert not any(published.endswith(f":{port}") for published in SERVICES["mosquitto"]["ports"])
    assert f"-p {port} " in SERVICES["mosquitto"]["healthcheck"]["test"][-1]
    assert f"@mosquitto:{port}" in SERVICES["simulator"]["command"][0]
    assert f"\nlistener {port}\n" in (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
