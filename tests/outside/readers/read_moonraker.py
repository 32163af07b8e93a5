# SPDX-License-Identifier: AGPL-3.0-or-later
"""What moonraker-api gets as answers: `read_moonraker.py MQTT_PORT INSTANCE`."""

import asyncio
import json
import sys

from moonraker_api import MoonrakerClient, MoonrakerListener
from websocket_to_mqtt import serve


async def main(mqtt_port, instance):
    topic = f"{instance}/moonraker/api"
    port = await serve(mqtt_port, "/websocket", asks=f"{topic}/request", answers=[f"{topic}/response"])
    client = MoonrakerClient(MoonrakerListener(), "127.0.0.1", port)
    await client.connect()
    loop = asyncio.get_running_loop()
    objects = {"print_stats": None, "extruder": ["target"], "webhooks": None}

    async def ask():
        async with asyncio.timeout(2.0):
            query = await client.call_method("printer.objects.query", objects=objects)
            history = await client.call_method("server.history.list", limit=1)
            queue = await client.call_method("server.job_queue.status")
            return {
                "klipper": await client.get_klipper_status(),
                "host": (await client.get_host_info())["hostname"],
                "modules": await client.get_supported_modules(),
                "stats": query["status"]["print_stats"],
                "target_degc": query["status"]["extruder"]["target"],
                "job": history["jobs"][0]["status"] if history["jobs"] else None,
                "queue": queue["queued_jobs"],
            }

    waiting = None
    known = {}
    while await loop.run_in_executor(None, sys.stdin.readline):
        if waiting is None or waiting.done():  # the voice answers only while it is turned, so nobody waits here
            if waiting is not None and waiting.exception() is None:
                known = waiting.result()
            waiting = asyncio.ensure_future(ask())
        print(json.dumps(known), flush=True)


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
