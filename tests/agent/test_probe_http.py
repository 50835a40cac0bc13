"""Services over HTTP and TLS: real servers on loopback with certificates made for the test."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.probe_fakes import FakeResolver, answering, deaf, skip_or_fail
from tests.ports import free_port

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import http
from schoolbeat_agent.probes.dns import Resolver
from schoolbeat_agent.probes.http import Head, HttpTarget, build_request, parse_head, parse_url
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

NAME = "csdl.school.example"
SIGNAL = "service.csdl"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Certificates:
    """A certificate authority of our own, and what it signs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._openssl(
            *["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=Test-CA"],
            out="ca",
            key="ca",
        )

    def _openssl(self, *arguments: str, out: str, key: str | None = None) -> None:
        keys = ["-keyout", f"{key}.key"] if key else []
        command = ["openssl", *arguments, *keys, "-out", f"{out}.pem"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def signed(self, name: str, *dates: str) -> ssl.SSLContext:
        """A server's context with a certificate for the name; `dates` as arguments of `openssl ca`."""
        self._openssl(*f"req -newkey rsa:2048 -nodes -subj /CN={name}".split(), out=f"{name}-request", key=name)
        (self.folder / "extensions").write_text(f"subjectAltName=DNS:{name}\n")
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\n"
            "default_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\n[p]\ncommonName=supplied\n"
        )
        self._openssl(
            *f"ca -batch -notext -config ca.conf -extfile extensions -in {name}-request.pem".split(),
            *dates,
            out=name,
        )
        return self.context(name)

    def self_signed(self, name: str) -> ssl.SSLContext:
        extension = f"-addext subjectAltName=DNS:{name}"
        self._openssl(
            *f"req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN={name} {extension}".split(), out="self", key="self"
        )
        return self.context("self")

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is needed to make certificates")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def good(certificates: Certificates) -> ssl.SSLContext:
    return certificates.signed(NAME, "-days", "30")


Answer = Callable[[socket.socket, bytes], None]


def sending(answer: bytes) -> Answer:
    return lambda sock, request: sock.sendall(answer)


