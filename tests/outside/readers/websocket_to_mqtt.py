# SPDX-License-Identifier: AGPL-3.0-or-later
"""A WebSocket whose text frames go to one MQTT topic, and come from others, as they are: nothing is read or changed."""

import asyncio

import paho.mqtt.client as mqtt
from aiohttp import WSMsgType, web


async def serve(mqtt_port, path, *, asks, answers, opens=None):
    """Serve on a free port and return it; `opens`, given a frame, names another topic of answers to listen to."""
    loop = asyncio.get_running_loop()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    sockets = []

    def on_message(_client, _data, message):
        frame = message.payload.decode()
        for socket in sockets:
            asyncio.run_coroutine_threadsafe(socket.send_str(frame), loop)

    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sockets.append(socket)
        async for message in socket:
            if message.type == WSMsgType.TEXT:
                if opens is not None:
                    client.subscribe(opens(message.data))
                client.publish(asks, message.data)
        sockets.remove(socket)
        return socket

    client.on_message = on_message
    client.connect("127.0.0.1", mqtt_port)
    client.loop_start()
    client.subscribe([(topic, 0) for topic in answers])
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return site._server.sockets[0].getsockname()[1]
