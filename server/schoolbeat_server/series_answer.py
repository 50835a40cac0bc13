"""What a time-series store's answer means for what was sent to it, whichever store it is."""

from __future__ import annotations

import base64
import json
import math
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal
from urllib.parse import quote

from schoolbeat_server.settings import Series

# later: the same bytes may well be taken in a while. setup: nobody's data is at fault, an operator must put something
# right. too_big: send less at once. refused: at least one line is at fault; the others may have been stored.
Kind = Literal["taken", "later", "setup", "too_big", "refused"]

TEXT_LETTERS: Final = 500
LONGEST_WAIT_SECONDS: Final = 3_600.0
# Answered with 400 though no line is at fault: a limit of the store, or a path that it does not have.
_SETUP_TEXTS: Final = re.compile(
    r"max-(?:values-per-tag|series-per-database)|unsupported path|database name|limit error|exceed.{0,20} limit", re.I
)


@dataclass(frozen=True)
class Answer:
    """text: why, as the store or the network said it, bounded, without a secret; empty when taken.

    restarted: the store was started anew since an earlier answer, so what it took in the last settles_seconds before
    may be lost and is to be sent again.
    """

    kind: Kind
    text: str = ""
    wait_seconds: float = 0.0  # the store asks for so long; 0: it said nothing
    status: int = 0  # of HTTP; 0: no answer came
    restarted: bool = False


def answer(status: int, headers: Mapping[str, str], body: bytes | str, now: float) -> Answer:
    """What an answer of HTTP means for what was sent."""
    text = _said(body)
    if status == 204:
        return Answer("taken", status=status)
    if status == 413:
        return Answer("too_big", text or "413", status=status)
    if status in (408, 425, 429) or status >= 500:
        return Answer("later", text or str(status), retry_after(headers, now), status)
    if status in (400, 422) and not _SETUP_TEXTS.search(text):
        return Answer("refused", text or str(status), status=status)
    if 200 <= status <= 299:  # a page that is glad of whatever it gets; InfluxDB 1 has errors with 200 too
        vi = f"trả lời {status} chứ không phải 204, nên chưa chắc là kho chuỗi thời gian: xem series.url"
        en = f"it answered {status} and not 204, so it may be no time-series store: see series.url"
        text = bounded(f"{vi} / {en}: {text}")
    if 300 <= status <= 399:
        text = "chuyển hướng: không theo, vì có mật khẩu đi kèm; sửa series.url / a redirect, not followed because a "
        text += "secret goes with it: correct series.url"
    return Answer("setup", text or str(status), status=status)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """RFC 9110, 10.2.3: seconds, or a date; bounded; 0 where it says nothing that can be used."""
    said = next((value for key, value in headers.items() if key.lower() == "retry-after"), "").strip()
    try:
        seconds = float(said) if said[:1].isdigit() else parsedate_to_datetime(said).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else 0.0


def unreachable(error: Exception) -> Answer:
    """No answer came. A certificate that is not believed will not be believed later."""
    chain = list(_causes(error))
    reason = str(getattr(error, "reason", "") or error) if "certificate" in str(error).lower() else ""
    if reason or any(isinstance(one, ssl.SSLCertVerificationError) for one in chain):
        said = next((one.verify_message for one in chain if isinstance(one, ssl.SSLCertVerificationError)), "")
        text = f"không tin chứng thư của kho: xem series.ca_file / its certificate is not believed: {said or reason}"
        return Answer("setup", bounded(text))
    names = {type(one).__name__.lower() for one in chain}
    if any("timeout" in name for name in names):
        return Answer("later", "kho không trả lời kịp / no answer in time")
    last = next((one for one in chain if isinstance(one, OSError)), error)
    return Answer("later", bounded(f"không nối được với kho / no connection: {_plain(last)}"))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, deepest first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen and len(seen) < 10:
        seen.append(error)
        error = error.__cause__ or error.__context__
    yield from reversed(seen)


def _plain(error: BaseException) -> str:
    """Without Python's names and addresses of objects."""
    text = str(error) or type(error).__name__
    return re.sub(r"^.*?<[^<>]* at 0x[0-9a-f]+>:? ?|^\('|'\)$", "", text)


def _said(body: bytes | str) -> str:
    """The words of an error body: InfluxDB's `error` or `message`, or the text itself."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    text = re.sub(r'^remoteAddr: "[^"]*"; requestURI: [^;]*; ', "", text)  # VictoriaMetrics tells us what we asked
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return bounded(text)
    if isinstance(found, dict):
        words = [found[key] for key in ("error", "message") if isinstance(found.get(key), str)]
        words += [json.dumps(found["data"], ensure_ascii=False)] if found.get("data") else []
        return bounded(": ".join(words) or text)
    return bounded(text)


def bounded(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * TEXT_LETTERS]).split())[:TEXT_LETTERS]


def clean(found: Answer, settings: Series) -> Answer:
    """A store or a proxy may repeat what it was given."""
    return replace(found, text=without_secrets(found.text, settings))


def without_secrets(text: str, settings: Series) -> str:
    """Of the whole text, before it is cut: half a password tells a lot. In every form in which it may come back."""
    basic = base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode() if settings.password else ""
    for secret in filter(None, (settings.token, settings.password, basic)):
        for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, "")):
            text = text.replace(form, "…")
    return text
