# SPDX-License-Identifier: AGPL-3.0-or-later
"""What to type into a machine: the password once, and lines that a shell and a board take as they stand."""

from __future__ import annotations

import ast
import json
import shlex

from collector.contract.reading_codec import decode_reading
from collector.contract.topics import parse_topic
from collector.contract.tree import Machine
from deploy.lines import Where, to_type

WHERE = Where("192.0.2.7", 1884, "http://127.0.0.1:8051")
WORD = "6bWdkM2vXq8Rt4YpLz9sHn3c"


def lines_of(machine: Machine) -> list[str]:
    return [line.strip() for line in to_type(machine, WORD, WHERE)]


def test_mosquitto_pub_says_what_the_collector_takes() -> None:
    words = shlex.split(
        next(line for line in lines_of(Machine("AC:67", "hall/saw")) if line.startswith("mosquitto_pub"))
    )
    told = dict(zip(words[1::2], words[2::2], strict=True))
    assert (told["-h"], told["-p"], told["-P"]) == ("192.0.2.7", "1884", WORD)
    assert parse_topic(told["-t"]).device == "AC:67"
    assert decode_reading(told["-m"].encode(), now=1.0).samples.values == {"nozzle_degc": (210.4,)}


def test_the_board_s_lines_are_python_and_curl_s_body_is_a_reading() -> None:
    found = lines_of(Machine("lathe", "hall/lathe"))
    start = found.index("from cybersyn_sender import Sender")
    ast.parse("\n".join(found[start : start + 4]))
    words = shlex.split(next(line for line in found if line.startswith("curl")))
    assert json.loads(words[words.index("--json") + 1])["device"] == "lathe"
    assert f"lathe:{WORD}" in words


def test_octoprint_is_told_host_port_and_base_topic() -> None:
    text = "\n".join(lines_of(Machine("mk4", "hall/mk4", "octoprint", "octoPrint/mk4")))
    assert all(part in text for part in ("192.0.2.7", "1884", WORD, "octoPrint/mk4/", "MQTTv311"))


def test_sparkplug_node_is_told_its_group_node_and_device() -> None:
    text = "\n".join(lines_of(Machine("p1", "hall/p1", "sparkplug", "spBv1.0/North/cell1/p1")))
    assert "Group ID North, Edge Node ID cell1, Device ID p1" in text


def test_mtconnect_agent_is_told_host_port_and_uuid() -> None:
    text = "\n".join(lines_of(Machine("m2", "hall/m2", "mtconnect", "MTConnect/mill-2")))
    assert all(part in text for part in ("uuid is mill-2", "MqttHost = 192.0.2.7", "MqttPort = 1884"))


def test_moonraker_is_told_its_section_with_the_objects_that_jobs_need() -> None:
    found = lines_of(Machine("voron", "hall/voron", "moonraker", "voron-01"))
    parts = ("address: 192.0.2.7", "port: 1884", f"password: {WORD}", "instance_name: voron-01", "status_objects:")
    assert all(part in found for part in ("[mqtt]", *parts, "webhooks", "print_stats"))
