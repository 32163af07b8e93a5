# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the adapter makes of a server's answers: of a scripted one, and of a real influxd where there is one."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import pytest

from collector.contract.errors import Unavailable
from collector.contract.ports import ReadingRow
from collector.contract.reading import Batch, Samples
from collector.drain import Drain
from collector.historian.influx import PROBE, InfluxHistorian
from collector.spool import Spool
from collector.turn import Turn
from deploy.clock import FileClock


class Answer(NamedTuple):
    status: int = 204
    body: object = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never written to


Script = Callable[[str, str], Answer]
"""Path with query string, and body, to what the server answers."""
NOTHING = Answer(200, {"results": [{"statement_id": 0}]})


class Server:
    """A server that answers as its script says and notes what it was asked."""

    def __init__(self) -> None:
        self.script: Script = lambda _path, _body: Answer()
        self.heard: list[tuple[str, str]] = []
        self.url = ""
        self.historian: InfluxHistorian

    def bodies(self, path: str = "/api/v2/write") -> list[str]:
        return [body for heard, body in self.heard if heard.startswith(path)]


def handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else a head waits 40 ms for its body

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            server.heard.append((self.path, body))
            answer = server.script(unquote_plus(self.path), body)
            data = b"" if answer.body is None else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made)) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.url = f"http://127.0.0.1:{listening.server_address[1]}/"
        made.historian = InfluxHistorian(made.url, token="tester:secret", timeout_s=0.5)
        yield made
        made.historian.close()
        listening.shutdown()
        thread.join()


def batch(n: int) -> Batch:
    return Batch("d", "p", "native", float(n), (Samples((float(n),), {"n_degc": (1.0,)}),))


def row(n: int, *, name: str = "n_degc") -> ReadingRow:
    return ReadingRow("p", "d", name, float(n), 1.0)


@pytest.mark.parametrize("bad", [{3, 700}, {0}, {1_023}, {0, 1, 1_023}, set(range(9, 1_024, 111)), set(range(1_024))])
def test_row_14_lines_of_another_type_are_found_by_halving_and_the_rest_is_written(
    server: Server, bad: set[int]
) -> None:
    stored: set[str] = set()

    def script(_path: str, body: str) -> Answer:
        if "bad" in body:
            return Answer(400, {"error": "partial write: field type conflict dropped=1"})
        stored.update(body.split("\n"))
        return Answer()

    server.script = script
    rows = [row(n, name="bad_degc" if n in bad else "n_degc") for n in range(1_024)]
    refused = server.historian.write(rows)
    assert sorted(each.row for each in refused) == sorted(rows[n] for n in bad)
    assert "type conflict" in refused[0].reason
    assert len([line for line in stored if not line.startswith(PROBE)]) == 1_024 - len(bad)
    requests = len([body for body in server.bodies() if not body.startswith(PROBE)])
    assert requests - 1 <= len(bad) * (math.log2(1_024) + 1)  # one is asked for without any bad line
    assert requests < 2.1 * 1_024


@pytest.mark.parametrize("status", [422, 413])
def test_other_words_for_a_refused_line_are_understood(server: Server, status: int) -> None:
    server.script = lambda _path, body: Answer(status, {"message": "no"}) if "bad" in body else Answer()
    assert [each.row for each in server.historian.write([row(1, name="bad_degc"), row(2)])] == [row(1, name="bad_degc")]


def test_a_server_that_refuses_every_line_is_unavailable_and_no_row_is_given_up(server: Server) -> None:
    server.script = lambda _path, _body: Answer(400, {"error": "proxy has no idea"})
    with pytest.raises(Unavailable, match="refuses every line: proxy has no idea"):
        server.historian.write([row(1), row(2)])


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_busy_or_closed_server_is_unavailable_and_its_wish_is_told(server: Server, status: int) -> None:
    server.script = lambda _path, _body: Answer(status, {"message": "later"}, {"Retry-After": "7"})
    with pytest.raises(Unavailable, match=f"answers {status}: later") as caught:
        server.historian.write([row(1)])
    assert caught.value.retry_after_s == 7.0
    assert "secret" not in str(caught.value)
    assert len(server.heard) == 1


def test_a_server_that_hangs_is_unavailable_after_the_timeout(server: Server) -> None:
    gone = threading.Event()
    server.script = lambda _path, _body: Answer(204 if gone.wait(5) else 500)
    with pytest.raises(Unavailable, match="timed out"):
        server.historian.write([row(1)])
    gone.set()


