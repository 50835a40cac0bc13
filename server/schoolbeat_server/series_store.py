"""Hands prepared line protocol to a time-series store, once, and says in one word what became of it."""

from __future__ import annotations

import gzip
import importlib
import logging
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final, Protocol

from schoolbeat_server.series_about import About, about, started
from schoolbeat_server.series_answer import Answer, answer, clean, unreachable, without_secrets
from schoolbeat_server.settings import Series, SettingsError

__all__ = ["About", "Answer", "Store", "open_store"]

CONNECT_SECONDS: Final = 10.0  # also for handing over the whole body
READ_SECONDS: Final = 30.0
ANSWER_BYTES: Final = 16 * 1024
_LEVEL: Final = 1  # gzip: 4 times smaller than raw, a tenth of the time of 9
# Measured: VictoriaMetrics 1.79 killed with SIGKILL had lost what it had taken in the last 7 seconds; it says so in
# its documentation (data goes to disk every few seconds). InfluxDB 1 and 2 write their log before they answer.
SETTLES_SECONDS: Final = {"victoriametrics": 120.0}
RESTART_SECONDS: Final = 30.0  # between two questions when it was started; with those 7 well under what settles


class Store(Protocol):
    """settles_seconds: what was taken so shortly before the store died may be lost; sent again it is stored once."""

    settles_seconds: float

    def write(self, lines: bytes) -> Answer: ...

    def about(self) -> About: ...

    def close(self) -> None: ...


def open_store(settings: Series) -> Store:
    """Without a word to the network. Raises SettingsError."""
    _check(settings)
    _hush()
    return _V1(settings) if settings.kind == "influxdb1" else _V2(settings)


class _V1:
    """InfluxDB 1's own write path: influxdb-client knows only /api/v2/write, which came with 1.8."""

    def __init__(self, settings: Series) -> None:
        import httpx

        self.settles_seconds = SETTLES_SECONDS.get(settings.kind, 0.0)
        self._settings = settings
        self._client = httpx.Client(
            auth=(settings.username, settings.password) if settings.username else None,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            verify=_tls(settings),
            limits=httpx.Limits(max_connections=1),
            trust_env=False,
        )
        self._url = settings.url.rstrip("/") + "/write"
        self._parameters = {"db": settings.database, "precision": "ms"}

    def write(self, lines: bytes) -> Answer:
        import httpx

        if not lines:
            return Answer("taken")
        body, headers = _packed(lines, self._settings)
        try:
            with self._client.stream(
                "POST", self._url, params=self._parameters, content=body, headers=headers
            ) as response:
                beginning = _beginning(response.iter_bytes(), time.monotonic() + READ_SECONDS)
        except (httpx.HTTPError, OSError) as error:
            return clean(unreachable(error), self._settings)
        text = without_secrets(beginning.decode("utf-8", "replace"), self._settings)
        return answer(response.status_code, response.headers, text, time.time())

    def about(self) -> About:
        return about(self._settings, _tls(self._settings))

    def close(self) -> None:
        self._client.close()


class _V2:
    """/api/v2/write, which InfluxDB 2 and 3 and VictoriaMetrics have; by influxdb-client, synchronously.

    Its batching mode only logs a failed write; its Points cost five times as much as our own lines.
    """

    def __init__(self, settings: Series) -> None:
        from schoolbeat_server.series_transport import BoundedPools

        library: Any = importlib.import_module("influxdb_client")  # partly typed
        self.settles_seconds = SETTLES_SECONDS.get(settings.kind, 0.0)
        self._settings = settings
        basic = bool(settings.username)
        self._client = library.InfluxDBClient(
            url=settings.url,
            token=f"{settings.username}:{settings.password}" if basic else settings.token or None,
            org=settings.org,
            auth_basic=basic,
            timeout=(CONNECT_SECONDS * 1000, READ_SECONDS * 1000),
        )
        if settings.token and not basic and settings.kind != "influxdb2":
            self._client.api_client.set_default_header("Authorization", f"Bearer {settings.token}")
        self._pools = BoundedPools(
            _tls(settings), ANSWER_BYTES, READ_SECONDS, partial(without_secrets, settings=settings)
        )
        self._client.api_client.rest_client.pool_manager = self._pools
        self._service = library.WriteService(self._client.api_client)
        self._started = 0
        self._ask_at = 0.0

    def write(self, lines: bytes) -> Answer:
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        if not lines:
            return Answer("taken")
        body, headers = _packed(lines, self._settings)
        encoding = {"content_encoding": headers["Content-Encoding"]} if "Content-Encoding" in headers else {}
        try:
            _, status, answered = self._service.post_write_with_http_info(
                org=self._settings.org,
                bucket=self._settings.database,
                body=body,
                precision="ms",
                content_type=headers["Content-Type"],
                **encoding,
            )
        except ApiException as error:
            if not error.status:  # TLS: the client wraps it
                return clean(unreachable(error), self._settings)
            return answer(error.status, error.headers or {}, error.body or b"", time.time())
        except (HTTPError, OSError) as error:
            self._ask_at = 0.0
            return clean(unreachable(error), self._settings)
        text = self._client.api_client.last_response.data
        found = answer(status, answered, text, time.time())
        return replace(found, restarted=found.kind == "taken" and self._restarted())

    def _restarted(self) -> bool:
        """Killed and started between two writes that were both taken, nothing else would tell of it."""
        now = time.monotonic()
        if not self.settles_seconds or now < self._ask_at:
            return False
        self._ask_at = now + RESTART_SECONDS
        found = started(self._settings, _tls(self._settings))
        before, self._started = self._started, found or self._started
        return bool(before and found and before != found)

    def about(self) -> About:
        return about(self._settings, _tls(self._settings))

    def close(self) -> None:
        self._client.close()


# ---- what is sent ------------------------------------------------------------------------------------------


def _packed(lines: bytes, settings: Series) -> tuple[bytes, dict[str, str]]:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if not settings.gzip:
        return lines, headers
    return gzip.compress(lines, _LEVEL, mtime=0), headers | {"Content-Encoding": "gzip"}


def _beginning(parts: Iterator[bytes], until: float) -> bytes:
    """Of a body, however long it is and however slowly it comes."""
    body = b""
    for part in parts:
        body += part
        if len(body) >= ANSWER_BYTES or time.monotonic() > until:
            break
    return body[:ANSWER_BYTES]


def _tls(settings: Series) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"series.ca_file = {settings.ca_file}: {error}") from None


def _check(settings: Series) -> None:
    if settings.token and not (settings.token.isascii() and settings.token.isprintable()):
        raise SettingsError("series.token_file: chỉ nhận chữ và số ASCII / a token is printable ASCII, on one line")


def _hush() -> None:
    """httpx tells of every request at info, urllib3 of its path at debug: a line a second of no use to anybody."""
    for name in ("httpx", "httpcore", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
