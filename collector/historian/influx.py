# SPDX-License-Identifier: AGPL-3.0-or-later
"""InfluxDB as historian: written through influxdb-client, read by InfluxQL.

The client's synchronous write API sends our own line protocol, one request at a time, and never tries again: the
fact log does. In what the server refuses (400, 413, 422) the bad lines are found by halving; everything else but a
2xx is Unavailable. Reads go to `/query`, which 1.8 has, and 2.x by its mapping of databases to buckets.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from itertools import islice
from threading import Lock
from typing import Any, Final, NamedTuple

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from collector.contract.errors import Unavailable
from collector.contract.ports import RefusedRow
from collector.historian import influxql
from collector.historian.admission import Rows, Run, admit, micros, micros_bound, why_not_text
from collector.historian.influxql import MEASUREMENTS, Measurement
from collector.historian.line_protocol import lines_of, split

PAGE_POINTS_MAX: Final = 10_000
"""Points asked for in one query."""
PROBE: Final = "cybersyn_probe"
"""Measurement with the values that `ready` writes and asks back: one a start."""
_LINES_REFUSED: Final = frozenset({400, 413, 422})
_NOT_FOUND: Final = 404
_FINE: Final = range(200, 300)
_HAS_BUCKETS: Final = re.compile(r"v?[2-9]\.")
"""Versions that have buckets, and no CREATE DATABASE."""


class _Answer(NamedTuple):
    status: int
    text: str = ""
    retry_after_s: float | None = None


class InfluxHistorian:
    """A Historian in a database (1.x) or bucket (2.x); `token` is a token, or `user:password` on 1.x.

    Where several devices at a place have the same indicator, `series` merges their points, and at an equal time
    the device whose id sorts last is shown; `rolled` counts every device's sample. Where a place has readings and
    index values of the same name within the range, the readings are returned. An index value without a band leaves
    the band that was written for the same time before.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        database: str = "cybersyn",
        org: str = "-",
        raw_days: int = 0,
        timeout_s: float = 10.0,
    ) -> None:
        """`raw_days` is how long samples stay in a database that `ensure` creates; 0: for ever."""
        self._url = url.rstrip("/")
        self._database = database
        self._org = org
        self._raw_days = raw_days
        self._client = InfluxDBClient(self._url, token=token, org=org, timeout=round(timeout_s * 1_000))
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._timeout = urllib3.Timeout(total=timeout_s)
        self._pool = urllib3.PoolManager(headers={"Authorization": f"Token {token}"} if token else {})
        self._in_flight = Lock()
        self._known = secrets.randbelow(2**48)
        self._proven = False

    def write(self, rows: Rows) -> Sequence[RefusedRow]:
        """Keep the rows; return those that this server will never take, each with the server's reason.

        Raises Unavailable where the server cannot be reached, is busy, does not let us, or refuses even a line that
        cannot be wrong; then some of the rows may have been kept, and writing them again does no harm.
        """
        runs, refused = admit(rows)
        found = [(run, position) for run in runs for position in range(len(run.times_us))]
        lines = [line for run in runs for line in lines_of(run)]
        refused_here: list[RefusedRow] = []
        for part in split(lines):
            refused_here += self._settle(found[part], lines[part])
        if refused_here:
            reason = self._send(self._probe_line())
            if reason is not None:
                raise Unavailable(f"{self._name()} refuses every line: {reason}")
        return refused + refused_here

    def _settle(self, rows: Sequence[tuple[Run, int]], lines: Sequence[bytes]) -> list[RefusedRow]:
        """Write the lines and return those that the server refuses alone, each found in log2(n) + 1 requests or so.

        Where there are several, the next is looked for as near as the last was; where all are bad, that takes two each.
        """
        refused: list[RefusedRow] = []
        first, reach = 0, len(lines)
        while first < len(lines):
            end = min(first + reach, len(lines))
            reason = self._send(b"\n".join(lines[first:end]))
            if reason is None:
                first, reach = end, len(lines)
                continue
            bad, reason = self._first_refused(lines, first, end, reason)
            run, position = rows[bad]
            refused.append(RefusedRow(run.row(position), reason))
            reach = len(lines) if len(refused) == 1 else 2 * (bad + 1 - first)
            first = bad + 1
        return refused

    def _first_refused(self, lines: Sequence[bytes], first: int, end: int, reason: str) -> tuple[int, str]:
        """Write the lines before the first bad one, by halving; return its position and why it is refused."""
        while end - first > 1:
            middle = (first + end) // 2
            told = self._send(b"\n".join(lines[first:middle]))
            if told is None:
                first = middle
            else:
                end, reason = middle, told
        return first, reason

    def _send(self, body: bytes) -> str | None:
        """Return None where all lines are stored, or why the server refuses some; else raise Unavailable."""
        with self._in_flight:
            answer = self._post(body)
            if answer.status == _NOT_FOUND:
                self.ensure()
                answer = self._post(body)
        if answer.status in _LINES_REFUSED:
            return answer.text
        if answer.status not in _FINE:
            text = f"{self._name()} answers {answer.status}: {answer.text}"
            raise Unavailable(text, retry_after_s=answer.retry_after_s)
        return None

    def _post(self, body: bytes) -> _Answer:
        try:
            self._write_api.write(self._database, self._org, body)
        except ApiException as error:
            headers: Any = error.headers or {}
            text = influxql.read_refusal(error.body or error.reason)
            return _Answer(error.status or 0, text, influxql.read_retry_after_s(headers.get("Retry-After")))
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{self._name()} cannot be reached: {error}") from error
        return _Answer(204)

    def ensure(self) -> None:
        """Create the database where 1.x has none and we may; raises Unavailable, which says what to do, where not.

        How long one that is there keeps samples stays as it is. On 2.x nothing is done: buckets are made when the
        server is set up.
        """
        if _HAS_BUCKETS.match(self.version()):
            return
        if [self._database] in self._ask("SHOW DATABASES"):
            return
        try:
            self._ask(influxql.create(self._database, self._raw_days), method="POST")
        except Unavailable as error:
            text = f"the database is missing, and an administrator must create it: {error}"
            raise Unavailable(text, retry_after_s=error.retry_after_s) from error

    def version(self) -> str:
        """Return the version that the server tells; one built from source calls itself `unknown`."""
        return self._request("GET", "/ping").headers.get("X-Influxdb-Version", "unknown")

    def series(self, place: str, name: str, *, start: float, end: float, most: int) -> list[tuple[float, float]]:
        """Return at most `most` + 1 points (Unix s, value), start <= t < end, oldest first."""
        if why_not_text("place", place) or why_not_text("name", name):
            return []
        for measurement in MEASUREMENTS:
            points = self._points(measurement, place, name, start=start, end=end, most=most)
            if points:
                return [(time_us / 1e6, value) for time_us, value in islice(points.items(), most + 1)]
        return []

    def _points(
        self, measurement: Measurement, place: str, name: str, *, start: float, end: float, most: int
    ) -> dict[int, float]:
        """Return values by time, oldest first, page by page: at least `most` + 1 complete ones where there are.

        The last time of a full page may lack a device, so the next page begins with it.
        """
        from_us, end_us = micros_bound(start), micros_bound(end)
        limit = min(most + 2, PAGE_POINTS_MAX)
        points: dict[int, float] = {}
        while True:
            query = influxql.samples(measurement, place, name, from_us=from_us, end_us=end_us, limit=limit)
            page = self._ask(query)
            points |= {at: float(value) for at, value, _ in sorted(page, key=lambda row: (row[0], row[2]))}
            if len(page) < limit or len(points) >= most + 2:
                return points
            from_us = max(int(page[-1][0]), from_us + 1)

    def rolled(
        self, place: str, name: str, *, start: float, end: float, step_s: float, most: int
    ) -> list[tuple[float, float, float, float]]:
        """Return at most `most` + 1 buckets (start, min, mean, max), aligned to multiples of `step_s`."""
        if why_not_text("place", place) or why_not_text("name", name):
            return []
        span = {"from_us": micros_bound(start), "end_us": micros_bound(end), "step_us": micros(step_s)}
        for measurement in MEASUREMENTS:
            rows = self._ask(influxql.buckets(measurement, place, name, **span, limit=most + 1))
            if rows:
                return [(at / 1e6, float(low), float(mean), float(high)) for at, low, mean, high in rows]
        return []

    def tidy(self, now: float) -> int:  # noqa: ARG002 - the port's
        """Return 0: how long something is kept is the database's or the bucket's own retention."""
        return 0

    def ready(self) -> str | None:
        """Return None where a value that only we know was written and comes back, else the reason why not."""
        try:
            if self._proven and self._knows():
                return None
            self._proven = False
            reason = self._send(self._probe_line())
            if reason is not None:
                return f"{self._name()} refuses a value: {reason}"
            self._proven = self._knows()
        except Unavailable as error:
            self._proven = False
            return str(error)
        return None if self._proven else f"{self._name()} took a value and does not give it back: it is no InfluxDB"

    def _knows(self) -> bool:
        query = f'SELECT "value" FROM "{PROBE}" WHERE "value" = {self._known} LIMIT 1'  # noqa: S608 - both are ours
        return [row[1:] for row in self._ask(query)] == [[self._known]]

    def _probe_line(self) -> bytes:
        return f"{PROBE} value={self._known}.0".encode()

    def _ask(self, query: str, *, method: str = "GET") -> list[list[Any]]:
        """Return the rows of the answer, times in microseconds."""
        response = self._request(method, "/query", {"db": self._database, "epoch": "u", "q": query})
        rows = influxql.read_rows(response.data)
        if isinstance(rows, str):
            raise Unavailable(f"{self._name()}: {rows}")
        return rows

    def _request(self, method: str, path: str, fields: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        form: dict[str, Any] = {"encode_multipart": False} if method == "POST" else {}
        try:
            response = self._pool.request(
                method, self._url + path, fields=fields, timeout=self._timeout, retries=False, **form
            )
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"{self._name()} cannot be reached: {error}") from error
        if response.status not in _FINE:
            text = f"{self._name()} answers {response.status}: {influxql.read_refusal(response.data)}"
            retry_after_s = influxql.read_retry_after_s(response.headers.get("Retry-After"))
            raise Unavailable(text, retry_after_s=retry_after_s)
        return response

    def _name(self) -> str:
        return f"InfluxDB at {self._url} (database {self._database})"

    def close(self) -> None:
        """Let go of the connections."""
        self._write_api.close()  # type: ignore[no-untyped-call] # the client's own annotations end here
        self._client.close()  # type: ignore[no-untyped-call]
        self._pool.clear()