@contextmanager
def served(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on loopback that reads a request, answers, and closes when the other side has or the test ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(10)
            try:
                sock = tls.wrap_socket(plain, server_side=True) if tls else plain
                with sock:
                    answer(sock, sock.recv(4_096))
            except OSError:
                plain.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def observe(
    url: str, *, ca: Path | None = None, seconds: float = 10, wall: Callable[[], float] = time.time
) -> Observation:
    async def run() -> Observation:
        with FakeResolver(answering("127.0.0.1")) as fake:
            target = HttpTarget("csdl", url, (Resolver(fake.address, fake.port),), seconds)
            return await http.probe(target, World(ca_file=ca, wall=wall))

    return asyncio.run(run())


def observe_tls(answer: Answer, context: ssl.SSLContext, ca: Path | None, seconds: float = 10) -> Observation:
    with served(answer, context) as port:
        return observe(f"https://{NAME}:{port}/health?x=1", ca=ca, seconds=seconds)


def test_a_service_over_valid_tls_is_up_with_all_its_readings(certificates: Certificates, good: ssl.SSLContext) -> None:
    requests = []

    def answer(sock: socket.socket, request: bytes) -> None:
        requests.append(request)
        sock.sendall(OK)

    seen = observe_tls(answer, good, certificates.ca)

    values = {name: seen.readings.pop((SIGNAL, name)) for name in ("connect_ms", "http_ms", "tls_days_left")}
    assert 0 < values["connect_ms"] < values["http_ms"] < 10_000
    assert 29.9 < values["tls_days_left"] <= 30
    assert seen.states == {SIGNAL: State.UP}
    assert seen.readings == {(SIGNAL, "http_status"): 200}
    assert seen.causes == {}
    assert seen.notes[SIGNAL].endswith("/health?x=1; 127.0.0.1")
    assert requests[0].startswith(b"GET /health?x=1 HTTP/1.1\r\nHost: " + NAME.encode() + b":")
    assert requests[0].endswith(b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("fault", ["wrong host", "expired", "self-signed", "unknown authority", "no TLS at all"])
def test_a_certificate_that_proves_nothing_is_down(
    certificates: Certificates, good: ssl.SSLContext, tmp_path: Path, fault: str
) -> None:
    ca: Path | None = certificates.ca
    context: ssl.SSLContext | None = good
    if fault == "wrong host":
        context = certificates.signed("other.school.example", "-days", "30")
    elif fault == "expired":
        dates = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
        context = certificates.signed(f"old.{NAME}", *dates)
    elif fault == "self-signed":
        context = certificates.self_signed(NAME)
    elif fault == "unknown authority":
        ca = None
    else:
        context = None

    with served(sending(OK), context) as port:
        seen = observe(f"https://{'old.' if fault == 'expired' else ''}{NAME}:{port}/", ca=ca)

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes == {SIGNAL: "tls_invalid"}
    assert [name for _, name in seen.readings] == ["connect_ms"]


def test_a_certificate_of_tomorrow_means_our_clock_is_wrong_and_fails_the_run(certificates: Certificates) -> None:
    dates = ("-startdate", "20900101000000Z", "-enddate", "20910101000000Z")
    context = certificates.signed(f"new.{NAME}", *dates)

    with served(sending(OK), context) as port, pytest.raises(ProbeFailed) as caught:
        observe(f"https://new.{NAME}:{port}/", ca=certificates.ca)

    assert (caught.value.cause, "clock" in caught.value.detail) == ("tls_invalid", True)


def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for file in (tmp_path / "missing.pem", empty):
        with pytest.raises(ProbeFailed) as caught:
            observe(f"https://{NAME}/", ca=file)

        assert caught.value.cause == "not_configured"
        assert str(file) in caught.value.detail


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "up"), (204, "up"), (301, "up"), (401, "up"), (404, "up"), (500, "down"), (503, "down"), (599, "down")],
)
def test_a_service_that_answers_is_up_below_500(status: int, state: str) -> None:
    answer = f"HTTP/1.1 {status} Whatever\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    with served(sending(answer)) as port:
        seen = observe(f"http://{NAME}:{port}/")

    assert seen.states == {SIGNAL: State(state)}
    assert seen.causes == ({} if state == "up" else {SIGNAL: "http_status"})
    assert seen.readings[SIGNAL, "http_status"] == status
    assert set(seen.readings) == {(SIGNAL, "connect_ms"), (SIGNAL, "http_ms"), (SIGNAL, "http_status")}


def keep_open(answer: bytes) -> Answer:
    def send(sock: socket.socket, request: bytes) -> None:
        sock.sendall(answer)
        sock.recv(1)

    return send


