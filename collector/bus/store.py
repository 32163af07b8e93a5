# SPDX-License-Identifier: AGPL-3.0-or-later
"""The bound of the embedded broker's store: queued messages fill their share and no more.

A store that is full to its end lets nobody connect any more, the collector included (building-blocks a). So the
stream of queued messages is bounded below the store's size, and refuses what comes beyond: publishers are cut and
try again, while the collector connects and drains.
"""

from __future__ import annotations

import asyncio
from typing import Final

import nats
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy
from nats.js.errors import NotFoundError

from collector.contract.errors import Unavailable

STREAM: Final = "$MQTT_msgs"
"""Where nats-server keeps QoS 1 messages for its MQTT sessions; it makes it at the first MQTT connection."""
_TIMEOUT_S: Final = 5.0


def bound_store(port: int, user: str, password: str, *, bytes_max: int) -> bool:
    """Bound the stream of queued messages; return False where it does not exist yet. Raises Unavailable."""
    try:
        return asyncio.run(asyncio.wait_for(_bound(port, user, password, bytes_max), 2 * _TIMEOUT_S))
    except (OSError, NatsError, TimeoutError) as error:
        raise Unavailable(f"broker's store on port {port} could not be bounded: {error}") from error


async def _bound(port: int, user: str, password: str, bytes_max: int) -> bool:
    client = await nats.connect(
        f"nats://127.0.0.1:{port}",
        user=user,
        password=password,
        allow_reconnect=False,
        connect_timeout=int(_TIMEOUT_S),
        error_cb=_quiet,
    )
    try:
        streams = client.jetstream(timeout=_TIMEOUT_S)
        try:
            config = (await streams.stream_info(STREAM)).config
        except NotFoundError:
            return False
        config.max_bytes = bytes_max
        config.discard = DiscardPolicy.NEW
        await streams.update_stream(config)
        return True
    finally:
        await client.close()


async def _quiet(_error: Exception) -> None:
    """Say nothing: what goes wrong is raised where it is waited for."""
