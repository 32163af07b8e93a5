# SPDX-License-Identifier: AGPL-3.0-or-later
"""What hatasmota, Home Assistant's reader of Tasmota, discovers and then hears: `read_hatasmota.py PORT`."""

import asyncio
import json
import sys

import paho.mqtt.client as mqtt
from hatasmota.discovery import TasmotaDiscovery
from hatasmota.mqtt import ReceiveMessage, TasmotaMQTTClient
from hatasmota.sensor import TasmotaSensor


class Broker:
    """The MQTT client that hatasmota wants to be given."""

    def __init__(self, port, loop):
        self._loop = loop
        self._callbacks = []
        self._tasks = set()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    async def publish(self, topic, payload, qos, retain):
        self._client.publish(topic, payload, qos, retain)

    async def subscribe(self, _state, topics):
        for row in topics.values():
            self._callbacks.append((row["topic"], row["msg_callback"]))
            self._client.subscribe(row["topic"])
        return topics

    async def unsubscribe(self, _state):
        return {}

    def _on_message(self, _client, _data, message):
        self._loop.call_soon_threadsafe(self._hear, message)

    def _hear(self, message):
        heard = ReceiveMessage(message.topic, message.payload.decode(), message.qos, message.retain)
        for topic_filter, callback in tuple(self._callbacks):
            result = callback(heard) if mqtt.topic_matches_sub(topic_filter, message.topic) else None
            if asyncio.iscoroutine(result):
                self._tasks.add(asyncio.ensure_future(result))


async def main(port):
    loop = asyncio.get_running_loop()
    broker = Broker(port, loop)
    client = TasmotaMQTTClient(broker.publish, broker.subscribe, broker.unsubscribe)
    known = {"device": {}, "available": None, "values": {}, "units": {}}
    entities = {}

    async def device(config, _mac):
        known["device"] = {"name": config.get("dn"), "topic": config.get("t"), "software": config.get("sw")}

    async def available(value):
        known["available"] = value

    async def sensors(found, _mac):
        for config, _hash in found:
            if config is None or config.unique_id in entities or not hasattr(config, "quantity"):
                continue
            entity = entities[config.unique_id] = TasmotaSensor(config=config, mqtt_client=client)
            known["units"][entity.name] = entity.unit
            entity.set_on_state_callback(lambda value, name=entity.name, **_more: known["values"].update({name: value}))
            entity.set_on_availability_callback(available)
            await entity.subscribe_topics()

    await TasmotaDiscovery("tasmota/discovery", client).start_discovery(device, sensors)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(known), flush=True)


asyncio.run(main(int(sys.argv[1])))
