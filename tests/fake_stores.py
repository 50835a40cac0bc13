"""Stores that cannot be had here (InfluxDB 2 and 3), as their documentation says they answer; a front that misbehaves."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx

from schoolbeat_server.settings import Series
from tests.ports import free_port

TOKEN, ORG, BUCKET = "ma-truy-cap-thu==", "So GDDT", "schoolbeat"
LINE = re.compile(r"^\S+ (?:[^\s=]+=[^\s,=]+,?)+ \d+$")


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


class Request(NamedTuple):
    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    body: bytes


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Who asks may go away before the answer."""


@dataclass
class _Served:
    """A server on loopback; each request goes to `replied`."""

    port: int = field(default_factory=free_port)
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def replied(self, request: Request) -> Reply:
        raise NotImplementedError

    def __enter__(self) -> Any:
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = urlsplit(self.path)
                parameters = {key: values[0] for key, values in parse_qs(parts.query).items()}
                headers = {key.lower(): value for key, value in self.headers.items()}
                request = Request(self.command, parts.path, parameters, headers, body)
                served.requests.append(request)
                try:
                    reply = served.replied(request)
                except httpx.TransportError:  # the one behind is not there, or hung up: so do we
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Quiet(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@dataclass
class FakeFront(_Served):
    """In front of a real store: gives the next of `replies` to a write, and forwards everything else. A single line is
    never too big, as with real ones."""

    target: str = ""
    replies: list[Reply] = field(default_factory=list)

    def replied(self, request: Request) -> Reply:
        is_small = _lines(request).count(b"\n") <= 1
        if self.replies and request.path.endswith("/write") and not (self.replies[0].status == 413 and is_small):
            return self.replies.pop(0)
        if not self.target:
            return Reply(404)
        headers = {key: value for key, value in request.headers.items() if key not in ("host", "content-length")}
        answer = httpx.request(
            request.method,
            self.target + request.path,
            params=request.parameters,
            headers=headers | {"accept-encoding": "identity"},
            content=request.body,
            timeout=60,
        )
        kept = {key: value for key, value in answer.headers.items() if key.startswith(("x-", "content-type"))}
        return Reply(answer.status_code, kept, answer.content)


def _lines(request: Request) -> bytes:
    packed = request.headers.get("content-encoding") == "gzip"
    return gzip.decompress(request.body) if packed else request.body


def _json(status: int, value: object, **headers: str) -> Reply:
    return Reply(status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode())


@dataclass
class _FakeV2Write(_Served):
    """`points`: (line without its time, time in milliseconds) -> stored once however often it comes."""

    retention_seconds: int = 0
    points: dict[tuple[str, int], str] = field(default_factory=dict)

    def written(self, request: Request) -> tuple[list[str], int]:
        """Lines that are none, and how many were beyond the retention."""
        bad, old = [], 0
        for line in _lines(request).decode().splitlines():
            if not LINE.match(line):
                bad.append(line)
                continue
            series, fields, at = line.split(" ")
            if self.retention_seconds and int(at) < (time.time() - self.retention_seconds) * 1000:
                old += 1
                continue
            self.points[(series, int(at))] = fields
        return bad, old


@dataclass
class FakeInfluxDB2(_FakeV2Write):
    """docs.influxdata.com, InfluxDB OSS v2: /ping, /health, /api/v2/buckets, /api/v2/write (400, 401, 404, 422)."""

    @property
    def settings(self) -> Series:
        return Series(kind="influxdb2", url=self.url, database=BUCKET, org=ORG, token=TOKEN)

    def replied(self, request: Request) -> Reply:
        version = {"X-Influxdb-Version": "v2.7.12", "X-Influxdb-Build": "OSS"}
        if request.path == "/ping":
            return Reply(204, version)
        if request.path == "/health":
            return _json(200, {"name": "influxdb", "status": "pass", "version": "v2.7.12", "checks": []}, **version)
        if request.headers.get("authorization") != f"Token {TOKEN}":
            return _json(401, {"code": "unauthorized", "message": "unauthorized access"}, **version)
        if request.parameters.get("org") != ORG:
            message = f'organization name "{request.parameters.get("org")}" not found'
            return _json(404, {"code": "not found", "message": message}, **version)
        if request.path == "/api/v2/buckets":
            rules = [{"type": "expire", "everySeconds": self.retention_seconds}] if self.retention_seconds else []
            buckets = [{"name": BUCKET, "retentionRules": rules}] if request.parameters["name"] == BUCKET else []
            return _json(200, {"links": {}, "buckets": buckets}, **version)
        if request.path == "/api/v2/write" and request.method == "POST":
            return self._write(request, version)
        return _json(404, {"code": "not found", "message": "path not found"}, **version)

    def _write(self, request: Request, version: dict[str, str]) -> Reply:
        if request.parameters.get("bucket") != BUCKET:
            message = f'bucket "{request.parameters.get("bucket")}" not found'
            return _json(404, {"code": "not found", "message": message}, **version)
        assert request.parameters["precision"] == "ms"
        before = dict(self.points)
        bad, old = self.written(request)
        if bad:
            self.points = before  # the whole batch is rejected
            return _json(400, {"code": "invalid", "message": f"unable to parse '{bad[0]}': missing fields"}, **version)
        if old:
            message = f"failure writing points to database: partial write: points beyond retention policy dropped={old}"
            return _json(422, {"code": "unprocessable entity", "message": message}, **version)
        return Reply(204, version)


@dataclass
class FakeInfluxDB3(_FakeV2Write):
    """docs.influxdata.com, InfluxDB 3 Core: /ping with a token, /api/v2/write, system.databases by SQL."""

    databases: tuple[str, ...] = (BUCKET,)
    tells_databases: bool = True  # a database token may not

    @property
    def settings(self) -> Series:
        return Series(kind="influxdb3", url=self.url, database=BUCKET, token=TOKEN)

    def replied(self, request: Request) -> Reply:
        version = {"x-influxdb-version": "3.8.0", "x-influxdb-build": "Core"}
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json(401, {"error": "the request was not authenticated", "data": None})
        if request.path == "/ping":
            return _json(200, {"version": "3.8.0", "revision": "abcdef", "process_id": "b0e1"}, **version)
        if request.path == "/api/v3/query_sql" and self.tells_databases:
            period = self.retention_seconds * 10**9 or None
            return _json(200, [{"database_name": name, "retention_period_ns": period} for name in self.databases])
        if request.path == "/api/v2/write" and request.method == "POST":
            bad, _ = self.written(request)
            if bad:
                data = [{"original_line": line, "line_number": 1, "error_message": "invalid"} for line in bad]
                return _json(400, {"error": "partial write of line protocol occurred", "data": data}, **version)
            return Reply(204, version)
        return _json(403 if request.path.startswith("/api/v3") else 404, {"error": "access denied", "data": None})
