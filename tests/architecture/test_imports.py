# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who may import whom, and which room owns which library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGES: Final = ("collector", "cyberfilter", "opsroom", "firmware_sim", "deploy")

OWNERS: Final = {
    "bcrypt": ("collector.keys",),
    "dash": ("opsroom.app", "opsroom.screens"),
    "fastapi": (
        "collector.api",
        "collector.intake_api",
        "collector.machine_api",
        "collector.me_api",
        "collector.newcomer_api",
        "collector.state_api",
        "cyberfilter.api",
        "cyberfilter.belief_api",
        "cyberfilter.production_api",
        "deploy",
        "opsroom.api",
        "opsroom.app",
        "opsroom.live",
    ),
    "google": (
        "collector.contract.sparkplug_b",
        "collector.dialects.sparkplug_payload",
        "cyberfilter.outputs.sparkplug",
    ),
    "httpx": ("collector.attach", "deploy", "opsroom.app", "opsroom.asking", "opsroom.intake"),
    "influxdb_client": ("collector.historian.influx",),
    "msgspec": PACKAGES,
    "nats": ("collector.bus",),
    "numpy": (
        "cyberfilter.commissioning",
        "cyberfilter.families",
        "cyberfilter.backtest",
        "cyberfilter.filter",
        "cyberfilter.indices",
        "cyberfilter.judge",
        "cyberfilter.outlook",
        "deploy.commands",
    ),
    "paho": ("collector.attach.bambu", "collector.bus", "firmware_sim.uplink", "firmware_sim.replay"),
    "prometheus_client": ("deploy.web",),
    "pydantic": (
        "collector.api",
        "collector.machine_api",
        "collector.newcomer_api",
        "cyberfilter.belief_api",
        "cyberfilter.items",
        "cyberfilter.production_api",
    ),
    "sqlite3": (
        "collector.backlog",
        "collector.backup",
        "collector.durable",
        "collector.historian.answers",
        "collector.historian.embedded",
        "collector.historian.packing",
        "collector.job_book",
        "collector.log_tables",
        "collector.migrate",
        "collector.mine",
        "collector.senders",
        "collector.shelf",
        "collector.space",
        "collector.spool",
        "collector.ward",
    ),
    "starlette": ("collector.api", "collector.intake_api", "cyberfilter.api", "deploy", "opsroom.app", "opsroom.live"),
    "statsmodels": ("cyberfilter.outlook",),
    "urllib3": ("collector.historian.influx",),
    "uvicorn": ("deploy",),
}
"""One room owns each library: replacing it touches these modules and no others."""

DOORS: Final = {
    "collector": (),
    "cyberfilter": ("collector.contract",),
    "opsroom": ("collector.contract", "cyberfilter.contract"),
    "firmware_sim": ("collector.contract",),
    "deploy": PACKAGES,
}
"""What a package may import of the others."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def imports(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    ours = sorted(module for module in graph.modules if inside(module, PACKAGES))
    return [(module, name) for module in ours for name in sorted(graph.find_modules_directly_imported_by(module))]


def test_contracts_of_pyproject_are_kept() -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_library_stays_in_its_room(graph: grimp.ImportGraph) -> None:
    strays = [
        f"{module} imports {name}"
        for module, name in imports(graph)
        if not inside(name, PACKAGES)
        and name not in sys.stdlib_module_names - {"sqlite3"}
        and not inside(module, OWNERS.get(name, ()))
    ]
    assert strays == []


def test_packages_meet_only_at_contracts(graph: grimp.ImportGraph) -> None:
    strays = [
        f"{module} imports {name}"
        for module, name in imports(graph)
        if inside(name, PACKAGES)
        and not inside(name, (module.partition(".")[0],))
        and not inside(name, DOORS[module.partition(".")[0]])
    ]
    assert strays == []


def test_no_library_is_owned_for_nothing(graph: grimp.ImportGraph) -> None:
    used = {name for _, name in imports(graph)}
    assert sorted(OWNERS.keys() - used) == []
