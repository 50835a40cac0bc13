"""Grafana's HTTP API: one request at a time, bounded in size and time, and its errors in words."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from schoolbeat_server.said import Said
from schoolbeat_server.settings import Grafana as Settings

ANSWER_BYTES: Final = 32 << 20
PAGE: Final = 1000
PAGES: Final = 200
WAIT_SECONDS: Final = 60  # the longest that a Retry-After is followed
TRIES: Final = 5
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)

Sleep = Callable[[float], None]


class Stopped(Exception):
    """Nothing more can be done: the address, the token, the network, or Grafana itself."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


class Refused(Exception):
    """Grafana refuses this one thing; others may still be done. reason: its own word, as version-mismatch."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason
        self.said = Said(f"Grafana từ chối ({status}): {message}", f"Grafana refused ({status}): {message}")


class Grafana:
    """A session with one Grafana; close it."""

    def __init__(self, settings: Settings, sleep: Sleep) -> None:
        if not settings.token.isascii() or not settings.token.isprintable() or " " in settings.token:
            raise Stopped(
                "grafana.token_file: không phải token (chỉ một từ, không dấu): tệp chỉ chứa token mà Grafana đã đưa ra",
                "grafana.token_file: not a token (one word of ASCII): the file holds Grafana's token alone",
            )
        self._sleep = sleep
        self._token = settings.token
        self._client = httpx.Client(
            base_url=settings.url,
            headers={"Authorization": f"Bearer {settings.token}", "Accept": "application/json"},
            verify=ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True,
            timeout=TIMEOUT,
            follow_redirects=False,
            trust_env=False,  # a proxy of the environment would be given the token
        )

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **parameters: str | int) -> Any:
        return self._ask("GET", path, parameters, None)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **parameters: str | int) -> Any:
        return self._ask(method, path, parameters, body)

    def object(self, path: str, **parameters: str | int) -> dict[str, Any]:
        answer = self.get(path, **parameters)
        if not isinstance(answer, dict):
            raise _strange(path)
        return answer

    def objects(self, path: str, **parameters: str | int) -> list[dict[str, Any]]:
        answer = self.get(path, **parameters)
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise _strange(path)
        return answer

    def found(self, path: str) -> dict[str, Any] | None:
        """None if there is no such thing."""
        try:
            return self.object(path)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def pages(self, path: str, **parameters: str | int) -> Iterator[list[dict[str, Any]]]:
        """Of a search that answers with a list. One that does not know `page` repeats itself: whoever reads stops."""
        for page in range(1, PAGES + 1):
            found = self.objects(path, limit=PAGE, page=page, **parameters)
            if not found:
                return
            yield found

    def _ask(self, method: str, path: str, parameters: dict[str, str | int], body: dict[str, Any] | None) -> Any:
        for _ in range(TRIES):
            status, headers, content = self._exchange(method, path, parameters, body)
            if status != 429:
                return _answer(path, status, headers, content, self._token)
            self._sleep(_wait_seconds(headers.get("Retry-After", "")))
        raise Stopped(
            f"{path}: Grafana vẫn trả lời «quá nhiều yêu cầu» (429) sau {TRIES} lần; chạy lại sau, lệnh sẽ làm tiếp",
            f"{path}: Grafana still says «too many requests» (429) after {TRIES} tries; run it again later, it goes on",
        )

    def _exchange(
        self, method: str, path: str, parameters: dict[str, str | int], body: dict[str, Any] | None
    ) -> tuple[int, httpx.Headers, bytes]:
        try:
            with self._client.stream(method, path, params=parameters, json=body) as response:
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > ANSWER_BYTES:
                        raise Stopped(
                            f"{path}: câu trả lời của Grafana dài hơn {ANSWER_BYTES >> 20} MiB",
                            f"{path}: Grafana's answer is longer than {ANSWER_BYTES >> 20} MiB",
                        )
                return response.status_code, response.headers, bytes(content)
        except httpx.TimeoutException:
            raise Stopped(
                f"{path}: Grafana không trả lời trong {TIMEOUT.read:.0f} giây; điều vừa gửi có thể đã xong hoặc chưa, "
                "chạy lại lệnh là đủ",
                f"{path}: no answer within {TIMEOUT.read:.0f} s; what was sent last may be done or not, "
                "running the command again settles it",
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise Stopped(
                f"{self._client.base_url}: không nối được với Grafana: {error}",
                f"{self._client.base_url}: Grafana cannot be reached: {error}",
            ) from None


# ---- what an answer means ----------------------------------------------------------------------------------


def _answer(path: str, status: int, headers: httpx.Headers, content: bytes, token: str) -> Any:
    """Raises Stopped, Refused. The value as JSON has it."""
    if 300 <= status < 400:
        place = urlsplit(headers.get("Location", ""))
        there = f"{place.scheme}://{place.netloc}" if place.netloc else place.path
        raise Stopped(
            f"{path}: Grafana chuyển sang {there[:200]}: ghi đúng địa chỉ ấy vào grafana.url",
            f"{path}: Grafana redirects to {there[:200]}: name that address in grafana.url",
        )
    value = _json(headers, content)
    if status < 300 and value is not _NO_JSON:
        return value
    reason, message = _words(value, token)
    if status == 401:
        raise Stopped(
            f"Grafana không nhận token (401{message}): tạo token mới cho tài khoản dịch vụ, ghi vào grafana.token_file",
            f"Grafana does not accept the token (401{message}): make a new one for the service account and write it "
            "into grafana.token_file",
        )
    if status == 403:
        raise Stopped(
            f"{path}: token không đủ quyền (403{message}): tài khoản dịch vụ cần vai trò Admin của tổ chức",
            f"{path}: the token may not do this (403{message}): the service account needs the organisation's "
            "role Admin",
        )
    if value is _NO_JSON:
        raise _strange(path, status)
    raise Refused(status, reason, message.removeprefix(": ") or "—")


class _NoJson:
    """What is not JSON at all."""


_NO_JSON: Final = _NoJson()


def _json(headers: httpx.Headers, content: bytes) -> Any:
    if "json" not in headers.get("Content-Type", ""):
        return _NO_JSON
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return _NO_JSON


def _words(value: Any, token: str) -> tuple[str, str]:
    """(reason, «: message») of an error's body; a bounded line without the token."""
    if not isinstance(value, dict):
        return "", ""
    message = str(value.get("message") or value.get("error") or "")
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in message[:2000]).split())
    if token:
        line = line.replace(token, "…")
    return str(value.get("status") or value.get("messageId") or "")[:80], f": {line[:300]}" if line else ""


def _strange(path: str, status: int = 200) -> Stopped:
    return Stopped(
        f"{path}: câu trả lời ({status}) không phải của API Grafana (trang đăng nhập, máy trung gian, thiếu đường dẫn "
        "con?); xem lại grafana.url",
        f"{path}: the answer ({status}) is not one of Grafana's API (a login page, a proxy, or a missing sub-path?); "
        "check grafana.url",
    )


def _wait_seconds(text: str) -> float:
    """Retry-After in seconds; a date or nonsense: a few."""
    return float(min(int(text), WAIT_SECONDS)) if text.isascii() and text.isdigit() else 5.0
