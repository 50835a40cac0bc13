"""urllib3 pools for influxdb-client whose answers are bounded in size and time and which follow nothing."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from urllib3 import HTTPResponse, PoolManager


class BoundedPools(PoolManager):
    """influxdb-client reads every answer to its end, whatever it is, and logs it; here it gets the beginning of it,
    without what nobody is to read."""

    def __init__(self, tls: ssl.SSLContext, answer_bytes: int, seconds: float, cleaned: Callable[[str], str]) -> None:
        super().__init__(num_pools=1, maxsize=1, block=True, ssl_context=tls, retries=False)
        self._answer_bytes = answer_bytes
        self._seconds, self._cleaned = seconds, cleaned

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> HTTPResponse:  # type: ignore[override]
        kw |= {"preload_content": False, "retries": False}
        answer = super().urlopen(method, url, redirect=False, **kw)
        until = time.monotonic() + self._seconds
        body, whole = b"", False
        try:
            while len(body) < self._answer_bytes and time.monotonic() < until and not whole:
                part = answer.read1(self._answer_bytes)
                body, whole = body + part, not part
        finally:
            if whole:
                answer.release_conn()
            else:
                answer.close()
        return HTTPResponse(
            body=BytesIO(
                self._cleaned(body[: self._answer_bytes].decode("utf-8", "replace")).encode()
            ),  # it is read as UTF-8
            headers={key: value for key, value in answer.headers.items() if key.lower() != "content-encoding"},
            status=answer.status,
            reason=answer.reason,
        )
