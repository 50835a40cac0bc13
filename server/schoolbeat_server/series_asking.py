"""Questions to a time-series store over HTTP: bounded in size and time, nothing followed, no secret told."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from schoolbeat_server.series_answer import clean, unreachable
from schoolbeat_server.settings import Series

SECONDS: Final = 10.0
ANSWER_BYTES: Final = 4 << 20


class Page(NamedTuple):
    status: int  # 0: no answer
    headers: Mapping[str, str]
    text: str


Get = Callable[..., Page]  # (path, **parameters)


class Asking:
    def __init__(self, settings: Series, tls: ssl.SSLContext) -> None:
        import httpx

        scheme = "Token" if settings.kind == "influxdb2" else "Bearer"
        headers = {"Authorization": f"{scheme} {settings.token}"} if settings.token and not settings.username else {}
        self._client = httpx.Client(
            auth=(settings.username, settings.password) if settings.username else None,
            headers=headers,
            timeout=SECONDS,
            verify=tls,
            trust_env=False,
        )
        self._settings = settings
        self._url = settings.url.rstrip("/")

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **parameters: str) -> Page:
        import httpx

        try:
            with self._client.stream("GET", self._url + path, params=parameters) as response:
                until, body = time.monotonic() + SECONDS, b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > ANSWER_BYTES or time.monotonic() > until:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Page(0, {}, clean(unreachable(error), self._settings).text)
        return Page(response.status_code, response.headers, body[:ANSWER_BYTES].decode("utf-8", "replace"))


def json_of(page: Page) -> Any:
    try:
        return json.loads(page.text)
    except (ValueError, RecursionError):
        return None


def at(value: Any, *path: str | int) -> Any:
    """What lies there, or None."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value
