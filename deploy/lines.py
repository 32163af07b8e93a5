# SPDX-License-Identifier: AGPL-3.0-or-later
"""What to type into a machine so that it speaks to this broker: one function a kind of machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from collector.contract.tree import Machine
from collector.keys import user_name


class Where(NamedTuple):
    """The broker as a machine reaches it."""

    host: str
    port: int
    api_url: str = "http://127.0.0.1:8051"
    root: str = "cybersyn"


def to_type(machine: Machine, password: str, where: Where) -> list[str]:
    """Return the lines for this machine, the broker's address first; nothing to type into one that we dial."""
    if machine.attach is not None:
        return _DIALLED[machine.attach.kind]
    told = _LINES.get(machine.dialect, _foreign)(machine, password, where)
    return [
        f"broker    {where.host} port {where.port}, MQTT 3.1.1 (elsewhere: this machine's address in your network)",
        f"user      {user_name(machine.device)}",
        f"password  {password}   (shown this once)",
        *told,
    ]


def _native(machine: Machine, password: str, where: Where) -> list[str]:
    topic, user = f"{where.root}/v1/reading/@{machine.device}", user_name(machine.device)
    login = f"-h {where.host} -p {where.port} -u {user} -P {password} -i {user}"
    return [
        "",
        "try it from a shell:",
        f"""  mosquitto_pub {login} -q 1 -t {topic} -m '{{"v":1,"m":{{"nozzle_degc":210.4}}}}'""",
        "",
        "on an ESP32 or Pico W with MicroPython (copy firmware_sim/senders/cybersyn_sender.py onto it):",
        "  from cybersyn_sender import Sender",
        f'  s = Sender("{where.host}", {where.port}, "{machine.device}", "{password}")',
        "  s.measure(nozzle_degc=210.4)   # whenever there is something to say",
        "  s.work()                       # again and again, in the main loop",
        "",
        "over HTTP:",
        (
            f'  curl -u {user}:{password} --json \'{{"v":1,"device":"{machine.device}","m":{{"nozzle_degc":210.4}}}}\' '
            f"{where.api_url}/api/v1/readings"
        ),
    ]


def _octoprint(machine: Machine, password: str, where: Where) -> list[str]:
    del password
    return [
        "",
        "in OctoPrint, with the plugin MQTT (Settings, MQTT):",
        f"  Broker: Host {where.host}, Port {where.port}, Username and Password as above",
        "  Broker, Advanced: Protocol MQTTv311 (its default, 3.1, is refused)",
        f"  Topics, General: Base topic {machine.prefix}/",
        "  Topics: events, temperatures and progress switched on, with printer data in the progress messages",
    ]


def _sparkplug(machine: Machine, password: str, where: Where) -> list[str]:
    del password, where
    _, group, node, device = [*str(machine.prefix).split("/"), "", "", ""][:4]
    return [
        "",
        "in the Sparkplug B edge node:",
        f"  Group ID {group}, Edge Node ID {node}" + (f", Device ID {device}" if device else ""),
        "  metrics that are understood by name: State, Job/Name, Job/Progress, Parts/Good, Parts/Scrap,",
        "  Temperature/Nozzle, Energy/Total in Wh, Spindle/Load in % (others need a property engUnit)",
        "  it may be asked for its births (Node Control/Rebirth), and never for anything else",
    ]


def _mtconnect(machine: Machine, password: str, where: Where) -> list[str]:
    del password
    uuid = str(machine.prefix).partition("/")[2]
    return [
        "",
        f"the device's uuid is {uuid}; in agent.cfg of cppagent:",
        "  Sinks {",
        f"    MqttService {{ MqttHost = {where.host}; MqttPort = {where.port} }}",
        "  }",
        "with MqttUserName and MqttPassword as above;",
        "in LinuxCNC: [MTCONNECT] TRANSPORT=mqtt, with the broker's address as above",
    ]


def _moonraker(machine: Machine, password: str, where: Where) -> list[str]:
    return [
        "",
        "in moonraker.conf of the machine (then restart Moonraker):",
        "  [mqtt]",
        f"  address: {where.host}",
        f"  port: {where.port}",
        f"  username: {user_name(machine.device)}",
        f"  password: {password}",
        f"  instance_name: {machine.prefix}",
        "  default_qos: 1",
        "  status_interval: 1",
        "  status_objects:",
        "    webhooks",
        "    print_stats",
        "    virtual_sdcard=progress",
        "    display_status=progress",
        "    toolhead=estimated_print_time",
        "    extruder=temperature,target,power",
        "    heater_bed=temperature,target,power",
        "  # and, where there is one, its sensor for run-out: filament_switch_sensor NAME",
    ]


def _foreign(machine: Machine, password: str, where: Where) -> list[str]:
    del password, where
    return ["", f"let it publish below {machine.prefix}/"]


_DIALLED: Final = {
    "bambu": [
        "",
        "on the printer: switch LAN access on (on newer firmware LAN-only mode); nothing else is to be typed.",
        "It serves one listener in the local network well: leave other tools of this kind off.",
        "Cybersyn asks for its state and changes nothing.",
    ],
    "prusalink": [
        "",
        "on the printer: switch PrusaLink on (Settings, Network); nothing else is to be typed.",
    ],
}

_LINES: Final[Mapping[str, Callable[[Machine, str, Where], list[str]]]] = {
    "native": _native,
    "octoprint": _octoprint,
    "sparkplug": _sparkplug,
    "mtconnect": _mtconnect,
    "moonraker": _moonraker,
}
"""By dialect; those of other dialects come with their decoders."""
