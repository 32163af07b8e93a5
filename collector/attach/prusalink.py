# SPDX-License-Identifier: AGPL-3.0-or-later
"""The way to a printer with PrusaLink: it is asked for its state again and again, and for nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from collector.attach.credentials import Secret
from collector.attach.line import Ear
from collector.contract.codec import decode_object
from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.tree import ATTACH_PORTS, Machine

TIMEOUT_S: Final = 5.0
FAILURES_MAX: Final = 3
"""So many answers in a row have to fail before the machine counts as lost: one may get lost in the air."""
JOB_S: Final = 30.0
"""The job is asked for when another begins, and so often while it runs."""
INFO_S: Final = 3_600.0
BODY_BYTES_MAX: Final = 64 * 1024
_NONE: Final = 204
_REFUSED: Final = frozenset({401, 403})
_JOBLESS: Final = frozenset({"IDLE", "READY", "BUSY"})


class PrusaLine:
    """The way to one printer."""

    def __init__(self, machine: Machine, *, timeout_s: float = TIMEOUT_S) -> None:
        assert machine.attach is not None
        self._poll_s = machine.attach.poll_s
        host = f"[{machine.attach.host}]" if ":" in machine.attach.host else machine.attach.host
        self._url = f"http://{host}:{machine.attach.port or ATTACH_PORTS['prusalink']}"
        self._timeout_s = timeout_s
        self._job: object = None
        self._job_s = self._info_s = -INFO_S

    def hold(self, secret: Secret, ear: Ear) -> None:
        """Ask until told to hang up; see Line."""
        auth, headers = _login(secret)
        self._info_s = -INFO_S
        failures, is_heard = 0, False
        with self._client(auth, headers) as client:
            while not ear.closing.is_set():
                try:
                    status = self._get(client, "status")
                    if not status:
                        raise Unavailable(f"it answers {_NONE} to /api/v1/status")
                except Unavailable:
                    failures += 1
                    if failures >= FAILURES_MAX or not is_heard:
                        raise
                else:
                    failures = 0
                    if not is_heard:
                        is_heard = True
                        ear.answers()
                    self._tell(client, status, ear)
                ear.closing.wait(self._poll_s)

    def _client(self, auth: httpx.Auth | None, headers: dict[str, str]) -> httpx.Client:
        try:
            return httpx.Client(
                base_url=self._url, auth=auth, headers=headers, timeout=self._timeout_s, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise Misconfigured(f"{self._url}: {error}") from None

    def _tell(self, client: httpx.Client, status: bytes, ear: Ear) -> None:
        """Say the state; what else has to be asked comes before it, so that a job's name is known when it begins."""
        now_s = time.monotonic()
        if now_s - self._info_s >= INFO_S:
            self._info_s = now_s
            self._ask(client, "info", ear)
        job = _job_of(decode_object(status))
        if job is None:
            self._job = None
        elif job != self._job or now_s - self._job_s >= JOB_S:
            self._job, self._job_s = job, now_s
            self._ask(client, "job", ear)
        ear.say("status", status)

    def _ask(self, client: httpx.Client, what: str, ear: Ear) -> None:
        """Say what else the printer answers; where it does not this time, the next time comes."""
        try:
            body = self._get(client, what)
        except Unavailable:
            return
        if body:
            ear.say(what, body)

    def _get(self, client: httpx.Client, what: str) -> bytes:
        """Return the answer's body, a JSON object, or nothing where there is none."""
        body = bytearray()
        try:
            with client.stream("GET", f"/api/v1/{what}") as answer:
                if answer.status_code in _REFUSED:
                    raise Misconfigured("it refuses the API key, or user and password")
                if answer.status_code == _NONE:
                    return b""
                if not answer.is_success:
                    raise Unavailable(f"it answers {answer.status_code} to /api/v1/{what}")
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > BODY_BYTES_MAX:
                        raise Unavailable(f"/api/v1/{what} is longer than {BODY_BYTES_MAX} bytes")
            decode_object(bytes(body))
        except httpx.TimeoutException:
            raise Unavailable(f"no answer within {self._timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise Unavailable(str(error)) from None
        except Refusal as refusal:
            raise Unavailable(f"/api/v1/{what}: {refusal.detail}") from None
        return bytes(body)


def _login(secret: Secret) -> tuple[httpx.Auth | None, dict[str, str]]:
    if secret.api_key is not None and secret.api_key.isascii():
        return None, {"X-Api-Key": secret.api_key}
    if secret.username is not None and secret.password is not None:
        return httpx.DigestAuth(secret.username, secret.password), {}
    raise Misconfigured("its api_key, or username and password, is missing or not ASCII: PrusaLink's settings show it")


def _job_of(status: Mapping[str, Any]) -> object:
    """Return the number of the job that is there, None where there is none."""
    printer, job = status.get("printer"), status.get("job")
    if not isinstance(job, dict) or (isinstance(printer, dict) and printer.get("state") in _JOBLESS):
        return None
    return job.get("id")
