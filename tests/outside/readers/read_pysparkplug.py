# SPDX-License-Identifier: AGPL-3.0-or-later
"""What pysparkplug hears as a host: `read_pysparkplug.py PORT GROUP NODE`; the line `rebirth` asks for one."""

import json
import sys

from pysparkplug import MULTI_LEVEL_WILDCARD, Client, DataType, Message, MessageType, Metric, NCmd, QoS, Topic
from pysparkplug import get_current_timestamp as now

port, group, node = sys.argv[1:]
known = {"births": 0, "deaths": 0, "gaps": 0, "bd_seq": None, "values": {}}
seqs = []


def hear(_client, message):
    payload, kind = message.payload, message.topic.message_type
    if kind == MessageType.NCMD:
        return
    if kind == MessageType.NDEATH:
        known["deaths"] += 1
        known["death_bd_seq"] = payload.bd_seq_metric.value
        return
    if kind == MessageType.NBIRTH:
        known["births"] += 1
        known["bd_seq"] = next(metric.value for metric in payload.metrics if metric.name == "bdSeq")
    elif payload.seq != (seqs[-1] + 1) % 256:
        known["gaps"] += 1
    seqs.append(payload.seq)
    if kind in {MessageType.DBIRTH, MessageType.DDATA}:
        for metric in payload.metrics:
            value = metric.value
            known["values"][metric.name] = round(value, 2) if isinstance(value, float) else value


client = Client(client_id="host")
client.subscribe(Topic(group_id=group, message_type=MULTI_LEVEL_WILDCARD), QoS.AT_LEAST_ONCE, hear)
client.connect("127.0.0.1", port=int(port))
for line in sys.stdin:
    if line.strip() == "rebirth":
        command = NCmd(now(), (Metric(now(), "Node Control/Rebirth", DataType.BOOLEAN, value=True),))
        topic = Topic(group_id=group, message_type=MessageType.NCMD, edge_node_id=node)
        client.publish(Message(topic, command, QoS.AT_MOST_ONCE, retain=False), include_dtypes=True)
    print(json.dumps(known), flush=True)
