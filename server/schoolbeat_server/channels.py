"""Handing one message to one channel by apprise, and telling from its log whether trying again can help."""

from __future__ import annotations

import logging
import re
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from schoolbeat_server.settings import Channel

_REASON_LETTERS = 300
# A server's answer as apprise logs it: "error=404", "(550, b'no such user')", "was refused: 550 b'no such user'".
_HTTP = re.compile(r"error=(\d{3})\b")
_SMTP = re.compile(r"(?:\(|refused: )([45]\d\d)(?:,)? (?:b['\"])")
# Somebody can put these right without touching the message: who we are (401, 403, 407, 53x), too early, too many.
_HTTP_TEMPORARY = {401, 403, 407, 408, 421, 425, 429}
_SMTP_TEMPORARY = {530, 534, 535, 538}
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s'\"]+", re.IGNORECASE)
_one_at_a_time = threading.Lock()  # while apprise is first imported and its logger is taken over


class TemporaryFailure(Exception):
    """The channel did not take the message now; trying again can help."""


class PermanentRefusal(Exception):
    """The channel will never take this message: trying again cannot help."""


class _Capture(logging.Handler):
    """Keeps what apprise logs in the thread that is sending: notify() itself only returns a bool."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._lines = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        lines = getattr(self._lines, "now", None)
        if lines is not None and len(lines) < 50:
            lines.append(record.getMessage()[:2_000])

    def begin(self) -> None:
        self._lines.now = []

    def end(self) -> list[str]:
        lines: list[str] = getattr(self._lines, "now", [])
        self._lines.now = None
        return lines


_capture = _Capture()


def _load() -> Any:
    """apprise costs 25 MiB and a quarter of a second, so it is imported when the first notice goes out.

    It logs whole URLs, with what is secret in them, at debug: its logger goes to our capture and nowhere else.
    """
    with _one_at_a_time:
        import apprise

        logger = logging.getLogger("apprise")
        if _capture not in logger.handlers:
            logger.handlers = [_capture]
            logger.propagate = False
            logger.setLevel(logging.DEBUG)
            logging.getLogger("urllib3").setLevel(logging.INFO)  # at debug it logs paths, which hold tokens
        return apprise


def send(channel: Channel, title: str, body: str) -> None:
    """Returns when the channel has taken the message. Raises TemporaryFailure or PermanentRefusal, without secrets."""
    apprise = _load()
    _capture.begin()
    try:
        plugin = apprise.Apprise.instantiate(channel.url, suppress_exceptions=True)
        if plugin is not None and "format=" not in channel.url:
            plugin.notify_format = apprise.NotifyFormat.TEXT  # plain mail, which every reader and printer shows
        taken = plugin is not None and plugin.notify(
            body=body, title=title, body_format=apprise.NotifyFormat.TEXT, notify_type=apprise.NotifyType.INFO
        )
    finally:
        lines = _capture.end()
    if plugin is None:
        raise PermanentRefusal(
            f"channels.{channel.name}: the url is not one that apprise understands "
            "(mailto://, mailtos://, json://, jsons://, ...): correct it in server.toml"
        )
    if not taken:
        raise refusal(lines, channel)


def refusal(lines: list[str], channel: Channel) -> TemporaryFailure | PermanentRefusal:
    """What apprise's log says of a message that was not taken."""
    told = [line for line in lines if _tells(line)]
    reason = scrub("; ".join(told) or "no reason given", channel)[:_REASON_LETTERS]
    http = [int(code) for line in lines for code in _HTTP.findall(line)]
    smtp = [int(code) for line in lines for code in _SMTP.findall(line)]
    for_good = [400 <= code < 500 and code not in _HTTP_TEMPORARY for code in http]
    for_good += [500 <= code < 600 and code not in _SMTP_TEMPORARY for code in smtp]
    if for_good and all(for_good):
        return PermanentRefusal(reason)
    return TemporaryFailure(reason)


def _tells(line: str) -> bool:
    return bool(
        _HTTP.search(line) or _SMTP.search(line) or "Exception" in line or "error" in line.lower() or "Fail" in line
    )


def scrub(text: str, channel: Channel) -> str:
    """The text without any address and without what of the channel's url could be a secret."""
    parts = urlsplit(channel.url)
    text = _URL.sub("…", text)
    for secret in (parts.password, parts.username, *parts.path.split("/"), *re.split(r"[=&]", parts.query)):
        for form in {secret or "", unquote(secret or "")}:
            if len(form) >= 4 and form not in ("smtp", "from", "mode", "format", "text", "insecure", "starttls"):
                text = text.replace(form, "…")
    return " ".join(text.split())
