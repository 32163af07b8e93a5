# SPDX-License-Identifier: AGPL-3.0-or-later
"""What aioshelly, Home Assistant's reader of Shelly, knows of a plug: `read_aioshelly.py MQTT_PORT PREFIX`."""

import asyncio
import json
import sys

import aiohttp
from aioshelly.common import ConnectionOptions
from aioshelly.rpc_device import RpcDevice
from websocket_to_mqtt import serve


async def main(mqtt_port, prefix):
    def opens(frame):
        return json.loads(frame)["src"] + "/rpc"

    port = await serve(mqtt_port, "/rpc", asks=f"{prefix}/rpc", answers=[f"{prefix}/events/rpc"], opens=opens)
    known, notified = {}, []
    loop = asyncio.get_running_loop()

    async def follow():
        device = await RpcDevice.create(session, None, ConnectionOptions("127.0.0.1", port=port))
        device.subscribe_updates(lambda _device, kind: notified.append(kind.name))
        await device.initialize()
        return device

    async with aiohttp.ClientSession() as session:
        following = asyncio.ensure_future(follow())
        while await loop.run_in_executor(None, sys.stdin.readline):
            if following.done():
                device = following.result()
                switch = device.status["switch:0"]
                known = {"model": device.model, "gen": device.gen, "mac": device.shelly["mac"], "on": switch["output"]}
                known |= {"power_w": switch["apower"], "energy_wh": switch["aenergy"]["total"]}
                known["notified"] = "STATUS" in notified
            print(json.dumps(known), flush=True)


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