def test_a_missing_database_is_created_and_the_lines_written(server: Server) -> None:
    created: list[str] = []

    def script(path: str, body: str) -> Answer:
        if path.startswith("/query"):
            created.extend([body] if body.startswith("db=") else [])
            return NOTHING
        return Answer() if created or path.startswith("/ping") else Answer(404, {"error": "database not found"})

    server.script = script
    assert server.historian.write([row(1)]) == []
    assert created == ["db=cybersyn&epoch=u&q=CREATE+DATABASE+%22cybersyn%22"]


def test_a_database_that_is_created_keeps_what_it_has_for_the_days_that_were_set(influxd: Any) -> None:
    historian = InfluxHistorian(influxd.url, token=influxd.token, database="fourteen_days", raw_days=14)
    historian.ensure()
    historian.close()
    longer = InfluxHistorian(influxd.url, token=influxd.token, database="fourteen_days", raw_days=7)
    longer.ensure()
    [policy] = longer._ask('SHOW RETENTION POLICIES ON "fourteen_days"')
    assert policy[:2] == ["autogen", "336h0m0s"]
    longer.close()


def test_a_bucket_is_never_created(server: Server) -> None:
    server.script = lambda path, _body: (
        Answer(headers={"X-Influxdb-Version": "v2.7.12"}) if path == "/ping" else Answer(404, {"message": "no bucket"})
    )
    with pytest.raises(Unavailable, match="answers 404: no bucket"):
        server.historian.write([row(1)])
    assert server.historian.version() == "v2.7.12"
    assert server.bodies("/query") == []


def test_a_server_that_only_pretends_to_answer_queries_is_not_ready(server: Server) -> None:
    fake = {"results": [{"series": [{"name": "databases", "columns": ["name"], "values": [["_internal"]]}]}]}
    server.script = lambda path, _body: Answer(200, fake) if path.startswith("/query") else Answer()
    assert "does not give it back" in (server.historian.ready() or "")


def test_a_server_that_answers_something_else_is_unavailable(server: Server) -> None:
    server.script = lambda _path, _body: Answer(200, "<html>")
    with pytest.raises(Unavailable, match="something else than InfluxDB"):
        server.historian.series("p", "n_degc", start=0, end=1, most=1)


def test_row_03_commits_go_on_while_influx_is_slow_and_one_request_is_in_flight(server: Server, tmp_path: Path) -> None:
    asked, may_answer = threading.Event(), threading.Event()
    under_way: list[str] = []
    seen: list[int] = []

    def script(_path: str, body: str) -> Answer:
        under_way.append(body)
        seen.append(len(under_way))
        asked.set()
        may_answer.wait(10)
        under_way.remove(body)
        return Answer()

    server.script = script
    slow = InfluxHistorian(server.url, token="tester:secret", timeout_s=20)
    with closing(slow), closing(Spool(tmp_path / "facts.db")) as log, ThreadPoolExecutor(4) as pool:
        log.commit(Turn([batch(0)]))
        writes: list[Future[Any]] = [pool.submit(Drain(log, slow, FileClock(0.0)).turn, 0.0)]
        assert asked.wait(10)
        writes += [pool.submit(slow.write, [row(n)]) for n in (1, 2, 3)]
        for n in range(1, 51):  # each of them would hang here if the slow server held up the log
            log.commit(Turn([batch(n)]))
        assert (log.last(), seen, [write.done() for write in writes]) == (51, [1], [False] * 4)
        may_answer.set()
        assert [write.result() for write in writes] == [1, [], [], []]
    assert seen == [1] * 4


def test_a_real_influx_refuses_what_it_would_drop_and_keeps_the_rest(influxd: Any) -> None:
    historian = InfluxHistorian(influxd.url, token=influxd.token, database="one_day")
    historian._ask('CREATE DATABASE "one_day" WITH DURATION 1d', method="POST")
    today = int(time.time())
    refused = historian.write([row(1), row(today), row(2), row(today + 1)])
    assert [each.row for each in refused] == [row(1), row(2)]
    assert "retention policy" in refused[0].reason
    assert len(historian.series("p", "n_degc", start=0, end=today + 9, most=9)) == 2
    historian.close()


def test_a_real_influx_without_our_password_is_unavailable(influxd: Any) -> None:
    historian = InfluxHistorian(influxd.url, token="tester:wrong")
    with pytest.raises(Unavailable, match="401"):
        historian.write([row(1)])
    assert "401" in (historian.ready() or "")
    historian.close()
