"""What stands before every request: hosts, tokens, origins, rates, sizes and headers."""

import http.client
import socket

import pytest
from starlette.testclient import TestClient

from fastpatent.search.server import protection
from fastpatent.search.server.protection import BURST, HEADERS, Buckets, is_loopback, is_own_name
from tests.search.server.conftest import application, running

TOKEN = "a-token-of-letters"


@pytest.fixture
def guarded(index_folder, tmp_path):
    """A client of a server with a token, which the client does not send by itself."""
    app = application(index_folder, tmp_path, token=TOKEN, names=("patents.example",))
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def test_every_answer_has_the_headers(client):
    for path, status in (("/healthz", 200), ("/no", 404), ("/api/search", 400), ("/healthz?", 200)):
        answer = client.get(path)
        assert answer.status_code == status and HEADERS.items() <= dict(answer.headers).items()
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/healthz").headers["cache-control"] == "private, no-cache"


def test_a_host_of_another_name_is_refused(client, guarded):
    own = ("localhost", "LOCALHOST:80", "127.0.0.1:8080", "192.168.1.7", "[::1]:80", socket.gethostname())
    for host in own:
        assert client.get("/healthz", headers={"host": host}).status_code == 200, host
    for host in ("evil.example", "localhost.evil.example", "patents.example", "", "[", "127.0.0.1.evil.example", "a b"):
        answer = client.get("/healthz", headers={"host": host})
        assert answer.status_code == 421 and "--name" in answer.json()["error"], host
    assert guarded.get("/healthz", headers={"host": "patents.example:443"}).status_code == 200


def test_a_token_comes_as_bearer_or_once_in_the_address(guarded):
    for headers in (
        {},
        {"authorization": "Bearer no"},
        {"authorization": b"Bearer \xff"},
        {"cookie": "fastpatent_token_80=x"},
    ):
        for path in ("/api/facets", "/metrics", "/openapi.json", "/thumbnails/0.png", "/api/facets?token=no"):
            answer = guarded.get(path, headers=headers)
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/healthz").status_code == 200
    assert guarded.get("/api/facets", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert guarded.post("/api/uploads", params={"token": TOKEN}).status_code == 401
    answer = guarded.get("http://localhost//evil.example/a?where=a%26b&token=" + TOKEN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/evil.example/a?where=a%26b")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
    assert guarded.get("/api/facets").status_code == 200  # the client has the cookie now


def test_changes_come_from_our_own_pages(client):
    def post(**headers):
        return client.post("/api/search", headers={name.replace("_", "-"): value for name, value in headers.items()})

    for headers in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://["},
        {"origin": "http://localhost:81"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        assert post(**headers).status_code == 403
    for headers in ({}, {"origin": "http://localhost"}, {"sec_fetch_site": "same-origin", "origin": "http://localhost"}):
        assert post(**headers).status_code == 400  # an empty query


def test_rates(index_folder, tmp_path):
    buckets = Buckets(2)
    assert [buckets.wait("a", 0) for _ in range(2 * BURST)] == [0] * 2 * BURST
    assert buckets.wait("a", 0) == pytest.approx(0.5) and buckets.wait("b", 0) == 0
    assert buckets.wait("a", 0.6) == 0 and buckets.wait("a", 0.6) == pytest.approx(0.4)
    assert buckets.wait("a", 1000) == 0 and [buckets.wait("a", 1000) for _ in range(2 * BURST - 1)] == [0] * 9
    for number in range(protection.MOST_CLIENTS + 5):
        buckets.wait(str(number), 2000)
    assert len(buckets._clients) == protection.MOST_CLIENTS
    with TestClient(application(index_folder, tmp_path, rate=0.001), base_url="http://localhost") as client:
        assert [client.get("/openapi.json").status_code for _ in range(2)] == [200, 429]
        refused = client.get("/openapi.json", headers={"accept": "text/html"})
        assert int(refused.headers["retry-after"]) > 500 and refused.text == "too many requests; wait a moment\n"
        assert client.get("/healthz").status_code == 200 and client.get("/thumbnails/0.png").status_code == 404


def test_a_body_is_refused_while_it_arrives(index_folder, tmp_path):
    """By its Content-Length before a byte of it came, and in chunks when there are too many."""
    with running(application(index_folder, tmp_path, upload_mb=1)) as address:
        for chunks in (None, [b"a" * 2**16] * 40):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            if chunks:
                multipart = {"content-type": "multipart/form-data; boundary=x", "transfer-encoding": "chunked"}
                head = b'--x\r\ncontent-disposition: form-data; name="drawing"; filename="a"\r\n\r\n'
                try:
                    connection.request("POST", "/api/uploads", iter([head, *chunks]), multipart, encode_chunked=True)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it is refused before all of it is sent
            else:
                connection.putrequest("POST", "/api/uploads")
                connection.putheader("content-length", str(300 * 2**20))
                connection.endheaders()
            answer = connection.getresponse()
            assert answer.status == 413 and b"more than 1,000,000 bytes" in answer.read()
            connection.close()


def test_a_body_that_does_not_come_is_given_up(index_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(protection, "MOST_BODY_SECONDS", 0.2)
    with running(application(index_folder, tmp_path)) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        connection.putrequest("POST", "/api/uploads")
        connection.putheader("content-length", "100")
        connection.endheaders()
        assert connection.getresponse().status == 408
        connection.close()


def test_which_names_are_own():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.1.2.3", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "192.168.1.1", "::", "example.org")))
    assert is_own_name("10.0.0.1") and not is_own_name("0x7f000001.evil") and not is_own_name("")