def endless(sock: socket.socket, request: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        sock.sendall(b"x" * 10_000)


@pytest.mark.parametrize(
    "answer",
    [
        keep_open(OK),
        keep_open(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        keep_open(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
        sending(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        sending(b"HTTP/1.1 200\r\n\r\n"),
        endless,
    ],
    ids=["length", "chunked", "interim", "close", "no reason", "endless"],
)
def test_a_fetch_ends_with_the_answer_or_after_64_kib(answer: Answer) -> None:
    with served(answer) as port:
        seen = observe(f"http://{NAME}:{port}/")

    assert seen.states == {SIGNAL: State.UP}
    assert (SIGNAL, "http_ms") in seen.readings


def test_a_body_that_never_ends_leaves_the_service_up_without_a_time() -> None:
    with served(keep_open(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow")) as port:
        seen = observe(f"http://{NAME}:{port}/", seconds=0.5)

    assert seen.states == {SIGNAL: State.UP}
    assert set(seen.readings) == {(SIGNAL, "connect_ms"), (SIGNAL, "http_status")}


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 999 ?\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
def test_what_is_not_http_cannot_be_read(answer: bytes) -> None:
    with served(sending(answer)) as port:
        seen = observe(f"http://{NAME}:{port}/")

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes == {SIGNAL: "bad_answer"}
    assert [name for _, name in seen.readings] == ["connect_ms"]


def test_a_handshake_that_hangs_and_a_port_that_is_closed_are_told_apart(certificates: Certificates) -> None:
    with served(keep_open(b"")) as port, deaf() as dead:
        hanging = observe(f"https://{NAME}:{port}/", ca=certificates.ca, seconds=0.5)
        unanswered = observe(f"https://{NAME}:{dead}/", ca=certificates.ca, seconds=0.5)
    closed = observe(f"https://{NAME}:{free_port()}/", ca=certificates.ca)

    assert [seen.causes[SIGNAL] for seen in (hanging, unanswered, closed)] == ["timeout", "timeout", "refused"]
    assert [[name for _, name in seen.readings] for seen in (hanging, unanswered, closed)] == [["connect_ms"], [], []]


def test_a_handshake_that_is_broken_off_is_no_answer(certificates: Certificates) -> None:
    with served(sending(b"")) as port:
        seen = observe(f"https://{NAME}:{port}/", ca=certificates.ca)

    assert seen.causes[SIGNAL] in ("bad_answer", "tls_invalid")


def test_a_name_that_does_not_resolve_takes_its_service_down() -> None:
    async def run() -> Observation:
        with FakeResolver(answering(rcode=3)) as fake:
            target = HttpTarget("csdl", f"http://{NAME}/", (Resolver(fake.address, fake.port),))
            return await http.probe(target, World())

    seen = asyncio.run(run())

    assert seen.causes == {SIGNAL: "name_unknown"}
    assert seen.readings == {}


@pytest.mark.parametrize(
    "url",
    [
        "csdl.vn",
        "ftp://csdl.vn/",
        "https:///path",
        "https://user:secret@csdl.vn/",
        "https://csdl.vn:0/",
        "https://csdl.vn:99999/",
        "https://csdl.vn/a b",
        "https://csdl.vn/\r\nHost: evil",
        "https://trường.vn/",
        "https://[::1",
    ],
)
def test_a_url_that_cannot_be_asked_is_a_failed_measurement(url: str) -> None:
    with pytest.raises(ProbeFailed) as caught:
        observe(url)

    assert caught.value.cause == "not_configured"
    assert repr(url) in caught.value.detail


def test_the_request_names_host_path_and_nothing_of_the_school() -> None:
    assert build_request(parse_url("http://csdl.vn:8080")).decode().split("\r\n") == [
        "GET / HTTP/1.1",
        "Host: csdl.vn:8080",
        "User-Agent: SchoolBeat",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
        "",
    ]


def test_a_head_is_read_when_it_is_complete() -> None:
    whole = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-LENGTH:  5 \r\n\r\nhello"

    assert parse_head(whole) == Head(200, {"server": "x", "content-length": "5"}, len(whole) - 5)
    assert [parse_head(whole[:size]) for size in range(len(whole) - 5)] == [None] * (len(whole) - 5)


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 ?\r\n\r\n"]))
def test_any_bytes_are_a_head_or_not_yet_or_no_answer(data: bytes, start: bytes) -> None:
    try:
        head = parse_head(start + data)
    except NoAnswer:
        return

    assert head is None or 200 <= head.status <= 599


def test_runs_leave_no_descriptors_behind(certificates: Certificates, good: ssl.SSLContext) -> None:
    async def run() -> list[int]:
        world = World(ca_file=certificates.ca)
        counts = []
        with FakeResolver(answering("127.0.0.1")) as fake, served(sending(OK), good) as port, deaf() as dead:
            for number in range(6):
                url = f"https://{NAME}:{dead if number % 2 else port}/"
                target = HttpTarget("csdl", url, (Resolver(fake.address, fake.port),), 0.4 if number % 2 else 10)
                await http.probe(target, world)
                await asyncio.sleep(0.05)
                counts.append(len(os.listdir("/proc/self/fd")))
        return counts

    counts = asyncio.run(run())

    assert counts[-1] <= counts[0] + 1  # the server's side of the last connection may still be open
