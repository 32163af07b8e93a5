# SPDX-License-Identifier: AGPL-3.0-or-later
"""One application a service: problems, health, metrics."""

import socket

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from collector.contract.errors import Misconfigured, Refusal, Unavailable
from collector.contract.figure import Figure
from deploy.web import Service, application, check_port


@pytest.fixture
def trouble() -> list[str]:
    return []


@pytest.fixture
def client(trouble: list[str]) -> TestClient:
    router = APIRouter()

    @router.get("/api/v1/refuse")
    def refuse() -> None:
        raise Refusal("too_large", "payload has 3 bytes, at most 2 are allowed")

    @router.get("/api/v1/away")
    def away() -> None:
        raise Unavailable("the disk is full")

    @router.get("/api/v1/number")
    def number(n: int) -> int:
        return n

    @router.post("/api/v1/body")
    def body(said: dict[str, int]) -> int:
        return len(said)

    figures = [Figure("cybersyn_x", "counter", "x", 2, {"device": "a"}), Figure("cybersyn_y", "gauge", "y", 1)]
    service = Service("Test", [router], lambda: trouble[0] if trouble else None, lambda: figures)
    return TestClient(application(service, version="1"))


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/api/v1/nonesuch", 404, "/api/v1/nonesuch"),
        ("/api/v1/refuse", 413, "3 bytes"),
        ("/api/v1/away", 503, "disk"),
        ("/api/v1/number?n=x", 422, "n = 'x'"),
        ("/api/v1/number", 422, "query.n is missing"),
    ],
)
def test_errors_are_problem_documents(client: TestClient, path: str, status: int, word: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert word in answer.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_unknown_api_path_is_404_whatever_the_method(client: TestClient, method: str) -> None:
    assert client.request(method, "/api/nonesuch").status_code == 404


def test_a_method_that_a_known_path_does_not_have_is_told_with_those_it_has(client: TestClient) -> None:
    answer = client.delete("/api/v1/number")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert answer.json()["detail"] == "DELETE is none of GET, which /api/v1/number knows"


def test_a_body_that_is_not_json_is_told_as_such(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    assert client.post("/api/v1/body", content="{", headers=headers).json()["detail"].startswith("the body is not JSON")


def test_readiness_gives_its_reason(client: TestClient, trouble: list[str]) -> None:
    assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
    trouble.append("the broker does not answer")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the broker does not answer")


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert "# TYPE cybersyn_x_total counter" in text
    assert 'cybersyn_x_total{device="a"} 2.0' in text


def test_openapi_is_3_1(client: TestClient) -> None:
    assert client.get("/api/openapi.json").json()["openapi"].startswith("3.1")


def test_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Misconfigured, match="--port"):
        check_port("127.0.0.1", taken.getsockname()[1])
