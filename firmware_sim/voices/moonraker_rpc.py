# SPDX-License-Identifier: AGPL-3.0-or-later
"""Moonraker's JSON-RPC over MQTT: the few methods that a reader of production asks for, and its errors."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from collector.contract.event import JobEnded, Outcome
from firmware_sim.voices.klipper import Klipper

HISTORY_MAX: Final = 50
"""Jobs that are remembered, and the most that one answer lists unless it is asked for fewer."""
TIMESTAMPS_MAX: Final = 20
NOT_FOUND: Final = -32601
BAD_REQUEST: Final = -32600
BAD_JSON: Final = -32700
DUPLICATE: Final = -10000
_STATUS: Final = {Outcome.DONE: "completed", Outcome.CANCELLED: "cancelled", Outcome.FAILED: "error"}


class JsonRpc:
    """Answers for one printer; it knows the jobs since it was started."""

    def __init__(self, klipper: Klipper, *, hostname: str) -> None:
        self._klipper = klipper
        self._hostname = hostname
        self._jobs: deque[dict[str, Any]] = deque(maxlen=HISTORY_MAX)
        self._job_count = 0
        self._timestamps: deque[Any] = deque(maxlen=TIMESTAMPS_MAX)
        self._now = 0.0

    def started(self, file: str, ts: float, estimate_s: float | None) -> None:
        """Enter a job into the history."""
        self._job_count += 1
        metadata: dict[str, Any] = {"slicer": "Unknown", "slicer_version": "?"}
        if estimate_s is not None:
            metadata["estimated_time"] = round(estimate_s)
        job: dict[str, Any] = {
            "job_id": f"{self._job_count:06X}",
            "user": "_TRUSTED_USER_",
            "filename": file,
            "status": "in_progress",
        }
        job |= {"start_time": ts, "end_time": None, "print_duration": 0.0, "total_duration": 0.0, "filament_used": 0.0}
        self._jobs.appendleft({**job, "metadata": metadata, "auxiliary_data": [], "exists": True})

    def ended(self, ended: JobEnded, ts: float) -> None:
        """Close the job in the history."""
        if not self._jobs:
            return
        stats = self._klipper.objects["print_stats"]
        status = _STATUS.get(ended.outcome, "interrupted")
        if ended.outcome is Outcome.FAILED and stats["state"] != "error":
            status = "klippy_shutdown" if self._klipper.state == "shutdown" else "interrupted"
        self._jobs[0] |= {"status": status, "end_time": ts, "exists": True}
        self._jobs[0] |= {name: stats[name] for name in ("print_duration", "total_duration", "filament_used")}

    def clock(self, now: float) -> None:
        """Set the plant's time, for the clock in the answers."""
        self._now = now

    def answer(self, payload: bytes) -> dict[str, Any] | None:
        """Return the response to a request, None to a notification."""
        try:
            request = json.loads(payload)
        except ValueError:
            return _error(None, BAD_JSON, "Parse error")
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or "method" not in request:
            return _error(None, BAD_REQUEST, "Invalid Request")
        if "id" not in request:
            return None
        params = request.get("params")
        params = params if isinstance(params, dict) else {}
        result = self._result(str(request["method"]), params)
        if result is None:
            return _error(request["id"], NOT_FOUND, "Method not found")
        if "mqtt_timestamp" in params:
            if params["mqtt_timestamp"] in self._timestamps:
                return _error(request["id"], DUPLICATE, "Duplicate MQTT Request")
            self._timestamps.append(params["mqtt_timestamp"])
        return {"jsonrpc": "2.0", "result": result, "id": request["id"]}

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        ask = _METHODS.get(method)
        return ask(self, params) if ask is not None else None

    def _printer_info(self, _params: dict[str, Any]) -> dict[str, Any]:
        files = {"config_file": "config/printer.cfg", "log_file": "logs/klippy.log"}
        software = {"hostname": self._hostname, "software_version": "v0.13.0-730"}
        return {**self._klipper.objects["webhooks"], **software, **files}

    def _server_info(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"klippy_connected": True, "klippy_state": self._klipper.state, "moonraker_version": "v0.11.0"}

    def _objects(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"objects": list(self._klipper.objects)}

    def _history(self, params: dict[str, Any]) -> dict[str, Any]:
        limit = params.get("limit")
        limit = limit if isinstance(limit, int) and limit > 0 else HISTORY_MAX
        return {"count": len(self._jobs), "jobs": list(self._jobs)[:limit]}

    def _queue(self, _params: dict[str, Any]) -> dict[str, Any]:
        return {"queued_jobs": [], "queue_state": "ready"}

    def _query(self, params: dict[str, Any]) -> dict[str, Any]:
        asked = params.get("objects")
        names = asked if isinstance(asked, dict) else dict.fromkeys(asked) if isinstance(asked, list) else {}
        status = {}
        for name, fields in names.items():
            whole = self._klipper.objects.get(name, {})
            wanted = fields if isinstance(fields, list) else list(whole)
            status[name] = {field: whole[field] for field in wanted if field in whole}
        return {"eventtime": self._klipper.eventtime_s(self._now), "status": status}


_METHODS: Final[dict[str, Callable[[JsonRpc, dict[str, Any]], dict[str, Any]]]] = {
    "printer.info": JsonRpc._printer_info,  # noqa: SLF001 - the table belongs to the class
    "printer.objects.list": JsonRpc._objects,  # noqa: SLF001
    "printer.objects.query": JsonRpc._query,  # noqa: SLF001
    "server.history.list": JsonRpc._history,  # noqa: SLF001
    "server.info": JsonRpc._server_info,  # noqa: SLF001
    "server.job_queue.status": JsonRpc._queue,  # noqa: SLF001
}


def _error(request_id: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": request_id}
